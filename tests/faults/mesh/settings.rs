//! M1: settings of the mesh that are missing, or cannot be meant.

use super::*;
use crate::refused;

/// All settings of the mesh, as they could be.
fn set() -> Launch {
    sayer()
        .with("HECATE_MESH", "required")
        .with("MACULA_STATION_SEEDS", "127.0.0.1:4433")
        .with("MACULA_STATION_NODE_IDS", "ab".repeat(32))
        .with("HECATE_REALM", "io.example")
        .with("HECATE_REALM_KEY", "cd".repeat(1000))
}

const SETTINGS: [&str; 4] = ["MACULA_STATION_SEEDS", "MACULA_STATION_NODE_IDS", "HECATE_REALM", "HECATE_REALM_KEY"];

/// The line of a report about a setting.
fn line<'a>(told: &'a str, name: &str) -> &'a str {
    let start = format!("{name} ");
    let found = told.lines().map(str::trim_start).find(|line| line.starts_with(&start));
    found.unwrap_or_else(|| panic!("nothing of {name}: {told}"))
}

#[test]
fn m1_each_setting_of_the_mesh_that_is_missing_is_named_before_anything_starts() {
    for missing in SETTINGS {
        let told = refused(set().without(missing), 78);
        assert!(line(&told, missing).contains("is not set, and HECATE_MESH is `required`; help: give it "), "{told}");
        let others = SETTINGS.iter().filter(|name| **name != missing);
        assert_eq!(others.filter(|name| told.contains(&format!("{name} is not set"))).count(), 0, "{told}");
        // What goes together is set together, also where nobody requires it.
        let told = refused(set().without("HECATE_MESH").without(missing), 78);
        assert!(line(&told, missing).contains("is not set, and other settings of the mesh are set"), "{told}");
    }
    let none = SETTINGS.iter().fold(set(), |launch, name| launch.without(name));
    let told = refused(none, 78);
    for name in SETTINGS {
        assert!(line(&told, name).contains("is not set, and HECATE_MESH is `required`"), "{told}");
    }
}

#[test]
fn m1_a_setting_of_the_mesh_that_cannot_be_meant_is_named_with_what_it_takes() {
    let cases = [
        ("HECATE_REALM", "${HECATE_REALM}", "holds the unexpanded `${HECATE_REALM}`"),
        ("HECATE_REALM", "io..example", "it takes the name of a realm"),
        ("HECATE_REALM_KEY", "${HECATE_REALM_KEY}", "holds the unexpanded"),
        ("HECATE_REALM_KEY", "no hex at all", "it takes the public key of the realm in hex digits"),
        ("HECATE_REALM_KEY", "abc", "it takes the public key of the realm in hex digits"),
        ("HECATE_REALM_KEY", "", "is set and empty"),
        ("MACULA_STATION_SEEDS", "::1:4433", "an IPv6 address in brackets"),
        ("MACULA_STATION_SEEDS", "${MACULA_STATION_SEEDS}", "holds the unexpanded"),
        ("MACULA_STATION_NODE_IDS", "abcd", "it takes node ids of 64 hex digits"),
    ];
    for (name, value, words) in cases {
        let told = refused(set().with(name, value), 78);
        assert!(line(&told, name).contains(words), "{name}={value}: {told}");
    }
    let told = refused(set().with("MACULA_STATION_SEEDS", "127.0.0.1:1,127.0.0.1:2"), 78);
    assert!(line(&told, "MACULA_STATION_NODE_IDS").contains("holds 1 node ids for 2 stations"), "{told}");
}
