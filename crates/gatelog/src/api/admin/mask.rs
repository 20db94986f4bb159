//! Secrets of settings, masked in answers and put back when a mask comes back.
//!
//! **Shape.** Which fields hold a secret is told by the plugin's table
//! ([`Secret`](crate::config::plugins::schema::Secret)). A mask in what is sent stands for the secret
//! that is there already; where there is none it is refused.

use serde_json::{Map, Value};

use crate::config::plugins::schema::{Field, Is, Secret};

/// What is shown in place of a secret.
pub(super) const MASK: &str = "***";

/// Parts of the names of headers whose values are secrets.
const TELLING: [&str; 9] = [
    "auth",
    "cookie",
    "credential",
    "key",
    "pass",
    "secret",
    "session",
    "signature",
    "token",
];

/// Query parameters whose values are secrets, besides those whose names hold one of [`TELLING`].
const PARAMETERS: [&str; 1] = ["sig"];

/// Masks the secrets among settings.
pub(super) fn mask(fields: &[Field], config: &mut Map<String, Value>) {
    for field in fields {
        let Some(value) = config.get_mut(field.name) else {
            continue;
        };
        match (field.secret, field.is, value) {
            (Secret::Whole, _, value) if !value.is_null() => *value = Value::from(MASK),
            (Secret::Url, _, Value::String(url)) => *url = Url::parse(url).masked(),
            (Secret::Named, _, Value::Object(texts)) => {
                for (name, value) in texts {
                    if tells(name) {
                        *value = Value::from(MASK);
                    }
                }
            }
            (_, Is::Record(fields), Value::Object(inner)) => mask(fields, inner),
            _ => {}
        }
    }
}

/// Puts the secrets of `old` in the place of masks.
///
/// # Errors
/// The paths of the masks that stand for nothing.
pub(super) fn unmask(
    fields: &[Field],
    config: &mut Map<String, Value>,
    old: &Map<String, Value>,
    path: &str,
) -> Vec<String> {
    let mut missing = Vec::new();
    for field in fields {
        let Some(value) = config.get_mut(field.name) else {
            continue;
        };
        let before = old.get(field.name);
        let path = format!("{path}.{}", field.name);
        match (field.secret, field.is, value) {
            (Secret::Whole, _, value) if value == MASK => match before {
                Some(secret) if !secret.is_null() => *value = secret.clone(),
                _ => missing.push(path),
            },
            (Secret::Url, _, Value::String(url)) => {
                let before = Url::parse(before.and_then(Value::as_str).unwrap_or_default());
                match Url::parse(url).unmasked(&before) {
                    Some(revealed) => *url = revealed,
                    None => missing.push(path),
                }
            }
            (Secret::Named, _, Value::Object(texts)) => {
                for (name, value) in texts {
                    if value != MASK || !tells(name) {
                        continue;
                    }
                    match before.and_then(|before| before.get(name)) {
                        Some(secret) => *value = secret.clone(),
                        None => missing.push(format!("{path}.{name}")),
                    }
                }
            }
            (_, Is::Record(fields), Value::Object(inner)) => {
                let empty = Map::new();
                let before = before.and_then(Value::as_object).unwrap_or(&empty);
                missing.extend(unmask(fields, inner, before, &path));
            }
            _ => {}
        }
    }
    missing
}

/// Whether a value of this name is a secret.
fn tells(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    TELLING.iter().any(|part| name.contains(part))
}

/// The parts of a URL that hold secrets, and what is around them. Together they are the URL, whatever
/// it is.
struct Url<'u> {
    /// With `://`.
    scheme: &'u str,
    user: &'u str,
    /// Behind the colon.
    password: Option<&'u str>,
    /// From the `@`, or else from the host, to the query.
    middle: &'u str,
    /// Names and values of the query.
    parameters: Vec<(&'u str, Option<&'u str>)>,
    /// From `#`.
    fragment: &'u str,
}

impl<'u> Url<'u> {
    fn parse(url: &'u str) -> Self {
        let split = |text: &'u str, at: Option<usize>| {
            at.and_then(|at| text.split_at_checked(at))
                .unwrap_or((text, ""))
        };
        let (url, fragment) = split(url, url.find('#'));
        let (before, query) = split(url, url.find('?'));
        let scheme_ends = before.find("://").map_or(0, |at| at + 3);
        let (scheme, rest) = before.split_at_checked(scheme_ends).unwrap_or(("", before));
        let authority = split(rest, rest.find('/')).0;
        let user_ends = authority.rfind('@').unwrap_or_default();
        let (userinfo, middle) = rest.split_at_checked(user_ends).unwrap_or(("", rest));
        let (user, password) = match userinfo.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (userinfo, None),
        };
        let parameters = query.strip_prefix('?').map(|query| {
            let parameters = query.split('&').map(|parameter| {
                let named = parameter.split_once('=');
                named.map_or((parameter, None), |(name, value)| (name, Some(value)))
            });
            parameters.collect()
        });
        Self {
            scheme,
            user,
            password,
            middle,
            parameters: parameters.unwrap_or_default(),
            fragment,
        }
    }

    fn masked(&self) -> String {
        let user = if self.password.is_some() || self.user.is_empty() {
            self.user
        } else {
            // Alone it is the key.
            MASK
        };
        let value = |name: &str, value: &'u str| if secret(name) { MASK } else { value };
        self.with(user, self.password.map(|_| MASK), value)
    }

    /// With the secrets of the one before where this one has a mask; none where that has none.
    fn unmasked(&self, before: &Self) -> Option<String> {
        let is_mask = |part: &str| part == MASK;
        let user = match self.password {
            None if is_mask(self.user) => {
                (before.password.is_none() && !before.user.is_empty()).then_some(before.user)?
            }
            _ => self.user,
        };
        let password = match self.password {
            Some(password) if is_mask(password) => Some(before.password?),
            password => password,
        };
        let found = |name: &str| {
            let mut parameters = before.parameters.iter();
            parameters.find(|(of, _)| *of == name)?.1
        };
        let masked =
            |(name, value): &(&str, Option<&str>)| secret(name) && value.is_some_and(is_mask);
        let mut of_mask = self.parameters.iter().filter(|one| masked(one));
        if of_mask.any(|(name, _)| found(name).is_none()) {
            return None;
        }
        let value = |name: &str, value: &'u str| {
            if masked(&(name, Some(value))) {
                found(name).unwrap_or(value)
            } else {
                value
            }
        };
        Some(self.with(user, password, value))
    }

    fn with<'v>(
        &self,
        user: &str,
        password: Option<&str>,
        value: impl Fn(&str, &'u str) -> &'v str,
    ) -> String
    where
        'u: 'v,
    {
        let mut url = format!("{}{user}", self.scheme);
        if let Some(password) = password {
            url.push(':');
            url.push_str(password);
        }
        url.push_str(self.middle);
        for (at, (name, text)) in self.parameters.iter().enumerate() {
            url.push(if at == 0 { '?' } else { '&' });
            url.push_str(name);
            if let Some(text) = text {
                url.push('=');
                url.push_str(value(name, text));
            }
        }
        url + self.fragment
    }
}

/// Whether a query parameter of this name holds a secret.
fn secret(name: &str) -> bool {
    tells(name) || PARAMETERS.contains(&name.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const INNER: &[Field] = &[Field::new("key", Is::String).secret(Secret::Whole)];
    const FIELDS: &[Field] = &[
        Field::new("url", Is::String).secret(Secret::Url),
        Field::new("headers", Is::Map).secret(Secret::Named),
        Field::new("tls", Is::Record(INNER)),
        Field::new("other", Is::String),
    ];

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(object) = value else {
            panic!("{value}")
        };
        object
    }

    #[test]
    fn secrets_are_masked_and_come_back() {
        let secret = object(json!({
            "url": "http://bob:password@example.com/logs?a=1&token=t1",
            "headers": {"Authorization": "Bearer x", "X-Plain": "y", "DD-API-KEY": "z"},
            "tls": {"key": "PEM"},
            "other": "***",
        }));
        let mut masked = secret.clone();
        mask(FIELDS, &mut masked);
        let expected = json!({
            "url": "http://bob:***@example.com/logs?a=1&token=***",
            "headers": {"Authorization": "***", "X-Plain": "y", "DD-API-KEY": "***"},
            "tls": {"key": "***"},
            "other": "***",
        });
        assert_eq!(Value::Object(masked.clone()), expected);
        let mut back = masked.clone();
        assert_eq!(unmask(FIELDS, &mut back, &secret, "config"), [""; 0]);
        assert_eq!(back, secret);
        let paths = unmask(FIELDS, &mut masked, &Map::new(), "config");
        let expected = [
            "config.url",
            "config.headers.Authorization",
            "config.headers.DD-API-KEY",
            "config.tls.key",
        ];
        assert_eq!(paths, expected);
    }

    #[test]
    fn urls_are_masked_in_their_secret_parts() {
        for (url, masked) in [
            ("http://example.com/", "http://example.com/"),
            ("http://u:p@h:1/a@b?c", "http://u:***@h:1/a@b?c"),
            ("http://u:p@q@h", "http://u:***@h"),
            ("http://token@h/", "http://***@h/"),
            ("https://h?sig=1&x=2#f", "https://h?sig=***&x=2#f"),
            ("http://h/?x=http://u:p@h", "http://h/?x=http://u:p@h"),
            ("u:p@h", "u:***@h"),
            ("", ""),
        ] {
            assert_eq!(Url::parse(url).masked(), masked);
            let back = Url::parse(masked).unmasked(&Url::parse(url));
            assert_eq!(back.as_deref(), Some(url));
        }
        // The rest of the URL may be changed with the mask in its place.
        let changed = Url::parse("https://u:***@other/").unmasked(&Url::parse("http://u:p@h/x"));
        assert_eq!(changed.as_deref(), Some("https://u:p@other/"));
    }

    proptest! {
        #[test]
        fn any_url_is_masked_and_comes_back(url in "[a-c:/@?#&=*k]{0,24}") {
            let masked = Url::parse(&url).masked();
            let back = Url::parse(&masked).unmasked(&Url::parse(&url));
            prop_assert_eq!(back, Some(url));
        }
    }
}
