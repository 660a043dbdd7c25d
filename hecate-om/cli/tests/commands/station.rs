//! `station`: the mesh of a box without a service.

use std::io::{BufRead, BufReader};

use hecate_om_tests::eventually;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{Shell, echo, ended};

#[test]
fn services_find_the_station_and_it_ends_well() {
    let launch = echo().with("HECATE_MESH", "auto");
    let shell = Shell::of(&launch);
    let mut station = shell.start(&["station", "--json"]);
    let mut lines = BufReader::new(station.stdout.take().unwrap()).lines();
    let told: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(told["pid"], station.id());
    let environment = &told["environment"];
    let seed = format!("{}:{}", told["host"].as_str().unwrap(), told["port"]);
    assert_eq!(environment["MACULA_STATION_SEEDS"], seed);

    let again = shell.run(&["station"]);
    assert_eq!(again.code, 75, "{again:?}");
    assert!(again.stderr.contains(&format!("process {} runs the station", station.id())), "{}", again.stderr);

    let process = launch.ready();
    let hello = r#"{"text":"hello"}"#;
    let say = ["call", "echo.say/v1", hello, "--via", "mesh"];
    eventually("an answer", || Some(shell.run(&say)).filter(|told| told.code == 0));
    // What it prints is all that a client of another runtime folder needs.
    let elsewhere = tempfile::tempdir().unwrap();
    let mut stranger = Shell::new(elsewhere.path());
    for (name, value) in environment.as_object().unwrap() {
        stranger = stranger.with(name, value.as_str().unwrap());
    }
    let told = eventually("an answer elsewhere", || Some(stranger.run(&say)).filter(|told| told.code == 0));
    assert_eq!(told.json()["via"], "mesh");
    let refused = stranger.run(&["station"]);
    assert!(refused.code == 78 && refused.stderr.contains("MACULA_STATION_SEEDS"), "{refused:?}");

    kill_process(Pid::from_child(&station), Signal::TERM).unwrap();
    let told = ended(station);
    assert_eq!((told.code, &*told.stderr), (0, ""), "{told:?}");
    drop(process);
}
