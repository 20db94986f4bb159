//! What a path names.
//!
//! **Rules.** Each part of the path is percent-decoded by itself, so that names may hold a `/`; a `/`
//! at the end changes nothing. Whatever is not here is not found.

use percent_encoding::percent_decode_str;

use super::scope::Kind;

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// `/`
    Root,
    /// `/plugins`, and the same below an entity.
    Plugins(Option<Parent>),
    /// `/plugins/KEY`, and the same below an entity.
    Plugin(Option<Parent>, String),
    /// `/plugins/enabled`
    Enabled,
    /// `/schemas/plugins/NAME`
    Schema(String),
    /// `/schemas/plugins/validate`
    Validate,
    /// `/config`
    Config,
    /// `/services`, `/routes`, `/consumers`
    Entities(Kind),
    /// `/services/KEY`, `/routes/KEY`, `/consumers/KEY`
    Entity(Parent),
}

/// A service, a route or a consumer that a path goes through, by its name or its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) kind: Kind,
    pub(super) key: String,
}

impl Target {
    /// What the path names.
    pub(super) fn of(path: &str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.is_empty() {
            return Some(Self::Root);
        }
        let mut parts = Vec::new();
        for part in path.split('/') {
            let part = percent_decode_str(part).decode_utf8().ok()?;
            if part.is_empty() {
                return None;
            }
            parts.push(part.into_owned());
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["plugins"] => Some(Self::Plugins(None)),
            ["plugins", "enabled"] => Some(Self::Enabled),
            ["schemas", "plugins", "validate"] => Some(Self::Validate),
            ["plugins", "schema", name] | ["schemas", "plugins", name] => {
                Some(Self::Schema((*name).to_owned()))
            }
            ["plugins", key] => Some(Self::Plugin(None, (*key).to_owned())),
            ["config"] => Some(Self::Config),
            [list] => Kind::of_list(list).map(Self::Entities),
            [list, key] => Parent::of(list, key).map(Self::Entity),
            [list, key, "plugins"] => {
                let parent = Parent::of(list, key)?;
                Some(Self::Plugins(Some(parent)))
            }
            [list, key, "plugins", plugin] => {
                let parent = Parent::of(list, key)?;
                Some(Self::Plugin(Some(parent), (*plugin).to_owned()))
            }
            _ => None,
        }
    }

    /// The methods that it has, as in `Allow`.
    pub(super) fn methods(&self) -> &'static [&'static str] {
        match self {
            Self::Root | Self::Enabled | Self::Schema(_) | Self::Entities(_) | Self::Entity(_) => {
                &["GET", "HEAD", "OPTIONS"]
            }
            Self::Plugins(_) | Self::Config => &["GET", "HEAD", "OPTIONS", "POST"],
            Self::Validate => &["OPTIONS", "POST"],
            Self::Plugin(..) => &["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "PUT"],
        }
    }
}

impl Parent {
    fn of(list: &str, key: &str) -> Option<Self> {
        let kind = Kind::of_list(list)?;
        Some(Self {
            kind,
            key: key.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_what_there_is() {
        let service = |key: &str| Parent {
            kind: Kind::Service,
            key: key.to_owned(),
        };
        for (path, expected) in [
            ("/", Some(Target::Root)),
            ("/plugins", Some(Target::Plugins(None))),
            ("/plugins/", Some(Target::Plugins(None))),
            ("/plugins/x", Some(Target::Plugin(None, "x".to_owned()))),
            (
                "/plugins/%C3%A9",
                Some(Target::Plugin(None, "é".to_owned())),
            ),
            ("/plugins/é", Some(Target::Plugin(None, "é".to_owned()))),
            (
                "/plugins/a+b%2Fc",
                Some(Target::Plugin(None, "a+b/c".to_owned())),
            ),
            ("/plugins/enabled", Some(Target::Enabled)),
            ("/plugins/schema/x", Some(Target::Schema("x".to_owned()))),
            ("/schemas/plugins/x", Some(Target::Schema("x".to_owned()))),
            ("/schemas/plugins/validate", Some(Target::Validate)),
            ("/services", Some(Target::Entities(Kind::Service))),
            ("/services/s", Some(Target::Entity(service("s")))),
            (
                "/services/s/plugins",
                Some(Target::Plugins(Some(service("s")))),
            ),
            (
                "/services/s/plugins/p",
                Some(Target::Plugin(Some(service("s")), "p".to_owned())),
            ),
            ("/config", Some(Target::Config)),
            ("/upstreams", None),
            ("/plugins//x", None),
            ("//", Some(Target::Root)),
            ("/plugins/%FF", None),
            ("/services/s/routes", None),
            ("", None),
            ("*", None),
        ] {
            assert_eq!(Target::of(path), expected, "{path}");
        }
    }
}
