//! Kong's references to secrets that stand elsewhere: `{vault://env/NAME}`.
//!
//! **Shape.** A [`Referable`] is a text, or such a reference. It is looked up when an output is made, not
//! when the configuration is read: what is shown and kept is the reference.
//!
//! **Limits.** Of Kong's vaults there is `env`, the environment of this process: `my-secret` is the
//! variable `MY_SECRET`; `my-secret/key` is a member of the JSON object that it holds.

use std::fmt;

use serde_json::Value;

/// A text, or where it is to be found. Its [`Debug`] does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Referable(String);

/// Why a reference leads to no text. The operator mends the reference or sets the variable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// It is a reference of another kind.
    #[error("gatelog knows references of the form {{vault://env/NAME}} only")]
    Unknown,
    /// The variable is not set, or is no text.
    #[error("the environment variable {0} of its reference is not set")]
    Unset(String),
    /// The variable has no such member.
    #[error("the environment variable {0} of its reference has no text `{1}` in a JSON object")]
    NoMember(String, String),
}

impl Referable {
    /// Of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether it stands elsewhere.
    pub fn is_reference(&self) -> bool {
        self.0.starts_with("{vault://") && self.0.ends_with('}')
    }

    /// The text itself, looked up in the environment if it is a reference. It is not to be printed.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn reveal(&self) -> Result<String, VaultError> {
        self.reveal_by(|name| std::env::var(name).ok())
    }

    /// Says that it is a reference that can be looked up, if it is one at all.
    ///
    /// # Errors
    /// [`VaultError::Unknown`].
    pub fn check(&self) -> Result<(), VaultError> {
        if self.is_reference() {
            self.variable()?;
        }
        Ok(())
    }

    fn reveal_by(&self, lookup: impl Fn(&str) -> Option<String>) -> Result<String, VaultError> {
        if !self.is_reference() {
            return Ok(self.0.clone());
        }
        let (variable, member) = self.variable()?;
        let value = lookup(&variable).filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| VaultError::Unset(variable.clone()))?;
        let Some(member) = member else {
            return Ok(value);
        };
        let object: Option<Value> = serde_json::from_str(&value).ok();
        let found = object.as_ref().and_then(|object| object.get(&member));
        match found.and_then(Value::as_str) {
            Some(text) => Ok(text.to_owned()),
            None => Err(VaultError::NoMember(variable, member)),
        }
    }

    /// The variable of a reference, and a member of its value.
    fn variable(&self) -> Result<(String, Option<String>), VaultError> {
        let inner = self.0.strip_prefix("{vault://env/");
        let inner = inner.and_then(|rest| rest.strip_suffix('}'));
        let inner = inner.ok_or(VaultError::Unknown)?;
        let (name, member) = match inner.split_once('/') {
            Some((name, member)) => (name, Some(member.to_owned())),
            None => (inner, None),
        };
        let is_plain = |text: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            !text.is_empty() && text.bytes().all(plain)
        };
        if !is_plain(name) || member.as_deref().is_some_and(|member| !is_plain(member)) {
            return Err(VaultError::Unknown);
        }
        Ok((name.to_ascii_uppercase().replace('-', "_"), member))
    }
}

impl fmt::Debug for Referable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reveal(text: &str) -> Result<String, VaultError> {
        Referable::new(text).reveal_by(|name| match name {
            "MY_SECRET" => Some("s3cret".to_owned()),
            "OBJECT" => Some(r#"{"user":"bob","age":1}"#.to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn a_reference_is_looked_up_and_a_text_is_not() {
        assert_eq!(reveal("MY_SECRET").unwrap(), "MY_SECRET");
        assert_eq!(reveal("{vault://env/my-secret}").unwrap(), "s3cret");
        assert_eq!(reveal("{vault://env/MY_SECRET}").unwrap(), "s3cret");
        assert_eq!(reveal("{vault://env/object/user}").unwrap(), "bob");
        let no_text = VaultError::NoMember("OBJECT".to_owned(), "age".to_owned());
        assert_eq!(reveal("{vault://env/object/age}"), Err(no_text));
        for name in ["missing", "empty"] {
            let unset = VaultError::Unset(name.to_uppercase());
            assert_eq!(reveal(&format!("{{vault://env/{name}}}")), Err(unset));
        }
        for text in [
            "{vault://aws/a}",
            "{vault://env/}",
            "{vault://env/a b}",
            "{vault://env/a?p=x}",
        ] {
            assert_eq!(reveal(text), Err(VaultError::Unknown), "{text}");
            assert!(Referable::new(text).check().is_err());
        }
        assert_eq!(Referable::new("{vault://env/missing}").check(), Ok(()));
    }
}
