//! The weight of a kept record is one over the probability that it is kept.

#![expect(
    clippy::cast_precision_loss,
    clippy::unnecessary_fold,
    reason = "small numbers; and each part takes its answer, whatever the others are"
)]

use gatelog_filter::config::{
    Compared, Comparison, Denominator, Filters, FractionalPercent, Operator, RuntimeFilter,
    RuntimeNumber,
};
use gatelog_filter::{AccessLogFilter, Decision, Filter, Runtime};
use gatelog_record::AccessRecord;
use proptest::prelude::*;

/// True of every record here, or of none.
fn status(is_true: bool) -> AccessLogFilter {
    AccessLogFilter::StatusCodeFilter(Compared {
        comparison: Comparison {
            op: Operator::GreaterOrEqual,
            value: RuntimeNumber {
                default_value: if is_true { 200 } else { 600 },
                runtime_key: String::new(),
            },
        },
    })
}

fn chance(numerator: u32, denominator: Denominator, is_independent: bool) -> AccessLogFilter {
    AccessLogFilter::RuntimeFilter(RuntimeFilter {
        runtime_key: "not.set".to_owned(),
        percent_sampled: FractionalPercent {
            numerator,
            denominator,
        },
        use_independent_randomness: is_independent,
    })
}

fn all(filters: Vec<AccessLogFilter>) -> AccessLogFilter {
    AccessLogFilter::AndFilter(Filters { filters })
}

fn any_of(filters: Vec<AccessLogFilter>) -> AccessLogFilter {
    AccessLogFilter::OrFilter(Filters { filters })
}

/// What the filter says of the number `r` and the answers of what is independent, in order.
fn is_true(filter: &AccessLogFilter, r: u32, answers: &mut impl Iterator<Item = bool>) -> bool {
    match filter {
        // Not short-circuited: every filter takes its answer.
        AccessLogFilter::AndFilter(parts) => parts
            .filters
            .iter()
            .fold(true, |so_far, part| is_true(part, r, answers) && so_far),
        AccessLogFilter::OrFilter(parts) => parts
            .filters
            .iter()
            .fold(false, |so_far, part| is_true(part, r, answers) || so_far),
        AccessLogFilter::StatusCodeFilter(compared) => {
            200 >= compared.comparison.value.default_value
        }
        AccessLogFilter::RuntimeFilter(filter) if filter.use_independent_randomness => {
            answers.next().unwrap()
        }
        AccessLogFilter::RuntimeFilter(filter) => {
            let percent = filter.percent_sampled;
            r % percent.denominator.number() < percent.numerator
        }
        other => unreachable!("{other:?}"),
    }
}

/// The rates of what is independent, in order.
fn independent(filter: &AccessLogFilter, rates: &mut Vec<f64>) {
    match filter {
        AccessLogFilter::AndFilter(parts) | AccessLogFilter::OrFilter(parts) => {
            for part in &parts.filters {
                independent(part, rates);
            }
        }
        AccessLogFilter::RuntimeFilter(filter) if filter.use_independent_randomness => {
            let percent = filter.percent_sampled;
            let rate = f64::from(percent.numerator) / f64::from(percent.denominator.number());
            rates.push(rate.min(1.0));
        }
        _ => {}
    }
}

/// By counting: over all r below `end` and all answers of what is independent.
fn probability(filter: &AccessLogFilter, end: u32) -> f64 {
    let mut rates = Vec::new();
    independent(filter, &mut rates);
    let mut sum = 0.0;
    for answers in 0..1u32 << rates.len() {
        let answer = |index: usize| answers >> index & 1 == 1;
        let weight: f64 = (0..rates.len())
            .map(|index| {
                if answer(index) {
                    rates[index]
                } else {
                    1.0 - rates[index]
                }
            })
            .product();
        if weight > 0.0 {
            let is_kept = |r: &u32| is_true(filter, *r, &mut (0..rates.len()).map(answer));
            sum += weight * (0..end).filter(is_kept).count() as f64 / f64::from(end);
        }
    }
    sum
}

fn record(r: u32) -> AccessRecord<'static> {
    AccessRecord {
        response_code: Some(200),
        request_id: Some(format!("{r:08x}-0000-4000-8000-000000000000").into()),
        ..AccessRecord::default()
    }
}

fn denominators() -> impl Strategy<Value = Denominator> {
    prop::sample::select(vec![Denominator::Hundred, Denominator::TenThousand])
}

fn filters() -> impl Strategy<Value = AccessLogFilter> {
    let leaf = prop_oneof![
        1 => any::<bool>().prop_map(status),
        3 => (0..110u32, denominators()).prop_map(|(part, denominator)| {
            let hundredths = denominator.number() / 100;
            chance(part * hundredths + part % hundredths.max(2), denominator, false)
        }),
        1 => (0..110u32).prop_map(|part| chance(part, Denominator::Hundred, true)),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        let parts = prop::collection::vec(inner, 2..4);
        (any::<bool>(), parts).prop_map(
            |(is_and, parts)| {
                if is_and { all(parts) } else { any_of(parts) }
            },
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_weight_is_one_over_the_probability(config in filters(), seed: u64) {
        let filter = Filter::compile(&config, &Runtime::default()).unwrap();
        let expected = probability(&config, 10_000);
        let mut state = seed;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state >> 20
        };
        for r in (0..10_000).step_by(37) {
            if let Decision::Keep { weight } = filter.decide(&record(r), &mut random) {
                prop_assert!((weight * expected - 1.0).abs() < 1e-9, "{weight} {expected}");
            }
        }
    }

    /// Without an independent filter the numbers of all ids say it exactly: what is kept of 10,000
    /// stands for 10,000 again, or nothing was kept.
    #[test]
    fn what_is_kept_stands_for_all(config in filters()) {
        let mut rates = Vec::new();
        independent(&config, &mut rates);
        prop_assume!(rates.is_empty());
        let filter = Filter::compile(&config, &Runtime::default()).unwrap();
        let total: f64 = (0..10_000)
            .map(|r| match filter.decide(&record(r), &mut || unreachable!()) {
                Decision::Keep { weight } => weight,
                Decision::Drop => 0.0,
            })
            .sum();
        prop_assert!(total == 0.0 || (total - 10_000.0).abs() < 1e-6, "{total}");
    }

    /// Where the id has no number every runtime filter throws its own dice.
    #[test]
    fn without_a_number_all_are_independent(first in 1..100u32, second in 1..100u32) {
        let config = all(vec![
            chance(first, Denominator::Hundred, false),
            chance(second, Denominator::Hundred, false),
        ]);
        let filter = Filter::compile(&config, &Runtime::default()).unwrap();
        let no_id = AccessRecord { response_code: Some(200), ..AccessRecord::default() };
        let product = f64::from(first) / 100.0 * f64::from(second) / 100.0;
        let decision = filter.decide(&no_id, &mut || 0);
        let Decision::Keep { weight } = decision else { panic!("{decision:?}") };
        prop_assert!((weight * product - 1.0).abs() < 1e-9);
        let decision = filter.decide(&record(0), &mut || unreachable!());
        let Decision::Keep { weight } = decision else { panic!("{decision:?}") };
        let nested = f64::from(first.min(second)) / 100.0;
        prop_assert!((weight * nested - 1.0).abs() < 1e-9);
    }
}

#[test]
fn all_three_denominators_are_looked_at_together() {
    use Denominator::{Hundred, Million, TenThousand};
    for config in [
        any_of(vec![
            chance(50, Hundred, false),
            chance(123_456, Million, false),
        ]),
        all(vec![
            chance(50, Hundred, false),
            chance(123_456, Million, false),
        ]),
        any_of(vec![
            all(vec![
                chance(7, Hundred, false),
                chance(9_999, TenThousand, false),
            ]),
            chance(777_777, Million, false),
            all(vec![
                chance(1_234, TenThousand, false),
                chance(30, Hundred, true),
            ]),
        ]),
    ] {
        let filter = Filter::compile(&config, &Runtime::default()).unwrap();
        let expected = probability(&config, 1_000_000);
        let decision = filter.decide(&record(0), &mut || 0);
        let Decision::Keep { weight } = decision else {
            panic!("{decision:?}")
        };
        assert!(
            (weight * expected - 1.0).abs() < 1e-9,
            "{weight} {expected}"
        );
    }
}

#[test]
fn what_a_rule_keeps_has_weight_one_also_behind_the_dice() {
    let config = any_of(vec![chance(50, Denominator::Hundred, false), status(true)]);
    let filter = Filter::compile(&config, &Runtime::default()).unwrap();
    for r in [0, 99] {
        let decision = filter.decide(&record(r), &mut || unreachable!());
        assert_eq!(decision, Decision::Keep { weight: 1.0 });
    }
}

/// The most that a filter may have: it must still be decided in no time.
#[test]
fn many_runtime_filters_are_worked_out() {
    let denominators = [Denominator::Hundred, Denominator::TenThousand];
    let parts = (1..=16u32).map(|index| {
        let denominator = denominators[index as usize % 2];
        chance(
            index * denominator.number() / 40 + index,
            denominator,
            false,
        )
    });
    let config = any_of(parts.collect());
    let filter = Filter::compile(&config, &Runtime::default()).unwrap();
    let expected = probability(&config, 10_000);
    let Decision::Keep { weight } = filter.decide(&record(0), &mut || unreachable!()) else {
        panic!()
    };
    assert!((weight * expected - 1.0).abs() < 1e-9);
}
