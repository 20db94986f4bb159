//! Changes of plugins: made, replaced, altered, removed.
//!
//! **Shape.** Each takes the entities that are in force, flat, and gives those that are to be in their
//! place. It is put in force by who called ([`Admin`](super::Admin)), one change at a time.
//!
//! **Invariants.** What is given is what [`instances`] finds right: no two plugins with one id, with
//! one `instance_name`, or with one name and scope and no `instance_name` to tell them apart.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::draft::{cleared, is_uuid, merged, of_form, read};
use super::form::Node;
use super::mask::{MASK, unmask};
use super::problem::{ENTITY, Problem};
use super::scope::{Kind, same_scope};
use super::target::Parent;
use crate::config::plugins::{FieldProblem, Kong, Plugin, instances, schema};

/// What the plugin is to be.
#[derive(Debug)]
pub(super) enum Arguments {
    /// By fields with types.
    Object(Map<String, Value>),
    /// By texts, whose types are their fields'.
    Form(Node),
}

impl Arguments {
    /// The fields. A form that does not name the plugin is about this one.
    fn object(self, name: Option<&str>) -> Map<String, Value> {
        match self {
            Self::Object(object) => object,
            Self::Form(form) => of_form(form, name),
        }
    }
}

/// Entities after a change, and the plugin that it was about.
#[derive(Debug)]
pub(super) struct Changed {
    pub(super) kong: Kong,
    pub(super) plugin: Plugin,
}

/// Which change is asked for.
pub(super) struct Change<'c> {
    /// What is in force, flat.
    pub(super) kong: &'c Kong,
    /// Whether changes are refused once they are found right.
    pub(super) read_only: bool,
    /// The entity that the path goes through.
    pub(super) parent: Option<&'c Parent>,
    pub(super) now_s: u64,
}

impl Change<'_> {
    /// Makes a plugin.
    pub(super) fn create(&self, arguments: Arguments) -> Result<Changed, Problem> {
        let sent = self.below(arguments.object(None));
        let mut written = laid_over(Map::new(), sent)?;
        revealed(&mut written, &Map::new())?;
        stamp(&mut written, self.now_s);
        let id = || Value::String(Uuid::new_v4().to_string());
        written.entry("id").or_insert_with(id);
        let plugin = valid(written)?;
        self.writable("create 'plugins' entities")?;
        self.changed(plugin, None)
    }

    /// Makes a plugin, or puts it in the place of the one that is there.
    pub(super) fn replace(&self, key: &str, arguments: Arguments) -> Result<Changed, Problem> {
        let place = self.position(key);
        let old = place.and_then(|place| self.kong.plugins.get(place));
        let mut sent = self.below(arguments.object(old.map(|old| old.kind().name())));
        let before = old.map(Plugin::written).unwrap_or_default();
        let by_id = is_uuid(key) || old.is_some_and(|old| old.id() == Some(key));
        let key_of = if by_id { "id" } else { "instance_name" };
        sent.insert(key_of.to_owned(), Value::from(key));
        for kept in ["id", "created_at"] {
            if let Some(value) = before.get(kept) {
                sent.insert(kept.to_owned(), value.clone());
            }
        }
        sent.remove("updated_at");
        let mut written = laid_over(Map::new(), sent)?;
        revealed(&mut written, &before)?;
        stamp(&mut written, self.now_s);
        let id = || Value::String(Uuid::new_v4().to_string());
        written.entry("id").or_insert_with(id);
        let plugin = valid_with(written, &before)?;
        let by = if by_id { "" } else { " by 'instance_name'" };
        self.writable(&format!("create or update 'plugins' entities{by}"))?;
        self.changed(plugin, place)
    }

    /// Alters a plugin.
    pub(super) fn alter(&self, key: &str, arguments: Arguments) -> Result<Changed, Problem> {
        let (place, old) = self.find(key).ok_or_else(Problem::not_found)?;
        let before = old.written();
        let name = old.kind().name();
        let mut sent = arguments.object(Some(name));
        if let Some(id) = sent.remove("id")
            && before.get("id") != Some(&id)
        {
            let text = "immutable field cannot be updated";
            return Err(Problem::schema(&[FieldProblem::new("id", text)]));
        }
        for kept in ["created_at", "updated_at"] {
            sent.remove(kept);
        }
        let mut written = laid_over(before.clone(), sent)?;
        revealed(&mut written, &before)?;
        written.insert("updated_at".to_owned(), Value::from(self.now_s));
        let plugin = valid_with(written, &before)?;
        self.writable(&format!("update 'plugins' entities{}", by(old, key)))?;
        self.changed(plugin, Some(place))
    }

    /// Removes a plugin; nothing is changed where there is none.
    pub(super) fn remove(&self, key: &str) -> Result<Option<Changed>, Problem> {
        let Some((place, old)) = self.find(key) else {
            if self.parent.is_some() {
                return Err(Problem::not_found());
            }
            return Ok(None);
        };
        self.writable(&format!("remove 'plugins' entities{}", by(old, key)))?;
        let mut kong = self.kong.clone();
        let plugin = kong.plugins.remove(place);
        Ok(Some(Changed { kong, plugin }))
    }

    /// The plugin with this id or this instance name, if it is for the entity of the path.
    pub(super) fn find(&self, key: &str) -> Option<(usize, &Plugin)> {
        let place = self.position(key)?;
        let plugin = self.kong.plugins.get(place)?;
        self.is_below(plugin).then_some((place, plugin))
    }

    /// Whether a plugin is for the entity of the path.
    pub(super) fn is_below(&self, plugin: &Plugin) -> bool {
        self.parent.is_none_or(|parent| {
            let of = parent.kind.of(plugin);
            of.is_some_and(|of| parent.kind.same(self.kong, of, &parent.key))
        })
    }

    fn position(&self, key: &str) -> Option<usize> {
        let plugins = &self.kong.plugins;
        let by_id = plugins.iter().position(|plugin| plugin.id() == Some(key));
        by_id.or_else(|| {
            let mut plugins = plugins.iter();
            plugins.position(|plugin| plugin.instance_name() == Some(key))
        })
    }

    /// Arguments with the entity of the path, which wins.
    fn below(&self, mut sent: Map<String, Value>) -> Map<String, Value> {
        if let Some(parent) = self.parent {
            let field = parent.kind.field();
            sent.remove(&format!("{field}_id"));
            sent.insert(field.to_owned(), Value::String(parent.key.clone()));
        }
        sent
    }

    fn writable(&self, what: &str) -> Result<(), Problem> {
        if self.read_only {
            return Err(Problem::unsupported(what));
        }
        Ok(())
    }

    /// The entities with this plugin, in this place or behind all others.
    fn changed(&self, plugin: Plugin, place: Option<usize>) -> Result<Changed, Problem> {
        let others = self.kong.plugins.iter().enumerate();
        let others = others.filter(|(at, _)| Some(*at) != place);
        for (_, other) in others {
            self.told_apart(&plugin, other)?;
        }
        let mut kong = self.kong.clone();
        match place.and_then(|place| kong.plugins.get_mut(place)) {
            Some(old) => old.clone_from(&plugin),
            None => kong.plugins.push(plugin.clone()),
        }
        instances(&kong)
            .map_err(|error| Problem::schema(&[FieldProblem::new(ENTITY, error.problem)]))?;
        Ok(Changed { kong, plugin })
    }

    fn told_apart(&self, plugin: &Plugin, other: &Plugin) -> Result<(), Problem> {
        if let Some(id) = plugin.id()
            && other.id() == Some(id)
        {
            return Err(Problem::id_taken(id));
        }
        if let Some(name) = plugin.instance_name()
            && other.instance_name() == Some(name)
        {
            return Err(Problem::not_unique(json!({"instance_name": name})));
        }
        if plugin.kind().name() == other.kind().name()
            && plugin.instance_name().is_none()
            && other.instance_name().is_none()
            && same_scope(self.kong, plugin, other)
        {
            let mut fields = json!({"name": plugin.kind().name()});
            if let Value::Object(fields) = &mut fields {
                for kind in Kind::ALL {
                    let shown = kind.shown(self.kong, kind.of(plugin));
                    fields.insert(kind.field().to_owned(), shown);
                }
            }
            return Err(Problem::not_unique(fields));
        }
        Ok(())
    }
}

/// What Kong adds where a plugin is not named by its id.
fn by(plugin: &Plugin, key: &str) -> &'static str {
    if plugin.id() == Some(key) {
        ""
    } else {
        " by 'instance_name'"
    }
}

/// What was sent, laid over what is there.
fn laid_over(
    old: Map<String, Value>,
    sent: Map<String, Value>,
) -> Result<Map<String, Value>, Problem> {
    let sent = cleared(sent).map_err(|problems| Problem::schema(&problems))?;
    let name = sent.get("name").or(old.get("name"));
    let name = name.and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(merged(&name, old, sent))
}

/// Puts secrets in the place of masks, where it is the same plugin as before.
fn revealed(written: &mut Map<String, Value>, old: &Map<String, Value>) -> Result<(), Problem> {
    let problems = reveal(written, old);
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Problem::schema(&problems))
    }
}

/// As [`revealed`].
pub(super) fn reveal(
    written: &mut Map<String, Value>,
    old: &Map<String, Value>,
) -> Vec<FieldProblem> {
    let name = written.get("name").and_then(Value::as_str);
    let name = name.unwrap_or_default().to_owned();
    let empty = Map::new();
    let before = old.get("config").and_then(Value::as_object);
    let before = before.filter(|_| old.get("name").is_some_and(|of| *of == *name));
    let Some(Value::Object(config)) = written.get_mut("config") else {
        return Vec::new();
    };
    let fields = schema::fields(&name);
    unmask(fields, config, before.unwrap_or(&empty), "config")
        .into_iter()
        .map(|path| {
            let text = format!("`{MASK}` stands for a secret that is not there: send the secret");
            FieldProblem::new(path, text)
        })
        .collect()
}

fn stamp(written: &mut Map<String, Value>, now_s: u64) {
    for time in ["created_at", "updated_at"] {
        written.entry(time).or_insert_with(|| Value::from(now_s));
    }
}

fn valid(written: Map<String, Value>) -> Result<Plugin, Problem> {
    read(written).map_err(|problems| Problem::schema(&problems))
}

/// As [`valid`]; what is as it was before is not looked at again: a file may have other ids and names.
fn valid_with(
    mut written: Map<String, Value>,
    before: &Map<String, Value>,
) -> Result<Plugin, Problem> {
    let mut kept = Map::new();
    for name in ["id", "instance_name"] {
        if written.get(name).is_some() && written.get(name) == before.get(name) {
            kept.extend(written.remove_entry(name));
        }
    }
    let plugin = valid(written)?;
    if kept.is_empty() {
        return Ok(plugin);
    }
    let mut written = plugin.written();
    written.extend(kept);
    serde_json::from_value(Value::Object(written))
        .map_err(|error| Problem::schema(&[FieldProblem::new(ENTITY, error.to_string())]))
}
