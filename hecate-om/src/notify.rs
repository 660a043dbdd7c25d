//! What a supervisor is told over its notification socket, as `sd_notify(3)` describes it.
//!
//! Written here because a supervisor must never hold up the service: the socket does not block, and
//! abstract addresses, which containers get, are understood. Podman's monitor passes on just the
//! messages that are sent here, each state in one datagram.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use thiserror::Error;

/// The longest status, in bytes: it is one line for a person.
const MAX_STATUS: usize = 256;
/// How often a full socket is tried, and how long between, for what must not be lost. Health waits
/// meanwhile.
const TRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(5);

/// Why the supervisor cannot be told.
#[derive(Debug, Error)]
#[error("NOTIFY_SOCKET is `{}`, and nobody can be told there; help: let the supervisor set it", .address.display())]
pub(crate) struct NoSupervisor {
    address: OsString,
    source: io::Error,
}

/// Whoever started this process and wants to know how it is; maybe nobody.
#[derive(Debug, Default)]
pub(crate) struct Supervisor {
    socket: Option<UnixDatagram>,
    status: Mutex<String>,
    is_stopping: AtomicBool,
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// The one that the environment names.
    ///
    /// # Errors
    /// When it names one that does not listen.
    pub(crate) fn from_env() -> Result<Self, NoSupervisor> {
        let Some(address) = std::env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty()) else {
            return Ok(Self::default());
        };
        match connect(&address) {
            Ok(socket) => {
                let watchdog = watchdog(std::env::var("WATCHDOG_USEC").ok(), std::env::var("WATCHDOG_PID").ok());
                Ok(Self { socket: Some(socket), watchdog, ..Self::default() })
            }
            Err(source) => Err(NoSupervisor { address, source }),
        }
    }

    /// How long the supervisor waits for a sign of life before it ends this process, if it does.
    pub(crate) fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// The service can do its job on this box, or can again.
    pub(crate) fn ready(&self) {
        // A reload that ends late must not take back that the service stops.
        if !self.is_stopping.load(Ordering::Acquire) {
            self.send("READY=1\n");
        }
    }

    /// The service is on its way out.
    pub(crate) fn stopping(&self) {
        self.is_stopping.store(true, Ordering::Release);
        self.send("STOPPING=1\n");
    }

    /// The service reads its settings again; [`ready`](Self::ready) ends that.
    pub(crate) fn reloading(&self) {
        // In the same datagram: systemd 253 and later wait for nothing else.
        let now = clock_gettime(ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\n"));
    }

    /// A sign of life.
    pub(crate) fn feed_watchdog(&self) {
        self.send("WATCHDOG=1\n");
    }

    /// One line for whoever asks the supervisor; sent when it is news.
    pub(crate) fn status(&self, text: &str) {
        let line = one_line(text);
        let mut last = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != line {
            // Another one follows when it changes again.
            let _ = self.try_send(&format!("STATUS={line}\n"));
            *last = line;
        }
    }

    fn send(&self, message: &str) {
        for _ in 0..TRIES {
            match self.try_send(message) {
                Err(error) if is_full(&error) => std::thread::sleep(PAUSE),
                Err(error) => return tracing::debug!(%error, "the supervisor was not told"),
                Ok(()) => return,
            }
        }
        tracing::warn!(lost = message.trim_end(), "the supervisor does not read what it is told");
    }

    fn try_send(&self, message: &str) -> io::Result<()> {
        self.socket.as_ref().map_or(Ok(()), |socket| socket.send(message.as_bytes()).map(drop))
    }
}

fn connect(address: &OsStr) -> io::Result<UnixDatagram> {
    let address = match address.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        [b'/', ..] => SocketAddr::from_pathname(address)?,
        _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "it starts with `/` or `@`")),
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(rustix::io::Errno::NOBUFS.raw_os_error())
}

/// The time that the supervisor allows between signs of life of this process.
fn watchdog(micros: Option<String>, pid: Option<String>) -> Option<Duration> {
    // In a container the variable for the process is absent, and the other is set by the template.
    let is_ours = pid.is_none_or(|pid| pid.trim().parse() == Ok(std::process::id()));
    let micros = micros?.trim().parse().ok().filter(|micros| *micros > 0 && is_ours)?;
    Some(Duration::from_micros(micros))
}

fn one_line(text: &str) -> String {
    let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.truncate(line.floor_char_boundary(MAX_STATUS));
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchdog_of_another_process_is_not_ours() {
        let own = std::process::id().to_string();
        let set = |text: &str| Some(text.to_owned());
        assert_eq!(watchdog(set("30000000"), None), Some(Duration::from_secs(30)));
        assert_eq!(watchdog(set("30000000"), Some(own)), Some(Duration::from_secs(30)));
        assert_eq!(watchdog(set("30000000"), set("1")), None);
        assert_eq!(watchdog(set("0"), None), None);
        assert_eq!(watchdog(set("soon"), None), None);
        assert_eq!(watchdog(None, None), None);
    }

    #[test]
    fn a_status_is_one_line_of_bounded_length() {
        assert_eq!(one_line("ok\nREADY=1"), "ok READY=1");
        let long = one_line(&"é".repeat(1000));
        assert_eq!(long.len(), MAX_STATUS);
    }

    #[test]
    fn an_address_is_a_path_or_abstract() {
        assert_eq!(connect(OsStr::new("relative")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        let name = format!("hecate-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let listening = UnixDatagram::bind_addr(&address).unwrap();
        let socket = connect(OsStr::new(&format!("@{name}"))).unwrap();
        let supervisor = Supervisor { socket: Some(socket), ..Supervisor::default() };
        supervisor.ready();
        supervisor.status("ok");
        supervisor.status("ok");
        supervisor.stopping();
        let mut buffer = [0; 64];
        for expected in ["READY=1\n", "STATUS=ok\n", "STOPPING=1\n"] {
            let read = listening.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..read], expected.as_bytes());
        }
        supervisor.ready();
        listening.set_nonblocking(true).unwrap();
        assert!(listening.recv(&mut buffer).is_err(), "nothing takes back that it stops");
    }

    #[test]
    fn a_supervisor_that_does_not_read_holds_nothing_up() {
        let (socket, _deaf) = UnixDatagram::pair().unwrap();
        socket.set_nonblocking(true).unwrap();
        while socket.send(b"x").is_ok() {}
        let supervisor = Supervisor { socket: Some(socket), ..Supervisor::default() };
        let begun = std::time::Instant::now();
        supervisor.ready();
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}
