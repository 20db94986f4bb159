//! For which records a plugin's instance is, among others of its name.
//!
//! **Shape.** A [`Scope`] names a service, a route, a consumer, some of them or nothing. [`claims`]
//! compiles the scopes of all instances of one plugin; each [`Claim`] then decides by itself.
//!
//! **Rules.** Of the instances whose scopes match a record only those of the most specific scope run,
//! in Kong's order: route, service and consumer; route and consumer; service and consumer; route and
//! service; consumer; route; service; everything. Several of the same scope all run.
//!
//! | scope | matches |
//! |---|---|
//! | service | `service`; the host in a `service` or `upstream_cluster` of the form `outbound\|PORT\|\|HOST` |
//! | route | `route`, `route_name` |
//! | consumer | `consumer` |
//!
//! **Limits.** No allocation for a record. A scope that does not match costs comparisons of a few
//! texts; one that does, a search among hashes for each kind of scope that is stronger.
//!
//! **Source.** Kong 3.10, `kong/runloop/plugins_iterator.lua`.

use std::sync::Arc;

use gatelog_record::AccessRecord;

use super::cluster;

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

/// The decision of one instance.
#[derive(Clone, Debug, Default)]
pub struct Claim {
    scope: Scope,
    /// The scopes that win over this one.
    stronger: Vec<Arc<Rank>>,
}

/// All scopes that name the same kinds of things.
#[derive(Debug)]
struct Rank {
    named: [bool; 3],
    /// A bit for the hash of each key: most texts of most records have none.
    bits: [u64; 16],
    /// Of the keys, sorted.
    hashes: Vec<u64>,
    /// In the order of the hashes. What is not named is empty.
    keys: Vec<[String; 3]>,
}

/// What a record says of its service, its route and its consumer.
struct Told<'r> {
    texts: [[Option<&'r str>; 3]; 3],
}

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

    fn matches(&self, told: &Told<'_>) -> bool {
        let mut kinds = self.names.iter().zip(&told.texts);
        kinds.all(|(names, texts)| {
            let mut texts = texts.iter().flatten();
            names.is_empty() || texts.any(|text| names.iter().any(|name| name == text))
        })
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

/// Compiles the scopes of all instances of one plugin, in their order.
pub fn claims(scopes: &[Scope]) -> Vec<Claim> {
    let ranks: Vec<_> = ORDER
        .iter()
        .map(|named| Arc::new(Rank::of(*named, scopes)))
        .collect();
    let claim = |scope: &Scope| {
        let own = scope.named();
        let stronger = ranks.iter().take_while(|rank| rank.named != own);
        let stronger = stronger.filter(|rank| !rank.keys.is_empty());
        Claim {
            scope: scope.clone(),
            stronger: stronger.cloned().collect(),
        }
    };
    scopes.iter().map(claim).collect()
}

impl Claim {
    /// Whether the record is this instance's.
    pub fn wants(&self, record: &AccessRecord<'_>) -> bool {
        let told = Told::by(record);
        if !self.scope.matches(&told) {
            return false;
        }
        let told = told.hashed();
        !self.stronger.iter().any(|rank| rank.matches(&told))
    }
}

impl Rank {
    fn of(named: [bool; 3], scopes: &[Scope]) -> Self {
        let scopes = scopes.iter().filter(|scope| scope.named() == named);
        let keys = scopes.flat_map(Scope::keys);
        let hash_of = |[service, route, consumer]: &[String; 3]| {
            combined(hash(service), hash(route), hash(consumer))
        };
        let mut hashed: Vec<_> = keys.map(|key| (hash_of(&key), key)).collect();
        hashed.sort();
        hashed.dedup();
        let mut bits = [0; 16];
        for (hash, _) in &hashed {
            let (word, bit) = place(*hash);
            if let Some(word) = bits.get_mut(word) {
                *word |= bit;
            }
        }
        let (hashes, keys) = hashed.into_iter().unzip();
        Self {
            named,
            bits,
            hashes,
            keys,
        }
    }

    /// Whether one of its scopes matches.
    fn matches(&self, told: &[[Option<(&str, u64)>; 3]; 3]) -> bool {
        let of = |kind: usize| {
            let is_named = self.named.get(kind).copied().unwrap_or_default();
            let told = told.get(kind).copied().unwrap_or_default();
            let texts = if is_named {
                told
            } else {
                [Some(("", 0)), None, None]
            };
            texts.into_iter().flatten()
        };
        of(SERVICE).any(|service| {
            of(ROUTE).any(|route| of(CONSUMER).any(|consumer| self.has([service, route, consumer])))
        })
    }

    fn has(&self, sought: [(&str, u64); 3]) -> bool {
        let [service, route, consumer] = sought.map(|(_, hash)| hash);
        let hash = combined(service, route, consumer);
        let (word, bit) = place(hash);
        if self.bits.get(word).is_none_or(|word| word & bit == 0) {
            return false;
        }
        let first = self.hashes.partition_point(|found| *found < hash);
        let mut found = self.hashes.iter().zip(&self.keys).skip(first);
        let same = |key: &[String; 3]| key.iter().zip(sought).all(|(key, (text, _))| key == text);
        found
            .by_ref()
            .take_while(|(found, _)| **found == hash)
            .any(|(_, key)| same(key))
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

impl<'r> Told<'r> {
    fn by(record: &'r AccessRecord<'_>) -> Self {
        let host = |name: Option<&'r str>| Some(cluster::outbound(name?)?.0);
        let service = record.service.as_deref();
        let cluster = record.upstream_cluster.as_deref();
        Self {
            texts: [
                [service, host(service), host(cluster)],
                [record.route.as_deref(), record.route_name.as_deref(), None],
                [record.consumer.as_deref(), None, None],
            ],
        }
    }

    fn hashed(&self) -> [[Option<(&'r str, u64)>; 3]; 3] {
        let hashed = |text: Option<&'r str>| text.map(|text| (text, hash(text)));
        self.texts.map(|texts| texts.map(hashed))
    }
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
        let claims = claims(scopes);
        let wanting = claims
            .iter()
            .enumerate()
            .filter(|(_, claim)| claim.wants(record));
        wanting.map(|(index, _)| index).collect()
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
    }

    fn name() -> impl Strategy<Value = String> {
        prop::sample::select(vec!["", "a", "b", "a b", "b c"]).prop_map(str::to_owned)
    }

    proptest! {
        /// Against the rule, read literally.
        #[test]
        fn claims_decide_as_the_rule_says(
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
