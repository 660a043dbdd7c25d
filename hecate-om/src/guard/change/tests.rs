//! What may be asked for, and what is told of what may not.

use super::*;

const DECLARED: Limits = Limits::new(1024, 2048, 8, (60, 10_000), (600, 10_000));

fn read(asked: Value) -> (Change, Vec<Wrong>) {
    let Value::Object(fields) = asked else { panic!("{asked}") };
    let mut wrong = Vec::new();
    let change = Change::read(&fields, Some(&DECLARED), &mut wrong);
    (change, wrong)
}

fn rate(calls: u32, seconds: u64) -> Rate {
    Rate { calls, period: Duration::from_secs(seconds) }
}

#[test]
fn what_is_declared_may_be_lowered_to_one_and_raised_again_to_what_it_was() {
    for asked in [
        json!({"payload_bytes": 1, "reply_bytes": 1, "concurrency": 1, "per_caller": {"calls": 1, "period_ms": 3_600_000}, "total": {"calls": 1, "period_ms": 1000}}),
        to_json(&DECLARED),
        json!({"name": "lab.say", "version": 1, "concurrency": 3}),
    ] {
        let (change, wrong) = read(asked.clone());
        assert_eq!(wrong, [], "{asked}");
        let now = to_json(&change.of(DECLARED));
        for name in NAMES {
            let expected = asked.get(name).cloned().unwrap_or_else(|| to_json(&DECLARED)[name].clone());
            assert_eq!(now[name], expected, "{name} of {asked}");
        }
    }
}

#[test]
fn every_field_that_is_wrong_is_told_at_once_with_its_bounds() {
    let (_, wrong) = read(json!({
        "payload_bytes": 1025,
        "reply_bytes": -1,
        "concurrency": 0,
        "per_caller": {"calls": 61, "period_ms": 10_000},
        "total": {"calls": 600, "period_ms": 9999, "burst": 1},
        "concurency": 5,
        "colour": "red",
    }));
    let told = |field: &str| {
        let wrong = wrong.iter().find(|wrong| wrong.field == field).unwrap_or_else(|| panic!("{field}: {wrong:?}"));
        (wrong.message.as_str(), wrong.bounds)
    };
    assert_eq!(told("payload_bytes"), ("takes a whole number from 1 to 1024, found `1025`", Some((1, 1024))));
    assert_eq!(told("reply_bytes"), ("takes a whole number from 1 to 2048, found `-1`", Some((1, 2048))));
    assert_eq!(told("concurrency"), ("takes a whole number from 1 to 8, found `0`", Some((1, 8))));
    assert_eq!(told("per_caller.calls"), ("takes a whole number from 1 to 60, found `61`", Some((1, 60))));
    let faster = "600 calls in 9.999s is more often than the 600 calls in 10s that are declared; 600 take 10000 ms";
    assert_eq!(told("total.period_ms"), (faster, Some((10_000, 3_600_000))));
    assert_eq!(told("total.burst").0, "is no part of a rate; those are `calls` and `period_ms`");
    assert_eq!(told("concurency").0, "is no limit; did you mean `concurrency`?");
    assert!(told("colour").0.contains("`per_caller`"), "{wrong:?}");
    assert_eq!(wrong.len(), 8);
}

#[test]
fn nothing_that_is_no_number_is_taken_for_one() {
    for value in [json!(null), json!("8"), json!(1.5), json!(true), json!([8]), json!({}), json!(1e3), json!(u64::MAX)]
    {
        let (change, wrong) = read(json!({"concurrency": value.clone(), "per_caller": value.clone()}));
        assert_eq!(change, Change::default(), "{value}");
        assert!(wrong.iter().any(|wrong| wrong.field == "concurrency"), "{value}");
        assert!(wrong.iter().any(|wrong| wrong.field.starts_with("per_caller")), "{value}");
    }
    let (_, wrong) = read(json!({"total": {"calls": 1}}));
    assert_eq!(wrong[0].message, "takes a whole number from 1000 to 3600000, found nothing");
}

#[test]
fn a_rate_is_no_higher_in_any_period() {
    let rates = |calls: u32, period_ms: u64| {
        let (change, wrong) = read(json!({"per_caller": {"calls": calls, "period_ms": period_ms}}));
        assert_eq!(change.per_caller.is_some(), wrong.is_empty());
        change.per_caller.is_some()
    };
    assert!(rates(60, 10_000) && rates(60, 3_600_000) && rates(6, 1000) && rates(1, 1000));
    assert!(!rates(7, 1000), "faster, though fewer");
    assert!(!rates(61, 3_600_000), "slower, though more at once");
    assert!(!rates(1, 999) && !rates(1, 3_600_001) && !rates(0, 1000));
}

#[test]
fn all_may_call_at_least_as_often_as_one() {
    let together = |per_caller, total| check_together(&Limits { per_caller, total, ..DECLARED });
    assert_eq!(together(rate(10, 10), rate(10, 10)), None);
    assert_eq!(together(rate(1, 3600), rate(600, 10)), None);
    for (own, all) in [(rate(10, 10), rate(9, 1)), (rate(10, 10), rate(10, 11))] {
        let wrong = together(own, all).unwrap();
        assert_eq!(wrong.field, "total");
        assert!(wrong.message.contains(&own.to_string()) && wrong.message.contains(&all.to_string()), "{wrong:?}");
    }
}

#[test]
fn what_a_caller_wrote_is_told_short_and_escaped() {
    let name = format!("\u{1b}[31m{}", "x".repeat(100_000));
    let (_, wrong) = read(json!({name: 1, "concurrency": "\n\u{7}".repeat(50_000)}));
    for wrong in wrong {
        let told = wrong.to_json().to_string();
        assert!(told.len() < 1000 && !told.contains('\u{1b}') && !told.contains('\u{7}'), "{told}");
    }
    let many = (0..1000).map(|number| (format!("field{number}"), json!(1))).collect();
    assert_eq!(read(Value::Object(many)).1.len(), MOST_TOLD);
}
