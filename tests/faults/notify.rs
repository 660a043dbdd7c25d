//! N1, D3: what a supervisor hears over its socket, byte for byte, and what a hang-up changes.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use hecate_om_tests::{Gate, Launch, PATIENCE, Process, eventually};
use rustix::process::Signal;

use crate::{assert_ends_well, assert_nothing_is_left, lab, reload};

/// A supervisor that listens.
pub(crate) struct Ear {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Ear {
    /// At a path in the folder of the service.
    pub(crate) fn at_a_path(launch: Launch) -> (Self, Launch) {
        let path = launch.folder().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        (Self::new(socket), launch.with("NOTIFY_SOCKET", path.to_str().unwrap()))
    }

    /// At an abstract address, as a container's monitor may have.
    fn at_an_abstract_address(launch: Launch) -> (Self, Launch) {
        let name = format!("hecate-{}", launch.folder().file_name().unwrap().to_str().unwrap());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        (Self::new(socket), launch.with("NOTIFY_SOCKET", format!("@{name}")))
    }

    fn new(socket: UnixDatagram) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, heard: Vec::new() }
    }

    /// The next datagram.
    pub(crate) fn next(&mut self) -> String {
        let mut buffer = [0; 4096];
        let read = self.socket.recv(&mut buffer).expect("the supervisor is told something");
        let text = String::from_utf8(buffer[..read].to_vec()).unwrap();
        assert!(text.ends_with('\n') && read < 1024, "{text:?}");
        self.heard.push(text.clone());
        text
    }

    /// All that is heard until `last`.
    pub(crate) fn until(&mut self, last: &str) -> Vec<String> {
        let begun = self.heard.len();
        while self.next() != last {}
        self.heard[begun..].to_vec()
    }

    /// All that was said by now.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        self.socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let mut rest = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(read) = self.socket.recv(&mut buffer) {
            rest.push(String::from_utf8(buffer[..read].to_vec()).unwrap());
        }
        self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
        rest
    }
}

fn without_status(heard: &[String]) -> Vec<&str> {
    heard.iter().map(String::as_str).filter(|text| !text.starts_with("STATUS=")).collect()
}

#[test]
fn n1_ready_is_told_once_and_stopping_before_anything_closes() {
    for ear in [Ear::at_a_path, Ear::at_an_abstract_address] {
        let (mut ear, launch) = ear(lab());
        let gate = Gate::closed();
        let mut process = launch.start();
        let boot = ear.until("READY=1\n");
        let phases: Vec<_> = boot.iter().filter_map(|text| text.strip_prefix("STATUS=starting: ")).collect();
        assert_eq!(
            phases,
            [
                "claiming the folder\n",
                "reading the identity\n",
                "opening health\n",
                "opening the socket\n",
                "`start` of the service\n",
                "looking at health\n"
            ]
        );
        assert_eq!(without_status(&boot), ["READY=1\n"]);
        let mut held = process.wire();
        held.ask("POST", "/capabilities/lab.hold/v1", gate.request());
        gate.wait_for(1);
        process.signal(Signal::TERM);
        ear.until("STOPPING=1\n");
        // The port is open as long as a call runs, and longer than the supervisor was told.
        assert_eq!(process.probe("/livez").status, 200);
        gate.open();
        assert_eq!(held.answer().status, 200);
        assert_eq!(process.exit_code(), 0);
        let rest = ear.rest();
        assert!(without_status(&rest).is_empty(), "{rest:?}");
        assert_eq!(ear.heard.iter().filter(|text| *text == "READY=1\n").count(), 1);
    }
}

#[test]
fn n1_the_status_tells_how_the_service_is() {
    let (mut ear, launch) = Ear::at_a_path(lab().with("LAB_HEALTH", "degraded"));
    let mut process = launch.start();
    ear.until("READY=1\n");
    let status = ear.next();
    assert!(
        status.starts_with("STATUS=degraded · ") && status.ends_with(" 0 calls in flight (the cache is cold)\n"),
        "{status:?}"
    );
    assert_ends_well(&mut process);
}

#[test]
fn n1_a_watchdog_is_fed_from_ready_on_and_while_the_service_drains() {
    let (mut ear, launch) = Ear::at_a_path(lab().with("WATCHDOG_USEC", "200000"));
    let mut process = launch.start();
    let boot = ear.until("READY=1\n");
    assert_eq!(without_status(&boot), ["READY=1\n"], "not before it is ready");
    ear.until("WATCHDOG=1\n");
    ear.until("WATCHDOG=1\n");
    let gate = Gate::closed();
    let mut held = process.wire();
    held.ask("POST", "/capabilities/lab.hold/v1", gate.request());
    gate.wait_for(1);
    process.signal(Signal::TERM);
    ear.until("STOPPING=1\n");
    ear.until("WATCHDOG=1\n");
    ear.until("WATCHDOG=1\n");
    gate.open();
    assert_eq!(process.exit_code(), 0);
}

#[test]
fn n1_a_watchdog_for_another_process_is_not_fed() {
    let (mut ear, launch) = Ear::at_a_path(lab().with("WATCHDOG_USEC", "10000").with("WATCHDOG_PID", "1"));
    let mut process = launch.start();
    ear.until("READY=1\n");
    assert_ends_well(&mut process);
    let mut heard = ear.rest();
    heard.retain(|text| text == "WATCHDOG=1\n");
    assert!(heard.is_empty(), "{heard:?}");
}

#[test]
fn n1_a_reload_is_told_with_its_time_and_its_end() {
    let (mut ear, launch) = Ear::at_a_path(lab());
    let mut process = launch.start();
    ear.until("READY=1\n");
    process.wait_for_log("ready");
    process.signal(Signal::HUP);
    let heard = ear.until("READY=1\n");
    let heard = without_status(&heard);
    let micros = heard[0].strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("both in one datagram");
    assert!(micros.trim_end().parse::<u64>().is_ok_and(|micros| micros > 0), "{heard:?}");
    assert_eq!(heard.len(), 2);
    assert_ends_well(&mut process);
}

#[test]
fn n1_nobody_there_or_somebody_deaf_holds_nothing_up() {
    for address in ["/nowhere/notify", "relative", "@nobody-listens-here"] {
        let mut process = lab().with("NOTIFY_SOCKET", address).ready();
        let warned = process.log().iter().any(|line| line["level"] == "WARN" && line.to_string().contains(address));
        assert!(warned, "{}", process.stdout());
        assert_ends_well(&mut process);
    }
    // A socket whose buffer is full.
    let (ear, launch) = Ear::at_a_path(lab().with("WATCHDOG_USEC", "1000"));
    let mut process = launch.ready();
    eventually("a full socket", || {
        process
            .log()
            .iter()
            .any(|line| line["message"].as_str().unwrap_or_default().contains("does not read"))
            .then_some(())
    });
    assert_eq!(process.wire().call("lab.say", r#"{"text":"a"}"#).status, 200);
    assert_ends_well(&mut process);
    drop(ear);
}

#[test]
fn d3_a_hang_up_while_the_service_starts_or_drains_changes_nothing() {
    let gate = Gate::closed();
    let mut process = lab().with("LAB_START", format!("slow:{}", gate.path())).start();
    gate.wait_for(1);
    process.signal(Signal::HUP);
    process.wait_for_log("not reloaded: the service is not in its steady state");
    gate.open();
    process.wait_for_log("ready");
    let gate = Gate::closed();
    let mut held = process.wire();
    held.ask("POST", "/capabilities/lab.hold/v1", gate.request());
    gate.wait_for(1);
    process.signal(Signal::TERM);
    process.wait_for_log("stopping");
    process.signal(Signal::HUP);
    eventually("the second hang-up", || {
        let told = process.log().iter().filter(|line| line.to_string().contains("not reloaded")).count();
        (told == 2).then_some(())
    });
    gate.open();
    assert_eq!(held.answer().status, 200);
    assert_eq!(process.exit_code(), 0);
}

#[test]
fn d2_a_signal_in_each_phase_that_a_supervisor_hears_of_ends_it_in_order() {
    let phases =
        ["claiming the folder", "opening health", "opening the socket", "`start` of the service", "looking at health"];
    for phase in phases {
        let (mut ear, launch) = Ear::at_a_path(lab());
        let mut process = launch.start();
        ear.until(&format!("STATUS=starting: {phase}\n"));
        process.signal(Signal::TERM);
        let begun = Instant::now();
        assert_eq!(process.exit_code(), 0, "{phase}: {}", process.stderr());
        assert!(begun.elapsed() < Duration::from_secs(2), "{phase}: {:?}", begun.elapsed());
        assert_nothing_is_left(&process);
        let journal = process.launch.journal();
        assert_eq!(journal.matches("started\n").count(), journal.matches("stop\n").count(), "{phase}: {journal}");
        // It may have come further before the signal did: then all of it is told, in order.
        let rest = ear.rest();
        let told = without_status(&rest);
        let is_stopped = journal.contains("stop\n");
        assert!(matches!(told[..], [] | ["STOPPING=1\n"] | ["READY=1\n", "STOPPING=1\n"]), "{phase}: {told:?}");
        assert_eq!(is_stopped, told.contains(&"STOPPING=1\n"), "{phase}: {told:?} {journal}");
        drop(process.launch.clone().ready());
    }
}

/// What is said of a reload that changes nothing.
const KEPT: &str = "settings were not taken over: those from before stay";

/// How often a caller did something wrong, by the log, which tells that at DEBUG.
fn refused_calls(process: &Process) -> usize {
    let answer = process.wire().call("lab.take", "[]");
    assert_eq!(answer.status, 400);
    // Whatever was to be told of that call is in the log once this is.
    let id = process.wire().call("lab.fail", "").json()["call_id"].as_str().unwrap().to_owned();
    eventually("the line of the second call", || {
        process.log().iter().any(|line| line["call_id"] == id.as_str()).then_some(())
    });
    process.log().iter().filter(|line| line["message"] == "call refused").count()
}

#[test]
fn d3_a_hang_up_changes_what_is_logged_and_a_broken_file_changes_nothing() {
    let (mut ear, launch) = Ear::at_a_path(lab());
    let file = launch.folder().join("lab.toml");
    std::fs::write(&file, "log = \"info\"\n").unwrap();
    let mut process = launch.argument("--config").argument(file.to_str().unwrap()).ready();
    ear.until("READY=1\n");
    assert_eq!(refused_calls(&process), 0);
    let mut reloaded = |process: &mut Process, text: &str| {
        ear.rest();
        std::fs::write(&file, text).unwrap();
        reload(process);
        let heard = ear.until("READY=1\n");
        assert!(without_status(&heard)[0].starts_with("RELOADING=1\nMONOTONIC_USEC="), "{heard:?}");
    };
    reloaded(&mut process, "log = \"debug\"\n");
    assert_eq!(refused_calls(&process), 1, "{}", process.stdout());
    for (count, broken) in ["log = ", "log = \"loud\"", "log = true", "lgo = \"info\""].into_iter().enumerate() {
        let refused = refused_calls(&process);
        reloaded(&mut process, broken);
        let log = process.log();
        let kept: Vec<_> = log.iter().filter(|line| line["message"] == KEPT).collect();
        assert_eq!(kept.len(), count + 1, "{broken}: {kept:?}");
        let line = kept[count];
        assert!(line["level"] == "ERROR" && line["problem"].as_str().unwrap().contains("lab.toml:1:"), "{line}");
        assert_eq!(refused_calls(&process), refused + 1, "{broken}: still at DEBUG");
    }
    let refused = refused_calls(&process);
    reloaded(&mut process, "log = \"info\"\n");
    assert_eq!(refused_calls(&process), refused, "not at DEBUG any more");
    assert_ends_well(&mut process);
}
