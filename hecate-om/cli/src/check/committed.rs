//! Secrets that git knows: what was committed is known to whoever has a copy.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use super::Findings;

/// How many files are looked into, and how much of each.
const MOST_FILES: usize = 5000;
const MOST_BYTES: u64 = 64 * 1024;

pub(super) fn look(folder: &Path, findings: &mut Findings) {
    let listed = Command::new("git").arg("-C").arg(folder).args(["ls-files", "-z"]).output();
    let Some(listed) = listed.ok().filter(|listed| listed.status.success()) else {
        findings.ok("secrets", "none is committed: this is no git repository");
        return;
    };
    let names: Vec<String> = listed
        .stdout
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect();
    let mut is_clean = true;
    for name in names.iter().take(MOST_FILES) {
        if let Some(what) = secret(folder, name) {
            is_clean = false;
            let help = format!(
                "git rm --cached '{name}', put it into .gitignore, and replace the secret: whoever has a copy knows it"
            );
            findings.error("secrets", &format!("{name} is committed, and {what}"), &help);
        }
    }
    if names.len() > MOST_FILES {
        findings.note(
            "secrets",
            &format!("only {MOST_FILES} of {} files were looked into", names.len()),
            "look at the others with a tool for that",
        );
    } else if is_clean {
        findings.ok("secrets", &format!("none in {} committed files", names.len()));
    }
}

/// What makes a file a secret, if anything does.
fn secret(folder: &Path, name: &str) -> Option<&'static str> {
    let file = Path::new(name).file_name()?.to_str()?;
    if matches!(file, "node.key" | "realm.key") {
        return Some("is the key of a node");
    }
    if file == ".env" {
        return Some("holds the environment of a service");
    }
    let mut beginning = Vec::new();
    let path = folder.join(name);
    // A link is looked at where it leads to, and a pipe not at all.
    if !std::fs::symlink_metadata(&path).ok()?.is_file() {
        return None;
    }
    File::open(path).ok()?.take(MOST_BYTES).read_to_end(&mut beginning).ok()?;
    holds_key(&beginning).then_some("holds a private key")
}

/// Whether a line begins a private key in PEM.
fn holds_key(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n').any(|line| {
        let line = line.trim_ascii();
        line.starts_with(b"-----BEGIN ") && line.ends_with(b"PRIVATE KEY-----")
    })
}

#[cfg(test)]
mod tests {
    use super::holds_key;

    #[test]
    fn a_private_key_is_known_by_its_first_line() {
        // Put together, so that this file holds none.
        let begin = format!("-----{} RSA PRIVATE KEY-----\nMIIE\n", "BEGIN");
        assert!(holds_key(begin.as_bytes()));
        assert!(holds_key(format!("x = 1\r\n  {begin}").as_bytes()));
        assert!(!holds_key(begin.replace("PRIVATE", "PUBLIC").as_bytes()));
        assert!(!holds_key(format!("say(\"{}\")", begin.trim()).as_bytes()));
    }
}
