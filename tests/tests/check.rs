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
fn check_minds_a_missing_folder_only_where_somebody_has_to_make_it() {
    let launch = lab();
    let line = |launch: &Launch, subject: &str| {
        let (code, found, _) = launch.run(&["check"]);
        assert_eq!(code, 0, "a service may need neither: {found}");
        let line = found.lines().find(|line| line[7..].starts_with(subject));
        line.unwrap_or_else(|| panic!("no {subject}: {found}")).to_owned()
    };
    let (data, secrets) = (line(&launch, "data folder"), line(&launch, "secrets folder"));
    assert!(data.starts_with("ok ") && data.ends_with("will be made when the service asks for it"), "{data}");
    assert!(secrets.starts_with("ok ") && secrets.contains("/etc/hecate/secrets"), "{secrets}");
    assert!(!launch.folder().join("data").exists(), "check makes nothing");

    let missing = launch.folder().join("missing");
    let named = line(&launch.clone().with("HECATE_SECRETS_DIR", missing.to_str().unwrap()), "secrets folder");
    assert!(named.starts_with("note ") && named.contains("/missing is not there; help: make it"), "{named}");
    std::fs::write(&missing, "").unwrap();
    let nowhere = line(&launch.with("HECATE_DATA_DIR", missing.join("data").to_str().unwrap()), "data folder");
    assert!(nowhere.starts_with("note ") && nowhere.contains("help: set HECATE_DATA_DIR"), "{nowhere}");
}

#[test]
#[ignore = "needs root: runs as another user"]
fn check_minds_a_data_folder_that_cannot_be_made() {
    let launch = lab();
    let closed = launch.folder().join("closed");
    std::fs::create_dir(&closed).unwrap();
    let launch = launch.with("HECATE_DATA_DIR", closed.join("data").to_str().unwrap());
    let (_, found, _) = launch.clone().by_user(65534).run(&["check"]);
    let line = found.lines().find(|line| line.starts_with("note   data folder")).unwrap_or_else(|| panic!("{found}"));
    assert!(
        line.contains("cannot make the folder") && line.contains("help: make it, or set HECATE_DATA_DIR"),
        "{line}"
    );
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
