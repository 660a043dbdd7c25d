//! The program of a service, asked for what it knows of itself. Apart from `inspect`, which runs nothing: this runs
//! what somebody built, so it waits for no program longer than it may, and keeps no more of what it prints.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a program may take to tell of itself.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOKS: Duration = Duration::from_millis(10);
/// More of what a program complains of is not shown.
const COMPLAINT: u64 = 4096;

/// What a program answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: ExitStatus,
    pub(crate) printed: Vec<u8>,
    /// The beginning of what it wrote to standard error.
    pub(crate) complaint: String,
}

/// Runs a program with one argument, and takes `most` bytes of what it prints.
///
/// # Errors
/// It does not run, or not end.
pub(crate) fn ask(program: &Path, what: &str, most: u64) -> io::Result<Answer> {
    let mut child = Command::new(program)
        .arg(what)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("does not run: {error}")))?;
    let printed = drained(child.stdout.take(), most);
    let complaint = drained(child.stderr.take(), COMPLAINT);
    let status = ended(&mut child, PATIENCE)?;
    // What it leaves running may keep the pipe: it is not waited for either.
    let printed = printed.recv_timeout(PATIENCE).unwrap_or_default();
    let complaint = complaint.recv_timeout(PATIENCE).unwrap_or_default();
    Ok(Answer { status, printed, complaint: String::from_utf8_lossy(&complaint).trim().to_owned() })
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

fn ended(child: &mut Child, patience: Duration) -> io::Result<ExitStatus> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if begun.elapsed() > patience {
            child.kill()?;
            child.wait()?;
            let what = format!("was given up: no end after {} s", patience.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, what));
        }
        thread::sleep(LOOKS);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn script(text: &str) -> tempfile::TempPath {
        let file = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o700)).unwrap();
        file
    }

    #[test]
    fn no_more_is_kept_than_may_be_and_nobody_waits_for_a_reader() {
        // More than a pipe holds, on both.
        let program = script("head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2; echo \"$1\"; exit 3");
        let answer = ask(&program, "check", 7).unwrap();
        assert_eq!((answer.printed.len(), answer.complaint.len()), (7, 4096));
        assert_eq!(answer.status.code(), Some(3));
        assert_eq!(ask(&script("echo \"$1\""), "contract", 100).unwrap().printed, b"contract\n");
    }

    #[test]
    fn what_does_not_run_or_end_is_told() {
        assert!(ask(Path::new("/nonexistent"), "check", 1).unwrap_err().to_string().starts_with("does not run: "));
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let told = ended(&mut child, Duration::ZERO).unwrap_err().to_string();
        assert_eq!(told, "was given up: no end after 0 s");
        assert!(child.try_wait().unwrap().is_some(), "it is gone");
    }
}
