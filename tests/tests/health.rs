//! What probes, supervisors and people are told of a service, and where.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use hecate_om_tests::{Gate, Launch, Process, Wire, eventually};
use rustix::process::Signal;
use serde_json::json;

fn lab() -> Launch {
    Launch::of(env!("CARGO_BIN_EXE_hecate-lab"))
}

fn feeling(how: &str) -> Process {
    lab().with("LAB_HEALTH", how).ready()
}

#[test]
fn health_tells_a_service_that_is_well() {
    let process = feeling("ok");
    let answer = process.probe("/health");
    assert_eq!(answer.status, 200);
    let report = answer.json();
    assert_eq!((&report["status"], &report["phase"]), (&json!("ok"), &json!("running")));
    assert_eq!((&report["name"], &report["version"]), (&json!("hecate-lab"), &json!(env!("CARGO_PKG_VERSION"))));
    assert_eq!(report["description"], "Misbehaves on demand.");
    assert!(report["since"].as_str().unwrap().ends_with('Z') && report["uptime_s"].is_u64(), "{report}");
    assert!(report.get("reason").is_none());
    let check = &report["checks"][0];
    assert_eq!((&check["name"], &check["status"]), (&json!("service"), &json!("ok")));
    assert!(check["age_ms"].is_u64() && check["took_ms"].is_u64(), "{report}");
    let ready = process.probe("/readyz");
    assert_eq!((ready.status, ready.json()), (200, json!({"status": "ok"})));
}

#[test]
fn a_degraded_service_is_told_and_stays_ready() {
    let process = feeling("degraded");
    let answer = process.probe("/health");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert_eq!((&answer.json()["status"], &answer.json()["reason"]), (&json!("degraded"), &json!("the cache is cold")));
    let ready = process.probe("/readyz");
    assert_eq!((ready.status, ready.json()), (200, json!({"status": "degraded"})));
    assert_eq!(process.wire().call("lab.say", r#"{"text":"a"}"#).status, 200);
}

#[test]
fn a_service_that_is_down_is_not_ready_and_is_alive() {
    let process = feeling("down");
    let answer = process.probe("/health");
    assert_eq!(answer.status, 503);
    assert_eq!((&answer.json()["status"], &answer.json()["reason"]), (&json!("down"), &json!("the disk is full")));
    let ready = process.probe("/readyz");
    assert_eq!((ready.status, &ready.json()["status"]), (503, &json!("down")));
    assert_eq!((process.probe("/livez").status, process.probe("/startupz").status), (200, 200));
}

#[test]
fn while_it_starts_a_service_is_alive_and_not_ready_and_takes_no_calls() {
    let gate = Gate::closed();
    let mut process = lab().with("LAB_START", format!("slow:{}", gate.path())).start();
    gate.wait_for(1);
    assert_eq!(process.probe("/livez").status, 200);
    let startup = process.probe("/startupz");
    assert_eq!((startup.status, &startup.json()["status"]), (503, &json!("starting")));
    assert_eq!(startup.json()["phase"], "start");
    assert!(startup.json()["elapsed_ms"].is_u64(), "{startup:?}");
    assert_eq!(process.probe("/readyz").status, 503);
    let health = process.probe("/health");
    assert_eq!((health.status, &health.json()["status"]), (503, &json!("starting")));

    let mut wire = process.wire();
    let answer = wire.call("lab.say", r#"{"text":"a"}"#);
    assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable"));
    assert_eq!((answer.header("retry-after"), &answer.json()["retryable"]), (Some("1"), &json!(true)));
    assert_eq!(wire.call("lab.sya", "{}").code(), "unknown_capability", "what never will be here is told at once");
    assert_eq!(wire.get("/capabilities").status, 200);

    gate.open();
    process.wait_for_log("ready");
    assert_eq!((process.probe("/startupz").status, process.probe("/readyz").status), (200, 200));
    assert_eq!(wire.call("lab.say", r#"{"text":"a"}"#).status, 200, "on the connection from before");
}

#[test]
fn info_and_manifest_are_those_of_the_process() {
    let process = feeling("ok");
    let info = process.probe("/info").json();
    assert_eq!((&info["pid"], &info["phase"]), (&json!(process.pid()), &json!("running")));
    assert!(info["capabilities"].as_array().unwrap().contains(&json!("lab.say@3")), "{info}");
    let (code, printed, _) = process.launch.run(&["manifest"]);
    assert_eq!((code, printed.as_bytes()), (0, &*process.probe("/manifest.json").body));
}

#[test]
fn callers_on_this_box_see_reasons() {
    let everywhere = if has_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
    let process = lab().with("LAB_HEALTH", "degraded").with("HECATE_HEALTH_ADDR", everywhere).ready();
    // Over IPv6, this one is ::ffff:127.0.0.1.
    let near = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), process.health_address().port());
    let near = Wire::tcp(near).get("/health");
    assert_eq!((&near.json()["reason"], near.status), (&json!("the cache is cold"), 503));
}

fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

#[test]
fn health_can_be_on_a_socket() {
    let launch = lab().without("HECATE_HEALTH_ADDR");
    let socket = launch.folder().join("health.sock");
    let launch = launch.with("HECATE_HEALTH_SOCKET", socket.to_str().unwrap()).with("LAB_HEALTH", "degraded");
    let mut process = launch.ready();
    assert_eq!(std::fs::read_to_string(process.health_file()).unwrap(), socket.to_str().unwrap());
    let answer = Wire::unix(&socket).get("/health");
    assert_eq!((answer.status, &answer.json()["reason"]), (503, &json!("the cache is cold")));
    let (code, printed, _) = process.launch.run(&["health"]);
    assert_eq!(code, 3, "{printed}");
    assert!(printed.contains("the cache is cold"), "{printed}");

    // Another service wants the same one.
    let other = lab().without("HECATE_HEALTH_ADDR").with("HECATE_HEALTH_SOCKET", socket.to_str().unwrap());
    let (code, _, stderr) = other.run(&[]);
    assert_eq!(code, 75, "{stderr}");
    assert!(stderr.contains(&process.pid().to_string()), "{stderr}");

    process.signal(Signal::TERM);
    assert_eq!(process.exit_code(), 0);
    assert!(!socket.exists(), "the socket is left");
}

#[test]
fn a_link_in_place_of_a_lock_is_not_followed() {
    let launch = lab().without("HECATE_HEALTH_ADDR");
    let (socket, precious) = (launch.folder().join("health.sock"), launch.folder().join("precious"));
    std::fs::write(&precious, "precious").unwrap();
    std::os::unix::fs::symlink(&precious, launch.folder().join("health.sock.lock")).unwrap();
    let launch = launch.with("HECATE_HEALTH_SOCKET", socket.to_str().unwrap());
    let (code, _, stderr) = launch.run(&[]);
    assert_eq!(code, 73, "{stderr}");
    assert!(stderr.contains("health.sock.lock"), "{stderr}");
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "precious");
}

#[test]
fn a_socket_of_a_dead_process_is_replaced_and_a_file_of_somebody_else_is_not() {
    let launch = lab().without("HECATE_HEALTH_ADDR");
    let socket = launch.folder().join("health.sock");
    let launch = launch.with("HECATE_HEALTH_SOCKET", socket.to_str().unwrap());
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let mut process = launch.clone().ready();
    eventually("health", || (Wire::unix(&socket).get("/livez").status == 200).then_some(()));
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code(), 0);

    std::fs::write(&socket, "precious").unwrap();
    let (code, _, stderr) = launch.run(&[]);
    assert_eq!(code, 73, "{stderr}");
    assert!(stderr.contains(socket.to_str().unwrap()) && stderr.contains("is no socket"), "{stderr}");
    assert_eq!(std::fs::read_to_string(&socket).unwrap(), "precious");
}
