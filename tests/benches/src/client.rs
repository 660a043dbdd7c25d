//! A minimal HTTP client: one request made before, and a parser that looks at what it must.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::Outcome;

/// How long an answer may take, under valgrind and beside other work.
const PATIENCE: Duration = Duration::from_secs(60);

/// A call of `echo.say` and the one right reply.
#[derive(Clone)]
pub(crate) struct Echo {
    pub(crate) request: Vec<u8>,
    body: Vec<u8>,
}

impl Echo {
    /// With as many bytes of text, none of which JSON escapes.
    pub(crate) fn of(bytes: usize) -> Self {
        let text: String = ('a'..='z').cycle().take(bytes).collect();
        let body = format!(r#"{{"text":"{text}"}}"#);
        let head = format!(
            "POST /capabilities/echo.say/v1 HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        Self { request: [head.as_bytes(), body.as_bytes()].concat(), body: body.into_bytes() }
    }

    /// Whether `answer` is whole; an error when it is wrong.
    pub(crate) fn is_answered_by(&self, answer: &[u8]) -> Outcome<bool> {
        let Some(reply) = Reply::parse(answer)? else { return Ok(false) };
        if reply.status != 200 || reply.body != self.body {
            let shown = String::from_utf8_lossy(&answer[..answer.len().min(400)]);
            return Err(format!("an echo was answered with:\n{shown}").into());
        }
        Ok(true)
    }
}

/// A whole reply.
pub(crate) struct Reply<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

impl<'a> Reply<'a> {
    /// Nothing while some of it is still to come.
    pub(crate) fn parse(answer: &'a [u8]) -> Outcome<Option<Self>> {
        let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
        let head = std::str::from_utf8(&answer[..end])?;
        let malformed = || format!("this is no HTTP reply with a length:\n{head}");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(malformed)?;
        let mut headers = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let length = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length: usize = length.and_then(|(_, value)| value.trim().parse().ok()).ok_or_else(malformed)?;
        let body = &answer[end + 4..];
        if body.len() > length {
            return Err(format!("{} bytes follow a reply:\n{head}", body.len() - length).into());
        }
        Ok((body.len() == length).then_some(Self { status, body }))
    }
}

/// One kept-alive connection.
pub(crate) struct Connection {
    stream: UnixStream,
    answer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(socket: &Path) -> Outcome<Self> {
        let stream = UnixStream::connect(socket).map_err(|error| format!("{}: {error}", socket.display()))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, answer: vec![0; 128 * 1024] })
    }

    /// Calls once, and checks the reply.
    pub(crate) fn call(&mut self, echo: &Echo) -> Outcome<()> {
        self.stream.write_all(&echo.request).map_err(|error| format!("a request was not taken: {error}"))?;
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.answer[filled..]);
            match read.map_err(|error| format!("no reply within {PATIENCE:?}: {error}"))? {
                0 => return Err("the server closed the connection".into()),
                read => filled += read,
            }
            if echo.is_answered_by(&self.answer[..filled])? {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_reply_is_an_answer() {
        let echo = Echo::of(3);
        assert!(echo.request.ends_with(b"content-length: 14\r\n\r\n{\"text\":\"abc\"}"));
        let right = b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"text\":\"abc\"}";
        assert!(echo.is_answered_by(right).unwrap());
        assert!(!echo.is_answered_by(&right[..right.len() - 1]).unwrap());
        assert!(!echo.is_answered_by(&right[..20]).unwrap());
        for wrong in [
            "HTTP/1.1 503 Busy\r\ncontent-length: 14\r\n\r\n{\"text\":\"abc\"}",
            "HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{\"text\":\"abd\"}",
            "HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{\"text\":\"abc\"}H",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        ] {
            assert!(echo.is_answered_by(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
