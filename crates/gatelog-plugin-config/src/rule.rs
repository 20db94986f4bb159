//! Which requests a rule of Higress' merged configuration is for.
//!
//! **Shape.** A rule is asked by one kind of condition, which its keys choose as Higress' own plugins
//! do: `_match_route_` (with `_match_service_` both must hold), else `_match_domain_`, else
//! `_match_service_`, else `_match_route_prefix_` (with `_match_consumer_` both must hold).
//!
//! **Source.** `pkg/matcher/rule_matcher.go` of higress-group/wasm-go, 2026.

use super::error::ConfigError;
use super::section::Section;

/// The keys of a condition.
pub(super) const KEYS: [&str; 5] = [
    "_match_route_",
    "_match_route_prefix_",
    "_match_domain_",
    "_match_service_",
    "_match_consumer_",
];

/// What rules ask about a request. An empty text is an unknown one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'r> {
    /// The host as the client named it, with its port if it did.
    pub host: &'r str,
    /// The route's name.
    pub route: &'r str,
    /// The upstream cluster.
    pub cluster: &'r str,
    /// The consumer, from `x-mse-consumer`.
    pub consumer: &'r str,
}

/// Which requests a rule is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Route(Vec<String>),
    RouteAndService(Vec<String>, Vec<String>),
    Domain(Vec<Domain>),
    Service(Vec<String>),
    RoutePrefix(Vec<String>),
    RoutePrefixAndConsumer(Vec<String>, Vec<String>),
}

/// A host, of which one end may be left open.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Domain {
    Exact(String),
    /// `*.example.com`
    Suffix(String),
    /// `www.*`
    Prefix(String),
}

impl Condition {
    /// Reads the keys of a rule's condition.
    pub(super) fn read(section: &mut Section) -> Result<Self, ConfigError> {
        let mut list = |key| -> Result<Vec<String>, ConfigError> {
            let mut list = section.texts(key)?.unwrap_or_default();
            list.retain(|text| !text.is_empty());
            Ok(list)
        };
        let routes = list("_match_route_")?;
        let prefixes = list("_match_route_prefix_")?;
        let domains = list("_match_domain_")?;
        let services = list("_match_service_")?;
        let consumers = list("_match_consumer_")?;
        Ok(if !routes.is_empty() && !services.is_empty() {
            Self::RouteAndService(routes, services)
        } else if !routes.is_empty() {
            Self::Route(routes)
        } else if !domains.is_empty() {
            Self::Domain(domains.iter().map(|domain| Domain::of(domain)).collect())
        } else if !services.is_empty() {
            Self::Service(services)
        } else if !prefixes.is_empty() && !consumers.is_empty() {
            Self::RoutePrefixAndConsumer(prefixes, consumers)
        } else if !prefixes.is_empty() {
            Self::RoutePrefix(prefixes)
        } else {
            let problem = "has no condition: it needs `_match_route_`, `_match_route_prefix_`, \
                           `_match_domain_` or `_match_service_`";
            let place = section.path("");
            return Err(ConfigError::unusable(place.trim_end_matches('.'), problem));
        })
    }

    /// Whether the rule is for this request.
    pub(super) fn holds(&self, asked: Asked<'_>) -> bool {
        let has = |list: &[String], text: &str| list.iter().any(|name| name == text);
        let begins = |list: &[String]| list.iter().any(|name| asked.route.starts_with(name));
        let serves = |list: &[String]| list.iter().any(|name| is_service(name, asked.cluster));
        match self {
            Self::Route(routes) => has(routes, asked.route),
            Self::RouteAndService(routes, services) => has(routes, asked.route) && serves(services),
            Self::Domain(domains) => {
                let host = without_port(asked.host);
                domains.iter().any(|domain| domain.is(host))
            }
            Self::Service(services) => serves(services),
            Self::RoutePrefix(prefixes) => begins(prefixes),
            Self::RoutePrefixAndConsumer(prefixes, consumers) => {
                begins(prefixes) && has(consumers, asked.consumer)
            }
        }
    }
}

impl Domain {
    fn of(text: &str) -> Self {
        if let Some(end) = text.strip_prefix('*') {
            Self::Suffix(end.to_owned())
        } else if let Some(beginning) = text.strip_suffix('*') {
            Self::Prefix(beginning.to_owned())
        } else {
            Self::Exact(text.to_owned())
        }
    }

    fn is(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => host == name,
            Self::Suffix(end) => host.ends_with(end.as_str()),
            Self::Prefix(beginning) => host.starts_with(beginning.as_str()),
        }
    }
}

/// Whether a cluster `outbound|PORT|SUBSET|HOST` is of the service `HOST` or `HOST:PORT`.
fn is_service(name: &str, cluster: &str) -> bool {
    let mut parts = cluster.split('|');
    let (Some(_), Some(port), Some(_), Some(host), None) = (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    ) else {
        return false;
    };
    name == host || name.rsplit_once(':') == Some((host, port))
}

/// A host without its port; the colons within `[…]` are of an address.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn condition(rule: &serde_json::Value) -> Result<Condition, ConfigError> {
        let members = rule.as_object().unwrap().clone();
        Condition::read(&mut Section::of(members, "_rules_[0].", &KEYS)?)
    }

    #[expect(clippy::needless_pass_by_value, reason = "a rule stands in each call")]
    fn holds(rule: serde_json::Value, asked: Asked<'_>) -> bool {
        condition(&rule).unwrap().holds(asked)
    }

    fn host(host: &str) -> Asked<'_> {
        Asked {
            host,
            ..Asked::default()
        }
    }

    fn on(route: &'static str, cluster: &'static str) -> Asked<'static> {
        Asked {
            route,
            cluster,
            ..Asked::default()
        }
    }

    /// The table of Higress' own test.
    #[test]
    fn domains_are_matched_as_higress_does() {
        for (domain, asked, expected) in [
            ("www.*", "www.test.com", true),
            ("www.*", "test.com", false),
            ("*.example.com", "www.example.com", true),
            ("*.example.com", "example.com", false),
            ("www.example.com", "www.example.com", true),
            ("www.example.com", "example.com", false),
            ("www.example.com", "www.example.com:8080", true),
            ("*", "www.example.com:8080", true),
            ("*", "", true),
            ("[::1]", "[::1]:80", true),
            ("[::1]", "[::1]", true),
        ] {
            let rule = json!({"_match_domain_": [domain]});
            assert_eq!(holds(rule, host(asked)), expected, "{domain} {asked}");
        }
    }

    /// The table of Higress' own test.
    #[test]
    fn services_are_matched_as_higress_does() {
        for (service, cluster, expected) in [
            ("qwen.dns", "outbound|443||qwen.dns", true),
            ("qwen.dns:443", "outbound|443||qwen.dns", true),
            ("moonshot.dns:443", "outbound|443||qwen.dns", false),
            ("qwen.dns:80", "outbound|443||qwen.dns", false),
            ("qwen.dns:", "outbound|443||qwen.dns", false),
            ("qwen.dns", "qwen.dns", false),
            ("qwen.dns", "outbound|443||qwen.dns|more", false),
        ] {
            let rule = json!({"_match_service_": service});
            assert_eq!(
                holds(rule, on("r", cluster)),
                expected,
                "{service} {cluster}"
            );
        }
    }

    #[test]
    fn routes_are_matched_whole_or_by_their_beginning() {
        let rule = || json!({"_match_route_": ["a", "b"]});
        assert!(holds(rule(), on("b", "")));
        assert!(!holds(rule(), on("bb", "")));
        assert!(!holds(rule(), on("", "")));
        let rule = || json!({"_match_route_prefix_": ["api-", "web-"]});
        assert!(holds(rule(), on("web-1", "")));
        assert!(!holds(rule(), on("we", "")));
    }

    #[test]
    fn two_kinds_together_are_combined_or_passed_over_as_higress_does() {
        let rule =
            || json!({"_match_route_": ["a"], "_match_service_": ["s"], "_match_domain_": "x"});
        assert!(holds(rule(), on("a", "outbound|1||s")));
        assert!(!holds(rule(), on("a", "outbound|1||t")));
        assert!(!holds(rule(), on("b", "outbound|1||s")));
        let rule =
            || json!({"_match_domain_": "x", "_match_service_": "s", "_match_route_prefix_": "a"});
        assert!(holds(rule(), host("x")));
        assert!(!holds(rule(), on("a", "outbound|1||s")));
        let rule = || json!({"_match_route_prefix_": "a", "_match_consumer_": ["kim"]});
        let kim = |consumer| Asked {
            route: "a1",
            consumer,
            ..Asked::default()
        };
        assert!(holds(rule(), kim("kim")));
        assert!(!holds(rule(), kim("lee")));
    }

    #[test]
    fn a_rule_without_a_condition_is_refused() {
        for rule in [
            json!({}),
            json!({"_match_route_": []}),
            json!({"_match_route_": [""]}),
            json!({"_match_consumer_": ["kim"]}),
        ] {
            let error = condition(&rule).unwrap_err().to_string();
            assert!(
                error.starts_with("`_rules_[0]` has no condition"),
                "{error}"
            );
        }
    }
}
