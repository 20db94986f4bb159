//! Fields of one's own in Kong's object: `custom_fields`, in the place of Kong's `custom_fields_by_lua`.
//!
//! **Rules.** A name is a path, as Kong's: dots lead into objects, `\.` is a dot. The value is an
//! Envoy format string; one operator alone has its type, and where its value is missing the field is
//! treated as any that the record does not know. An empty string takes the field of that name away.
//! A custom field wins over Kong's of the same name, also where one is an object and the other is not.

use std::collections::BTreeMap;

use gatelog_format::{FormatError, Member, Unanswerable};

/// How many custom fields there may be.
pub const MAX_CUSTOM_FIELDS: usize = 64;

/// Why custom fields cannot be used. Whoever wrote them mends what it names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CustomFieldError {
    /// A value is no format.
    #[error("{name}: {error}")]
    Format {
        /// The field.
        name: String,
        /// What is wrong with its format.
        error: Box<FormatError>,
    },
    /// A part of a name is empty.
    #[error("{name:?}: a name, or parts of one between dots, none of them empty")]
    Name {
        /// The field.
        name: String,
    },
    /// A field lies within another.
    #[error("{name}: another field stands there already")]
    Clash {
        /// The field.
        name: String,
    },
    /// There are too many.
    #[error("at most {MAX_CUSTOM_FIELDS} fields")]
    TooMany,
}

/// Custom fields, compiled.
#[derive(Clone, Debug, Default)]
pub struct CustomFields {
    root: Branch,
}

/// Custom fields within one object.
#[derive(Clone, Debug, Default)]
pub(super) struct Branch {
    nodes: Vec<(String, Node)>,
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    Leaf(Member),
    /// The field of this name is taken away.
    Removed,
    Branch(Branch),
}

impl CustomFields {
    /// Compiles names and their formats.
    ///
    /// # Errors
    /// [`CustomFieldError`].
    pub fn new(fields: &BTreeMap<String, String>) -> Result<Self, CustomFieldError> {
        if fields.len() > MAX_CUSTOM_FIELDS {
            return Err(CustomFieldError::TooMany);
        }
        let mut root = Branch::default();
        for (name, format) in fields {
            let node = if format.is_empty() {
                Node::Removed
            } else {
                Node::Leaf(
                    Member::new(format).map_err(|error| CustomFieldError::Format {
                        name: name.clone(),
                        error: Box::new(error),
                    })?,
                )
            };
            let path = path(name);
            if path.iter().any(String::is_empty) {
                return Err(CustomFieldError::Name { name: name.clone() });
            }
            if !root.put(&path, node) {
                return Err(CustomFieldError::Clash { name: name.clone() });
            }
        }
        Ok(Self { root })
    }

    /// What goes into the outermost object, if there is anything.
    pub(super) fn branch(&self) -> Option<&Branch> {
        (!self.root.nodes.is_empty()).then_some(&self.root)
    }

    pub(super) fn unanswerable(&self) -> Vec<(String, Unanswerable)> {
        let mut gaps = Vec::new();
        self.root.unanswerable("", &mut gaps);
        gaps
    }
}

/// The parts of a name between its dots.
fn path(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        let escaped = letter == '\\' && letters.next_if_eq(&'.').is_some();
        match parts.last_mut() {
            Some(part) if escaped => part.push('.'),
            Some(part) if letter != '.' => part.push(letter),
            _ => parts.push(String::new()),
        }
    }
    parts
}

impl Branch {
    /// The node of this name and its place.
    pub(super) fn find(&self, name: &str) -> Option<(usize, &Node)> {
        let place = self.nodes.iter().position(|(found, _)| found == name)?;
        self.nodes.get(place).map(|(_, node)| (place, node))
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().map(|(name, node)| (name.as_str(), node))
    }

    /// False where there is a field on the way, or at its end.
    fn put(&mut self, path: &[String], node: Node) -> bool {
        let Some((name, rest)) = path.split_first() else {
            return false;
        };
        let found = self.nodes.iter_mut().find(|(found, _)| found == name);
        match found {
            Some((_, Node::Branch(branch))) => branch.put(rest, node),
            Some(_) => false,
            None if rest.is_empty() => {
                self.nodes.push((name.clone(), node));
                true
            }
            None => {
                let mut branch = Self::default();
                let is_put = branch.put(rest, node);
                self.nodes.push((name.clone(), Node::Branch(branch)));
                is_put
            }
        }
    }

    fn unanswerable(&self, below: &str, gaps: &mut Vec<(String, Unanswerable)>) {
        for (name, node) in &self.nodes {
            let name = format!("{below}{name}");
            match node {
                Node::Removed => {}
                Node::Leaf(member) => {
                    let of_this = member.unanswerable().into_iter();
                    gaps.extend(of_this.map(|gap| (name.clone(), gap)));
                }
                Node::Branch(branch) => branch.unanswerable(&format!("{name}."), gaps),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Result<CustomFields, CustomFieldError> {
        let owned = pairs
            .iter()
            .map(|(name, format)| ((*name).to_owned(), (*format).to_owned()));
        CustomFields::new(&owned.collect())
    }

    #[test]
    fn dots_lead_into_objects_unless_they_are_escaped() {
        assert_eq!(path("a.b\\.c.d"), ["a", "b.c", "d"]);
        assert_eq!(path("a\\b"), ["a\\b"]);
        assert_eq!(path("a."), ["a", ""]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |pairs| fields(pairs).unwrap_err().to_string();
        assert!(error(&[("x", "%PROTCOL%")]).starts_with("x: "));
        assert!(error(&[("x", "%PROTCOL%")]).contains("PROTOCOL"));
        assert!(error(&[("a..b", "c")]).contains("a..b"));
        assert!(error(&[("a", "c"), ("a.b", "d")]).starts_with("a.b: another field"));
        let many: BTreeMap<_, _> = (0..65).map(|n| (n.to_string(), String::new())).collect();
        assert_eq!(
            CustomFields::new(&many).unwrap_err(),
            CustomFieldError::TooMany
        );
        let gaps = fields(&[("a.b", "%TRAILER(X)%")]).unwrap().unanswerable();
        assert_eq!(gaps.len(), 1);
        assert_eq!(gaps[0].0, "a.b");
    }
}
