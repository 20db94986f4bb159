//! A plugin as it was sent: what is wrong with it, in Kong's words, and what it is.
//!
//! **Shape.** Arguments of a request are [`cleared`] of the many spellings of what a plugin is for,
//! laid over what there is, and [`read`]. All problems of the plugin are told at once.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::form::Node;
use super::problem::ENTITY;
use super::scope::Kind;
use crate::config::plugins::schema::{self, Field, Is};
use crate::config::plugins::{FieldProblem, Plugin};
use crate::config::plugins::{Kind as Settings, Written};

/// What is in `service` and the like.
const REFERENCE: &[Field] = &[
    Field::new("id", Is::String),
    Field::new("name", Is::String),
    Field::new("username", Is::String),
    Field::new("custom_id", Is::String),
];

/// The fields of a plugin but its `config`.
const FIELDS: &[Field] = &[
    Field::new("id", Is::String),
    Field::new("name", Is::String),
    Field::new("instance_name", Is::String),
    Field::new("service", Is::Record(REFERENCE)),
    Field::new("route", Is::Record(REFERENCE)),
    Field::new("consumer", Is::Record(REFERENCE)),
    Field::new("enabled", Is::Boolean),
    Field::new("protocols", Is::Set),
    Field::new("tags", Is::Set),
    Field::new("created_at", Is::Integer),
    Field::new("updated_at", Is::Integer),
];

/// The fields of a plugin of this name.
pub(super) fn fields(name: &str) -> Vec<Field> {
    let config = Field::new("config", Is::Record(schema::fields(name)));
    [FIELDS, &[config]].concat()
}

/// The arguments of a form. A form that names no plugin is about one of this name.
pub(super) fn of_form(form: Node, name: Option<&str>) -> Map<String, Value> {
    let name = form.text("name").or(name).unwrap_or_default().to_owned();
    form.typed(&fields(&name))
}

/// Puts what a plugin is for into one form: the name or the id as a text, or `null`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn cleared(
    mut sent: Map<String, Value>,
) -> Result<Map<String, Value>, Vec<FieldProblem>> {
    let mut problems = Vec::new();
    for kind in Kind::ALL {
        let field = kind.field();
        let flat = format!("{field}_id");
        if let Some(id) = sent.remove(&flat) {
            if sent.get(field).is_some_and(|value| !value.is_null()) {
                let text = format!("it is the same as `{field}`: expected one of them");
                problems.push(FieldProblem::new(flat, text));
                continue;
            }
            sent.insert(field.to_owned(), id);
        }
        let Some(value) = sent.get_mut(field) else {
            continue;
        };
        match reference(kind, value.take()) {
            Ok(reference) => *value = reference,
            Err(mut wrong) => problems.append(&mut wrong),
        }
    }
    if problems.is_empty() {
        Ok(sent)
    } else {
        Err(problems)
    }
}

/// The name or the id that this is.
fn reference(kind: Kind, value: Value) -> Result<Value, Vec<FieldProblem>> {
    let field = kind.field();
    let one = |text: &str| Err(vec![FieldProblem::new(field, text)]);
    let mut object = match value {
        Value::Null => return Ok(Value::Null),
        Value::String(text) if text.is_empty() => return one("length must be at least 1"),
        Value::String(text) => return Ok(Value::String(text)),
        // As a file has them that does not put digits in quotes.
        Value::Number(number) => return Ok(Value::String(number.to_string())),
        Value::Object(object) => object,
        _ => return one("expected a record"),
    };
    if object.is_empty() {
        return Err(vec![FieldProblem::required(format!("{field}.id"))]);
    }
    let named = |key: &str| format!("{field}.{key}");
    let mut problems = Vec::new();
    let mut found = Value::Null;
    for key in kind.keys() {
        match object.remove(*key) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) if text.is_empty() => {
                problems.push(FieldProblem::new(named(key), "length must be at least 1"));
            }
            Some(value @ Value::String(_)) => {
                if found.is_null() {
                    found = value;
                }
            }
            Some(_) => problems.push(FieldProblem::new(named(key), "expected a string")),
        }
    }
    let unknown = object.keys();
    problems.extend(unknown.map(|key| FieldProblem::new(named(key), "unknown field")));
    if problems.is_empty() {
        Ok(found)
    } else {
        Err(problems)
    }
}

/// Lays arguments over what is there: `null` takes a field away.
pub(super) fn merged(
    name: &str,
    old: Map<String, Value>,
    new: Map<String, Value>,
) -> Map<String, Value> {
    schema::merged(&fields(name), old, new)
}

/// The plugin of these fields, none of which is `null`.
///
/// # Errors
/// All that is wrong with it.
pub(super) fn read(mut written: Map<String, Value>) -> Result<Plugin, Vec<FieldProblem>> {
    let mut problems = Vec::new();
    for (name, value) in &mut written {
        if let Err(text) = field(name, value) {
            problems.push(FieldProblem::new(name, text));
        }
    }
    read_checked(written, problems)
}

/// As [`read`], of a declarative file: it may have ids and names as it likes, and fields besides.
///
/// # Errors
/// As [`read`].
pub(super) fn read_declared(mut written: Map<String, Value>) -> Result<Plugin, Vec<FieldProblem>> {
    let mut problems = Vec::new();
    for (name, value) in &mut written {
        let checked = match name.as_str() {
            "id" | "instance_name" => text(value).map(|_| ()),
            "_comment" | "_ignore" => Ok(()),
            name => field(name, value),
        };
        if let Err(text) = checked {
            problems.push(FieldProblem::new(name, text));
        }
    }
    read_checked(written, problems)
}

/// The plugin of these fields, in which these problems have been found.
fn read_checked(
    written: Map<String, Value>,
    mut problems: Vec<FieldProblem>,
) -> Result<Plugin, Vec<FieldProblem>> {
    match written.get("name") {
        None => problems.push(FieldProblem::required("name")),
        Some(Value::String(name)) if Settings::NAMES.contains(&name.as_str()) => {
            problems.extend(settings(name, written.get("config")));
        }
        Some(Value::String(name)) => problems.push(FieldProblem::new("name", not_enabled(name))),
        Some(_) => {}
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let plugin = serde_json::from_value(Value::Object(written));
    plugin.map_err(|error| vec![FieldProblem::new(ENTITY, error.to_string())])
}

/// What Kong says of a plugin that it does not know.
pub(super) fn not_enabled(name: &str) -> String {
    format!("plugin '{name}' not enabled; add it to the 'plugins' configuration property")
}

/// What is wrong with the settings.
fn settings(name: &str, config: Option<&Value>) -> Vec<FieldProblem> {
    let config = match config {
        None => json!({}),
        Some(config @ Value::Object(_)) => config.clone(),
        // It has been told.
        Some(_) => return Vec::new(),
    };
    let written = json!({"name": name, "config": config});
    let written: Written = match serde_json::from_value(written) {
        Ok(written) => written,
        Err(error) => return vec![FieldProblem::new("config", error.to_string())],
    };
    match Plugin::try_from(written) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems.into_iter().map(as_kong).collect(),
    }
}

/// Without what gatelog says in a file besides.
fn as_kong(mut problem: FieldProblem) -> FieldProblem {
    if problem.text.starts_with("unknown field;") {
        "unknown field".clone_into(&mut problem.text);
    }
    problem
}

/// Checks a field that all plugins have. Of a set each element stays once.
fn field(name: &str, value: &mut Value) -> Result<(), String> {
    match name {
        "id" => match value {
            Value::String(text) if is_uuid(text) => Ok(()),
            Value::String(_) => Err("expected a valid UUID".to_owned()),
            _ => Err("expected a string".to_owned()),
        },
        "name" => text(value).map(|_| ()),
        "instance_name" => instance_name(text(value)?),
        // They have been cleared.
        "service" | "route" | "consumer" => Ok(()),
        "enabled" if value.is_boolean() => Ok(()),
        "enabled" => Err("expected a boolean".to_owned()),
        "config" if value.is_object() => Ok(()),
        "config" => Err("expected a record".to_owned()),
        "protocols" => set(value, |protocol| {
            if crate::config::plugins::PROTOCOLS.contains(&protocol) {
                return Ok(());
            }
            let protocols = crate::config::plugins::PROTOCOLS.join(", ");
            Err(format!("expected one of: {protocols}"))
        }),
        "tags" => set(value, |tag| {
            if tag.is_empty() {
                return Err("length must be at least 1".to_owned());
            }
            if tag
                .chars()
                .any(|char| matches!(char, ',' | '/') || char.is_control())
            {
                return Err(format!(
                    "invalid tag '{tag}': expected printable ascii (except `,` and `/`) or valid \
                     utf-8 sequences"
                ));
            }
            Ok(())
        }),
        "created_at" | "updated_at" => match value {
            Value::Number(number) if number.is_u64() => Ok(()),
            _ => Err("expected an integer".to_owned()),
        },
        _ => Err("unknown field".to_owned()),
    }
}

fn text(value: &Value) -> Result<&str, String> {
    match value.as_str() {
        Some("") => Err("length must be at least 1".to_owned()),
        Some(text) => Ok(text),
        None => Err("expected a string".to_owned()),
    }
}

/// A name that can stand in a path.
fn instance_name(name: &str) -> Result<(), String> {
    let stands = |char: char| {
        char.is_ascii_alphanumeric()
            || matches!(char, '.' | '-' | '_' | '~')
            || (!char.is_ascii() && !char.is_control())
    };
    if name.chars().all(stands) {
        return Ok(());
    }
    Err(format!(
        "invalid value '{name}': the only accepted ascii characters are alphanumerics or ., -, _, \
         and ~"
    ))
}

fn set(value: &mut Value, check: impl Fn(&str) -> Result<(), String>) -> Result<(), String> {
    let Value::Array(elements) = value else {
        return Err("expected a set".to_owned());
    };
    let mut once: Vec<Value> = Vec::new();
    for element in elements.drain(..) {
        let Value::String(text) = &element else {
            return Err("expected a string".to_owned());
        };
        check(text)?;
        if !once.contains(&element) {
            once.push(element);
        }
    }
    *elements = once;
    Ok(())
}

/// Whether it is a UUID as Kong writes them.
pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36 && Uuid::try_parse(text).is_ok()
}
