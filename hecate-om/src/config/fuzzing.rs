//! What an operator, and whatever starts the service, may write: tried with whatever bytes there are.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a broken promise is told")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use rustix::fs::{MemfdFlags, memfd_create};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Config, Flags, SettingsType, Sources};
use crate::fuzzing::{is_one_line, parts};
use crate::service::{Blueprint, IdentitySpec, ServiceInfo};

static INFO: ServiceInfo = {
    let identity = IdentitySpec::new("lab", &[], &[], 1);
    ServiceInfo::new("hecate-lab", "1.0.0", "Lab.", "lab::Lab", "lab.rs:1", &[], identity, 8470, "{}")
};

/// Settings of every shape.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "they are only read")]
struct Settings {
    count: Option<u8>,
    signed: Option<i64>,
    share: Option<f64>,
    flag: Option<bool>,
    letter: Option<char>,
    text: Option<String>,
    tone: Option<Tone>,
    #[serde(default)]
    tones: Vec<Tone>,
    #[serde(default)]
    names: Vec<String>,
    pair: Option<(u8, String)>,
    address: Option<IpAddr>,
    home: Option<PathBuf>,
    limits: Option<Limits>,
    #[serde(default)]
    by_name: BTreeMap<String, Limits>,
    password: Option<String>,
    api_key: Option<u32>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "they are only read")]
struct Limits {
    most: u8,
    token: Option<u8>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(dead_code, reason = "they are only read")]
enum Tone {
    Soft,
    VeryLoud,
    Tuned(u8),
}

/// What no report and no listing may show.
const SECRET: &str = "tr0ub4dor";

/// Reads a configuration of a file, of variables and of a second file, the parts of the input.
///
/// Whatever is wrong is told with one line each, and no secret in it; what holds is listed, and is the same
/// when it is read again.
pub(crate) fn configuration(input: &[u8]) {
    let [site, variables, named] = parts(input);
    let (site, named) = (in_memory(site), in_memory(named));
    let mut environment: Vec<(OsString, OsString)> =
        vec![("LAB_PASSWORD".into(), SECRET.into()), ("HECATE_RUNTIME_DIR".into(), "/run/hecate".into())];
    for line in variables.split(|byte| *byte == b'\n') {
        let end = line.iter().position(|byte| *byte == b'=').unwrap_or(line.len());
        let name = OsString::from_vec(line[..end].to_vec());
        environment.retain(|(known, _)| *known != name);
        environment.push((name, OsString::from_vec(line.get(end + 1..).unwrap_or_default().to_vec())));
    }
    let is_told = |text: &str| {
        let is_ours = !input.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
        assert!(!is_ours || !text.contains(SECRET), "{text}");
    };
    // Of inputs that differ in their length some are read strictly.
    let is_strict = input.len().is_multiple_of(3);
    let files = vec![path_of(&named)];
    let sources = Sources {
        site: Some(path_of(&site)),
        flags: Flags { files, is_strict },
        environment: environment.clone(),
        ..Sources::only([("", ""); 0])
    };
    let blueprint = Blueprint {
        info: &INFO,
        settings: SettingsType::of::<Settings>(),
        contracts: Vec::new,
        start: |_| Box::pin(std::future::pending()),
    };
    match Config::load(&blueprint, sources) {
        Ok(loaded) => {
            let text = loaded.listing.text();
            assert!(text.lines().all(is_one_line), "{text:?}");
            is_told(&text);
            is_told(&loaded.listing.json(&loaded.warnings));
            is_told(&loaded.listing.origins());
            for warning in &loaded.warnings {
                assert!(is_one_line(warning), "{warning:?}");
                is_told(warning);
            }
            let again = loaded.config.reload(&blueprint).unwrap();
            assert_eq!((again.listing.text(), again.warnings), (text, loaded.warnings));
            assert!(loaded.config.settings.get::<Settings>().is_some());
            drop(loaded.config.mesh.to_string());
        }
        Err(error) => {
            assert!(!error.problems().is_empty());
            for problem in error.problems() {
                let problem = problem.to_string();
                assert!(is_one_line(&problem) && problem.contains("; help: "), "{problem:?}");
                is_told(&problem);
            }
        }
    }
}

/// A file that is nowhere.
fn in_memory(content: &[u8]) -> File {
    let file = File::from(memfd_create("configuration", MemfdFlags::CLOEXEC).unwrap());
    file.write_all_at(content, 0).unwrap();
    file
}

fn path_of(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}
