//! A throw-away package or workspace that depends on this checkout, and cargo on it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::dependencies;

const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// All of `main` in build.rs, as the documentation has it.
pub(crate) const BUILD_SCRIPT: &str = "fn main() { hecate_om_build::manifest(); }";

/// A Cargo.toml that is a workspace of its own, so that the checkout's does not claim it.
pub(crate) fn cargo_toml(name: &str) -> String {
    format!("{}\n[workspace]\n", member_toml(name))
}

/// A Cargo.toml of a package in a workspace.
pub(crate) fn member_toml(name: &str) -> String {
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\ndescription = \"Greets people\"\n\n\
         [build-dependencies]\nhecate-om-build = {{ path = \"{CHECKOUT}/hecate-om/build\" }}\n\n\
         [dependencies]\nhecate-om = {{ path = \"{CHECKOUT}/hecate-om\", default-features = false }}\n"
    )
}

/// The source of a service.
pub(crate) fn service(name: &str) -> String {
    let scope = name.replace('-', "_");
    format!(
        r#"
        use hecate_om::prelude::*;

        #[derive(Default)]
        pub struct Greeter;

        /// What is said.
        #[message]
        pub struct Greeting {{ text: String }}

        /// Greets people.
        #[hecate_service(name = "{name}")]
        impl Greeter {{
            /// Greets one person.
            #[capability(name = "{scope}.greet", version = 1)]
            pub async fn greet(&self) -> Result<Greeting> {{
                Ok(Greeting {{ text: "hello".to_owned() }})
            }}
        }}
        "#
    )
}

/// The source of a program that is a service.
pub(crate) fn program(name: &str) -> String {
    service(name) + "fn main() -> ExitCode { hecate_om::run::<Greeter>() }\n"
}

/// A folder with Cargo.toml, gone with the test.
pub(crate) struct Package {
    folder: PathBuf,
    _room: Option<TempDir>,
}

impl Package {
    /// An empty package that finds its dependencies compiled.
    pub(crate) fn new() -> Self {
        let package = Self::bare();
        dependencies::provide(&package.path("target"));
        package
    }

    /// An empty package whose dependencies are provided by the test.
    pub(crate) fn bare() -> Self {
        let room = TempDir::new_in(dependencies::kept_folder("packages")).unwrap();
        let package = Self::at(room.path());
        Self { _room: Some(room), ..package }
    }

    /// A package in a folder that stays.
    pub(crate) fn at(folder: &Path) -> Self {
        let package = Self { folder: folder.to_owned(), _room: None };
        package.write("Cargo.lock", &fs::read_to_string(format!("{CHECKOUT}/Cargo.lock")).unwrap());
        package
    }

    /// The service `greeter`, in a binary, with the build script.
    pub(crate) fn greeter() -> Self {
        let package = Self::greeter_without_build_script();
        package.write("build.rs", BUILD_SCRIPT);
        package
    }

    pub(crate) fn greeter_without_build_script() -> Self {
        let package = Self::new();
        package.write("Cargo.toml", &cargo_toml("greeter"));
        package.write("src/main.rs", &program("greeter"));
        package
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Replaces what must be there.
    pub(crate) fn edit(&self, path: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(path)).unwrap();
        assert!(text.contains(from), "{path} has no {from}");
        self.write(path, &text.replace(from, to));
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// Builds; all goes well.
    pub(crate) fn build(&self, arguments: &[&str]) -> Build {
        self.cargo("build", arguments)
    }

    /// Runs cargo; all goes well.
    pub(crate) fn cargo(&self, command: &str, arguments: &[&str]) -> Build {
        Build::of(&output(self.command(command).args(arguments)))
    }

    /// cargo, in a plain environment, whatever that of the tests is.
    pub(crate) fn command(&self, command: &str) -> Command {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            let steers = |prefix: &&str| text.starts_with(*prefix);
            if ["CARGO_", "RUSTC", "RUSTDOC", "RUSTFLAGS", "HECATE_"].iter().any(steers) && text != "CARGO_HOME" {
                cargo.env_remove(&name);
            }
        }
        cargo.current_dir(&self.folder).env("CARGO_PROFILE_DEV_DEBUG", "0");
        cargo.args([command, "--offline"]);
        if command != "doc" {
            cargo.arg("--message-format=json");
        }
        cargo
    }
}

/// Runs a command that must succeed.
pub(crate) fn output(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// What cargo said of a build.
#[derive(Debug)]
pub(crate) struct Build {
    /// The targets that were compiled.
    pub(crate) compiled: Vec<String>,
    /// What cargo told the author.
    pub(crate) told: String,
}

impl Build {
    fn of(output: &Output) -> Self {
        let lines = std::str::from_utf8(&output.stdout).unwrap().lines();
        let messages = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let compiled = messages.filter(|message| message["fresh"] == false);
        let compiled = compiled.filter_map(|message| Some(message["target"]["name"].as_str()?.to_owned())).collect();
        Self { compiled, told: String::from_utf8_lossy(&output.stderr).into_owned() }
    }
}
