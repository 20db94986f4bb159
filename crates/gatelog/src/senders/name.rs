//! The name of a stream of numbers.

use std::sync::Arc;

use gatelog_record::wire;

/// Between the parts of a worker's name; no part has it, and no key.
const SEPARATOR: char = '\n';

/// Who numbers items: a worker of a gateway since its start, or an `Idempotency-Key`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// The name as it stands in a batch; `None` when a part has a control character, which nobody
    /// who writes names of streams lets through.
    pub fn new(stream: wire::Stream<'_>) -> Option<Self> {
        let text: Arc<str> = match stream {
            wire::Stream::Worker {
                sender,
                boot,
                worker,
            } => {
                let parts = [sender, boot, worker];
                if parts.iter().any(|part| part.contains(SEPARATOR)) {
                    return None;
                }
                parts.join("\n").into()
            }
            wire::Stream::Key { key } => key.into(),
        };
        let separators = text.matches(SEPARATOR).count();
        let expected = match stream {
            wire::Stream::Worker { .. } => 2,
            wire::Stream::Key { .. } => 0,
        };
        (separators == expected).then_some(Self(text))
    }

    /// The name as it stands in a batch.
    pub fn stream(&self) -> wire::Stream<'_> {
        let mut parts = self.0.split(SEPARATOR);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(sender), Some(boot), Some(worker)) => wire::Stream::Worker {
                sender,
                boot,
                worker,
            },
            _ => wire::Stream::Key { key: &self.0 },
        }
    }

    /// Whether it is a worker.
    pub(super) fn is_worker(&self) -> bool {
        self.0.contains(SEPARATOR)
    }

    /// Bytes of its text.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_apart_what_is_not_the_same() {
        let worker = |sender, boot, worker| wire::Stream::Worker {
            sender,
            boot,
            worker,
        };
        let name = Name::new(worker("", "b", "w")).unwrap();
        assert_eq!(name.stream(), worker("", "b", "w"));
        assert_ne!(Some(name), Name::new(worker("b", "", "w")));
        assert_eq!(Name::new(worker("a\nb", "c", "d")), None);
        let key = Name::new(wire::Stream::Key { key: "k" }).unwrap();
        assert_eq!(key.stream(), wire::Stream::Key { key: "k" });
        assert_eq!(Name::new(wire::Stream::Key { key: "a\nb\nc" }), None);
    }
}
