//! `/config`: all entities at once, as Kong's declarative file has them.
//!
//! **Rules.** What is sent takes the place of all entities there are. Kong's lists of other things
//! (upstreams, certificates, credentials of consumers) are passed over, and nothing of them is kept. A
//! fragment without `_format_version` is taken, and a plugin may name a service, a route or a consumer
//! that is not in the file. Plugins that were there before keep their times, and their secrets where a
//! mask stands in the place of one.
//!
//! **Limits.** The bytes of a body; 64 levels.
//!
//! **Failure.** All that is wrong is told at once, each where it stands; what was in force stays so.

mod sent;
mod walk;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use self::walk::Walk;
use super::body::Sent;
use super::change::reveal;
use super::mask::mask;
use super::problem::{ENTITY, Problem};
use super::scope::{Kind, same_scope};
use super::shown::{self, Secrets};
use crate::config::plugins::{Kong, Plugin, instances, schema};

/// What `POST /config` came to.
#[derive(Debug)]
pub(super) enum Loaded {
    /// These are to be in force.
    New(Kong),
    /// They are in force already.
    Same,
}

/// What is asked of `POST /config` besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// Entities that are in force already are not loaded again.
    pub(super) check_hash: bool,
    /// Problems are told entity by entity.
    pub(super) flatten_errors: bool,
}

impl Options {
    /// Those of a query.
    pub(super) fn of(query: &str) -> Self {
        let is_on = |value: &str| matches!(value, "1" | "true");
        let mut options = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "check_hash" => options.check_hash = is_on(&value),
                "flatten_errors" => options.flatten_errors = is_on(&value),
                _ => {}
            }
        }
        options
    }
}

/// The entities that were sent, flat, to take the place of those in force.
pub(super) fn load(
    sent: Sent,
    options: Options,
    in_force: &Kong,
    now_s: u64,
) -> Result<Loaded, Problem> {
    let sent = sent::read(sent)?;
    let mut walk = Walk::default();
    let (entities, problems) = walk.all(sent);
    if problems
        .as_object()
        .is_some_and(|problems| !problems.is_empty())
    {
        return Err(walk.refused(problems, options.flatten_errors));
    }
    if !walk.passed_over.is_empty() {
        let lists: Vec<_> = walk.passed_over.into_iter().collect();
        let lists = lists.join(", ");
        tracing::warn!(
            lists,
            "of a declarative configuration these mean nothing here"
        );
    }
    let wrong = |text: String| Problem::declarative(json!({ENTITY: [text]}));
    let kong: Kong = serde_json::from_value(entities).map_err(|error| wrong(error.to_string()))?;
    // First, for the places that it tells are those of what was sent.
    instances(&kong).map_err(|error| wrong(error.to_string()))?;
    let mut kong = kong.flat(now_s);
    for at in 0..kong.plugins.len() {
        let Some(plugin) = kong.plugins.get(at) else {
            continue;
        };
        let plugin = continued(&kong, plugin, in_force, now_s).map_err(wrong)?;
        if let Some(place) = kong.plugins.get_mut(at) {
            *place = plugin;
        }
    }
    unique_ids(&kong).map_err(wrong)?;
    instances(&kong).map_err(|error| wrong(error.to_string()))?;
    if options.check_hash && without_times(&kong) == without_times(in_force) {
        return Ok(Loaded::Same);
    }
    Ok(Loaded::New(kong))
}

/// A plugin that goes on from the one before: with its times, and its secrets in the place of masks.
fn continued(kong: &Kong, plugin: &Plugin, in_force: &Kong, now_s: u64) -> Result<Plugin, String> {
    let before = in_force.plugins.iter().find(|before| {
        before.id() == plugin.id()
            || (before.kind().name() == plugin.kind().name()
                && before.instance_name() == plugin.instance_name()
                && same_scope(kong, before, plugin))
    });
    let mut old = before.map(Plugin::written).unwrap_or_default();
    let mut written = plugin.written();
    let problems = reveal(&mut written, &old);
    if let Some(problem) = problems.first() {
        let name = plugin.kind().name();
        return Err(format!("plugin `{name}`: {problem}"));
    }
    let times = ["created_at", "updated_at"].map(|time| (time, old.remove(time)));
    let mut without = written.clone();
    without.retain(|key, _| times.iter().all(|(time, _)| time != key));
    let is_same = without == old;
    for (time, before) in times {
        // What was sent counts; what was set just now is of when it was made, or changed.
        let is_set_now = written.get(time) == Some(&json!(now_s));
        if let Some(before) = before
            && is_set_now
            && (is_same || time == "created_at")
        {
            written.insert(time.to_owned(), before);
        }
    }
    serde_json::from_value(Value::Object(written)).map_err(|error| error.to_string())
}

fn unique_ids(kong: &Kong) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    for plugin in &kong.plugins {
        let Some(id) = plugin.id() else { continue };
        if !seen.insert(id) {
            return Err(format!(
                "uniqueness violation: 'plugins' entity with primary key set to '{id}' already \
                 declared"
            ));
        }
    }
    Ok(())
}

/// What tells entities from others, whenever they were loaded.
fn without_times(kong: &Kong) -> Value {
    let mut value = json!(kong);
    let lists = value.as_object_mut().into_iter().flat_map(Map::values_mut);
    for list in lists {
        let entities = list.as_array_mut().into_iter().flatten();
        for entity in entities.filter_map(Value::as_object_mut) {
            entity.remove("created_at");
            entity.remove("updated_at");
        }
    }
    value
}

/// The entities by their type and id, as `POST /config` answers.
pub(super) fn by_id(kong: &Kong, secrets: Secrets) -> Value {
    let mut all = Map::new();
    let plugins = kong.plugins.iter();
    let plugins: Vec<_> = plugins
        .map(|plugin| shown::plugin(kong, plugin, secrets))
        .collect();
    let lists = Kind::ALL.map(|kind| (kind.list(), kind.entities(kong)));
    for (list, entities) in lists.into_iter().chain([("plugins", plugins)]) {
        let by_id: Map<_, _> = entities
            .into_iter()
            .map(|entity| {
                let id = entity.get("id").and_then(Value::as_str);
                (id.unwrap_or_default().to_owned(), entity)
            })
            .collect();
        if !by_id.is_empty() {
            all.insert(list.to_owned(), Value::Object(by_id));
        }
    }
    Value::Object(all)
}

/// The entities as a declarative file, as `GET /config` answers.
pub(super) fn file(kong: &Kong, secrets: Secrets) -> Result<Value, Problem> {
    let mut value = json!(kong);
    if let Value::Object(lists) = &mut value {
        lists.insert("_format_version".to_owned(), json!("3.0"));
        lists.insert("_transform".to_owned(), json!(false));
    }
    if secrets == Secrets::Masked {
        let plugins = value.get_mut("plugins").and_then(Value::as_array_mut);
        for plugin in plugins.into_iter().flatten() {
            mask_plugin(plugin);
        }
    }
    let yaml = serde_saphyr::to_string(&value).map_err(|error| {
        tracing::error!(%error, "the entities were not shown as a file");
        Problem::message(
            StatusCode::INTERNAL_SERVER_ERROR,
            "An unexpected error occurred",
        )
    })?;
    Ok(json!({"config": yaml}))
}

/// Masks the secrets of a plugin as it is written.
fn mask_plugin(plugin: &mut Value) {
    let name = plugin
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let fields = schema::fields(name);
    if let Some(Value::Object(config)) = plugin.get_mut("config") {
        mask(fields, config);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_that_goes_on_keeps_its_times() {
        let load = |yaml: &str, in_force: &Kong, now_s| {
            let sent = Sent::Yaml(yaml.to_owned());
            match load(sent, Options::default(), in_force, now_s).unwrap() {
                Loaded::New(kong) => kong,
                Loaded::Same => panic!("{yaml}"),
            }
        };
        let times = |kong: &Kong| -> Vec<_> {
            let plugins = kong.plugins.iter().map(Plugin::written);
            plugins
                .map(|plugin| (plugin["created_at"].clone(), plugin["updated_at"].clone()))
                .collect()
        };
        let one = "services: [{name: s, plugins: [{name: file-log, config: {path: /x}}]}]";
        let first = load(one, &Kong::default(), 1000);
        assert_eq!(times(&first), [(json!(1000), json!(1000))]);
        assert_eq!(
            times(&load(one, &first, 2000)),
            [(json!(1000), json!(1000))]
        );
        // The same, named otherwise, with another setting, and one that is new.
        let other = "plugins: [{name: file-log, service: {name: s}, config: {path: /y}}, \
                     {name: file-log, config: {path: /z}}]";
        let changed = load(other, &first, 3000);
        let expected = [(json!(1000), json!(3000)), (json!(3000), json!(3000))];
        assert_eq!(times(&changed), expected);
    }
}
