//! How many records rules of redaction would change, and which rule does.
//!
//! **Shape.** Each rule is tried with the built-in ones and nothing else: what it changes is what the
//! record has beyond what these leave. What they leave is counted by itself: of records that gatelog has
//! stored they change something only with another `how`.

use gatelog_record::AccessRecord;
use gatelog_redact::{Redact, RuleError, Rules};

/// In place of a key. No hash is shown, only whether there would be one.
const ANY_KEY: [u8; 32] = [0; 32];

/// The rules and what they have changed.
#[derive(Debug)]
pub(super) struct Redaction {
    all: Rules,
    built_in: Rules,
    each: Vec<Rule>,
    /// Records of which something would be redacted.
    pub(super) changed: u64,
    /// Records of which the built-in rules would redact something.
    pub(super) by_built_in: u64,
}

#[derive(Debug)]
struct Rule {
    /// Such as `header X-Session`.
    name: String,
    rules: Rules,
    changed: u64,
}

impl Redaction {
    /// What a configuration redacts.
    ///
    /// # Errors
    /// [`RuleError`] for the first entry that is wrong.
    pub(super) fn new(config: &Redact) -> Result<Self, RuleError> {
        Rules::check(config)?;
        let with = |redact: Redact| {
            let redact = Redact {
                how: config.how,
                ..redact
            };
            Rules::new(&redact, Some(&ANY_KEY))
        };
        let mut each = Vec::new();
        let mut add = |kind: &str, name: &String, redact: Redact| {
            let (name, rules) = (format!("{kind} {name}"), with(redact)?);
            each.push(Rule {
                name,
                rules,
                changed: 0,
            });
            Ok::<_, RuleError>(())
        };
        for name in &config.headers {
            let headers = vec![name.clone()];
            add(
                "header",
                name,
                Redact {
                    headers,
                    ..Redact::default()
                },
            )?;
        }
        for name in &config.query {
            let query = vec![name.clone()];
            add(
                "query",
                name,
                Redact {
                    query,
                    ..Redact::default()
                },
            )?;
        }
        for path in &config.body {
            let body = vec![path.clone()];
            add(
                "body",
                path,
                Redact {
                    body,
                    ..Redact::default()
                },
            )?;
        }
        Ok(Self {
            all: Rules::new(config, Some(&ANY_KEY))?,
            built_in: with(Redact::default())?,
            each,
            changed: 0,
            by_built_in: 0,
        })
    }

    /// Counts what would be redacted of a record.
    pub(super) fn count(&mut self, record: &AccessRecord<'_>) {
        let by = |rules: &Rules| {
            let mut record = record.clone();
            rules.apply(&mut record);
            record
        };
        let all = by(&self.all);
        if all == *record {
            return;
        }
        self.changed += 1;
        let built_in = by(&self.built_in);
        self.by_built_in += u64::from(built_in != *record);
        if built_in == all {
            return;
        }
        for rule in &mut self.each {
            rule.changed += u64::from(by(&rule.rules) != built_in);
        }
    }

    /// Each rule of the configuration with the number of records that it would change.
    pub(super) fn rules(&self) -> impl Iterator<Item = (&str, u64)> {
        self.each
            .iter()
            .map(|rule| (rule.name.as_str(), rule.changed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(redact: serde_json::Value, rows: &[&str]) -> (u64, u64, Vec<u64>) {
        let config = serde_json::from_value(redact).unwrap();
        let mut redaction = Redaction::new(&config).unwrap();
        for row in rows {
            redaction.count(&gatelog_record::json::read(row).unwrap().0);
        }
        let rules = redaction.rules().map(|(_, changed)| changed).collect();
        (redaction.changed, redaction.by_built_in, rules)
    }

    #[test]
    fn each_rule_is_counted_by_itself() {
        let rows = [
            r#"{"path":"/a?session=1&n=2","request_headers":{"x-session":"s"}}"#,
            r#"{"path":"/a?session=1"}"#,
            r#"{"path":"/a?n=1","request_body":"{\"user\":{\"email\":\"e\"}}"}"#,
            r#"{"path":"/a?token=***&n=1","request_headers":{"authorization":"***"}}"#,
            r#"{"path":"/a?session=***"}"#,
        ];
        let redact = |how: &str| {
            serde_json::json!({"headers": ["X-Session", "X-None"], "query": ["session"],
                "body": ["$.user.email"], "how": how})
        };
        assert_eq!(counted(redact("mask"), &rows), (3, 0, vec![1, 0, 2, 1]));
        assert_eq!(counted(redact("hash"), &rows), (3, 0, vec![1, 0, 2, 1]));
        // What is masked is left out then.
        assert_eq!(counted(redact("drop"), &rows), (5, 1, vec![1, 0, 3, 1]));
        assert_eq!(counted(serde_json::json!({}), &rows), (0, 0, vec![]));
    }
}
