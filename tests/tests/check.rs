//! `check` leaves a box as it found it, and a start tells where its settings came from.

use std::path::Path;

use hecate_om_tests::Launch;
use rustix::process::Signal;

fn lab() -> Launch {
    Launch::of(env!("CARGO_BIN_EXE_hecate-lab")).without("HECATE_HEALTH_ADDR")
}

fn names(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[test]
fn check_of_a_health_socket_makes_nothing_and_sees_who_holds_it() {
    let launch = lab();
    let folder = launch.folder().join("health");
    std::fs::create_dir(&folder).unwrap();
    let socket = folder.join("health.sock");
    let launch = launch.with("HECATE_HEALTH_SOCKET", socket.to_str().unwrap());
    let (code, found, _) = launch.run(&["check"]);
    assert_eq!((code, names(&folder)), (0, vec![]), "{found}");

    let mut holder = launch.clone().ready();
    let elsewhere = launch.with("HECATE_RUNTIME_DIR", holder.launch.folder().join("other").to_str().unwrap());
    let (code, found, _) = elsewhere.run(&["check"]);
    assert_eq!(code, 75, "{found}");
    assert_eq!(names(&folder), ["health.sock", "health.sock.lock"]);
    holder.signal(Signal::TERM);
    assert_eq!(holder.exit_code(), 0);

    std::fs::write(&socket, "").unwrap();
    let (code, found, _) = elsewhere.run(&["check"]);
    assert_eq!(code, 73, "{found}");
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(elsewhere.run(&["check"]).0, 73, "the folder is gone");
}

#[test]
fn a_start_tells_where_its_settings_came_from() {
    let launch = lab();
    let file = launch.folder().join("lab.toml");
    std::fs::write(&file, "health_addr = \"127.0.0.1:0\"\n").unwrap();
    let mut process = launch.argument("--config").argument(file.to_str().unwrap()).ready();
    let line = process.wait_for_log("starting");
    let told = line["config"].as_str().unwrap();
    assert_eq!(told, format!("{}, environment", file.display()));
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code(), 0);
}

#[test]
fn check_tells_which_node_a_service_is_and_makes_no_key() {
    let launch = lab().with("HECATE_MESH", "auto");
    let data = launch.folder().join("kept");
    let launch = launch.with("HECATE_DATA_DIR", data.to_str().unwrap());
    let (code, found, _) = launch.run(&["check"]);
    assert_eq!(code, 0, "{found}");
    assert!(found.contains("identity       a key will be made in "), "{found}");
    assert!(!data.exists(), "check makes nothing");

    let identity = data.join("identity");
    std::fs::create_dir_all(&identity).unwrap();
    std::fs::write(identity.join("node-id"), format!("{}\n", "0a".repeat(32))).unwrap();
    let (code, found, _) = launch.run(&["check"]);
    assert_eq!(code, 66, "{found}");
    assert!(found.contains(&format!("identity       the key of node {} is lost", "0a".repeat(32))), "{found}");

    let off = launch.with("HECATE_MESH", "off");
    let (code, found, _) = off.run(&["check"]);
    assert_eq!(code, 0, "{found}");
    assert!(found.contains("mesh           off") && !found.contains("identity"), "{found}");
}
