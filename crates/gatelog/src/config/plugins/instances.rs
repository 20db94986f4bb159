//! All plugins of a set of Kong's entities, wherever they stand, each with its scope.
//!
//! **Rules.** A plugin within an entity is for that entity and names no other; one at the top level
//! names what it is for, or is for everything. What it names need not be among the entities of the
//! file; where it is, all the names of that entity count. The name of an output is of the plugin's name and
//! its `instance_name`, or else of its scope.

use std::collections::BTreeSet;

use super::entity::{Entity, Is};
use super::{Kong, Plugin, Reference};
use crate::forwarder::reader_name;
use crate::output::scope::Scope;

/// A plugin that is to run.
#[derive(Clone, Debug)]
pub struct Instance<'c> {
    /// The name of its output: `file-log`, `file-log:service=billing`, `file-log@INSTANCE`.
    pub output: String,
    /// The name of the output's reader, by which it is known when it comes again: of the plugin's id where
    /// it has one, so that it may get another name and another scope; else of the output's name.
    pub reader: String,
    /// The plugin.
    pub plugin: &'c Plugin,
    /// For which requests it is.
    pub scope: Scope,
}

/// What is wrong with an entity or a plugin, besides its own fields.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{item}: {problem}")]
pub struct ItemError {
    /// Where it stands: `services[0] (billing).plugins[1] (file-log)`.
    pub item: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

/// The plugins that are to run.
///
/// # Errors
/// [`ItemError`]: two plugins that cannot be told from each other, an entity that is there twice, or
/// a plugin that names what it must not. The operator mends it.
pub fn instances(kong: &Kong) -> Result<Vec<Instance<'_>>, ItemError> {
    let mut found = Found {
        kong,
        instances: Vec::new(),
        instance_names: BTreeSet::new(),
    };
    unique(&kong.services)?;
    unique(&kong.consumers)?;
    let routes = kong.services.iter().flat_map(|service| &service.routes);
    unique(kong.routes.iter().chain(routes))?;
    for (at, service) in kong.services.iter().enumerate() {
        let item = item("services", at, service.names().next());
        found.within(&item, SERVICE, service)?;
        for (at, route) in service.routes.iter().enumerate() {
            let item = format!("{item}.{}", self::item("routes", at, route.names().next()));
            if route.service.is_some() {
                return Err(must_be_null(item, "service"));
            }
            found.within(&item, ROUTE, route)?;
        }
    }
    for (at, route) in kong.routes.iter().enumerate() {
        found.within(&item("routes", at, route.names().next()), ROUTE, route)?;
    }
    for (at, consumer) in kong.consumers.iter().enumerate() {
        let item = item("consumers", at, consumer.names().next());
        found.within(&item, CONSUMER, consumer)?;
    }
    for (at, plugin) in kong.plugins.iter().enumerate() {
        let names = [SERVICE, ROUTE, CONSUMER].map(|kind| {
            let reference = plugin.references().get(kind).copied().flatten()?;
            Some(found.names_of(kind, reference))
        });
        found.add(
            item("plugins", at, Some(plugin.kind().name())),
            plugin,
            names,
        )?;
    }
    Ok(found.instances)
}

/// Bytes of the longest name of an output, as it is in the names of files.
const LONGEST_NAME: usize = 200;

/// What plugins may be for, in the order of [`Plugin::references`].
const SERVICE: usize = 0;
const ROUTE: usize = 1;
const CONSUMER: usize = 2;
const KINDS: [&str; 3] = ["service", "route", "consumer"];

struct Found<'c> {
    kong: &'c Kong,
    instances: Vec<Instance<'c>>,
    instance_names: BTreeSet<&'c str>,
}

impl<'c> Found<'c> {
    /// Takes the plugins within an entity.
    fn within<K: Is>(
        &mut self,
        item: &str,
        kind: usize,
        entity: &'c Entity<K>,
    ) -> Result<(), ItemError> {
        for (at, plugin) in entity.plugins.iter().enumerate() {
            let item = format!(
                "{item}.{}",
                self::item("plugins", at, Some(plugin.kind().name()))
            );
            let mut references = plugin.references().into_iter().zip(KINDS);
            if let Some((_, name)) = references.find(|(reference, _)| reference.is_some()) {
                return Err(must_be_null(item, name));
            }
            let names: Vec<_> = entity.names().map(str::to_owned).collect();
            if names.is_empty() {
                let problem = format!(
                    "what it stands in has to be named: expected one of {}",
                    K::NAMES.join(", ")
                );
                return Err(ItemError { item, problem });
            }
            let mut of = [None, None, None];
            if let Some(slot) = of.get_mut(kind) {
                *slot = Some(names);
            }
            self.add(item, plugin, of)?;
        }
        Ok(())
    }

    /// All names of what a plugin names.
    fn names_of(&self, kind: usize, reference: &Reference) -> Vec<String> {
        let text = reference.text();
        let kong = self.kong;
        let nested = || kong.services.iter().flat_map(|service| &service.routes);
        let found = match kind {
            SERVICE => kong.services.iter().find_map(|entity| named(entity, text)),
            ROUTE => kong
                .routes
                .iter()
                .chain(nested())
                .find_map(|entity| named(entity, text)),
            _ => kong.consumers.iter().find_map(|entity| named(entity, text)),
        };
        found.unwrap_or_else(|| vec![text.to_owned()])
    }

    fn add(
        &mut self,
        item: String,
        plugin: &'c Plugin,
        names: [Option<Vec<String>>; 3],
    ) -> Result<(), ItemError> {
        if let Some(name) = plugin.instance_name()
            && !self.instance_names.insert(name)
        {
            let problem = format!("instance_name: `{name}` is another plugin's already");
            return Err(ItemError { item, problem });
        }
        let output = output_name(plugin, &names);
        if self
            .instances
            .iter()
            .any(|instance| instance.output == output)
        {
            let problem = format!(
                "there is another {} for the same requests: give each an `instance_name` of its own",
                plugin.kind().name()
            );
            return Err(ItemError { item, problem });
        }
        let by_name = reader_name(&output);
        let by_id = plugin.id().map(|id| {
            let name = plugin.kind().name();
            reader_name(&format!("{name}-{id}"))
        });
        let taken = |reader: &String| self.instances.iter().any(|one| one.reader == *reader);
        let longest = by_name.len().max(by_id.as_ref().map_or(0, String::len));
        // Of two with one id the second is known by its name.
        let reader = by_id.filter(|reader| !taken(reader)).unwrap_or(by_name);
        if longest > LONGEST_NAME {
            let problem =
                "its scope is too long for the name of a file: give it an `instance_name`";
            let problem = problem.to_owned();
            return Err(ItemError { item, problem });
        }
        let [service, route, consumer] = names.map(Option::unwrap_or_default);
        self.instances.push(Instance {
            output,
            reader,
            plugin,
            scope: Scope::new(service, route, consumer),
        });
        Ok(())
    }
}

fn output_name(plugin: &Plugin, names: &[Option<Vec<String>>; 3]) -> String {
    let name = plugin.kind().name();
    if let Some(instance) = plugin.instance_name() {
        return format!("{name}@{instance}");
    }
    let parts = names.iter().zip(KINDS).filter_map(|(names, kind)| {
        let name = names.as_ref()?.first()?;
        Some(format!("{kind}={name}"))
    });
    let parts: Vec<_> = parts.collect();
    if parts.is_empty() {
        name.to_owned()
    } else {
        format!("{name}:{}", parts.join(","))
    }
}

/// All names of an entity that has this one.
fn named<K: Is>(entity: &Entity<K>, name: &str) -> Option<Vec<String>> {
    let names: Vec<_> = entity.names().map(str::to_owned).collect();
    names.iter().any(|found| found == name).then_some(names)
}

fn item(list: &str, at: usize, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{list}[{at}] ({name})"),
        None => format!("{list}[{at}]"),
    }
}

/// What is within an entity is for that one. The words are Kong's.
fn must_be_null(item: String, field: &str) -> ItemError {
    let problem = format!(
        "{field}: value must be null, as it stands within what it is for; a plugin for several \
         things at a time stands in the top-level `plugins`"
    );
    ItemError { item, problem }
}

/// No two entities of a kind have a name in common.
fn unique<'c, K: Is + 'c>(
    entities: impl IntoIterator<Item = &'c Entity<K>>,
) -> Result<(), ItemError> {
    let mut seen = BTreeSet::new();
    for entity in entities {
        let names: BTreeSet<_> = entity.names().collect();
        for name in names {
            if !seen.insert(name) {
                return Err(ItemError {
                    item: K::LIST.to_owned(),
                    problem: format!("uniqueness violation: `{name}` is there twice"),
                });
            }
        }
    }
    Ok(())
}
