//! Kong's entities side by side: no plugin and no route within another entity, and everything with an
//! id and its times.
//!
//! **Rules.** What stood within an entity names it instead; its output keeps its name, and so its
//! position. An id that is made is of the plugin's name, its `instance_name` and its scope: the same
//! each time. Entities that are flat already stay as they are.

use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Builder;

use super::entity::{Entity, Is};
use super::{Kong, Plugin, Reference, Route};

impl Kong {
    /// Whether there is a plugin, wherever it stands.
    pub fn has_plugins(&self) -> bool {
        let in_routes =
            |routes: &[super::Entity<Route>]| routes.iter().any(|route| !route.plugins.is_empty());
        let mut services = self.services.iter();
        !self.plugins.is_empty()
            || services.any(|one| !one.plugins.is_empty() || in_routes(&one.routes))
            || in_routes(&self.routes)
            || self.consumers.iter().any(|one| !one.plugins.is_empty())
    }

    /// The same entities, flat. What has no times gets this one, in seconds since 1970.
    pub fn flat(&self, now_s: u64) -> Self {
        let mut flat = Self {
            services: self.services.clone(),
            routes: Vec::new(),
            consumers: self.consumers.clone(),
            plugins: Vec::new(),
        };
        let mut routes = Vec::new();
        for service in &mut flat.services {
            let of = reference(service);
            take_plugins(service, &mut flat.plugins, |plugin, of| {
                plugin.written.service = of;
            });
            for mut route in std::mem::take(&mut service.routes) {
                route.service.clone_from(&of);
                routes.push(route);
            }
            identify(service, now_s);
        }
        routes.extend(self.routes.iter().cloned());
        for mut route in routes {
            take_plugins::<Route>(&mut route, &mut flat.plugins, |plugin, of| {
                plugin.written.route = of;
            });
            identify(&mut route, now_s);
            flat.routes.push(route);
        }
        for consumer in &mut flat.consumers {
            take_plugins(consumer, &mut flat.plugins, |plugin, of| {
                plugin.written.consumer = of;
            });
            identify(consumer, now_s);
        }
        flat.plugins.extend(self.plugins.iter().cloned());
        for plugin in &mut flat.plugins {
            if plugin.written.id.is_none() {
                plugin.written.id = Some(plugin.made_id());
            }
            let written = &mut plugin.written;
            written.created_at.get_or_insert_with(|| Value::from(now_s));
            written.updated_at.get_or_insert_with(|| Value::from(now_s));
        }
        flat
    }
}

impl Plugin {
    /// The id that it has when none is given to it.
    fn made_id(&self) -> String {
        let [service, route, consumer] = self.references().map(|of| of.map(Reference::text));
        let parts = [
            Some("plugins"),
            Some(self.kind.name()),
            self.instance_name(),
            service,
            route,
            consumer,
        ];
        made_id(&parts)
    }
}

/// What names an entity.
fn reference<K: Is>(entity: &Entity<K>) -> Option<Reference> {
    entity.names().next().map(Reference::new)
}

/// Takes the plugins out of an entity.
fn take_plugins<K: Is>(
    entity: &mut Entity<K>,
    plugins: &mut Vec<Plugin>,
    refer: impl Fn(&mut Plugin, Option<Reference>),
) {
    let of = reference(entity);
    for mut plugin in std::mem::take(&mut entity.plugins) {
        refer(&mut plugin, of.clone());
        plugins.push(plugin);
    }
}

/// Gives an entity an id and its times.
fn identify<K: Is>(entity: &mut Entity<K>, now_s: u64) {
    let id = made_id(&[Some(K::LIST), entity.names().next()]);
    entity.complete("id", id);
    entity.complete("created_at", now_s);
    entity.complete("updated_at", now_s);
}

/// An id that is made of these texts and of nothing else.
fn made_id(parts: &[Option<&str>]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        let text = part.unwrap_or_default();
        // No two lists of texts are the same bytes.
        hash.update([u8::from(part.is_some())]);
        hash.update(text.len().to_be_bytes());
        hash.update(text);
    }
    let mut bytes = [0; 16];
    for (byte, of_hash) in bytes.iter_mut().zip(hash.finalize()) {
        *byte = of_hash;
    }
    Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::plugins::instances;

    #[test]
    fn flat_entities_are_the_same_outputs_with_the_same_scopes() {
        let yaml = r#"
plugins:
  - { name: file-log, config: { path: /tmp/a } }
  - { name: file-log, service: "17", instance_name: x, config: { path: /tmp/b } }
services:
  - name: billing
    id: "17"
    plugins: [ { name: file-log, config: { path: /tmp/c } } ]
    routes:
      - { name: pay, plugins: [ { name: file-log, config: { path: /tmp/d } } ] }
routes:
  - { name: other, plugins: [ { name: file-log, config: { path: /tmp/e } } ] }
consumers:
  - { username: bob, plugins: [ { name: file-log, config: { path: /tmp/f } } ] }
"#;
        let kong: Kong = serde_saphyr::from_str(yaml).unwrap();
        let flat = kong.flat(1000);
        assert_eq!(flat.plugins.len(), 6);
        let nested = flat.services.iter().map(|service| service.plugins.len());
        assert_eq!(nested.sum::<usize>(), 0);
        assert_eq!(flat.routes.len(), 2);
        let outputs = |kong: &Kong| {
            let instances = instances(kong).unwrap();
            let mut outputs: Vec<_> = instances.into_iter().map(|one| one.output).collect();
            outputs.sort();
            outputs
        };
        assert_eq!(outputs(&flat), outputs(&kong));
        // Flat already, whenever it is.
        assert_eq!(flat.flat(2000), flat);
        // The same ids each time, and as many as there are plugins.
        let ids = |kong: &Kong| -> Vec<_> {
            let ids = kong.plugins.iter().map(|plugin| plugin.written.id.clone());
            ids.collect()
        };
        assert_eq!(ids(&kong.flat(5)), ids(&flat));
        let each: std::collections::BTreeSet<_> = ids(&flat).into_iter().collect();
        assert_eq!(each.len(), 6);
    }
}
