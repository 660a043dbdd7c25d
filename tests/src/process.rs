//! A service as a process of its own, in a folder of its own.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::{Answer, Wire, eventually};

/// A process that is to be started.
#[derive(Clone)]
pub struct Launch {
    program: String,
    service: String,
    folder: Arc<TempDir>,
    variables: BTreeMap<String, String>,
    arguments: Vec<String>,
    /// A program that becomes the service, with its words.
    through: Vec<String>,
}

impl Launch {
    /// `program` is what `env!("CARGO_BIN_EXE_...")` says.
    pub fn of(program: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let service = Path::new(program).file_name().unwrap().to_str().unwrap().to_owned();
        let mut variables = BTreeMap::new();
        variables.insert("HECATE_RUNTIME_DIR".to_owned(), folder.path().join("run").to_str().unwrap().to_owned());
        variables.insert("HECATE_DATA_DIR".to_owned(), folder.path().join("data").to_str().unwrap().to_owned());
        variables.insert("HECATE_HEALTH_ADDR".to_owned(), "127.0.0.1:0".to_owned());
        // On the mesh is only who says so: a key is made for each, and a station started.
        variables.insert("HECATE_MESH".to_owned(), "off".to_owned());
        variables.insert("LAB_JOURNAL".to_owned(), folder.path().join("journal").to_str().unwrap().to_owned());
        Self { program: program.to_owned(), service, folder, variables, arguments: Vec::new(), through: Vec::new() }
    }

    /// With a variable; all that the test itself has are gone.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    /// With one more word on its command line.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// With no more than that many open files.
    #[must_use]
    pub fn files(self, most: u32) -> Self {
        self.after(&format!("ulimit -n {most}"))
    }

    /// By a shell that does this first, and then becomes the service.
    #[must_use]
    pub fn after(self, preparation: &str) -> Self {
        self.through(&["/bin/sh", "-c", &format!(r#"{preparation} && exec "$@""#), "sh"])
    }

    /// By a program that does its part and becomes the service.
    #[must_use]
    pub fn through(mut self, words: &[&str]) -> Self {
        self.through.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// By another user, who gets the folder and a copy of the program: only root can do that.
    #[must_use]
    pub fn by_user(mut self, user: u32) -> Self {
        let copy = self.folder().join("program");
        std::fs::copy(&self.program, &copy).unwrap();
        chown(self.folder(), Some(user), None).unwrap();
        self.program = copy.to_str().unwrap().to_owned();
        self.through(&["setpriv", &format!("--reuid={user}"), "--clear-groups"])
    }

    /// Where a service of another name than its program's is.
    #[must_use]
    pub fn service(mut self, name: &str) -> Self {
        name.clone_into(&mut self.service);
        self
    }

    /// A folder that goes away with the last who knows it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the service has its things.
    pub fn home(&self) -> PathBuf {
        Path::new(&self.variables["HECATE_RUNTIME_DIR"]).join(&self.service)
    }

    /// The file in which the lab notes what happens to it.
    pub fn journal(&self) -> String {
        std::fs::read_to_string(self.folder().join("journal")).unwrap_or_default()
    }

    /// Starts it.
    pub fn start(self) -> Process {
        let (stdout, stderr) = (Stdio::piped(), Stdio::piped());
        self.start_writing_to(stdout, stderr)
    }

    /// Starts it with standard output and standard error elsewhere than in the test.
    pub fn start_writing_to(self, stdout: Stdio, stderr: Stdio) -> Process {
        let words: Vec<&String> = self.through.iter().chain([&self.program]).chain(&self.arguments).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        command.env_clear().envs(&self.variables);
        let mut child = command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).spawn().unwrap();
        let stdout = Output::of(child.stdout.take());
        let stderr = Output::of(child.stderr.take());
        Process { launch: self, child, stdout, stderr, code: None }
    }

    /// Starts it and waits until it is ready.
    pub fn ready(self) -> Process {
        let mut process = self.start();
        process.wait_for_log("ready");
        process
    }

    /// Runs it to its end: exit code, standard output, standard error.
    pub fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let launch = arguments.iter().fold(self.clone(), |launch, argument| launch.argument(argument));
        let mut process = launch.start();
        let code = process.exit_code();
        (code, process.stdout(), process.stderr())
    }
}

/// A process that runs, or did. Killed when it is dropped.
pub struct Process {
    pub launch: Launch,
    child: Child,
    stdout: Output,
    stderr: Output,
    code: Option<i32>,
}

#[derive(Default)]
struct Output {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Output {
    fn of(pipe: Option<impl Read + Send + 'static>) -> Self {
        let Some(mut pipe) = pipe else { return Self::default() };
        let text = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = pipe.read(&mut chunk) {
                kept.lock().unwrap().push_str(&String::from_utf8_lossy(&chunk[..read]));
            }
        });
        Self { text, reader: Some(reader) }
    }

    fn text(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    fn count(&self, text: &str) -> usize {
        self.text.lock().unwrap().matches(text).count()
    }

    fn end(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }
}

impl Process {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// The socket of the local API.
    pub fn socket(&self) -> PathBuf {
        self.launch.home().join("sockets/api.sock")
    }

    /// The file that tells where health is.
    pub fn health_file(&self) -> PathBuf {
        self.launch.home().join("run/health.addr")
    }

    /// The address of health, as soon as it is told.
    pub fn health_address(&self) -> SocketAddr {
        eventually("health.addr", || {
            let text = std::fs::read_to_string(self.health_file()).ok()?;
            text.trim().strip_prefix("http://")?.strip_suffix("/health")?.parse().ok()
        })
    }

    /// A connection to the local API, as soon as there is one.
    pub fn wire(&self) -> Wire {
        eventually("the socket", || std::os::unix::net::UnixStream::connect(self.socket()).ok());
        Wire::unix(self.socket())
    }

    /// What health says.
    pub fn probe(&self, path: &str) -> Answer {
        Wire::tcp(self.health_address()).get(path)
    }

    /// What it counts, as OpenMetrics text.
    pub fn metrics(&self) -> String {
        let answer = self.probe("/metrics");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
        String::from_utf8(answer.body).unwrap()
    }

    /// The value of a sample, whose name is written with its labels as it is in the text.
    pub fn sample(&self, name: &str) -> f64 {
        let text = self.metrics();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }

    /// A check, as health shows it to callers on this box.
    pub fn check(&self, name: &str) -> Option<Value> {
        let report = self.probe("/health").json();
        report["checks"].as_array()?.iter().find(|check| check["name"] == name).cloned()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for a line of the log with this message.
    pub fn wait_for_log(&mut self, message: &str) -> Value {
        eventually(&format!("`{message}` in the log"), || {
            let line = self.log().into_iter().find(|line| line["message"] == message);
            if line.is_none() && self.has_ended() {
                self.stdout.end();
                self.stderr.end();
                assert!(
                    self.log().iter().any(|line| line["message"] == message),
                    "ended without `{message}`:\n{}{}",
                    self.stdout(),
                    self.stderr()
                );
            }
            line
        })
    }

    /// The lines of the log so far.
    pub fn log(&self) -> Vec<Value> {
        let text = self.stdout();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// How often its log says this so far; no line of it is read for that, however many there are.
    pub fn told(&self, text: &str) -> usize {
        self.stdout.count(text)
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        if self.code.is_none() {
            self.code = self.child.try_wait().unwrap().map(|status| {
                use std::os::unix::process::ExitStatusExt;
                status.code().unwrap_or_else(|| -status.signal().unwrap_or_default())
            });
        }
        self.code.is_some()
    }

    /// Waits for its end; a signal that ended it is negative.
    pub fn exit_code(&mut self) -> i32 {
        let program = self.launch.program.clone();
        let code = eventually(&format!("the end of {program}"), || {
            self.has_ended();
            self.code
        });
        self.stdout.end();
        self.stderr.end();
        code
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.has_ended() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
