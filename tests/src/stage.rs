//! A station of a test, as a process that can be killed, stopped and told to misbehave.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::Launch;

/// A station of a test. Killed when it is dropped.
pub struct Stage {
    program: String,
    folder: Arc<TempDir>,
    profile: String,
    info: Value,
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Stage {
    /// `program` is what `env!("CARGO_BIN_EXE_hecate-stage")` says.
    pub fn open(program: &str) -> Self {
        Self::open_at(program, "127.0.0.1", "pq_pure")
    }

    /// A station at another address of loopback, or of another profile.
    pub fn open_at(program: &str, host: &str, profile: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let (child, answers, info) = start(program, folder.path(), host, 0, profile);
        Self { program: program.to_owned(), folder, profile: profile.to_owned(), info, child, answers }
    }

    /// The same station again, where it was, after it was [killed](Self::kill).
    pub fn again(&mut self) {
        let port = u16::try_from(self.info["port"].as_u64().unwrap()).unwrap();
        let host = self.info["host"].as_str().unwrap().to_owned();
        let (child, answers, info) = start(&self.program, self.folder.path(), &host, port, &self.profile);
        assert_eq!(info, self.info, "it is the same node at the same place");
        (self.child, self.answers) = (child, answers);
    }

    /// A word of what a client needs: `node_id`, `realm`, `realm_name`, `realm_key`.
    pub fn word(&self, name: &str) -> String {
        self.info[name].as_str().unwrap().to_owned()
    }

    /// Where it is, as `MACULA_STATION_SEEDS` has it.
    pub fn seed(&self) -> String {
        let (host, port) = (self.word("host"), &self.info["port"]);
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// Where it is, as health has it.
    pub fn place(&self) -> String {
        format!("station {}:{}", self.word("host"), self.info["port"])
    }

    /// A service that is to dial this station.
    pub fn dialed_by(&self, launch: Launch) -> Launch {
        launch
            .with("HECATE_MESH", "required")
            .with("MACULA_STATION_SEEDS", self.seed())
            .with("MACULA_STATION_NODE_IDS", self.word("node_id"))
            .with("HECATE_REALM", self.word("realm_name"))
            .with("HECATE_REALM_KEY", self.word("realm_key"))
    }

    /// Has it do something; returns what it answers.
    pub fn order(&mut self, order: &str) -> Value {
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{order}").unwrap();
        let told = next(&mut self.answers);
        assert!(told.get("error").is_none(), "`{order}`: {told}");
        told
    }

    pub fn counts(&mut self) -> Value {
        self.order("counts")
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it without a word to anybody.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn start(program: &str, folder: &Path, host: &str, port: u16, profile: &str) -> (Child, BufReader<ChildStdout>, Value) {
    let mut command = Command::new(program);
    command.arg(folder).args([host, &port.to_string(), profile]).env_clear();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    let info = next(&mut answers);
    (child, answers, info)
}

fn next(answers: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    assert!(answers.read_line(&mut line).unwrap() > 0, "the station ended");
    serde_json::from_str(&line).unwrap()
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
