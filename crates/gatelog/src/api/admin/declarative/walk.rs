//! A walk over a declarative file: what of it is kept, and what is wrong with it, each where it stands.

use serde_json::{Map, Value, json};

use super::mask_plugin;
use crate::api::admin::draft;
use crate::api::admin::problem::{ENTITY, Problem, fields};
use crate::api::admin::scope::Kind;
use crate::config::plugins::{FieldProblem, IGNORED_LISTS, known_keys};

/// Versions of the format.
const VERSIONS: [&str; 3] = crate::config::FORMAT_VERSIONS;

/// What goes along with the walk.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// What is wrong, entity by entity.
    flattened: Vec<Value>,
    /// Kong's lists of other things that were there.
    pub(super) passed_over: std::collections::BTreeSet<String>,
    /// The names of entities, by list and key.
    names: std::collections::BTreeSet<(&'static str, &'static str, String)>,
}

/// What is kept of a value, and what is wrong with it (`null` where nothing is).
type Walked = (Value, Value);

impl Walk {
    /// The whole file. Problems are an object, empty where there are none.
    pub(super) fn all(&mut self, file: Value) -> Walked {
        let mut kept = Map::new();
        let mut problems = Map::new();
        let Value::Object(file) = file else {
            return (Value::Null, json!({"error": "expected an object"}));
        };
        for (key, value) in file {
            let walked = match key.as_str() {
                "_format_version" => (Value::Null, version(&value)),
                "_transform" if value.is_boolean() || value.is_null() => continue,
                "_transform" => (Value::Null, json!("expected a boolean")),
                "plugins" => self.list(value, |walk, plugin| walk.plugin(plugin, None)),
                list => match Kind::of_list(list) {
                    Some(kind) => self.list(value, |walk, one| walk.entity(kind, one, None)),
                    None if list.starts_with('_') => continue,
                    None if IGNORED_LISTS.contains(&list) => {
                        self.passed_over.insert(key);
                        continue;
                    }
                    None => (Value::Null, json!("unknown field")),
                },
            };
            keep(&mut kept, &mut problems, key, walked);
        }
        (Value::Object(kept), Value::Object(problems))
    }

    /// The answer to a file with these problems.
    pub(super) fn refused(self, problems: Value, flatten: bool) -> Problem {
        if !flatten {
            return Problem::declarative(problems);
        }
        let lists = ["services", "routes", "consumers", "plugins"];
        let left: Map<_, _> = match problems {
            Value::Object(problems) => problems
                .into_iter()
                .filter(|(key, value)| !lists.contains(&key.as_str()) || value.is_string())
                .collect(),
            _ => Map::new(),
        };
        let mut problem = Problem::declarative(Value::Object(left));
        if let Value::Object(body) = &mut problem.body {
            let flattened = Value::Array(self.flattened);
            body.insert("flattened_errors".to_owned(), flattened);
        }
        problem
    }

    fn list(&mut self, list: Value, mut one: impl FnMut(&mut Self, Value) -> Walked) -> Walked {
        let list = match list {
            Value::Null => return (Value::Null, Value::Null),
            Value::Array(list) => list,
            _ => return (Value::Null, json!("expected an array")),
        };
        let mut kept = Vec::new();
        let mut problems = Vec::new();
        for entity in list {
            let (entity, problem) = one(self, entity);
            kept.push(entity);
            problems.push(problem);
        }
        // As Kong: up to the last that is wrong.
        while problems.last().is_some_and(Value::is_null) {
            problems.pop();
        }
        let problems = if problems.is_empty() {
            Value::Null
        } else {
            Value::Array(problems)
        };
        (Value::Array(kept), problems)
    }

    /// A plugin, perhaps within an entity.
    fn plugin(&mut self, plugin: Value, within: Option<Kind>) -> Walked {
        let Value::Object(sent) = plugin else {
            return (Value::Null, json!("expected a record"));
        };
        let mut problems = Vec::new();
        for kind in Kind::ALL {
            let field = kind.field();
            if within.is_some() && sent.get(field).is_some_and(|value| !value.is_null()) {
                problems.push(FieldProblem::new(field, "value must be null"));
            }
        }
        let shown = sent.clone();
        let read = draft::cleared(sent).and_then(|sent| {
            let name = sent.get("name").and_then(Value::as_str);
            let name = name.unwrap_or_default().to_owned();
            let written = draft::merged(&name, Map::new(), sent);
            draft::read_declared(written.clone()).map(|_| written)
        });
        match read {
            Ok(written) if problems.is_empty() => (Value::Object(written), Value::Null),
            read => {
                problems.extend(read.err().unwrap_or_default());
                let fields = fields(&problems);
                let mut shown = Value::Object(shown);
                mask_plugin(&mut shown);
                self.flatten("plugin", &shown, &fields);
                (Value::Null, fields)
            }
        }
    }

    /// A service, a route or a consumer.
    fn entity(&mut self, kind: Kind, entity: Value, within: Option<Kind>) -> Walked {
        let Value::Object(sent) = entity else {
            return (Value::Null, json!("expected a record"));
        };
        let mut shown = sent.clone();
        shown.remove("plugins");
        shown.remove("routes");
        shown.retain(|key, _| known_keys(kind.list()).contains(&key.as_str()));
        let mut own = Map::new();
        let mut kept = Map::new();
        let mut inner = Map::new();
        for (key, value) in sent {
            let walked = match key.as_str() {
                _ if value.is_null() => continue,
                "plugins" => {
                    let walked = self.list(value, |walk, one| walk.plugin(one, Some(kind)));
                    keep(&mut kept, &mut inner, key, walked);
                    continue;
                }
                "routes" if kind == Kind::Service => {
                    let one = |walk: &mut Self, one| walk.entity(Kind::Route, one, Some(kind));
                    let walked = self.list(value, one);
                    keep(&mut kept, &mut inner, key, walked);
                    continue;
                }
                "service" if within.is_some() => (Value::Null, json!("value must be null")),
                "service" if kind == Kind::Route => {
                    let of = Map::from_iter([("service".to_owned(), value)]);
                    match draft::cleared(of) {
                        Ok(mut of) => (of.remove("service").unwrap_or_default(), Value::Null),
                        Err(problems) => (
                            Value::Null,
                            fields(&problems)
                                .get("service")
                                .cloned()
                                .unwrap_or_default(),
                        ),
                    }
                }
                name if kind.keys().contains(&name) => self.name(kind, name, value),
                name if known_keys(kind.list()).contains(&name) => (value, Value::Null),
                name if crate::config::plugins::is_credential(name) => {
                    self.passed_over.insert(format!("{}.{name}", kind.list()));
                    continue;
                }
                _ => (Value::Null, json!("unknown field")),
            };
            keep(&mut kept, &mut own, key, walked);
        }
        let is_named = kind.keys().iter().any(|name| kept.get(*name).is_some());
        let holds = ["plugins", "routes"].iter().any(|list| {
            let list = kept.get(*list).and_then(Value::as_array);
            list.is_some_and(|list| !list.is_empty())
        });
        if holds && !is_named && own.is_empty() {
            let name = kind.keys().first().copied().unwrap_or_default();
            own.insert(name.to_owned(), json!("required field missing"));
        }
        if !own.is_empty() {
            let problems = Value::Object(own.clone());
            self.flatten(kind.field(), &Value::Object(shown), &problems);
        }
        own.extend(inner);
        let problems = if own.is_empty() {
            Value::Null
        } else {
            Value::Object(own)
        };
        (Value::Object(kept), problems)
    }

    /// A name of an entity, which no other of its kind has.
    fn name(&mut self, kind: Kind, key: &str, value: Value) -> Walked {
        let text = match value {
            Value::String(text) => text,
            // As a file has it that does not put digits in quotes.
            Value::Number(number) => number.to_string(),
            _ => return (Value::Null, json!("expected a string")),
        };
        if text.is_empty() {
            return (Value::Null, json!("length must be at least 1"));
        }
        let key = kind.keys().iter().find(|name| **name == key).copied();
        let key = key.unwrap_or_default();
        if !self.names.insert((kind.list(), key, text.clone())) {
            let list = kind.list();
            let text = format!(
                "uniqueness violation: '{list}' entity with {key} set to '{text}' already declared"
            );
            return (Value::Null, Value::String(text));
        }
        (Value::String(text), Value::Null)
    }

    /// Tells what is wrong with an entity by itself.
    fn flatten(&mut self, entity_type: &str, entity: &Value, problems: &Value) {
        let mut errors = Vec::new();
        flatten("", problems, &mut errors);
        let mut told = json!({"entity_type": entity_type, "entity": entity, "errors": errors});
        let Value::Object(told_fields) = &mut told else {
            return;
        };
        let name = entity.get("name").or(entity.get("username"));
        for (key, value) in [
            ("entity_name", name.filter(|name| name.is_string())),
            ("entity_id", entity.get("id").filter(|id| id.is_string())),
            (
                "entity_tags",
                entity.get("tags").filter(|tags| tags.is_array()),
            ),
        ] {
            if let Some(value) = value {
                told_fields.insert(key.to_owned(), value.clone());
            }
        }
        self.flattened.push(told);
    }
}

/// Problems one by one, each with its path.
fn flatten(path: &str, problems: &Value, errors: &mut Vec<Value>) {
    match problems {
        Value::Object(fields) => {
            for (name, problem) in fields {
                if name == ENTITY {
                    let texts = problem.as_array().into_iter().flatten();
                    errors.extend(texts.map(|text| json!({"type": "entity", "message": text})));
                } else if path.is_empty() {
                    flatten(name, problem, errors);
                } else {
                    flatten(&format!("{path}.{name}"), problem, errors);
                }
            }
        }
        Value::Null => {}
        text => errors.push(json!({"type": "field", "field": path, "message": text})),
    }
}

/// Keeps a value, or what is wrong with it.
fn keep(
    kept: &mut Map<String, Value>,
    problems: &mut Map<String, Value>,
    key: String,
    (value, problem): Walked,
) {
    if !problem.is_null() {
        problems.insert(key, problem);
    } else if !value.is_null() {
        kept.insert(key, value);
    }
}

fn version(version: &Value) -> Value {
    let text = match version {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null => return Value::Null,
        _ => return json!("expected a string"),
    };
    if VERSIONS.contains(&text.as_str()) {
        return Value::Null;
    }
    json!(format!("expected one of: {}", VERSIONS.join(", ")))
}
