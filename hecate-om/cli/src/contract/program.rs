//! The contract of a program: what it prints when it is asked. Only a program that says in its record that it runs a
//! service is ever started.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use hecate_om::contract_lock::{ContractLock, MAX_BYTES};

use crate::failure::{Failure, IO, NO_INPUT, SOFTWARE};

/// Making schemas takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOKS: Duration = Duration::from_millis(10);
/// What stands before each record of a program.
const MAGIC: &[u8] = b"hecate-om\0\0\x01";
/// The longest name of a service.
const MAX_NAME: usize = 40;
/// More of what a program complains of is not shown.
const COMPLAINT: u64 = 4096;

/// Whether a file is a program that runs a service: a record of it is the name of one.
pub(crate) fn is_service(path: &Path) -> Result<bool, Failure> {
    let unreadable = |error: io::Error| {
        let code = if error.kind() == io::ErrorKind::NotFound { NO_INPUT } else { IO };
        Failure::new(code, format!("cannot read `{}`: {error}", path.display()))
    };
    let file = File::open(path).map_err(unreadable)?;
    has_name(BufReader::with_capacity(1 << 20, file)).map_err(unreadable)
}

/// Looks through a file of any size with memory of a fixed one.
fn has_name(mut file: impl Read) -> io::Result<bool> {
    const RECORD: usize = MAGIC.len() + 4 + MAX_NAME;
    let mut window: Vec<u8> = Vec::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut chunk)?;
        window.extend_from_slice(&chunk[..read]);
        let is_last = read == 0;
        // A record may go on in the next chunk.
        let end = if is_last { window.len() } else { window.len().saturating_sub(RECORD) };
        let mut at = 0;
        while let Some(found) = window[at..].windows(MAGIC.len()).position(|bytes| bytes == MAGIC) {
            at += found;
            if at >= end && !is_last {
                break;
            }
            if is_name(&window[at + MAGIC.len()..]) {
                return Ok(true);
            }
            at += MAGIC.len();
        }
        if is_last {
            return Ok(false);
        }
        window.drain(..at.max(end).min(window.len()));
    }
}

fn is_name(record: &[u8]) -> bool {
    let Some((length, rest)) = record.split_first_chunk() else { return false };
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let name = (1..=MAX_NAME).contains(&length).then(|| rest.get(..length)).flatten();
    name.is_some_and(|name| name.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-'))
}

/// What a program says that its service promises.
pub(crate) fn contract_of(program: &Path) -> Result<ContractLock, Failure> {
    let failed = |why: String| Failure::new(SOFTWARE, format!("`{} contract` {why}", program.display()));
    let mut child = Command::new(program)
        .arg("contract")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("does not run: {error}")))?;
    let printed = drained(child.stdout.take(), MAX_BYTES as u64 + 1);
    let complained = drained(child.stderr.take(), COMPLAINT);
    let status = ended(&mut child).map_err(|error| failed(format!("was given up: {error}")))?;
    // What it leaves running may keep the pipe: it is not waited for either.
    let printed = printed.recv_timeout(PATIENCE).unwrap_or_default();
    if !status.success() {
        let complaint = complained.recv_timeout(PATIENCE).unwrap_or_default();
        return Err(failed(format!("failed ({status}): {}", String::from_utf8_lossy(&complaint).trim())));
    }
    let text = String::from_utf8(printed).map_err(|_| failed("printed what is no text".to_owned()))?;
    ContractLock::of_contract(&text).map_err(|faults| {
        failed(format!("printed what is no contract: {faults}"))
            .help("build it with the version of `hecate-om` that this command is of")
    })
}

/// Reads to the end, so that the program never waits for a reader; keeps no more than it may.
fn drained(pipe: Option<impl Read + Send + 'static>, most: u64) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut kept = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.by_ref().take(most).read_to_end(&mut kept);
            let _ = io::copy(&mut pipe, &mut io::sink());
        }
        let _ = sender.send(kept);
    });
    receiver
}

fn ended(child: &mut Child) -> io::Result<ExitStatus> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if begun.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("no end after {} s", PATIENCE.as_secs())));
        }
        thread::sleep(LOOKS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &[u8]) -> Vec<u8> {
        [MAGIC, &u32::try_from(text.len()).unwrap().to_le_bytes(), text].concat()
    }

    #[test]
    fn a_program_is_known_by_the_name_in_its_record_wherever_that_stands() {
        for before in [0, 1, (1 << 20) - 30, (1 << 20) - 5, 1 << 20, (2 << 20) - 12] {
            let of = |text: &[u8]| has_name(&*[vec![b'h'; before], record(text), vec![0; 100]].concat()).unwrap();
            assert!(of(b"hecate-echo"), "{before}");
            assert!(!of(b"{\"schema\": 1}"), "a manifest alone is a library's");
            assert!(!of(b"") && !of(&[b'a'; 41]) && !of(b"$(id)"));
        }
        assert!(!has_name(&record(b"hecate-echo")[..20]).unwrap(), "cut");
        assert!(!has_name(&[][..]).unwrap());
    }
}
