//! Packages that build in a second: they keep records as a service does, and need nothing of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Shell, Told};

/// A package with services, in a folder of its own.
pub(crate) struct Package {
    room: TempDir,
}

/// A manifest as the macro writes it.
pub(crate) fn manifest(name: &str, description: &str) -> String {
    let scope = name.replace('-', "_");
    let manifest = json!({
        "schema": "hecate.manifest/1", "name": name, "display_name": name, "version": "0.1.0",
        "description": description, "service_type": "container_daemon", "tenancy": "realm",
        "runs_on": "infrastructure_node", "callback_module": "house::House", "depends_on": [], "scope": scope,
        "capabilities": [], "uses": [],
        "identity": {"scope": scope, "actions": [], "resources": [], "ttl_days": 30},
        "ports": {"health": 8470}, "volumes": {"secrets": "/etc/hecate/secrets", "state": format!("/var/lib/{name}")},
        "min_om_version": env!("CARGO_PKG_VERSION"),
    });
    serde_json::to_string_pretty(&manifest).unwrap() + "\n"
}

fn record(text: &str) -> Vec<u8> {
    [b"hecate-om\0\0\x01", &u32::try_from(text.len()).unwrap().to_le_bytes()[..], text.as_bytes()].concat()
}

impl Package {
    /// One that keeps these services, and whose program says `told` when it is asked to check.
    pub(crate) fn new(told: &str) -> Self {
        let package = Self { room: tempfile::tempdir().unwrap() };
        package
            .write("runtime/Cargo.toml", "[package]\nname = \"hecate-om\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
        package.write("runtime/src/lib.rs", "");
        package.write(
            "house/Cargo.toml",
            "[package]\nname = \"house\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n\
             [dependencies]\nhecate-om = { path = \"../runtime\" }\n",
        );
        let main = format!(
            "macro_rules! keep {{ ($name:ident, $section:literal, $file:literal) => {{\n\
             #[used] #[unsafe(link_section = $section)]\n\
             static $name: [u8; include_bytes!($file).len()] = *include_bytes!($file); }} }}\n\
             keep!(KEPT, \"hecate_om\", \"kept\");\nkeep!(RUN, \"hecate_run\", \"run\");\n\
             fn main() {{ print!(\"{{}}\", {told:?}) }}\n"
        );
        package.write("house/src/main.rs", &main);
        package.keep(&[&manifest("house", "Keeps rooms.")], &["house"]);
        package
    }

    pub(crate) fn keep(&self, manifests: &[&str], run: &[&str]) {
        let records = |texts: &[&str]| texts.iter().flat_map(|text| record(text)).collect::<Vec<u8>>();
        fs::write(self.path("house/src/kept"), records(manifests)).unwrap();
        fs::write(self.path("house/src/run"), records(run)).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.room.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Runs a command in the folder of the package.
    pub(crate) fn run(&self, arguments: &[&str]) -> Told {
        self.shell().run(arguments)
    }

    pub(crate) fn shell(&self) -> Shell {
        Shell::new(self.path("run")).within(&self.path("house"))
    }

    pub(crate) fn git(&self, arguments: &[&str]) {
        let mut git = Command::new("git");
        git.arg("-C").arg(self.path("house")).args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null");
        assert!(git.output().unwrap().status.success(), "{arguments:?}");
    }
}

/// The finding about a subject that has these words in it.
pub(crate) fn finding<'a>(told: &'a Value, words: &str) -> &'a Value {
    let has = |finding: &&Value| finding["what"].as_str().unwrap().contains(words);
    told["findings"].as_array().unwrap().iter().find(has).unwrap_or_else(|| panic!("no `{words}` in {told:#}"))
}

/// So that nothing above it is taken for a part of it.
pub(crate) fn is_alone(folder: &Path) -> bool {
    folder.ancestors().skip(1).all(|above| !above.join("Cargo.toml").exists())
}
