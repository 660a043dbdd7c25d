use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::Request;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tokio::runtime::Builder;

use super::*;
use crate::health::board::{Board, Finding};
use crate::health::check::NewCheck;
use crate::health::fixtures::{found, running};
use crate::health::pulse::Pulse;
use crate::health::{Health, Impact};

const NEAR: &str = "127.0.0.1:1";
const FAR: &str = "192.0.2.1:1";
const EVERY: Duration = Duration::from_secs(10);

struct Asked {
    code: u16,
    of_type: String,
    body: String,
}

impl Asked {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

fn told(board: &Arc<Board>) -> Told {
    let pulse = Pulse::of(&mut Builder::new_multi_thread());
    Told {
        board: Arc::clone(board),
        pulse,
        restarts: Arc::new(Vec::new),
        degraded_status: StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn ask(told: &Told, peer: &str, path: &str, accept: &str) -> Asked {
    let mut request = Request::get(path).header("accept", accept).body(Body::empty()).unwrap();
    request.extensions_mut().insert(Detail::of_peer(peer.parse().unwrap()));
    let response = TowerToHyperService::new(router(told.clone())).call(request).await.unwrap();
    let (code, of_type) = (response.status().as_u16(), response.headers()[CONTENT_TYPE].to_str().unwrap().to_owned());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Asked { code, of_type, body: String::from_utf8(body.to_vec()).unwrap() }
}

/// A service whose own word is good, whose disk is nearly full, and whose cache nobody needs.
fn degraded() -> Arc<Board> {
    let board = running();
    let service = board.declare(NewCheck::new("service", Impact::Critical).every(EVERY).believed()).unwrap();
    let [disk, cache] = [board.add("disk.free", Impact::Degrading), board.add("cache", Impact::Info)];
    board.note(service, found(Health::Ok));
    board.observe(disk, 0.03, "ratio");
    board.note(disk, Finding { code: Some("timeout"), ..found(Health::degraded("the disk is nearly full")) });
    board.note(cache, found(Health::down("cold")));
    board
}

#[tokio::test]
async fn reasons_are_for_callers_on_this_box() {
    let told = told(&degraded());
    let paths = [
        "/health",
        "/health?verbose",
        "/health/disk.free",
        "/health/disk.free?verbose",
        "/health/nothing",
        "/readyz",
        "/readyz?verbose",
        "/startupz",
        "/livez",
    ];
    for near in [NEAR, "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        for path in ["/health", "/health?verbose", "/health/disk.free", "/readyz?verbose"] {
            let answer = ask(&told, near, path, "").await;
            assert!(answer.body.contains("nearly full"), "{near} {path}: {}", answer.body);
        }
    }
    for far in [FAR, "[2001:db8::1]:1", "[::ffff:192.0.2.1]:1"] {
        for (path, accept) in paths.iter().flat_map(|path| [(path, ""), (path, asked::DRAFT)]) {
            let Asked { body, .. } = ask(&told, far, path, accept).await;
            for inside in ["nearly full", "cold", "disk", "cache", "checks", "reason", "timeout", "output", "observed"]
            {
                assert!(!body.contains(inside), "{far} {path} {accept}: {inside} is in {body}");
            }
        }
    }
    assert_eq!(ask(&told, FAR, "/health", "").await.json()["status"], "degraded");
    assert_eq!(ask(&told, FAR, "/health?verbose", "").await.body, "health: degraded\n");
    assert_eq!(ask(&told, FAR, "/health/disk.free", "").await.json(), json!({"status": "degraded"}));
    assert_eq!(ask(&told, FAR, "/health/disk.free", asked::DRAFT).await.json()["status"], "warn");
    let (near, far) = (ask(&told, NEAR, "/health/nothing", "").await, ask(&told, FAR, "/health/nothing", "").await);
    assert_eq!((near.code, far.code), (404, 404));
    assert_eq!(near.json()["checks"], json!(["service", "disk.free", "cache"]));
}

#[tokio::test]
async fn degraded_is_an_error_as_long_as_nobody_says_otherwise() {
    let board = degraded();
    let told = told(&board);
    let lenient = Told { degraded_status: StatusCode::OK, ..told.clone() };
    for (path, accept, strict_code, lenient_code) in [
        ("/health", "", 503, 200),
        ("/health?verbose", "", 503, 200),
        ("/health?degraded=200", "", 200, 200),
        ("/health?verbose&degraded=200", "", 200, 200),
        ("/health?degraded=503", "", 503, 503),
        ("/health?degraded=204", "", 503, 200),
        ("/health", asked::DRAFT, 200, 200),
        ("/health?degraded=503", asked::DRAFT, 503, 503),
        ("/health/disk.free", "", 503, 200),
        ("/health/disk.free?degraded=200", "", 200, 200),
        ("/health/service", "", 200, 200),
        ("/health/cache", "", 503, 503),
        ("/health/cache?degraded=200", "", 503, 503),
        ("/readyz", "", 200, 200),
    ] {
        for peer in [NEAR, FAR] {
            assert_eq!(ask(&told, peer, path, accept).await.code, strict_code, "{peer} {path} {accept}");
            assert_eq!(ask(&lenient, peer, path, accept).await.code, lenient_code, "{peer} {path} {accept}");
        }
    }
}

#[tokio::test]
async fn text_has_a_line_for_each_check() {
    let told = told(&degraded());
    let lines =
        "[+]service ok\n[-]disk.free degraded: the disk is nearly full\n[-]cache down: cold\nhealth: degraded\n";
    for path in ["/health?verbose", "/readyz?verbose=1"] {
        let answer = ask(&told, NEAR, path, "").await;
        assert_eq!((answer.body.as_str(), answer.of_type.as_str()), (lines, "text/plain; charset=utf-8"), "{path}");
    }
    let one = ask(&told, NEAR, "/health/service?verbose", "").await;
    assert_eq!(one.body, "[+]service ok\nhealth: ok\n");
}

#[tokio::test]
async fn the_draft_has_its_own_words() {
    let board = degraded();
    let answer = ask(&told(&board), NEAR, "/health", asked::DRAFT).await;
    assert_eq!(answer.of_type, "application/health+json");
    let mut body = answer.json();
    let times = [&mut body["checks"]["service:health"][0]["time"]].map(Value::take);
    assert!(times.iter().all(|time| time.as_str().is_some_and(|time| time.ends_with('Z'))), "{times:?}");
    body["notes"].take();
    body["checks"]["disk:free"][0]["time"].take();
    body["checks"]["cache:health"][0]["time"].take();
    let expected = json!({
        "status": "warn", "version": "1", "releaseId": "1.2.3", "serviceId": "hecate-lab", "description": "Looks.",
        "notes": null, "output": "disk.free: the disk is nearly full",
        "checks": {
            "service:health": [{"componentType": "component", "status": "pass", "time": null}],
            "disk:free": [{
                "componentType": "component", "observedValue": 0.03, "observedUnit": "ratio", "status": "warn",
                "time": null, "output": "the disk is nearly full",
            }],
            "cache:health": [{"componentType": "component", "status": "fail", "time": null, "output": "cold"}],
        },
    });
    assert_eq!(body, expected);
    board.enter(Phase::Draining);
    let answer = ask(&told(&board), NEAR, "/health", asked::DRAFT).await;
    assert_eq!((answer.code, &answer.json()["status"]), (503, &json!("fail")));
}

#[tokio::test]
async fn who_is_not_ready_says_why() {
    let board = running();
    let told = told(&board);
    board.enter(Phase::Starting);
    board.boot_step("start");
    let starting = ask(&told, NEAR, "/startupz", "").await;
    assert_eq!((starting.code, &starting.json()["phase"]), (503, &json!("start")));
    assert!(starting.json()["elapsed_ms"].is_u64(), "{}", starting.body);
    assert_eq!(ask(&told, FAR, "/startupz", "").await.json(), json!({"status": "starting"}));
    assert_eq!(ask(&told, NEAR, "/readyz", "").await.json(), json!({"status": "starting"}));

    board.enter(Phase::Running);
    let disk = board.declare(NewCheck::new("disk", Impact::Critical).believed()).unwrap();
    board.note(disk, found(Health::down("full")));
    let down = ask(&told, NEAR, "/readyz", "").await;
    assert_eq!((down.code, down.json()), (503, json!({"status": "down", "reasons": ["disk: full"]})));
    assert_eq!(ask(&told, FAR, "/readyz", "").await.json(), json!({"status": "down"}));
    assert_eq!(ask(&told, NEAR, "/startupz", "").await.json(), json!({"status": "started"}));

    board.enter(Phase::Draining);
    assert_eq!(ask(&told, NEAR, "/readyz", "").await.json(), json!({"status": "draining", "in_flight": 0}));
    board.drain_until(Instant::now() + Duration::from_secs(20));
    let draining = ask(&told, NEAR, "/readyz", "").await.json();
    assert!((19_000..=20_000).contains(&draining["deadline_ms"].as_u64().unwrap()), "{draining}");
    assert_eq!(ask(&told, FAR, "/readyz", "").await.json(), json!({"status": "draining"}));
}
