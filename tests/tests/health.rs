//! What probes, supervisors and people are told of a service, and where.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use hecate_om_tests::{Answer, Gate, Launch, Process, Wire, block_on, eventually};
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
fn a_health_that_panics_or_hangs_is_a_check_that_failed() {
    let gate = Gate::closed();
    let blocking = format!("block:{}", gate.path());
    for (how, code) in [("panic", "panic"), ("hang", "timeout"), (&blocking, "timeout")] {
        let mut process = feeling(how);
        let report = process.probe("/health").json();
        assert_eq!((&report["status"], &report["checks"][0]["code"]), (&json!("down"), &json!(code)), "{report}");
        assert!(!report["reason"].as_str().unwrap().is_empty(), "{report}");
        assert_eq!(process.probe("/readyz").status, 503, "{how}");
        assert_eq!(process.wire().call("lab.say", r#"{"text":"a"}"#).status, 200, "{how}: calls are answered");
        let log = process.wait_for_log("health changed");
        assert_eq!((&log["level"], &log["status"]), (&json!("WARN"), &json!("down")));
        process.signal(Signal::TERM);
        assert_eq!(process.exit_code(), 0, "{how}");
    }
}

#[test]
fn however_many_probes_come_the_service_is_asked_once() {
    let gate = Gate::closed();
    gate.open();
    let process = feeling(&format!("pass:{}", gate.path()));
    let mut wire = Wire::tcp(process.health_address());
    for _ in 0..2000 {
        assert_eq!(wire.get("/health").status, 200);
    }
    // One look at boot; ten seconds lie between two.
    assert!(gate.came() <= 2, "{} looks", gate.came());
}

#[test]
fn while_it_starts_a_service_is_alive_and_not_ready_and_takes_no_calls() {
    let gate = Gate::closed();
    let mut process = lab().with("LAB_START", format!("slow:{}", gate.path())).start();
    gate.wait_for(1);
    assert_eq!(process.probe("/livez").status, 200);
    let startup = process.probe("/startupz");
    assert_eq!((startup.status, startup.json()), (503, json!({"status": "starting"})));
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
fn every_answer_has_a_length_and_is_not_to_be_kept() {
    let lab = hecate_om_tests::Lab::open();
    let mut wire = Wire::tcp(lab.health_address());
    let kept_out = |answer: &Answer| {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
    };
    for path in ["/health", "/livez", "/readyz", "/startupz", "/info", "/manifest.json", "/nowhere"] {
        let answer = wire.get(path);
        assert_eq!(answer.status, if path == "/nowhere" { 404 } else { 200 }, "{path}");
        kept_out(&answer);
        assert!(!answer.body.is_empty() && answer.json().is_object());
        let length = answer.body.len();

        wire.ask("HEAD", path, "");
        let head = wire.answer_without_body();
        assert_eq!(head.status, answer.status, "{path}");
        kept_out(&head);
        // The age of a check has a digit more or less.
        let told: usize = head.header("content-length").expect(path).parse().unwrap();
        assert!(told.abs_diff(length) < 8, "{path}: {told} of {length}");

        if path != "/nowhere" {
            for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
                wire.ask(method, path, "");
                let refused = wire.answer();
                assert_eq!((refused.status, refused.header("allow")), (405, Some("GET,HEAD")), "{method} {path}");
                kept_out(&refused);
            }
        }
    }
    assert_eq!(block_on(lab.stop()), 0);
}

#[test]
fn only_the_paths_that_are_served_are_served() {
    let lab = hecate_om_tests::Lab::open();
    let mut wire = Wire::tcp(lab.health_address());
    let long = format!("/{}", "x".repeat(8 * 1024));
    let junk = format!("/health?{}", "x=%00&".repeat(1000));
    for (path, status) in [
        ("/health?verbose", 200),
        (junk.as_str(), 200),
        ("//health", 404),
        ("/health/", 404),
        ("/health/../livez", 404),
        ("/%2e%2e/health", 404),
        ("/%68ealth", 404),
        ("/debug", 404),
        ("/", 404),
        (long.as_str(), 404),
    ] {
        assert_eq!(wire.get(path).status, status, "{}", &path[..path.len().min(40)]);
    }
    // As a proxy would ask.
    wire.send("GET http://elsewhere/livez HTTP/1.1\r\nhost: elsewhere\r\n\r\n");
    assert_eq!(wire.answer().status, 200);
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
fn when_its_own_port_is_taken_a_service_takes_another_and_tells_which() {
    // Whoever has it, it is taken.
    let _holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 8470));
    let mut process = lab().without("HECATE_HEALTH_ADDR").ready();
    let address = process.health_address();
    assert!(address.ip().is_loopback() && address.port() != 8470, "{address}");
    assert_eq!(process.probe("/livez").status, 200);
    if has_ipv6() {
        let v6 = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port());
        assert_eq!(Wire::tcp(v6).get("/livez").status, 200, "both families");
    }
    assert_eq!(process.wait_for_log("ready")["health"], format!("http://{address}/health"));
    let log = process.log();
    let warned = log.iter().find(|line| line["level"] == "WARN").unwrap_or_else(|| panic!("{log:?}"));
    assert!(warned["message"].as_str().unwrap().contains("port 8470 is taken"), "{warned}");
}

#[test]
fn an_address_that_was_asked_for_is_had_or_the_service_ends() {
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    // 192.0.2.0/24 is for documentation: nobody has it.
    for address in [taken.as_str(), "192.0.2.1:8470"] {
        let mut process = lab().with("HECATE_HEALTH_ADDR", address).start();
        assert_eq!(process.exit_code(), 75, "{address}");
        let stderr = process.stderr();
        assert!(stderr.contains(address) && stderr.contains("help: give HECATE_HEALTH_ADDR"), "{stderr}");
        assert!(!process.socket().exists() && process.launch.journal().is_empty(), "it came no further");
    }
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
