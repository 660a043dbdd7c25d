//! A running service, asked over HTTP, ended by SIGTERM.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

/// Killed when dropped.
pub(crate) struct Running {
    child: Child,
    health: String,
    _room: TempDir,
}

impl Running {
    /// Starts a service and waits until it says where its health listener is.
    pub(crate) fn start(binary: &Path, service: &str) -> Self {
        // Short, since it holds a socket. The service makes a private folder in it.
        let room = tempfile::tempdir().unwrap();
        let runtime_dir = room.path().join("run");
        let child = Command::new(binary)
            .env("HECATE_RUNTIME_DIR", &runtime_dir)
            .env("HECATE_HEALTH_ADDR", "127.0.0.1:0")
            .env("HECATE_MESH", "off")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut running = Self { child, health: String::new(), _room: room };
        let file = runtime_dir.join(service).join("run/health.addr");
        running.health = wait_for("the health address", || {
            assert_eq!(running.child.try_wait().unwrap(), None, "the service ended early");
            fs::read_to_string(&file).ok()
        });
        running
    }

    /// The body at `path` of the health listener.
    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        let address = self.health.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/health"));
        let mut stream = TcpStream::connect(address.unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        answer.split_off(end)
    }

    /// Ends it as a supervisor does.
    pub(crate) fn stop(mut self) -> ExitStatus {
        let kill = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        wait_for("the end of the service", || self.child.try_wait().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks again and again, until it is there.
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} did not come");
        thread::sleep(Duration::from_millis(5));
    }
}
