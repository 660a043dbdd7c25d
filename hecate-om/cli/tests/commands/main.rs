//! The commands of `hecate-om` as somebody types them: the real program, against real services.

#![allow(clippy::unwrap_used, reason = "a test may unwrap: that is how it fails")]

mod binaries;
mod calls;
mod check;
mod mesh;
mod package;
mod project;
mod services;
mod station;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use hecate_om_tests::Launch;
use serde_json::Value;

/// What a command came to.
#[derive(Debug)]
struct Told {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Told {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A shell with this runtime folder, and no variable of the test's own but those that cargo needs.
struct Shell {
    runtime_dir: PathBuf,
    folder: PathBuf,
    variables: Vec<(String, String)>,
}

impl Shell {
    fn new(runtime_dir: impl Into<PathBuf>) -> Self {
        Self { runtime_dir: runtime_dir.into(), folder: std::env::temp_dir(), variables: Vec::new() }
    }

    /// Where the services of a launch are.
    fn of(launch: &Launch) -> Self {
        Self::new(launch.folder().join("run"))
    }

    fn within(mut self, folder: &Path) -> Self {
        folder.clone_into(&mut self.folder);
        self
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hecate-om"));
        command.args(arguments).current_dir(&self.folder).env_clear();
        for kept in ["PATH", "HOME", "CARGO", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"] {
            command.envs(std::env::var_os(kept).map(|value| (kept, value)));
        }
        command.env("HECATE_RUNTIME_DIR", &self.runtime_dir).envs(self.variables.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Told {
        ended(self.start(arguments))
    }

    fn run_with(&self, arguments: &[&str], stdin: &str) -> Told {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        // Whoever refuses does not read it.
        let _ = pipe.write_all(stdin.as_bytes());
        drop(pipe);
        ended(child)
    }
}

fn ended(child: Child) -> Told {
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Told { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A service that stands among the examples of this package.
fn example(name: &str) -> String {
    let own = std::env::current_exe().unwrap();
    let path = own.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(
        path.is_file(),
        "{} is not built; run `cargo test -p hecate-om-cli` without choosing a test",
        path.display()
    );
    path.to_str().unwrap().to_owned()
}

/// The echo, in a runtime folder of its own.
fn echo() -> Launch {
    Launch::of(&example("hecate-echo"))
}
