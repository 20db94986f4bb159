//! What a plugin is for, as the Admin API has it.
//!
//! **Rules.** A service, a route or a consumer needs no registration: a name that no entity has is the
//! name of that one alone, and stands as the `id` in answers. Where an entity has it, all its names
//! are the same, and its id is shown.

use serde_json::{Value, json};

use crate::config::plugins::{Kong, Plugin, Reference};

/// What a plugin may be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Service,
    Route,
    Consumer,
}

impl Kind {
    /// All, in the order of [`Plugin::references`].
    pub(super) const ALL: [Self; 3] = [Self::Service, Self::Route, Self::Consumer];

    /// The field of a plugin.
    pub(super) const fn field(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Route => "route",
            Self::Consumer => "consumer",
        }
    }

    /// The list of entities, which is in paths, too.
    pub(super) const fn list(self) -> &'static str {
        match self {
            Self::Service => "services",
            Self::Route => "routes",
            Self::Consumer => "consumers",
        }
    }

    /// By which keys an entity is named where a plugin names it, the first that is there.
    pub(super) const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Service | Self::Route => &["id", "name"],
            Self::Consumer => &["id", "username", "custom_id"],
        }
    }

    pub(super) fn of_list(list: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.list() == list)
    }

    /// What the plugin names.
    pub(super) fn of(self, plugin: &Plugin) -> Option<&str> {
        let named = Self::ALL.into_iter().zip(plugin.references());
        let (_, reference) = named.into_iter().find(|(kind, _)| *kind == self)?;
        reference.map(Reference::text)
    }

    /// The names of the entity that has this one; none where there is no such.
    fn names(self, kong: &Kong, name: &str) -> Vec<String> {
        let has = |names: Vec<&str>| {
            let found = names.contains(&name);
            found.then(|| names.into_iter().map(str::to_owned).collect())
        };
        let found = match self {
            Self::Service => kong
                .services
                .iter()
                .find_map(|one| has(one.names().collect())),
            Self::Route => kong
                .routes
                .iter()
                .find_map(|one| has(one.names().collect())),
            Self::Consumer => kong
                .consumers
                .iter()
                .find_map(|one| has(one.names().collect())),
        };
        found.unwrap_or_default()
    }

    /// Whether both name the same.
    pub(super) fn same(self, kong: &Kong, one: &str, other: &str) -> bool {
        one == other || self.names(kong, one).iter().any(|name| name == other)
    }

    /// The entities of this kind, each as it is shown.
    pub(super) fn entities(self, kong: &Kong) -> Vec<Value> {
        match self {
            Self::Service => kong.services.iter().map(|one| json!(one.keys())).collect(),
            Self::Consumer => kong.consumers.iter().map(|one| json!(one.keys())).collect(),
            Self::Route => {
                let routes = kong.routes.iter().map(|route| {
                    let mut shown = json!(route.keys());
                    let service = route.service.as_ref().map(Reference::text);
                    if let Value::Object(shown) = &mut shown {
                        let service = Self::Service.shown(kong, service);
                        shown.insert("service".to_owned(), service);
                    }
                    shown
                });
                routes.collect()
            }
        }
    }

    /// The entity that has this name or id, as it is shown.
    pub(super) fn entity(self, kong: &Kong, key: &str) -> Option<Value> {
        self.entities(kong).into_iter().find(|entity| {
            self.keys()
                .iter()
                .any(|name| entity.get(name).is_some_and(|of| of == key))
        })
    }

    /// What a plugin names, as it is shown: `{"id": …}` or `null`.
    pub(super) fn shown(self, kong: &Kong, reference: Option<&str>) -> Value {
        let Some(text) = reference else {
            return Value::Null;
        };
        let entity = self.entity_id(kong, text);
        json!({"id": entity.as_deref().unwrap_or(text)})
    }

    fn entity_id(self, kong: &Kong, name: &str) -> Option<String> {
        // The id is the last of an entity's names.
        self.names(kong, name).pop()
    }
}

/// Whether both plugins are for the same requests.
pub(super) fn same_scope(kong: &Kong, one: &Plugin, other: &Plugin) -> bool {
    Kind::ALL
        .into_iter()
        .all(|kind| match (kind.of(one), kind.of(other)) {
            (None, None) => true,
            (Some(one), Some(other)) => kind.same(kong, one, other),
            _ => false,
        })
}
