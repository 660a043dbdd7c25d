use std::time::{Duration, Instant};

use super::calls::{CallCounts, Calls};
use super::fold::MAX_LABEL_SETS;
use super::health::{CheckFound, HealthState, MAX_LABEL};
use super::runtime::{Build, Runtime};
use super::*;

const SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const BYTES: &[f64] = &[64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0, 16777216.0];

fn spread(bounds: &[f64], of_each: u64) -> Spread {
    let bounds = bounds.iter().copied().chain([f64::INFINITY]);
    Spread { buckets: bounds.map(|bound| (bound, of_each)).collect(), sum: of_each as f64 * 2.5 }
}

fn counts(capability: &'static str, version: u16, of_each: u64) -> CallCounts {
    let outcomes = [
        "ok",
        "refused",
        "invalid",
        "unauthorized",
        "rate_limited",
        "overloaded",
        "timeout",
        "draining",
        "panic",
        "internal",
    ];
    CallCounts {
        capability,
        version,
        in_flight: of_each,
        outcomes: outcomes.map(|outcome| (outcome, of_each)).to_vec(),
        duration: spread(SECONDS, of_each),
        request_bytes: spread(BYTES, of_each),
        reply_bytes: spread(BYTES, of_each),
    }
}

fn found(name: &str, is_ok: bool, took_ms: u64) -> CheckFound {
    CheckFound {
        name: name.to_owned(),
        is_ok,
        took: Some(Duration::from_millis(took_ms)),
        age: Some(Duration::from_secs(1)),
    }
}

fn samples<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.split(['{', ' ']).next() == Some(name)).collect()
}

#[test]
fn the_text_is_exactly_this() {
    let duration = Spread { buckets: vec![(0.5, 2), (1.0, 1), (f64::INFINITY, 1)], sum: 5.25 };
    let empty = spread(BYTES, 0);
    let call = CallCounts {
        capability: "lab.say",
        version: 1,
        in_flight: 3,
        outcomes: vec![("ok", 4), ("panic", 0)],
        duration,
        request_bytes: empty.clone(),
        reply_bytes: empty,
    };
    let text = written(vec![
        Box::new(Build { service: "hecate-lab", version: "1.0.0" }),
        Box::new(HealthState::of("degraded", vec![found("disk \"a\"\nb\\", false, 1500)])),
        Box::new(Calls::of(vec![call], 7)),
    ]);
    assert_eq!(text, include_str!("tests/small.txt").replace("HECATE_OM", env!("CARGO_PKG_VERSION")));
}

#[test]
fn capabilities_beyond_the_bound_are_one() {
    let names: Vec<&'static str> = (0..1000).map(|n| &*format!("lab.number_{n:04}").leak()).collect();
    let all: Vec<_> = names.iter().map(|name| counts(name, 1, 1)).collect();
    let begun = Instant::now();
    let text = written(vec![Box::new(Calls::of(all, 0))]);
    let took = begun.elapsed();
    println!("1000 capabilities: {} bytes in {took:?}", text.len());
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(text.len() < MAX_EXPOSITION, "{}", text.len());
    let running = samples(&text, "hecate_calls_in_flight");
    let kept = running.len() - 1;
    assert!((100..=MAX_LABEL_SETS).contains(&kept), "{kept}");
    assert_eq!(running[kept], format!("hecate_calls_in_flight{{capability=\"_other\"}} {}", 1000 - kept));
    assert_eq!(running[kept - 1], format!("hecate_calls_in_flight{{capability=\"lab.number_{:04}\"}} 1", kept - 1));
    let other = format!(r#"hecate_calls_total{{capability="_other",version="_other",outcome="ok"}} {}"#, 1000 - kept);
    assert!(text.contains(&other), "{other}");
    assert!(text.contains(&format!("hecate_metrics_folded {}\n", 1000 - kept)));
}

#[test]
fn capabilities_that_nobody_calls_cost_little() {
    let names: Vec<&'static str> = (0..1000).map(|n| &*format!("lab.number_{n:04}").leak()).collect();
    let text = written(vec![Box::new(Calls::of(names.iter().map(|name| counts(name, 1, 0)).collect(), 0))]);
    assert_eq!(samples(&text, "hecate_calls_in_flight").len(), MAX_LABEL_SETS + 1);
    assert_eq!(samples(&text, "hecate_call_duration_seconds_count").len(), 0);
}

#[test]
fn the_longest_names_stay_within_the_bound() {
    let names: Vec<&'static str> = (0..500).map(|n| &*format!("{n:03}.{}", "x".repeat(124)).leak()).collect();
    let text = written(vec![Box::new(Calls::of(
        names.iter().map(|name| counts(name, 65535, u64::MAX / 10_000)).collect(),
        0,
    ))]);
    assert!(text.len() < MAX_EXPOSITION && samples(&text, "hecate_calls_in_flight").len() > 50, "{}", text.len());
}

#[test]
fn versions_of_a_capability_share_what_has_no_version() {
    let text = written(vec![Box::new(Calls::of(vec![counts("lab.say", 1, 2), counts("lab.say", 3, 5)], 0))]);
    assert_eq!(samples(&text, "hecate_calls_in_flight"), [r#"hecate_calls_in_flight{capability="lab.say"} 7"#]);
    assert!(text.contains(r#"hecate_call_request_bytes_bucket{le="64.0",capability="lab.say"} 7"#), "{text}");
    assert_eq!(samples(&text, "hecate_call_duration_seconds_count").len(), 2);
}

#[test]
fn names_of_checks_cannot_break_the_text() {
    let long = "y".repeat(5000);
    let weird = ["a\"} 1\nhecate_forged 1", "\u{1b}[2J", "\r\n# EOF\n", "_other", "", long.as_str()];
    let mut checks: Vec<_> = weird.iter().map(|name| found(name, true, 1)).collect();
    checks.push(found("twice", true, 1));
    checks.push(found("twice", false, 2));
    checks.extend((0..500).map(|n| found(&format!("check{n}"), n != 499, 1)));
    let text = written(vec![Box::new(HealthState::of("ok", checks))]);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.for_each(|line| assert!(line.starts_with("hecate_health_") || line.starts_with("hecate_check_"), "{line}"));
    assert!(!text.contains('\u{1b}') && !text.contains('\r'));
    assert_eq!(text.matches("# EOF\n").count(), 1, "but at the end, and escaped");
    let up = samples(&text, "hecate_check_up");
    assert_eq!(up.len(), MAX_LABEL_SETS + 1);
    assert!(
        up.contains(&r#"hecate_check_up{check="twice"} 0"#) && up.contains(&r#"hecate_check_up{check="_other"} 0"#)
    );
    assert!(up.iter().all(|line| line.len() < MAX_LABEL + 40));
}

#[test]
fn a_group_without_room_is_left_out_whole() {
    #[derive(Debug)]
    struct Huge;
    impl Collector for Huge {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
            let mut huge = Family::gauge(&mut encoder, "huge", "Too much.")?;
            (0..100_000).try_for_each(|_| huge.is(&[("x", "yyyyyyyyyyyyyyyyyyy")], 1_u64))
        }
    }
    let text = written(vec![Box::new(Huge), Box::new(Build { service: "x", version: "1" })]);
    assert!(text.starts_with("# HELP hecate_build ") && text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn restarts_and_lag_are_told_when_they_are_known() {
    let lag = spread(SECONDS, 1);
    let text = written(vec![Box::new(Runtime::of(5, [("feed".to_owned(), 3)], Some(lag)))]);
    assert!(text.contains("hecate_task_restarts_total{task=\"feed\"} 3\n"), "{text}");
    assert!(text.contains("hecate_event_loop_lag_seconds_bucket{le=\"+Inf\"} 12\n"), "{text}");
    assert!(text.contains("hecate_panics_total{scope=\"handler\"} 5\n"), "{text}");
    for name in ["hecate_panics_total", "hecate_log_lines_total"] {
        assert!(samples(&text, name).len() >= 2, "{name}");
    }
}

#[test]
fn what_was_counted_becomes_buckets_of_their_own() {
    let seen = Snapshot { sum: 7_500_000_000, count: 6, up_to: vec![(5_000_000, 2), (1_000_000_000, 5)] };
    let buckets = vec![(0.005, 2), (1.0, 3), (f64::INFINITY, 1)];
    assert_eq!(Spread::of(&seen, 1e9), Spread { buckets, sum: 7.5 });
}
