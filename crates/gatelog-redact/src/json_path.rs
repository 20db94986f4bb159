//! Paths into JSON, as they are configured, and where in a document one stands.
//!
//! **Shape.** A part of JSONPath (RFC 9535): `$`, then steps: `.name`, `['name']`, `["name"]`, `[0]`,
//! `[*]`, `.*`, and each of them at any depth behind `..`.
//!
//! **Shape of the search.** A document is gone through once, from its beginning. At each level a path
//! has a set of places that it can have come to ([`Places`], one bit each): with `..` there can be
//! several.

/// Steps that a path may have.
pub(crate) const MAX_STEPS: usize = 32;

/// A path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonPath {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    /// Behind `..`: any number of levels may lie between.
    deep: bool,
    select: Select,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Select {
    Key(String),
    Index(usize),
    Any,
}

/// How a document goes one level down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Down<'k> {
    /// To the value of this key.
    Key(&'k str),
    /// To this element, counted from 0.
    Index(usize),
}

/// How many steps of a path lie behind, as bits: bit n stands for n steps.
pub(crate) type Places = u64;

impl JsonPath {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong, with its byte.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text
            .strip_prefix('$')
            .ok_or("byte 0: a path begins with `$`, as in `$.user.email`")?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let at = text.len() - rest.len();
            let (step, behind) = step(rest).map_err(|problem| format!("byte {at}: {problem}"))?;
            if steps.len() == MAX_STEPS {
                return Err(format!("byte {at}: more than {MAX_STEPS} steps"));
            }
            steps.push(step);
            rest = behind;
        }
        if steps.is_empty() {
            return Err("byte 1: expected a step: `$` alone is the whole body".to_owned());
        }
        Ok(Self { steps })
    }

    /// The places at the root of a document.
    pub(crate) const ROOT: Places = 1;

    /// The places one level down.
    pub(crate) fn down(&self, places: Places, down: Down<'_>) -> Places {
        let mut found = 0;
        if places == 0 {
            return found;
        }
        for (nth, step) in self.steps.iter().enumerate() {
            if places >> nth & 1 == 0 {
                continue;
            }
            let selected = match (&step.select, down) {
                (Select::Any, _) => true,
                (Select::Key(key), Down::Key(found)) => key == found,
                (Select::Index(index), Down::Index(found)) => *index == found,
                _ => false,
            };
            if selected {
                found |= 1 << (nth + 1);
            }
            if step.deep {
                found |= 1 << nth;
            }
        }
        found
    }

    /// Whether one of these places is the end of the path.
    pub(crate) fn is_end(&self, places: Places) -> bool {
        places >> self.steps.len() & 1 == 1
    }

    /// The last key that it names; `None` where it names none.
    pub(crate) fn last_key(&self) -> Option<&str> {
        self.steps.iter().rev().find_map(|step| match &step.select {
            Select::Key(key) => Some(key.as_str()),
            Select::Index(_) | Select::Any => None,
        })
    }
}

/// The step at the beginning of the text, and what follows it.
fn step(text: &str) -> Result<(Step, &str), String> {
    let (deep, rest) = match text.strip_prefix("..") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let with = |select, rest| Ok((Step { deep, select }, rest));
    if let Some(rest) = rest.strip_prefix('[') {
        let (select, rest) = bracket(rest)?;
        return with(select, rest);
    }
    let rest = if deep {
        rest
    } else {
        rest.strip_prefix('.')
            .ok_or("expected `.name`, `..name`, `[0]`, `[*]` or `['name']`")?
    };
    if let Some(rest) = rest.strip_prefix('*') {
        return with(Select::Any, rest);
    }
    let is_of_name = |char: char| char.is_alphanumeric() || matches!(char, '_' | '-' | '$' | '@');
    let end = rest.find(|char| !is_of_name(char)).unwrap_or(rest.len());
    let (name, rest) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if name.is_empty() {
        return Err("expected a name; one with other characters is written ['…']".to_owned());
    }
    with(Select::Key(name.to_owned()), rest)
}

/// What stands behind `[`.
fn bracket(text: &str) -> Result<(Select, &str), String> {
    for quote in ['\'', '"'] {
        if let Some(rest) = text.strip_prefix(quote) {
            let (name, rest) = rest
                .split_once(quote)
                .ok_or_else(|| format!("the name is not closed with {quote}"))?;
            let rest = rest
                .strip_prefix(']')
                .ok_or("expected `]` behind the name")?;
            return Ok((Select::Key(name.to_owned()), rest));
        }
    }
    let (inside, rest) = text.split_once(']').ok_or("`[` is not closed")?;
    let select = if inside == "*" {
        Select::Any
    } else {
        let index = inside.parse().map_err(|_| {
            "expected a place counted from 0, `*` or a name in quotes in `[…]`".to_owned()
        })?;
        Select::Index(index)
    };
    Ok((select, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(path: &str, way: &[Down<'_>]) -> bool {
        let path = JsonPath::parse(path).unwrap();
        let places = way
            .iter()
            .fold(JsonPath::ROOT, |places, down| path.down(places, *down));
        path.is_end(places)
    }

    #[test]
    fn paths_lead_where_they_say() {
        use Down::{Index, Key};
        let email = [Key("user"), Key("email")];
        assert!(hits("$.user.email", &email));
        assert!(hits("$['user'][\"email\"]", &email));
        assert!(hits("$..email", &email));
        assert!(hits("$.user.*", &email));
        assert!(hits("$.user..email", &email));
        assert!(!hits("$.email", &email) && !hits("$.user", &email));
        assert!(!hits("$.user.Email", &email) && !hits("$.user.email.a", &email));
        let card = [Key("a"), Index(3), Key("a b")];
        assert!(hits("$.a[*]['a b']", &card) && hits("$.a[3]['a b']", &card));
        assert!(hits("$..[3]..['a b']", &card) && hits("$..*", &card));
        assert!(!hits("$.a[2]['a b']", &card));
        assert!(hits("$..a.a", &[Key("a"), Key("a"), Key("a")]));
    }

    #[test]
    fn what_is_no_path_is_refused_with_its_byte() {
        for (path, told) in [
            ("user.email", "byte 0: a path begins with `$`"),
            ("$", "byte 1: expected a step"),
            ("$user", "byte 1: expected `.name`"),
            ("$.", "byte 1: expected a name"),
            ("$.a b", "byte 3: expected `.name`"),
            ("$.a[", "byte 3: `[` is not closed"),
            ("$.a[-1]", "byte 3: expected a place"),
            ("$.a['b]", "byte 3: the name is not closed"),
            ("$.a['b'", "byte 3: expected `]`"),
        ] {
            let error = JsonPath::parse(path).unwrap_err();
            assert!(error.starts_with(told), "{path}: {error}");
        }
        let long = format!("${}", ".a".repeat(MAX_STEPS + 1));
        assert!(JsonPath::parse(&long).unwrap_err().contains("32 steps"));
    }
}
