//! A list of names of which the last characters may be left open: `x-trace-id`, `x-*`, `*`.

use super::error::ConfigError;

/// How many names one list may have: each is compared for each request.
const MAX_NAMES: usize = 64;

/// Names, in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    whole: Vec<String>,
    /// What stands before each `*`.
    beginnings: Vec<String>,
}

impl Names {
    /// Reads a list; `key` is its path.
    pub(super) fn read(names: &[String], key: &str) -> Result<Self, ConfigError> {
        if names.len() > MAX_NAMES {
            let problem = format!("has {} names; at most {MAX_NAMES}", names.len());
            return Err(ConfigError::unusable(key, problem));
        }
        let mut list = Self::default();
        for name in names {
            let lower = name.trim().to_ascii_lowercase();
            let (list, name) = match lower.strip_suffix('*') {
                Some(beginning) => (&mut list.beginnings, beginning),
                None => (&mut list.whole, lower.as_str()),
            };
            let is_empty = name.is_empty() && !lower.ends_with('*');
            if is_empty || name.contains('*') || name.bytes().any(|byte| !byte.is_ascii_graphic()) {
                let problem = format!("has {name:?}; a name may end with `*` and has no spaces");
                return Err(ConfigError::unusable(key, problem));
            }
            list.push(name.to_owned());
        }
        Ok(list)
    }

    /// Whether no name is among them.
    pub fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.beginnings.is_empty()
    }

    /// Whether a name is among them. Upper and lower case are alike.
    pub fn contains(&self, name: &str) -> bool {
        let begins = |beginning: &String| {
            name.as_bytes()
                .get(..beginning.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(beginning.as_bytes()))
        };
        self.whole
            .iter()
            .any(|whole| whole.eq_ignore_ascii_case(name))
            || self.beginnings.iter().any(begins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Result<Names, ConfigError> {
        let list: Vec<String> = list.iter().map(|name| (*name).to_owned()).collect();
        Names::read(&list, "k")
    }

    #[test]
    fn a_star_leaves_the_rest_open() {
        let list = names(&["X-Trace-Id", "x-shop-*"]).unwrap();
        for name in ["x-trace-id", "X-TRACE-ID", "x-shop-cart", "x-shop-"] {
            assert!(list.contains(name), "{name}");
        }
        for name in ["x-trace-id2", "x-shop", "accept", ""] {
            assert!(!list.contains(name), "{name}");
        }
        assert!(names(&["*"]).unwrap().contains("anything"));
        assert!(!names(&[]).unwrap().contains("anything"));
        assert!(names(&[]).unwrap().is_empty());
    }

    #[test]
    fn a_star_elsewhere_is_refused() {
        for name in ["*-id", "x-*-id", "**", "", "a b", "é"] {
            assert!(names(&[name]).is_err(), "{name}");
        }
        assert!(names(&["a"; MAX_NAMES + 1]).is_err());
    }
}
