//! HTTP as bytes, so that a test sees exactly what goes over a socket, and when.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::PATIENCE;

/// One end of a connection to a service.
pub struct Wire {
    stream: Stream,
    /// What was read and not yet looked at.
    read: Vec<u8>,
    pause: Duration,
}

enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// A response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Wire {
    pub fn unix(socket: impl AsRef<Path>) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream: Stream::Unix(stream), read: Vec::new(), pause: Duration::ZERO }
    }

    pub fn tcp(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: Stream::Tcp(stream), read: Vec::new(), pause: Duration::ZERO }
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap();
    }

    /// Sends bytes, unless the other end has closed.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        match &mut self.stream {
            Stream::Unix(stream) => stream.write_all(bytes.as_ref()),
            Stream::Tcp(stream) => stream.write_all(bytes.as_ref()),
        }
    }

    /// Sends a request, without waiting for its answer.
    pub fn ask(&mut self, method: &str, path: &str, body: impl AsRef<[u8]>) {
        let body = body.as_ref();
        let mut request = head(method, path, body.len()).into_bytes();
        request.extend_from_slice(body);
        self.send(request);
    }

    /// Calls `<capability>`, such as `lab.say`, in version 1.
    pub fn call(&mut self, capability: &str, body: impl AsRef<[u8]>) -> Answer {
        self.ask("POST", &format!("/capabilities/{capability}/v1"), body);
        self.answer()
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, "");
        self.answer()
    }

    /// Tells the other end that nothing more will be sent.
    pub fn close_half(&self) {
        match &self.stream {
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write).unwrap(),
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write).unwrap(),
        }
    }

    /// The next response.
    pub fn answer(&mut self) -> Answer {
        self.try_answer().expect("the connection ended without a response")
    }

    /// The next response, unless the other end closed instead.
    pub fn try_answer(&mut self) -> Option<Answer> {
        self.response(true)
    }

    /// The next response to a HEAD request: it ends with its head.
    pub fn answer_without_body(&mut self) -> Answer {
        self.response(false).expect("the connection ended without a response")
    }

    fn response(&mut self, with_body: bool) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.fill() {
                assert!(self.read.is_empty(), "half a response: {}", String::from_utf8_lossy(&self.read));
                return None;
            }
        };
        let head = String::from_utf8(self.read.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut answer = Answer { status: status.expect("a status line"), head, body: Vec::new() };
        if with_body && answer.status >= 200 {
            let length: usize = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
            while self.read.len() < length {
                assert!(self.fill(), "the body ended after {} of {length} bytes", self.read.len());
            }
            answer.body = self.read.drain(..length).collect();
        }
        Some(answer)
    }

    /// Makes a slow reader of it, with a pause before each 64 KiB.
    #[must_use]
    pub fn slow(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Reads what is there; says whether there can be more. A reset is an end, too.
    fn fill(&mut self) -> bool {
        std::thread::sleep(self.pause);
        let mut chunk = vec![0; 64 * 1024];
        let read = match &mut self.stream {
            Stream::Unix(stream) => stream.read(&mut chunk),
            Stream::Tcp(stream) => stream.read(&mut chunk),
        };
        match read {
            Ok(0) => false,
            Ok(count) => {
                self.read.extend_from_slice(&chunk[..count]);
                true
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("nothing came and nothing ended: {error}"),
        }
    }

    /// Waits until the other end closes; returns how long that took. What it says before is dropped.
    pub fn closed(&mut self) -> Duration {
        let begun = Instant::now();
        while self.fill() {}
        self.read.clear();
        begun.elapsed()
    }

    /// Whether the other end has closed by now, without waiting.
    pub fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        let read = match &mut self.stream {
            Stream::Unix(stream) => {
                stream.set_nonblocking(true).unwrap();
                let read = stream.read(&mut byte);
                stream.set_nonblocking(false).unwrap();
                read
            }
            Stream::Tcp(stream) => {
                stream.set_nonblocking(true).unwrap();
                let read = stream.read(&mut byte);
                stream.set_nonblocking(false).unwrap();
                read
            }
        };
        match read {
            Ok(0) => true,
            Ok(_) => {
                self.read.push(byte[0]);
                false
            }
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }
}

/// The head of a request.
pub fn head(method: &str, path: &str, length: usize) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines
            .map(|(known, value)| (known, value.trim()))
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|found| found.1)
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of a problem, after looking that it is one.
    pub fn code(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
        let code = problem["code"].as_str().expect("a code").to_owned();
        if problem["type"] != "about:blank" {
            assert_eq!(problem["type"], format!("urn:hecate:error:{code}"), "{problem}");
        }
        code
    }
}
