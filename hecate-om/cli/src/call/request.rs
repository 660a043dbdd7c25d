//! What a call is made with: from the command line, a file or standard input.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hecate_om::Kind;
use hecate_om::outside::Sending;
use serde_json::Value;

use crate::failure::{DATA, Failure, IO, NO_INPUT};

/// The largest document, in bytes: more than any capability takes.
const LARGEST: u64 = 16 * 1024 * 1024 + 1;
/// The largest token, in bytes.
const LARGEST_TOKEN: u64 = 256 * 1024;

/// Where a request comes from.
#[derive(Debug)]
pub(super) enum Request {
    Text(String),
    File(PathBuf),
    Stdin,
}

impl Request {
    pub(super) fn parse(argument: &str) -> Result<Self, Failure> {
        match argument.strip_prefix('@') {
            _ if argument == "-" => Ok(Self::Stdin),
            Some(path) => Ok(Self::File(path.into())),
            None => Ok(Self::Text(argument.to_owned())),
        }
    }

    /// What is sent to a capability of that kind.
    ///
    /// # Errors
    /// When it cannot be read, or is not JSON.
    pub(super) fn sending(&self, kind: Kind) -> Result<Sending, Failure> {
        if kind.takes_stream() {
            return self.many();
        }
        let text = match self {
            Self::Text(text) => text.clone(),
            Self::File(path) => whole(open(path, FILE)?, &path.display().to_string())?,
            Self::Stdin => whole(io::stdin(), "standard input")?,
        };
        let text = if text.trim().is_empty() { "{}".to_owned() } else { text };
        check(&text)?;
        Ok(Sending::One(text))
    }

    /// Documents one after the other, each sent when it was read.
    fn many(&self) -> Result<Sending, Failure> {
        let from: Box<dyn BufRead + Send> = match self {
            Self::Text(text) => Box::new(io::Cursor::new(text.clone())),
            Self::File(path) => Box::new(BufReader::new(open(path, FILE)?)),
            Self::Stdin => Box::new(BufReader::new(io::stdin())),
        };
        let (sender, mut documents) = tokio::sync::mpsc::channel(1);
        // It may wait for standard input for ever, and ends with the process.
        std::thread::spawn(move || {
            for document in serde_json::Deserializer::from_reader(from).into_iter::<Value>() {
                let document = document.map_err(|error| format!("what is to be sent is no JSON: {error}"));
                let is_last = document.is_err();
                if sender.blocking_send(document).is_err() || is_last {
                    return;
                }
            }
        });
        Ok(Sending::from_poll(move |context| documents.poll_recv(context)))
    }
}

fn check(text: &str) -> Result<(), Failure> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).map(|_| ()).map_err(|error| {
        Failure::new(DATA, format!("the request is no JSON: {error}"))
            .help("write it as in '{\"text\":\"hello\"}', @FILE for a file, - for standard input")
    })
}

/// What `@` takes.
const FILE: &str = "give @FILE with the path of a file that holds JSON, or - for standard input";

fn open(path: &Path, help: &str) -> Result<File, Failure> {
    File::open(path).map_err(|error| {
        let code = if error.kind() == ErrorKind::NotFound { NO_INPUT } else { IO };
        Failure::new(code, format!("cannot read {}: {error}", path.display())).help(help)
    })
}

fn whole(from: impl Read, shown: &str) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    from.take(LARGEST)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::new(IO, format!("cannot read {shown}: {error}")).help(FILE))?;
    if bytes.len() as u64 == LARGEST {
        return Err(Failure::new(DATA, format!("{shown} is larger than any capability takes, 16 MiB")));
    }
    String::from_utf8(bytes)
        .map_err(|_| Failure::new(DATA, format!("{shown} is no UTF-8, so it is no JSON")).help(FILE))
}

/// The token of a file.
pub(super) fn token(path: &Path) -> Result<Arc<[u8]>, Failure> {
    let mut bytes = Vec::new();
    open(path, "give --token with the path of a file that holds a UCAN")?
        .take(LARGEST_TOKEN)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::new(IO, format!("cannot read {}: {error}", path.display())))?;
    Ok(bytes.trim_ascii().into())
}
