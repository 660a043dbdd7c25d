//! `templates/manifest.schema.json` is the JSON Schema of the Rust type, byte for byte.

use std::{env, fs};

use hecate_om::manifest::Manifest;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../templates/manifest.schema.json");

#[test]
fn the_template_is_the_schema_of_the_type() {
    let schema = serde_json::to_string_pretty(&Manifest::json_schema()).unwrap() + "\n";
    if env::var_os("UPDATE_EXPECTED").is_some_and(|value| value == "1") {
        fs::write(FILE, &schema).unwrap();
    }
    let template = fs::read_to_string(FILE).unwrap_or_default();
    assert!(
        template == schema,
        "templates/manifest.schema.json is not the schema of `Manifest`; write it with\n    \
         UPDATE_EXPECTED=1 cargo test -p hecate-om-tests --test manifest_schema\n\
         and review the difference",
    );
}
