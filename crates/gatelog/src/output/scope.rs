//! For which records a plugin's instance is, among others of its name.
//!
//! **Shape.** A [`Scope`] names a service, a route, a consumer, some of them or nothing. [`Scopes`] has
//! those of all instances, compiled, and finds the winners of each plugin for a record.
//!
//! **Rules.** Of the instances whose scopes match a record only those of the most specific scope run,
//! in Kong's order: route, service and consumer; route and consumer; service and consumer; route and
//! service; consumer; route; service; everything. Several of the same scope all run.
//!
//! | scope | matches |
//! |---|---|
//! | service | `service`, `service_id`; the host in a `service` or `upstream_cluster` of the form `outbound\|PORT\|\|HOST` |
//! | route | `route`, `route_name`, `route_id` |
//! | consumer | `consumer`, `consumer_custom_id`, `consumer_id` |
//!
//! **Limits.** No allocation for a record. It costs a look at a few bits for each kind of scope that a plugin
//! has, however many instances of it there are, and a comparison of texts where one is found.
//!
//! **Source.** Kong 3.10, `kong/runloop/plugins_iterator.lua`.

use std::collections::BTreeMap;

use gatelog_record::AccessRecord;

use super::{Routing, cluster};

/// What a plugin's instance is for. What is not named is anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// What the service, the route and the consumer may be called.
    names: [Vec<String>; 3],
}

const SERVICE: usize = 0;
const ROUTE: usize = 1;
const CONSUMER: usize = 2;

/// Which of service, route and consumer are named, the strongest first.
const ORDER: [[bool; 3]; 8] = [
    [true, true, true],
    [false, true, true],
    [true, false, true],
    [true, true, false],
    [false, false, true],
    [false, true, false],
    [true, false, false],
    [false, false, false],
];

/// The scopes of all instances, compiled.
#[derive(Debug, Default)]
pub struct Scopes {
    /// For each plugin those of its ranks that have a scope, the strongest first.
    plugins: Vec<Vec<Rank>>,
    /// Which of service, route and consumer any scope names: what others say is not looked at.
    named: [bool; 3],
}

/// All scopes of one plugin that name the same kinds of things.
#[derive(Debug)]
struct Rank {
    named: [bool; 3],
    /// A bit for the hash of each key: most texts of most records have none.
    bits: [u64; 16],
    /// Of the keys, sorted.
    hashes: Vec<u64>,
    /// In the order of the hashes. What is not named is empty.
    keys: Vec<[String; 3]>,
    /// Of each key its instances, by their places among all.
    instances: Vec<Vec<usize>>,
}

/// What a record says of its service, its route and its consumer, with the hashes of that.
type Told<'r> = [[Option<(&'r str, u64)>; 4]; 3];

impl Scope {
    /// A scope of these names of one service, one route and one consumer; where there are none, of any.
    pub fn new(service: Vec<String>, route: Vec<String>, consumer: Vec<String>) -> Self {
        Self {
            names: [service, route, consumer],
        }
    }

    fn named(&self) -> [bool; 3] {
        self.names.each_ref().map(|names| !names.is_empty())
    }

    /// Every way to name it.
    fn keys(&self) -> Vec<[String; 3]> {
        let or_empty = |names: &Vec<String>| match names.as_slice() {
            [] => vec![String::new()],
            names => names.to_vec(),
        };
        let [services, routes, consumers] = self.names.each_ref().map(or_empty);
        let mut keys = Vec::new();
        for service in &services {
            for route in &routes {
                for consumer in &consumers {
                    keys.push([service.clone(), route.clone(), consumer.clone()]);
                }
            }
        }
        keys
    }
}

impl Scopes {
    /// Compiles the scopes of instances, each with the name of its plugin.
    pub fn new<'s>(scopes: impl Iterator<Item = (&'static str, &'s Scope)>) -> Self {
        let scopes: Vec<_> = scopes.enumerate().collect();
        let mut names: Vec<_> = scopes.iter().map(|(_, (name, _))| *name).collect();
        names.sort_unstable();
        names.dedup();
        let plugins = names.into_iter().map(|plugin| {
            let of_plugin = scopes.iter().filter(|(_, (name, _))| *name == plugin);
            let of_plugin: Vec<_> = of_plugin.map(|(at, (_, scope))| (*at, *scope)).collect();
            let ranks = ORDER.iter().map(|named| Rank::of(*named, &of_plugin));
            ranks.filter(|rank| !rank.keys.is_empty()).collect()
        });
        let mut named = [false; 3];
        for (_, (_, scope)) in &scopes {
            for (any, this) in named.iter_mut().zip(scope.named()) {
                *any |= this;
            }
        }
        Self {
            plugins: plugins.collect(),
            named,
        }
    }
}

impl Routing for Scopes {
    fn route(&self, record: &AccessRecord<'_>, to: &mut Vec<usize>) {
        let told = told(record, self.named);
        for ranks in &self.plugins {
            let before = to.len();
            // The first that has some has the winners.
            let _won = ranks.iter().any(|rank| rank.winners(&told, to, before));
        }
    }
}

impl Rank {
    fn of(named: [bool; 3], scopes: &[(usize, &Scope)]) -> Self {
        let scopes = scopes.iter().filter(|(_, scope)| scope.named() == named);
        let keys = scopes.flat_map(|(at, scope)| scope.keys().into_iter().map(|key| (key, *at)));
        let hash_of = |[service, route, consumer]: &[String; 3]| {
            combined(hash(service), hash(route), hash(consumer))
        };
        let mut by_key = BTreeMap::<_, Vec<usize>>::new();
        for (key, at) in keys {
            let instances = by_key.entry((hash_of(&key), key)).or_default();
            if instances.last() != Some(&at) {
                instances.push(at);
            }
        }
        let mut rank = Self {
            named,
            bits: [0; 16],
            hashes: Vec::new(),
            keys: Vec::new(),
            instances: Vec::new(),
        };
        for ((hash, key), instances) in by_key {
            let (word, bit) = place(hash);
            if let Some(word) = rank.bits.get_mut(word) {
                *word |= bit;
            }
            rank.hashes.push(hash);
            rank.keys.push(key);
            rank.instances.push(instances);
        }
        rank
    }

    /// Adds the instances with a scope that matches, behind the first `before`; whether there is one.
    fn winners(&self, told: &Told<'_>, to: &mut Vec<usize>, before: usize) -> bool {
        let of = |kind: usize| {
            let is_named = self.named.get(kind).copied().unwrap_or_default();
            let told = told.get(kind).copied().unwrap_or_default();
            let texts = if is_named {
                told
            } else {
                [Some(("", 0)), None, None, None]
            };
            texts.into_iter().flatten()
        };
        for service in of(SERVICE) {
            for route in of(ROUTE) {
                for consumer in of(CONSUMER) {
                    for instance in self.instances_of([service, route, consumer]) {
                        // A record may name a thing twice.
                        let known = to.get(before..).unwrap_or_default();
                        if !known.contains(instance) {
                            to.push(*instance);
                        }
                    }
                }
            }
        }
        to.len() > before
    }

    fn instances_of(&self, sought: [(&str, u64); 3]) -> &[usize] {
        let [service, route, consumer] = sought.map(|(_, hash)| hash);
        let hash = combined(service, route, consumer);
        let (word, bit) = place(hash);
        if self.bits.get(word).is_none_or(|word| word & bit == 0) {
            return &[];
        }
        let first = self.hashes.partition_point(|found| *found < hash);
        let found = self.hashes.iter().zip(&self.keys).zip(&self.instances);
        let same = |key: &[String; 3]| key.iter().zip(sought).all(|(key, (text, _))| key == text);
        found
            .skip(first)
            .take_while(|((found, _), _)| **found == hash)
            .find(|((_, key), _)| same(key))
            .map_or(&[], |(_, instances)| instances)
    }
}

/// Spreads texts over 64 bits; 0 for an empty one. What is looked for is compared besides, and what it
/// is looked for among comes from the configuration, so that no sender can make it slow.
fn hash(text: &str) -> u64 {
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(SPREAD);
    let bytes = text.as_bytes();
    let (words, rest) = bytes.as_chunks();
    let whole = words.iter();
    let whole = whole.fold(0, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    match bytes.last_chunk() {
        // The rest, with some bytes before it.
        Some(last) if !rest.is_empty() => mix(whole, u64::from_le_bytes(*last)),
        Some(_) => whole,
        None => rest
            .iter()
            .fold(whole, |hash, byte| mix(hash, u64::from(*byte))),
    }
}

/// The bit of a hash: which word of a rank's has it, and the bit alone.
fn place(hash: u64) -> (usize, u64) {
    ((hash >> 60) as usize, 1 << (hash >> 54 & 63))
}

fn combined(service: u64, route: u64, consumer: u64) -> u64 {
    service ^ route.rotate_left(21) ^ consumer.rotate_left(42)
}

/// What a record says of those that are named.
fn told<'r>(record: &'r AccessRecord<'_>, named: [bool; 3]) -> Told<'r> {
    let host = |name: Option<&'r str>| Some(cluster::outbound(name?)?.0);
    let hashed = |text: Option<&'r str>| text.map(|text| (text, hash(text)));
    let mut told = Told::default();
    let [services, routes, consumers] = &mut told;
    let [of_service, of_route, of_consumer] = named;
    if of_service {
        let service = record.service.as_deref();
        let cluster = record.upstream_cluster.as_deref();
        let id = record.service_id.as_deref();
        *services = [service, host(service), host(cluster), id].map(hashed);
    }
    if of_route {
        let route = record.route.as_deref();
        let name = record.route_name.as_deref();
        *routes = [route, name, record.route_id.as_deref(), None].map(hashed);
    }
    if of_consumer {
        let consumer = record.consumer.as_deref();
        let custom_id = record.consumer_custom_id.as_deref();
        *consumers = [consumer, custom_id, record.consumer_id.as_deref(), None].map(hashed);
    }
    told
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scope(service: &str, route: &str, consumer: &str) -> Scope {
        let names = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        Scope::new(names(service), names(route), names(consumer))
    }

    fn record(service: &str, route: &str, consumer: &str) -> AccessRecord<'static> {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned().into());
        AccessRecord {
            service: text(service),
            route: text(route),
            consumer: text(consumer),
            ..AccessRecord::default()
        }
    }

    /// Which of these want the record.
    fn winners(scopes: &[Scope], record: &AccessRecord<'_>) -> Vec<usize> {
        let scopes = Scopes::new(scopes.iter().map(|scope| ("file-log", scope)));
        let mut winners = Vec::new();
        scopes.route(record, &mut winners);
        winners.sort_unstable();
        winners
    }

    /// Kong's eight cases: the strongest scope is taken away, and the next one of the order runs.
    #[test]
    fn the_most_specific_scope_wins_in_kongs_order() {
        let mut scopes = vec![
            scope("s", "r", "c"),
            scope("", "r", "c"),
            scope("s", "", "c"),
            scope("s", "r", ""),
            scope("", "", "c"),
            scope("", "r", ""),
            scope("s", "", ""),
            scope("", "", ""),
        ];
        while !scopes.is_empty() {
            assert_eq!(winners(&scopes, &record("s", "r", "c")), [0], "{scopes:?}");
            scopes.remove(0);
        }
    }

    #[test]
    fn all_instances_of_the_winning_scope_run_and_no_other() {
        let scopes = [
            scope("", "", ""),
            scope("s", "", ""),
            scope("", "", ""),
            scope("s", "", ""),
            scope("other", "", ""),
        ];
        assert_eq!(winners(&scopes, &record("s", "r", "")), [1, 3]);
        assert_eq!(winners(&scopes, &record("t", "r", "")), [0, 2]);
        assert_eq!(winners(&scopes, &record("", "", "")), [0, 2]);
    }

    #[test]
    fn a_service_is_known_by_each_of_its_names_and_by_the_clusters_host() {
        let scopes = [scope("billing 17", "", ""), scope("", "", "")];
        let mut by_cluster = record("", "", "");
        by_cluster.upstream_cluster = Some("outbound|80||billing".into());
        let mut by_route_name = record("", "", "");
        by_route_name.route_name = Some("billing".into());
        for (record, winner) in [
            (record("billing", "", ""), 0),
            (record("17", "", ""), 0),
            (record("outbound|443||billing", "", ""), 0),
            (by_cluster, 0),
            (by_route_name, 1),
            (record("billing2", "billing", "billing"), 1),
        ] {
            assert_eq!(winners(&scopes, &record), [winner], "{record:?}");
        }
        let mut named = record("", "", "");
        named.route_name = Some("r".into());
        assert_eq!(winners(&[scope("", "r", "")], &named), [0]);
        let by_id = AccessRecord {
            service_id: Some("17".into()),
            route_id: Some("r-1".into()),
            consumer_id: Some("c-1".into()),
            consumer_custom_id: Some("x".into()),
            ..record("s", "r", "c")
        };
        for scope in [
            scope("17", "", ""),
            scope("", "r-1", ""),
            scope("", "", "c-1"),
            scope("", "", "x"),
            scope("17", "r-1", "x"),
        ] {
            assert_eq!(
                winners(std::slice::from_ref(&scope), &by_id),
                [0],
                "{scope:?}"
            );
        }
    }

    fn name() -> impl Strategy<Value = String> {
        prop::sample::select(vec!["", "a", "b", "a b", "b c"]).prop_map(str::to_owned)
    }

    proptest! {
        /// Against the rule, read literally.
        #[test]
        fn the_winners_are_those_of_the_rule(
            scopes in prop::collection::vec((name(), name(), name()), 0..12),
            told in ("[abc]?", "[abc]?", "[abc]?"),
        ) {
            let scopes: Vec<_> = scopes.iter().map(|(s, r, c)| scope(s, r, c)).collect();
            let record = record(&told.0, &told.1, &told.2);
            let told = [&told.0, &told.1, &told.2];
            let matching: Vec<_> = (0..scopes.len()).filter(|index| {
                scopes[*index].names.iter().zip(told).all(|(names, told)| names.is_empty() || names.contains(told))
            }).collect();
            let rank = |index: &usize| ORDER.iter().position(|named| *named == scopes[*index].named());
            let best = matching.iter().map(rank).min();
            let expected: Vec<_> = matching.into_iter().filter(|index| Some(rank(index)) == best).collect();
            prop_assert_eq!(winners(&scopes, &record), expected);
        }
    }
}
