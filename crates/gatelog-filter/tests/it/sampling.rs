//! Totals that are estimated from what the policy has kept.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "small numbers, and weights that are exact"
)]

use std::collections::BTreeMap;

use gatelog_filter::sample::{Reason, Subject};
use gatelog_filter::{Decision, FlagSet, SampleConfig, Sampler};

const DAY_MS: u64 = 86_400_000;

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

fn sampler(yaml: &str) -> Sampler {
    let config: SampleConfig = serde_saphyr::from_str(yaml).unwrap();
    Sampler::new(&config)
}

/// What is known of a total.
#[derive(Default)]
struct Total {
    truth: f64,
    estimate: f64,
    /// Of Horvitz and Thompson's estimate: the sum of (1 - p) / p over all there was.
    variance: f64,
}

/// A day of requests; the totals by route and by status.
fn day(sampler: &Sampler, seed: u64, requests: u64) -> (BTreeMap<String, Total>, u64) {
    let mut random = Random(seed);
    let mut totals: BTreeMap<String, Total> = BTreeMap::new();
    let mut kept_bytes = 0;
    for index in 0..requests {
        // Twice as many in the middle of the day as at its ends.
        let day_part = index as f64 / requests as f64;
        let now_ms =
            100 * DAY_MS + ((day_part + 0.1 * (day_part * 12.6).sin() / 12.6) * 8.6e7) as u64;
        let route = match random.below(100) {
            0..60 => "products",
            60..95 => "search",
            95..99 => "checkout",
            _ => "reports",
        };
        let response_code = match random.below(200) {
            0..180 => 200,
            180..190 => 304,
            190..196 => 404,
            196..199 => 503,
            _ => 0,
        };
        let trace_id = format!(
            "{:032x}",
            u128::from(random.next()) << 64 | u128::from(random.next())
        );
        let slow = if random.below(50) == 0 { 2000 } else { 0 };
        let subject = Subject {
            trace_id: Some(&trace_id),
            response_code,
            duration_ms: Some(10 + random.below(100) + slow),
            flags: FlagSet::of(if response_code == 0 { "DC" } else { "-" }),
            route: Some(route),
            bytes: 800 + random.below(800),
            ..Subject::default()
        };
        let verdict = sampler.decide(&subject, now_ms, &mut || unreachable!());
        for name in [
            format!("route {route}"),
            format!("status {response_code}"),
            "all".to_owned(),
        ] {
            let total = totals.entry(name).or_default();
            total.truth += 1.0;
            if let Decision::Keep { weight } = verdict.decision {
                total.estimate += weight;
            }
            total.variance += 1.0 / verdict.probability - 1.0;
        }
        if verdict.decision.is_keep() {
            kept_bytes += subject.bytes;
        }
    }
    (totals, kept_bytes)
}

#[test]
fn totals_are_unbiased_by_route_and_status() {
    let policy =
        "{rate: 0.05, keep: {status_ge: 400, slower_than: p99, flags: any, rare_routes: true}}";
    for seed in 1..=5 {
        let (totals, _) = day(&sampler(policy), seed, 40_000);
        assert!(totals.len() >= 9);
        for (name, total) in &totals {
            let error = (total.estimate - total.truth).abs();
            let allowed = 4.0 * total.variance.sqrt() + 1e-6;
            assert!(
                error <= allowed,
                "seed {seed}, {name}: {error} of {}, {allowed}",
                total.truth
            );
        }
        // Errors are not estimated but there.
        for errors in ["status 404", "status 503", "status 0"] {
            assert_eq!(totals[errors].estimate, totals[errors].truth);
        }
        assert!(totals["status 200"].variance > 0.0);
    }
}

#[test]
fn totals_stay_unbiased_while_the_budget_moves_the_rate() {
    // About a fifth of what comes: 60,000 requests of 1.2 kB.
    let policy = "{rate: 1, keep: {status_ge: 500}, budget_per_day: 15MB}";
    for seed in 1..=5 {
        let sampler = sampler(policy);
        let (totals, kept_bytes) = day(&sampler, seed, 60_000);
        for (name, total) in &totals {
            let error = (total.estimate - total.truth).abs();
            let allowed = 4.0 * total.variance.sqrt() + 1e-6;
            assert!(
                error <= allowed,
                "seed {seed}, {name}: {error} of {}, {allowed}",
                total.truth
            );
        }
        assert!(kept_bytes <= 15_100_000, "{kept_bytes}");
        assert!(kept_bytes >= 10_000_000, "{kept_bytes}");
        assert_eq!(sampler.spent(), (100, kept_bytes));
    }
}

#[test]
fn the_rate_falls_with_the_budget_and_rises_with_the_day() {
    let sampler = sampler("{rate: 0.5, keep: {status_ge: 400}, budget_per_day: 1MB}");
    let mut random = Random(1);
    let mut at = |now_ms: u64, response_code: u64| {
        let id = random.next().to_string();
        let subject = Subject {
            trace_id: Some(&id),
            response_code,
            bytes: 1000,
            ..Subject::default()
        };
        let verdict = sampler.decide(&subject, now_ms, &mut || unreachable!());
        match verdict.decision {
            Decision::Keep { weight } => Some(weight),
            Decision::Drop => None,
        }
    };
    let first: Vec<f64> = (0..100).filter_map(|index| at(index, 200)).collect();
    assert!(first.iter().all(|weight| *weight == 2.0));
    // Errors alone use the budget up; they are kept all the same.
    for index in 0..3000 {
        assert_eq!(at(1000 + index * 100, 500), Some(1.0));
    }
    let weights: Vec<f64> = (0..20_000)
        .filter_map(|index| at(400_000 + index, 200))
        .collect();
    assert!(
        weights.iter().all(|weight| (*weight - 2000.0).abs() < 1e-6),
        "{weights:?}"
    );
    let next_day: Vec<f64> = (0..100)
        .filter_map(|index| at(2 * DAY_MS + index * 100_000, 200))
        .collect();
    assert_eq!(next_day.last(), Some(&2.0));
}

#[test]
fn the_budget_goes_on_after_a_restart() {
    let policy = "{rate: 1, budget_per_day: 1MB}";
    let subject = Subject {
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736"),
        response_code: 200,
        bytes: 1000,
        ..Subject::default()
    };
    let now_ms = 7 * DAY_MS;
    for (day, weight) in [(7, None), (6, Some(1.0))] {
        let sampler = sampler(policy);
        sampler.resume(day, 1_000_000);
        let verdict = sampler.decide(&subject, now_ms, &mut || unreachable!());
        let found = match verdict.decision {
            Decision::Keep { weight } => Some(weight),
            Decision::Drop => None,
        };
        assert_eq!(found, weight);
    }
}

#[test]
fn a_trace_is_kept_as_a_whole_and_a_rule_does_not_pull_it_in() {
    let (gateway, other) = (
        sampler("{rate: 0.2, keep: {status_ge: 400}}"),
        sampler("{rate: 0.2, keep: {flags: [UF]}}"),
    );
    let mut random = Random(3);
    let (mut kept, mut errors) = (0, 0);
    for _ in 0..5000 {
        let trace = format!(
            "{:032x}",
            u128::from(random.next()) << 64 | u128::from(random.next())
        );
        let ask = |sampler: &Sampler, trace: &str, response_code: u64| {
            let subject = Subject {
                trace_id: Some(trace),
                request_id: Some("of this hop"),
                response_code,
                ..Subject::default()
            };
            sampler.decide(&subject, 0, &mut || unreachable!())
        };
        let first = ask(&gateway, &trace, 200);
        let second = ask(&other, trace.get(16..).unwrap(), 200);
        assert_eq!(first, second);
        kept += u32::from(first.decision.is_keep());
        let error = ask(&gateway, &trace, 500);
        assert_eq!(error.decision, Decision::Keep { weight: 1.0 });
        assert_eq!(error.reason, Reason::Status);
        errors += u32::from(ask(&gateway, &trace, 200).decision != first.decision);
    }
    assert!((900..1100).contains(&kept), "{kept}");
    assert_eq!(errors, 0);
}

#[test]
fn chance_takes_the_request_id_and_then_the_dice() {
    let sampler = sampler("{rate: 0.5}");
    let ask = |request_id, number| {
        let subject = Subject {
            request_id,
            response_code: 200,
            ..Subject::default()
        };
        let mut asked = 0;
        let verdict = sampler.decide(&subject, 0, &mut || {
            asked += 1;
            number
        });
        (verdict.decision.is_keep(), asked)
    };
    assert_eq!(ask(Some("a"), 0).1, 0);
    assert_eq!(ask(None, 0), (true, 1));
    assert_eq!(ask(None, u64::MAX), (false, 1));
}

#[test]
fn each_rule_keeps_what_it_names() {
    let keep = |rule: &str, subject: Subject<'_>| {
        let sampler = sampler(&format!("{{rate: 0, keep: {{{rule}}}}}"));
        let verdict = sampler.decide(&subject, 0, &mut || 0);
        verdict.decision.is_keep().then_some(verdict.reason)
    };
    let ok = Subject {
        response_code: 200,
        duration_ms: Some(500),
        ..Subject::default()
    };
    let of = |flags: &str| Subject {
        flags: FlagSet::of(flags),
        ..ok
    };
    let with = |response_code| Subject {
        response_code,
        ..ok
    };
    assert_eq!(keep("status_ge: 400", ok), None);
    assert_eq!(keep("status_ge: 400", with(400)), Some(Reason::Status));
    assert_eq!(keep("status_ge: 400", with(0)), Some(Reason::Status));
    assert_eq!(keep("slower_than: 500ms", ok), None);
    assert_eq!(keep("slower_than: 499ms", ok), Some(Reason::Slow));
    assert_eq!(keep("flags: any", ok), None);
    assert_eq!(keep("flags: any", of("CUSTOM")), Some(Reason::Flags));
    assert_eq!(keep("flags: [UF]", of("UT")), None);
    assert_eq!(keep("flags: [UF, UT]", of("URX,UT")), Some(Reason::Flags));
    assert_eq!(keep("rare_routes: true", ok), Some(Reason::RareRoute));
    assert_eq!(keep("rare_routes: false", ok), None);
}
