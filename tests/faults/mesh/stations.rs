//! M1: stations that end, stop, come back, or drop their links.

use std::fs;
use std::time::{Duration, Instant};

use hecate_om_tests::{Process, within};
use rustix::process::Signal;
use serde_json::Value;

use super::*;
use crate::{assert_alive_over, assert_ends_well};

#[test]
fn m1_a_station_that_is_killed_is_named_and_found_again_where_it_was() {
    let mut stage = stage();
    let (mut sayer, mut asker) = pair(&stage);
    assert_eq!((health(&sayer).0, health(&asker).0), (200, 200));

    stage.kill();
    let place = stage.place();
    for process in [&sayer, &asker] {
        let took = told(process, Duration::from_secs(25), &["mesh.link", "no link to a station", &place]);
        println!("a station that was killed is told after {took:?}");
        assert_eq!(on_mesh(process)["advertised"], 0, "nothing that cannot be found counts as advertised");
    }
    let (status, error) = ask(&asker, 2_000);
    assert_eq!(status, 503, "{error}");
    assert!(refusal(&error).contains("is not on the mesh"), "{error}");
    assert_eq!(sayer.probe("/readyz").status, 200, "it can still do its job for this box");

    stage.again();
    let begun = Instant::now();
    for process in [&sayer, &asker] {
        advertised(process);
        well(process);
    }
    reached(&asker);
    println!("a station that came back is used after {:?}", begun.elapsed());
    assert_ends_well(&mut sayer);
    assert_ends_well(&mut asker);
}

#[test]
fn m1_a_station_that_stops_answering_is_named_and_used_again_when_it_goes_on() {
    // One keeps its connections and says nothing; of the other the whole process stands still.
    let (mut mute, stopped) = (stage(), stage());
    let by_mute = mute.dialed_by(sayer()).ready();
    let by_stopped = stopped.dialed_by(sayer()).ready();
    advertised(&by_mute);
    advertised(&by_stopped);

    mute.order("freeze");
    stopped.signal(Signal::STOP);
    let begun = Instant::now();
    for (process, stage, how) in [(&by_stopped, &stopped, "stopped"), (&by_mute, &mute, "mute")] {
        told(process, Duration::from_secs(60), &["mesh.link", "no link to a station", &stage.place()]);
        println!("a station that is {how} is told after {:?}", begun.elapsed());
    }

    mute.order("thaw");
    stopped.signal(Signal::CONT);
    let begun = Instant::now();
    for process in [&by_mute, &by_stopped] {
        within(Duration::from_secs(40), "everything is advertised again", || is_advertised(process).then_some(()));
        well(process);
    }
    println!("stations that went on are used after {:?}", begun.elapsed());
}

#[test]
fn m1_a_link_that_flaps_for_a_minute_is_told_and_costs_nothing() {
    let mut stage = stage();
    let mut sayer = stage.dialed_by(sayer()).ready();
    advertised(&sayer);
    let node = on_mesh(&sayer)["node"].as_str().unwrap().to_owned();
    let (mut drops, mut told, mut settled) = (0, 0, None);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        let due = Instant::now() + Duration::from_millis(200);
        drops += u32::from(stage.order(&format!("drop {node}"))["connected"] == true);
        let (status, reason) = health(&sayer);
        if status == 503 && reason.contains("links come and go") && reason.contains(&stage.place()) {
            told += 1;
        }
        // What a first round takes for good is no leak.
        if begun.elapsed() > Duration::from_secs(15) {
            settled.get_or_insert_with(|| cost(&sayer));
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    let (before, after) = (settled.unwrap(), cost(&sayer));
    println!("{drops} links were dropped, health told of it {told} times; {before:?}, {after:?}");
    assert!(drops > 20, "{drops} links came up");
    // It is not found for most of the time.
    assert!(told > 100, "health told of it {told} times");
    assert!(after.kilobytes < before.kilobytes + 16 * 1024, "{before:?} {after:?}");
    assert!(after.files < before.files + 16, "{before:?} {after:?}");
    assert!(after.threads < before.threads + 8, "{before:?} {after:?}");
    let lines = sayer.log().len();
    println!("{lines} lines were logged");
    assert!(lines < 600, "{lines} lines were logged");

    advertised(&sayer);
    well(&sayer);
    let asker = stage.dialed_by(asker()).ready();
    reached(&asker);
    assert_ends_well(&mut sayer);
}

#[test]
fn m1_of_two_stations_one_may_be_dead_from_the_start() {
    let (alive, mut dead) = (stage(), stage());
    dead.kill();
    let both = |launch| {
        let (seeds, nodes) =
            (format!("{},{}", dead.seed(), alive.seed()), [dead.word("node_id"), alive.word("node_id")]);
        alive.dialed_by(launch).with("MACULA_STATION_SEEDS", seeds).with("MACULA_STATION_NODE_IDS", nodes.join(","))
    };
    let sayer = both(sayer()).ready();
    let asker = both(asker()).ready();
    advertised(&sayer);
    reached(&asker);
    assert_eq!(health(&sayer), (200, String::new()));
    let links = on_mesh(&sayer)["links"].clone();
    assert_eq!((&links["up"], &links["dialed"]), (&Value::from(1), &Value::from(2)));
}

#[test]
fn m1_a_station_that_is_dead_from_the_start_is_named_and_found_when_it_comes() {
    let mut stage = stage();
    stage.kill();
    let process = stage.dialed_by(sayer()).ready();
    let took = told(&process, Duration::from_secs(10), &["mesh.link", "no link to a station", &stage.place()]);
    println!("a station that is not there is told after {took:?}");
    stage.again();
    let (_, took) =
        within(Duration::from_secs(30), "everything is advertised", || is_advertised(&process).then_some(()));
    println!("a station that comes at last is used after {took:?}");
    well(&process);
}

#[test]
fn m1_a_station_is_dialed_by_ipv6() {
    let stage = stage_at("::1", "pq_pure");
    assert!(stage.seed().starts_with("[::1]:"), "{}", stage.seed());
    let (sayer, _asker) = pair(&stage);
    assert_eq!(health(&sayer), (200, String::new()));
}

#[test]
fn m1_a_station_that_proves_to_be_another_is_told_as_itself_at_once() {
    let (stage, other) = (stage(), stage());
    let launch = stage.dialed_by(sayer()).with("MACULA_STATION_NODE_IDS", other.word("node_id"));
    let words = [stage.place(), format!("proves to be node {}, not {}", stage.word("node_id"), other.word("node_id"))];
    refused_by_station(launch, &[&words[0], &words[1], "help: look at MACULA_STATION_NODE_IDS"]);
}

#[test]
fn m1_a_station_of_another_profile_is_told_as_itself_at_once() {
    for (station, service) in [("pq_pure", "pq_hybrid"), ("pq_hybrid", "pq_pure")] {
        let stage = stage_at("127.0.0.1", station);
        let own = stage_at("127.0.0.1", service);
        // A key of the realm that its own profile reads: the station is what is wrong.
        let launch = stage.dialed_by(sayer()).with("HECATE_PROFILE", service);
        let launch = launch.with("HECATE_REALM_KEY", own.word("realm_key"));
        refused_by_station(launch, &[&stage.place(), "another profile", "HECATE_PROFILE"]);
    }
}

#[test]
fn m1_a_key_of_a_realm_of_another_profile_is_told_as_itself_at_once() {
    let (stage, other) = (stage(), stage_at("127.0.0.1", "pq_hybrid"));
    let launch = stage.dialed_by(sayer()).with("HECATE_REALM_KEY", other.word("realm_key"));
    refused_by_station(launch, &["HECATE_REALM_KEY is no key of HECATE_PROFILE"]);
}

/// Starts a service that no station will have: it says why, in health and in the log, and says it once.
fn refused_by_station(launch: Launch, words: &[&str]) {
    let process = launch.ready();
    let took = told(&process, Duration::from_secs(8), words);
    println!("{words:?} is told after {took:?}");
    assert!(health(&process).1.contains("mesh.link"), "{:?}", health(&process));
    let tells = |line: &Value| {
        line["reason"].as_str().is_some_and(|reason| words[1..].iter().all(|word| reason.contains(word)))
    };
    let lines: Vec<_> = process.log().into_iter().filter(|line| line["level"] == "ERROR" && tells(line)).collect();
    assert_eq!(lines.len(), 1, "{}", process.stdout());
    assert_alive_over(&process);
}

/// What a process takes of its box.
#[derive(Debug)]
struct Cost {
    kilobytes: u64,
    files: usize,
    threads: usize,
}

fn cost(process: &Process) -> Cost {
    let own = format!("/proc/{}", process.pid());
    let status = fs::read_to_string(format!("{own}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kilobytes = resident.trim().trim_end_matches(" kB").parse().unwrap();
    let count = |folder: &str| fs::read_dir(format!("{own}/{folder}")).unwrap().count();
    Cost { kilobytes, files: count("fd"), threads: count("task") }
}
