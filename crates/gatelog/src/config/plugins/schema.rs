//! What the settings of each plugin are: names, types, defaults, bounds, secrets.
//!
//! **Shape.** A table of [`Field`]s for each plugin, in the order in which they are shown. It is what
//! the Admin API needs besides the reading of settings: values of a form get the type of their field,
//! answers show all defaults, secrets are masked, `/schemas/plugins/NAME` tells what there is. What a
//! value has to be is decided by the plugin's own reading alone; tests hold the two together.
//!
//! **A new plugin** adds its table below [`fields`].

mod file_log;
mod http_log;
mod loggly;
mod shared;

use serde_json::{Map, Value, json};

/// A setting.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub is: Is,
    /// Whether it must be there.
    pub required: bool,
    /// What it is when it is not there.
    pub default: Fallback,
    /// The words that it may be, where there are few.
    pub one_of: &'static [&'static str],
    /// The least and the greatest value, where there are such.
    pub between: Option<(f64, f64)>,
    /// What of it is not for everyone's eyes.
    pub secret: Secret,
    /// Shown only where it is set: another spelling of a field, or one without an effect.
    pub quiet: bool,
}

/// The type of a setting, in Kong's words.
#[derive(Clone, Copy, Debug)]
pub enum Is {
    /// A text.
    String,
    /// A number.
    Number,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// Texts in an order.
    Array,
    /// Texts, each once.
    Set,
    /// Texts by names: replaced as a whole.
    Map,
    /// Any values by names: replaced as a whole.
    Object,
    /// Settings of its own: changed one by one.
    Record(&'static [Field]),
}

/// What a setting is when it is not there.
#[derive(Clone, Copy, Debug)]
pub enum Fallback {
    /// Nothing.
    Null,
    /// This text.
    Text(&'static str),
    /// This number.
    Integer(i64),
    /// This number.
    Number(f64),
    /// This.
    Boolean(bool),
    /// These texts.
    Texts(&'static [&'static str]),
    /// Where another field is one of these words, the one, else the other.
    Where(&'static Where),
}

/// What a setting is by the word that another one is.
#[derive(Debug)]
pub struct Where {
    /// The other field.
    pub field: &'static str,
    /// The words.
    pub is: &'static [&'static str],
    /// What it is where the other is one of them.
    pub then: Fallback,
    /// What it is where it is not.
    pub or: Fallback,
}

/// What of a value is not for everyone's eyes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secret {
    /// Nothing.
    No,
    /// All of it.
    Whole,
    /// Of a URL: the password, and the values of query parameters that hold a key.
    Url,
    /// Of texts by names: the values whose name tells of a key.
    Named,
}

impl Field {
    /// A field of this type, with nothing else to say.
    pub const fn new(name: &'static str, is: Is) -> Self {
        Self {
            name,
            is,
            required: false,
            default: Fallback::Null,
            one_of: &[],
            between: None,
            secret: Secret::No,
            quiet: false,
        }
    }

    /// It must be there.
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// It is this where it is not there.
    pub const fn or(mut self, default: Fallback) -> Self {
        self.default = default;
        self
    }

    /// It is one of these.
    pub const fn one_of(mut self, words: &'static [&'static str]) -> Self {
        self.one_of = words;
        self
    }

    /// It is from the one to the other.
    pub const fn between(mut self, least: f64, greatest: f64) -> Self {
        self.between = Some((least, greatest));
        self
    }

    /// What of it is secret.
    pub const fn secret(mut self, secret: Secret) -> Self {
        self.secret = secret;
        self
    }

    /// It is shown only where it is set.
    pub const fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// The default as a value, among these settings; that of a record is made of its fields'.
    fn fallback(&self, beside: &Map<String, Value>) -> Value {
        let value = self.default.value(beside);
        match self.is {
            Is::Record(fields) if value.is_null() => Value::Object(shown(fields, &Map::new())),
            _ => value,
        }
    }

    /// As Kong's `/schemas` has it.
    fn described(&self) -> Value {
        let kind = match self.is {
            Is::String => "string",
            Is::Number => "number",
            Is::Integer => "integer",
            Is::Boolean => "boolean",
            Is::Array => "array",
            Is::Set => "set",
            Is::Map | Is::Object => "map",
            Is::Record(_) => "record",
        };
        let mut about = Map::from_iter([("type".to_owned(), Value::from(kind))]);
        let mut say = |key: &str, value: Value| {
            about.insert(key.to_owned(), value);
        };
        if self.required {
            say("required", Value::from(true));
        }
        match self.is {
            Is::Record(fields) => say("fields", described(fields)),
            Is::Array | Is::Set => say("elements", json!({"type": "string"})),
            Is::Map => {
                say("keys", json!({"type": "string"}));
                say("values", json!({"type": "string"}));
            }
            _ => {}
        }
        if !matches!(self.default, Fallback::Null) {
            say("default", self.fallback(&Map::new()));
        }
        if !self.one_of.is_empty() {
            say("one_of", Value::from(self.one_of));
        }
        if let Some((least, greatest)) = self.between {
            say("between", json!([whole(least), whole(greatest)]));
        }
        if self.secret != Secret::No {
            say("encrypted", Value::from(true));
        }
        Value::Object(Map::from_iter([(
            self.name.to_owned(),
            Value::Object(about),
        )]))
    }
}

impl Fallback {
    fn value(&self, beside: &Map<String, Value>) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Text(text) => Value::from(*text),
            Self::Integer(number) => Value::from(*number),
            Self::Number(number) => Value::from(*number),
            Self::Boolean(switch) => Value::from(*switch),
            Self::Texts(texts) => Value::from(*texts),
            Self::Where(by) => {
                let word = beside.get(by.field).and_then(Value::as_str);
                let is_one = word.is_some_and(|word| by.is.contains(&word));
                if is_one { &by.then } else { &by.or }.value(beside)
            }
        }
    }
}

/// The settings of a plugin; none of one that is not known.
pub fn fields(plugin: &str) -> &'static [Field] {
    match plugin {
        "file-log" => file_log::FIELDS,
        "http-log" => http_log::FIELDS,
        "loggly" => loggly::FIELDS,
        _ => &[],
    }
}

/// Fields as Kong's `/schemas` has them: `[{NAME: {type: …}}, …]`.
pub fn described(fields: &[Field]) -> Value {
    fields.iter().map(Field::described).collect()
}

/// Settings with every default, and `null` for what has none.
pub fn shown(fields: &[Field], written: &Map<String, Value>) -> Map<String, Value> {
    let mut shown = written.clone();
    shown.retain(|_, value| !value.is_null());
    for field in fields {
        match (shown.get_mut(field.name), field.is) {
            (Some(Value::Object(inner)), Is::Record(fields)) => *inner = self::shown(fields, inner),
            (Some(_), _) => {}
            (None, _) if field.quiet => {}
            (None, _) => {
                shown.insert(field.name.to_owned(), field.fallback(written));
            }
        }
    }
    shown
}

/// Settings changed by others: those of a record one by one, all else as a whole; `null` takes a
/// setting away, and so does a record without any.
pub fn merged(
    fields: &[Field],
    mut old: Map<String, Value>,
    new: Map<String, Value>,
) -> Map<String, Value> {
    for (name, value) in new {
        let is = fields.iter().find(|field| field.name == name);
        match (value, is.map(|field| field.is)) {
            (Value::Null, _) => {
                old.remove(&name);
            }
            (Value::Object(new), Some(Is::Record(fields))) => {
                let before = match old.remove(&name) {
                    Some(Value::Object(before)) => before,
                    _ => Map::new(),
                };
                let merged = merged(fields, before, new);
                if !merged.is_empty() || name == "config" {
                    old.insert(name, Value::Object(merged));
                }
            }
            (value, _) => {
                old.insert(name, value);
            }
        }
    }
    old
}

/// A bound as it is written: without a fraction where it has none.
#[expect(
    clippy::cast_possible_truncation,
    reason = "bounds are small; the comparison tells"
)]
fn whole(bound: f64) -> Value {
    let integer = bound as i64;
    #[expect(clippy::cast_precision_loss, reason = "the comparison tells")]
    let back = integer as f64;
    if (back - bound).abs() < f64::EPSILON {
        Value::from(integer)
    } else {
        Value::from(bound)
    }
}

#[cfg(test)]
mod tests;
