//! What is linked into a binary, and what happens when two services in it claim the same.

use hecate_om::prelude::*;
use hecate_om::registry;
use hecate_om_tests::{Lab, Launch};

#[derive(Default)]
struct Zebra;

#[derive(Default)]
struct Ant;

/// Comes last.
#[hecate_service(name = "hecate-zebra")]
impl Zebra {
    /// Runs.
    #[capability(version = 2)]
    async fn run(&self) -> Result<()> {
        Ok(())
    }

    /// Ran.
    #[capability(name = "zebra.run", version = 1)]
    async fn ran(&self) -> Result<()> {
        Ok(())
    }
}

/// Comes first.
#[hecate_service(name = "hecate-ant")]
impl Ant {
    /// Walks.
    #[capability(version = 1)]
    async fn walk(&self) -> Result<()> {
        Ok(())
    }
}

#[test]
fn services_and_capabilities_are_listed_in_order() {
    let names: Vec<_> = registry::services().iter().map(|service| service.name).collect();
    assert_eq!(names, ["hecate-ant", "hecate-lab", "hecate-zebra"]);
    let listed: Vec<_> = registry::capabilities().iter().map(|(_, capability)| capability.to_string()).collect();
    assert_eq!(listed.first().map(String::as_str), Some("ant.walk@1"));
    assert_eq!(listed[listed.len() - 2..], ["zebra.run@1", "zebra.run@2"]);
    assert!(listed.contains(&Lab::SAY.to_string()));
    for (service, capability) in registry::capabilities() {
        assert!(service.capabilities.iter().any(|own| std::ptr::eq(own, capability)));
    }
}

#[test]
fn a_service_does_not_start_when_another_in_the_binary_claims_the_same() {
    let twins = Launch::of(env!("CARGO_BIN_EXE_hecate-twins"));
    for twin in ["left", "right"] {
        let (code, _, stderr) = twins.clone().with("TWIN", twin).run(&[]);
        assert_eq!(code, 70, "{stderr}");
        assert!(stderr.contains("capability `twin.hello` version 1"), "{stderr}");
        for place in ["hecate_twins::Left", "hecate_twins::Right"] {
            assert!(stderr.contains(place), "{place}: {stderr}");
        }
        assert_eq!(stderr.matches("hecate-twins.rs:").count(), 2, "both places: {stderr}");
        assert_eq!(stderr.matches("twin.hello").count(), 1, "version 2 is nobody else's: {stderr}");
        assert!(stderr.contains("help: rename one of them, or raise its version"), "{stderr}");
        assert!(!twins.home().exists(), "it left nothing");
    }
}

#[test]
fn a_service_starts_though_others_in_the_binary_are_at_odds() {
    let mut process = Launch::of(env!("CARGO_BIN_EXE_hecate-twins")).service("hecate-apart").ready();
    assert_eq!(process.wire().call("apart.hello", "").status, 200);
    process.signal(rustix::process::Signal::TERM);
    assert_eq!(process.exit_code(), 0);
}
