//! Services as processes, which are watched, called, stopped and killed while others go on.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::Outcome;
use crate::client::Reply;
use crate::process::programs;

/// How long anything may take that is sure to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A service that runs, or did. Killed when it is dropped.
pub(crate) struct Member {
    /// What it is called in tables.
    pub(crate) name: &'static str,
    program: &'static str,
    service: &'static str,
    /// The folder of its data and its log; services with the same `runtime` find each other.
    folder: PathBuf,
    runtime: PathBuf,
    variables: BTreeMap<&'static str, String>,
    child: Option<Child>,
}

/// What one metric of a service says: the sum of all its samples.
pub(crate) struct Metrics(String);

impl Member {
    pub(crate) fn new(name: &'static str, program: &'static str, service: &'static str, box_of: &Path) -> Self {
        let (folder, runtime) = (box_of.join(name), box_of.join("run"));
        Self { name, program, service, folder, runtime, variables: BTreeMap::new(), child: None }
    }

    pub(crate) fn with(mut self, variable: &'static str, value: impl Into<String>) -> Self {
        self.variables.insert(variable, value.into());
        self
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Where services of its box find each other.
    pub(crate) fn runtime(&self) -> &Path {
        &self.runtime
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.runtime.join(self.service).join("sockets/api.sock")
    }

    /// Starts it, and waits until it is ready.
    pub(crate) fn start(&mut self) -> Outcome<()> {
        fs::create_dir_all(&self.folder)?;
        let log = File::create(self.log_file())?;
        let mut command = Command::new(programs()?.join(self.program));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HECATE_RUNTIME_DIR", &self.runtime).env("HECATE_DATA_DIR", self.folder.join("data"));
        command.env("HECATE_HEALTH_ADDR", "127.0.0.1:0").envs(&self.variables);
        let errors = log.try_clone()?;
        self.child = Some(command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn()?);
        self.until("it is ready", |member| {
            let ready = fs::read_to_string(member.log_file())?.contains(r#""message":"ready""#);
            if member.has_ended()? {
                return Err(format!("{} ended: {}", member.name, member.last_words()).into());
            }
            Ok(ready)
        })
    }

    /// Waits until everything that it offers is found on the mesh.
    pub(crate) fn wait_until_advertised(&mut self) -> Outcome<()> {
        self.until("it is found on the mesh", |member| {
            let mesh = member.info().unwrap_or_default()["mesh"].take();
            Ok(mesh["links"]["up"] == 1 && mesh["advertised"] == mesh["offered"])
        })
    }

    fn until(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Outcome<bool>) -> Outcome<()> {
        let end = Instant::now() + PATIENCE;
        while !look(self)? {
            if Instant::now() > end {
                return Err(format!("{}: not within {PATIENCE:?}: {what}; {}", self.name, self.last_words()).into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// The end of its log.
    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.log_file()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }

    /// Lines of its log that tell of an error or a warning, by their message.
    pub(crate) fn complaints(&self) -> BTreeMap<String, u64> {
        let log = fs::read_to_string(self.log_file()).unwrap_or_default();
        let mut told = BTreeMap::new();
        for line in log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            if line["level"] == "WARN" || line["level"] == "ERROR" {
                let words = [&line["level"], &line["message"]].map(|word| word.as_str().unwrap_or_default());
                *told.entry(words.join(": ")).or_default() += 1;
            }
        }
        told
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    pub(crate) fn has_ended(&mut self) -> Outcome<bool> {
        Ok(match &mut self.child {
            Some(child) => child.try_wait()?.is_some(),
            None => true,
        })
    }

    pub(crate) fn signal(&self, signal: Signal) -> Outcome<()> {
        let child = self.child.as_ref().ok_or("it does not run")?;
        Ok(kill_process(Pid::from_child(child), signal)?)
    }

    /// Kills it without a word.
    pub(crate) fn kill(&mut self) -> Outcome<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Has it end as a supervisor would; an error when it does not end well.
    pub(crate) fn drain(&mut self) -> Outcome<()> {
        self.signal(Signal::TERM)?;
        self.until("its end", Self::has_ended)?;
        let status = self.child.take().map(|mut child| child.wait()).transpose()?;
        match status {
            Some(status) if !status.success() => Err(format!("{} ended with {status}", self.name).into()),
            _ => Ok(()),
        }
    }

    /// Calls a capability of it, on its box.
    pub(crate) fn call(&self, capability: &str, body: &Value) -> Outcome<Value> {
        let path = self.socket();
        let mut stream = UnixStream::connect(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, reply) = exchange(&mut stream, "POST", &format!("/capabilities/{capability}/v1"), &body)?;
        if status != 200 {
            return Err(format!("{}: {capability} was answered with {status}: {reply}", self.name).into());
        }
        Ok(serde_json::from_str(&reply)?)
    }

    /// What its health listener has.
    fn health(&self, path: &str) -> Outcome<String> {
        let address = fs::read_to_string(self.runtime.join(self.service).join("run/health.addr"))?;
        let address = address.trim().strip_prefix("http://").and_then(|rest| rest.strip_suffix("/health"));
        let mut stream = TcpStream::connect(address.ok_or("health.addr tells no address")?)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(exchange(&mut stream, "GET", path, "")?.1)
    }

    pub(crate) fn info(&self) -> Outcome<Value> {
        Ok(serde_json::from_str(&self.health("/info")?)?)
    }

    pub(crate) fn metrics(&self) -> Outcome<Metrics> {
        Ok(Metrics(self.health("/metrics")?))
    }

    /// A line of `/proc/PID/status`, in KiB.
    pub(crate) fn kib(&self, line: &str) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let found = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
        let number = found.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok());
        number.ok_or_else(|| format!("/proc/PID/status tells no {line}").into())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // One that is stopped dies, too.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Metrics {
    pub(crate) fn sum(&self, name: &str) -> f64 {
        let samples = self
            .0
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ') || rest.starts_with('{')));
        samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }
}

fn exchange(stream: &mut (impl Read + Write), method: &str, path: &str, body: &str) -> Outcome<(u16, String)> {
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let (mut answer, mut chunk) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        match stream.read(&mut chunk)? {
            0 => return Err(format!("{path}: the connection ended without an answer").into()),
            read => answer.extend_from_slice(&chunk[..read]),
        }
        if let Some(reply) = Reply::parse(&answer)? {
            return Ok((reply.status, String::from_utf8_lossy(reply.body).into_owned()));
        }
    }
}
