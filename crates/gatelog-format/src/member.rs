//! One text of a JSON format by itself, for who writes the object around it.

use crate::command::Command;
use crate::error::FormatError;
use crate::exchange::Exchange;
use crate::json_template::Node;

/// The value of one member of a JSON format, compiled. A text that is one operator has the operator's
/// type; any other is a string, in which a missing value is `-`.
#[derive(Clone, Debug)]
pub struct Member {
    node: Node,
}

impl Member {
    /// Compiles the text.
    ///
    /// # Errors
    /// [`FormatError`], with the byte of the operator: whoever wrote the text mends it.
    pub fn new(format: &str) -> Result<Self, FormatError> {
        Node::text(format).map(|node| Self { node })
    }

    /// Appends the value as JSON, on one line. It is false, and nothing is appended, where the text is
    /// one operator whose value is missing.
    pub fn render<E: Exchange + ?Sized>(&self, exchange: &E, out: &mut Vec<u8>) -> bool {
        // Only a single operator can be left out; within a text a missing value is shown.
        let omits = matches!(self.node, Node::Single(_));
        self.node.write(exchange, omits, out)
    }

    pub(crate) fn commands(&self) -> Vec<&Command> {
        let mut commands = Vec::new();
        self.node.commands(&mut commands);
        commands
    }
}

#[cfg(test)]
mod tests {
    use gatelog_record::AccessRecord;

    use super::*;

    #[test]
    fn one_operator_has_its_type_and_any_other_text_is_a_string() {
        let record = AccessRecord {
            response_code: Some(200),
            method: Some("G\"T".into()),
            ..AccessRecord::default()
        };
        for (format, expected) in [
            ("%RESPONSE_CODE%", "200"),
            ("%REQ(:METHOD)%", r#""G\"T""#),
            ("code %RESPONSE_CODE%, %REQ(:PATH)%", r#""code 200, -""#),
            ("constant", r#""constant""#),
            ("100%%", r#""100%""#),
        ] {
            let mut out = Vec::new();
            assert!(Member::new(format).unwrap().render(&record, &mut out));
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        let mut out = Vec::new();
        assert!(!Member::new("%PROTOCOL%").unwrap().render(&record, &mut out));
        assert_eq!(out, b"");
        assert_eq!(Member::new("a %NONE%").unwrap_err().position(), 2);
        assert_eq!(
            Member::new("%REQ(A)% %TRAILER(A)%")
                .unwrap()
                .unanswerable()
                .len(),
            1
        );
    }
}
