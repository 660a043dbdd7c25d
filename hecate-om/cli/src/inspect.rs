//! The manifests in a binary: what was built, told without running it.

mod binary;

use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use clap::Args;
use hecate_om::manifest::Manifest;
use serde_json::{Value, json};

use self::binary::{Records, Unreadable};
use crate::failure::{DATA, Failure, IO, NO, NO_INPUT};
use crate::output::{Output, visible};

/// What has manifests in it.
const HELP: &str = "give the path of a program or a library that was built, such as target/debug/hecate-weather";
/// How many of the things that are wrong with a manifest are told.
const MOST_TOLD: usize = 10;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  hecate-om inspect target/release/hecate-echo

Exit codes:
   0  there are manifests
   1  there is none
  64  the command line is wrong
  65  it is no program, or what it keeps is damaged
  66  there is no such file
  74  it cannot be read")]
pub(crate) struct Arguments {
    /// A program or a library: ELF, Mach-O or PE, for any machine, stripped or not.
    binary: PathBuf,
}

/// A manifest that a binary keeps.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) manifest: Manifest,
    /// As it was built, byte for byte.
    pub(crate) text: String,
    /// Whether the binary runs this service; others are linked with it.
    pub(crate) is_run: bool,
}

impl Kept {
    /// For programs: with what a later schema may have added.
    fn json(&self) -> Value {
        let manifest: Value = serde_json::from_str(&self.text).unwrap_or_default();
        json!({"runs": self.is_run, "manifest": manifest})
    }
}

/// The manifests of the services that are linked into a binary, those first that it runs.
///
/// # Errors
/// When it cannot be read, is no program, or keeps something that is no manifest. No manifest is no error.
pub(crate) fn manifests_of(path: &Path) -> Result<Vec<Kept>, Failure> {
    let shown = path.display();
    let Some(records) = records_of(path)? else {
        return Err(Failure::new(DATA, format!("`{shown}` is no file")).help(HELP));
    };
    let records = records.map_err(|error| damaged(path, &error))?;
    let mut kept = Vec::with_capacity(records.manifests.len());
    for (number, text) in records.manifests.into_iter().enumerate() {
        let manifest = Manifest::parse(&text).map_err(|errors| {
            let told: Vec<String> =
                errors.iter().take(MOST_TOLD).map(|error| format!("\n  {}", visible(&error.to_string()))).collect();
            let what =
                format!("`{shown}` keeps a manifest, number {}, that cannot be read:{}", number + 1, told.concat());
            Failure::new(DATA, what).help("build it again with a hecate-om of this version")
        })?;
        let is_run = records.run.contains(&manifest.name);
        kept.push(Kept { manifest, text, is_run });
    }
    kept.sort_by(|one, other| (!one.is_run, &one.manifest.name).cmp(&(!other.is_run, &other.manifest.name)));
    Ok(kept)
}

/// What a file is to whoever would run it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// No program at all.
    None,
    /// A program or a library, and no service is run by it.
    OfNoService,
    OfService,
}

impl Program {
    /// What stands at a path, told without running it.
    ///
    /// # Errors
    /// When it cannot be read, and when it is a program that is damaged.
    pub(crate) fn at(path: &Path) -> Result<Self, Failure> {
        Ok(match records_of(path)? {
            None | Some(Err(Unreadable::Empty | Unreadable::NoBinary)) => Self::None,
            Some(Err(error)) => return Err(damaged(path, &error)),
            Some(Ok(records)) if records.run.is_empty() => Self::OfNoService,
            Some(Ok(_)) => Self::OfService,
        })
    }
}

/// What a file keeps, or why that cannot be told; nothing of what is no file.
fn records_of(path: &Path) -> Result<Option<Result<Records, Unreadable>>, Failure> {
    let failed = |error: std::io::Error| {
        let code = if error.kind() == ErrorKind::NotFound { NO_INPUT } else { IO };
        Failure::new(code, format!("cannot read `{}`: {error}", path.display())).help(HELP)
    };
    // To open a pipe would wait for whoever writes.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Ok(None);
    }
    Ok(Some(binary::records(BufReader::new(File::open(path).map_err(failed)?))))
}

fn damaged(path: &Path, error: &Unreadable) -> Failure {
    let help = match error {
        Unreadable::Empty | Unreadable::NoBinary => HELP,
        _ => "build it again",
    };
    Failure::new(DATA, format!("`{}` {}", path.display(), visible(&error.to_string()))).help(help)
}

/// Prints what a binary keeps.
pub(crate) fn inspect(arguments: &Arguments, output: &mut Output) -> Result<u8, Failure> {
    let kept = manifests_of(&arguments.binary)?;
    if kept.is_empty() {
        let what = format!("`{}` keeps no manifest", arguments.binary.display());
        let help = "a program of a service with `#[hecate_service]` that calls `hecate_om::run` keeps one";
        return Err(Failure::new(NO, what).help(help));
    }
    let text: String = kept.iter().map(told).collect::<Vec<_>>().join("\n");
    let services: Vec<Value> = kept.iter().map(Kept::json).collect();
    output.result(&text, &json!({"binary": arguments.binary, "services": services}))?;
    Ok(0)
}

/// For people: what it is, what it answers, and what it needs.
fn told(kept: &Kept) -> String {
    let manifest = &kept.manifest;
    let how = if kept.is_run { "runs" } else { "linked" };
    let mut text = format!(
        "{} {}  ({how})\n  {}\n",
        visible(&manifest.name),
        visible(&manifest.version),
        visible(&manifest.description)
    );
    let rows: Vec<[String; 4]> = manifest
        .capabilities
        .iter()
        .map(|capability| {
            let kind = serde_json::to_value(capability.kind).unwrap_or_default();
            let name = format!("{}@{}", visible(&capability.name), capability.version);
            let kind = kind.as_str().unwrap_or_default().to_owned();
            [name, kind, visible(&capability.access), visible(&capability.description)]
        })
        .collect();
    text += &crate::output::table(&rows, "  ");
    for used in &manifest.uses {
        let used = serde_json::to_value(used).unwrap_or_default();
        let name = used["type"].as_str().or(used["capability"].as_str()).unwrap_or_default();
        text += &format!("  uses {}\n", visible(name));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_looks_like_a_record_is_no_program() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert_eq!(Program::at(&path).unwrap_err().exit_code(), NO_INPUT);
        assert_eq!(Program::at(folder.path()).unwrap(), Program::None);
        for text in [&b""[..], b"{}", b"#!/bin/sh\n", b"hecate-om\0\0\x01\x0b\0\0\0hecate-echo"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(Program::at(&path).unwrap(), Program::None, "{text:?}");
        }
        std::fs::write(&path, b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0").unwrap();
        assert_eq!(Program::at(&path).unwrap_err().exit_code(), DATA);
    }
}
