//! The servers as processes: built, started until they are ready, watched through /proc, ended by SIGTERM.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::Outcome;

/// How long a server may take to come up or to end, under valgrind and beside other work.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    /// The service on hecate-om.
    Hecate,
    /// The same among 1,000 capabilities.
    Thousand,
    /// By hand on hyper, on as many workers as hecate-om has.
    ByHand,
    /// By hand on hyper, on a runtime with one thread.
    ByHandOneThread,
    /// Plain axum, on as many workers as hecate-om has.
    Axum,
}

impl Server {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Server::Hecate => "hecate-om",
            Server::Thousand => "hecate-om, 1,000 capabilities",
            Server::ByHand => "by hand (hyper)",
            Server::ByHandOneThread => "by hand, runtime of one thread",
            Server::Axum => "axum",
        }
    }

    fn program(self) -> &'static str {
        match self {
            Server::Hecate => "server-hecate",
            Server::Thousand => "server-thousand",
            Server::ByHand | Server::ByHandOneThread => "server-by-hand",
            Server::Axum => "server-axum",
        }
    }

    /// The name of the service, where it is one of hecate-om.
    fn service(self) -> Option<&'static str> {
        match self {
            Server::Hecate => Some("hecate-echo"),
            Server::Thousand => Some("hecate-thousand"),
            Server::ByHand | Server::ByHandOneThread | Server::Axum => None,
        }
    }
}

/// The workers of hecate-om's runtime, and so those of the others: one a core, two at least.
pub(crate) fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, |threads| threads.get().max(2))
}

/// The folder of this program and of the servers.
pub(crate) fn programs() -> Outcome<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.parent().ok_or("this program is in no folder")?.to_owned())
}

/// Builds the servers beside this program; `cargo run` builds only this one.
pub(crate) fn build_servers() -> Outcome<()> {
    build(&["--bins"])
}

/// Builds those that overload and soak need.
pub(crate) fn build_fleet() -> Outcome<()> {
    build(&["--bin", "server-load", "--bin", "server-hecate"])
}

fn build(which: &[&str]) -> Outcome<()> {
    let folder = programs()?;
    if cfg!(debug_assertions) {
        return Err("this is a debug build, whose numbers mean nothing; help: cargo run --release".into());
    }
    let target = folder.parent().ok_or("this program is in no target folder")?;
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // With what `cargo run` says of the package of this program, build scripts would run again.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            build.env_remove(&name);
        }
    }
    build.args(["build", "--quiet", "--release", "--locked", "--manifest-path"]);
    build.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).arg("--target-dir").arg(target).args(which);
    if cfg!(feature = "fast-json") {
        build.args(["--features", "fast-json"]);
    }
    let status = build.status().map_err(|error| format!("cargo does not run: {error}"))?;
    if status.success() { Ok(()) } else { Err("the servers do not build".into()) }
}

/// A server that is to be started.
pub(crate) struct Launch {
    pub(crate) server: Server,
    /// What comes before it on the command line.
    pub(crate) under: Vec<OsString>,
    /// What it finds in its environment besides its own settings.
    pub(crate) variables: &'static [(&'static str, &'static str)],
    /// Where services find each other; a folder of its own without one.
    pub(crate) runtime_dir: Option<PathBuf>,
    /// The folder of its data, where it is on the development mesh of its box.
    pub(crate) on_mesh: Option<PathBuf>,
    /// Where it tells its health; anywhere, if at all, without one.
    pub(crate) health: Option<SocketAddr>,
}

impl Launch {
    pub(crate) fn of(server: Server) -> Self {
        Self { server, under: Vec::new(), variables: &[], runtime_dir: None, on_mesh: None, health: None }
    }

    /// Starts it, with the same environment wherever this runs.
    pub(crate) fn start(self) -> Outcome<Process> {
        let folder = tempfile::Builder::new().prefix("hecate-om-benches-").tempdir()?;
        let program = programs()?.join(self.server.program());
        let mut line = self.under;
        line.push(program.into());
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).env_clear().stdin(Stdio::null()).stdout(Stdio::piped());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).envs(self.variables.iter().copied());
        let socket = match self.server.service() {
            Some(service) => {
                let health = self.health.unwrap_or_else(|| ([127, 0, 0, 1], 0).into());
                // Made by the service: its mode is its own affair.
                let run = self.runtime_dir.unwrap_or_else(|| folder.path().join("run"));
                command.env("HECATE_RUNTIME_DIR", &run).env("HECATE_HEALTH_ADDR", health.to_string());
                let mode = if self.on_mesh.is_some() { "auto" } else { "off" };
                let data = self.on_mesh.unwrap_or_else(|| folder.path().join("data"));
                command.env("HECATE_MESH", mode).env("HECATE_DATA_DIR", data);
                run.join(service).join("sockets/api.sock")
            }
            None => {
                let workers = if self.server == Server::ByHandOneThread { 0 } else { workers() };
                let socket = folder.path().join("api.sock");
                command.env("BENCH_SOCKET", &socket).env("BENCH_WORKERS", workers.to_string());
                self.health.map(|health| command.env("BENCH_HEALTH", health.to_string()));
                socket
            }
        };
        let mut child = command.spawn().map_err(|error| format!("{} does not start: {error}", line[0].display()))?;
        let (sender, lines) = mpsc::channel();
        if let Some(output) = child.stdout.take() {
            // Read to its end, whoever listens: a full pipe would stop the server.
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            // Nobody may listen any more.
            std::thread::spawn(move || lines.for_each(|line| drop(sender.send(line))));
        }
        Ok(Process { server: self.server, child, lines, socket, _folder: folder })
    }

    /// Starts it and waits until it says that it is ready.
    pub(crate) fn ready(self) -> Outcome<Process> {
        let process = self.start()?;
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = process.lines.recv_timeout(left);
            let line = line.map_err(|_| format!("{} did not get ready", process.server.label()))?;
            // The peers write the word, hecate-om a line of its log.
            if line == "ready" || line.contains(r#""message":"ready""#) {
                return Ok(process);
            }
        }
    }
}

/// A server that runs; killed when it is dropped.
pub(crate) struct Process {
    server: Server,
    child: Child,
    lines: Receiver<String>,
    socket: PathBuf,
    _folder: TempDir,
}

impl Process {
    /// Where it answers calls.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// The CPU time of its threads so far.
    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        let mut total = 0;
        for text in self.of_threads("schedstat")? {
            let nanoseconds = text.split(' ').next().and_then(|first| first.parse::<u64>().ok());
            total += nanoseconds.ok_or("/proc has no schedstat here: the kernel was built without it")?;
        }
        Ok(Duration::from_nanos(total))
    }

    /// The memory that it holds, in KiB.
    pub(crate) fn memory(&self) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        number.ok_or_else(|| "/proc/PID/status tells no VmRSS".into())
    }

    /// Waits until all its threads sleep: it has done all that a call left it to do.
    pub(crate) fn wait_until_idle(&self) -> Outcome<()> {
        let end = Instant::now() + PATIENCE;
        let mut asleep = 0;
        // Once more, for a thread that was just about to be woken by another.
        while asleep < 2 {
            std::thread::sleep(Duration::from_micros(100));
            // The state follows the name, which is in parentheses.
            let awake = |stat: &String| !stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'));
            asleep = if self.of_threads("stat")?.iter().any(awake) { 0 } else { asleep + 1 };
            if Instant::now() > end {
                return Err(format!("{} does not come to rest", self.server.label()).into());
            }
        }
        Ok(())
    }

    /// A file of each of its threads.
    fn of_threads(&self, file: &str) -> Outcome<Vec<String>> {
        let tasks = format!("/proc/{}/task", self.child.id());
        let mut texts = Vec::new();
        for task in fs::read_dir(&tasks).map_err(|error| format!("{tasks}: {error}"))? {
            // A thread may end meanwhile.
            if let Ok(text) = fs::read_to_string(task?.path().join(file)) {
                texts.push(text);
            }
        }
        Ok(texts)
    }

    /// Ends it as a supervisor would, and waits for that.
    pub(crate) fn stop(mut self) -> Outcome<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let end = Instant::now() + PATIENCE;
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("{} ended with {status}", self.server.label()).into()),
                None if Instant::now() > end => {
                    return Err(format!("{} did not end within {PATIENCE:?}", self.server.label()).into());
                }
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
