//! Limits of a running service, over its socket; and callers that leave.

use super::*;

fn change(name: &str, limits: Value) -> String {
    let mut request = json!({"name": name, "version": 1});
    request.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
    request.to_string()
}

#[tokio::test]
async fn limits_are_told_and_changed_over_the_socket() {
    let lab = Served::new();
    lab.call("lab.tell", "").await;
    let (status, told) = lab.call("lab.get_limits", "").await;
    let names: Vec<_> =
        told["capabilities"].as_array().unwrap().iter().map(|told| told["name"].as_str().unwrap()).collect();
    assert_eq!((status, names), (200, vec!["lab.tell", "lab.few", "lab.wait", "lab.stay"]));
    let first = &told["capabilities"][0];
    assert_eq!(first["current"], first["declared"]);
    let declared = json!({
        "payload_bytes": 1_048_576, "reply_bytes": 16_777_216, "concurrency": 1024,
        "per_caller": {"calls": 600, "period_ms": 10_000}, "total": {"calls": 6000, "period_ms": 10_000},
    });
    assert_eq!((&first["declared"], &first["version"], &first["running"]), (&declared, &json!(1), &json!(0)));

    let (status, told) = lab.send("lab.set_limits", "", &change("lab.tell", json!({"payload_bytes": 1}))).await;
    assert_eq!((status, &told["current"]["payload_bytes"]), (200, &json!(1)), "{told}");
    let (status, problem) = lab.call("lab.tell", "").await;
    assert_eq!((status, &problem["code"]), (413, &json!("payload_too_large")));
    let (_, after) = lab.call("lab.get_limits", "").await;
    assert_eq!(after["capabilities"][0]["refused"]["payload_bytes"], 1);
    assert_eq!(after["capabilities"][1]["current"], declared);

    let (status, problem) = lab.send("lab.set_limits", "", &change("lab.tell", json!({"concurrency": 1025}))).await;
    assert_eq!((status, &problem["code"]), (400, &json!("invalid_request")));
    let wrong = json!([{"field": "concurrency", "message": "takes a whole number from 1 to 1024, found `1025`", "least": 1, "most": 1024}]);
    assert_eq!(problem["details"]["wrong"], wrong);
}

#[tokio::test]
async fn what_is_no_change_of_limits_is_refused_and_changes_nothing() {
    let lab = Served::new();
    lab.stand(Some(1));
    let good = change("lab.tell", json!({"concurrency": 1}));
    for (status, lines, body) in [
        (400, "", ""),
        (400, "", "{"),
        (400, "", "[]"),
        (400, "hecate-org: \r\n", good.as_str()),
        (421, "hecate-org: other\r\n", &good),
        (413, "", &" ".repeat(20_000)),
        (413, "", &format!("{good}{}", " ".repeat(1 << 20))),
    ] {
        let (found, problem) = lab.send("lab.set_limits", lines, body).await;
        assert_eq!(found, status, "{lines}{problem}");
    }
    let (_, told) = lab.call("lab.get_limits", "").await;
    assert_eq!(told["capabilities"][0]["current"], told["capabilities"][0]["declared"]);
    assert_eq!(lab.call("lab.get_limits", "hecate-org: other\r\n").await.0, 421);
    assert_eq!(lab.call("lab.get_limits", "hecate-org: acme\r\n").await.0, 200);
    // Of another scope there are none, and of this one no others.
    for other in ["bal.get_limits", "lab.limits", "labs.get_limits", "lab.x.get_limits"] {
        let (status, problem) = lab.call(other, "").await;
        assert_eq!((status, &problem["code"]), (404, &json!("unknown_capability")), "{other}");
    }
}

#[tokio::test]
async fn only_the_user_of_the_service_and_root_come_as_far_as_limits() {
    let (stranger, owner) = (rustix::process::geteuid().as_raw() + 1, rustix::process::geteuid().as_raw());
    assert!(LocalUser::of(stranger, owner).is_none());
    let lab = Served::run_by(stranger);
    // Whoever runs this may be root, who may always.
    let expected = if owner == 0 { 200 } else { 403 };
    assert_eq!(lab.call("lab.get_limits", "").await.0, expected);
    let body = change("lab.tell", json!({"concurrency": 1}));
    assert_eq!(lab.send("lab.set_limits", "", &body).await.0, expected);
}

#[test]
fn each_change_and_each_refusal_of_one_is_one_line() {
    let name = concat!(module_path!(), "::each_change_and_each_refusal_of_one_is_one_line");
    let lines = crate::telemetry::seen::of(name, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let lab = Served::new();
            let limits = json!({"concurrency": 8, "per_caller": {"calls": 6, "period_ms": 10_000}});
            lab.send("lab.set_limits", "", &change("lab.tell", limits)).await;
            lab.send("lab.set_limits", "", &change("lab.tell", json!({"concurrency": 9000}))).await;
            lab.send("lab.set_limits", "", &change("lab.\n\u{1b}", json!({}))).await;
            lab.send("lab.set_limits", "", "{").await;
            lab.call("lab.get_limits", "").await;
        });
    });
    let lines: Vec<_> = lines.into_iter().filter(|line| line.contains("limits were")).collect();
    let uid = rustix::process::geteuid().as_raw();
    assert_eq!(lines.len(), 4, "{lines:?}");
    let changed = format!(
        "INFO message=limits were changed uid={uid} capability=\"lab.tell\" capability_version=1 \
         from=\"concurrency 1024, per_caller 600 calls in 10s\" to=\"concurrency 8, per_caller 6 calls in 10s\""
    );
    assert_eq!(lines[0], changed);
    for (line, words) in lines[1..].iter().zip([
        &["capability=\"lab.tell\"", "`concurrency` takes a whole number from 1 to 1024, found `9000`"][..],
        &["no capability `lab."],
        &["the request"],
    ]) {
        let is_told = line.starts_with(&format!("INFO message=limits were not changed uid={uid}"));
        assert!(is_told && words.iter().all(|word| line.contains(word)), "{words:?}: {line}");
        assert!(!line.contains('\u{1b}'), "{line}");
    }
}

#[tokio::test]
async fn limits_change_no_more_often_than_the_log_tells_it() {
    let lab = Served::new();
    let body = change("lab.tell", json!({"concurrency": 1}));
    for _ in 0..MOST_CHANGES {
        assert_eq!(lab.send("lab.set_limits", "", &body).await.0, 200);
    }
    let (status, problem) = lab.send("lab.set_limits", "", &body).await;
    assert_eq!((status, &problem["retryable"]), (429, &json!(true)));
    assert!(problem["retry_after_ms"].as_u64() <= Some(10_000), "{problem}");
    assert_eq!(lab.call("lab.get_limits", "").await.0, 200);
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_caller_that_leaves_the_socket_ends_its_call() {
    let lab = Served::new();
    let ask = |capability: &str| {
        let mut stream = UnixStream::connect(&lab.socket).unwrap();
        write!(stream, "POST /capabilities/{capability}/v1 HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{{}}")
            .unwrap();
        stream
    };
    let running = |count| move |dispatch: &Dispatch| dispatch.in_flight() == count;
    let (half, whole, other) = (ask("lab.stay"), ask("lab.stay"), ask("lab.wait"));
    until("three run", || running(3)(&lab.dispatch)).await;
    half.shutdown(std::net::Shutdown::Write).unwrap();
    drop((whole, other));
    until("the one that is declared so ends", || running(2)(&lab.dispatch)).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!((lab.calls(3, Outcome::Cancelled), lab.calls(2, Outcome::Cancelled)), (1, 0));
    assert_eq!(lab.dispatch.in_flight(), 2, "who closed its half waits, and the other handler runs on");
    drop(half);
    until("the last ends", || running(1)(&lab.dispatch)).await;
    assert_eq!(lab.calls(3, Outcome::Cancelled), 2);
}
