//! `check`: what a boot would find, by the code of boot, without starting anything.

use std::fmt::Write as _;
use std::path::Path;

use super::print;
use crate::config::{Config, ConfigError, Flags, HealthAddress, Loaded, Sources};
use crate::exit;
use crate::folder::{DataFolder, FolderError, OwnedSocket, ServiceFolder};
use crate::health::endpoint;
use crate::registry;
use crate::service::Blueprint;
use crate::telemetry::chain;

/// What was found, line by line.
#[derive(Default)]
struct Findings {
    text: String,
    /// That of the first error: boot ends there.
    exit_code: u8,
}

impl Findings {
    fn line(&mut self, level: &str, subject: &str, what: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{level:<7}{subject:<15}{what}");
    }

    fn ok(&mut self, subject: &str, what: &str) {
        self.line("ok", subject, what);
    }

    fn note(&mut self, subject: &str, what: &str) {
        self.line("note", subject, what);
    }

    fn error(&mut self, exit_code: u8, subject: &str, what: &str) {
        self.line("error", subject, what);
        if self.exit_code == exit::STOPPED {
            self.exit_code = exit_code;
        }
    }
}

/// Prints what a boot would find; returns the exit code that it would end with.
pub(super) fn check(blueprint: &Blueprint, flags: Flags) -> u8 {
    let mut findings = Findings::default();
    let loaded = Config::load(blueprint, Sources::of_process(blueprint.info.name, flags));
    configuration(&loaded, &mut findings);
    contract(blueprint, &mut findings);
    if let Ok(loaded) = &loaded {
        places(blueprint, loaded, &mut findings);
    }
    if cfg!(panic = "abort") {
        findings.note("build", "panic = \"abort\": one handler that panics ends the whole service");
    }
    let Findings { mut text, exit_code } = findings;
    if exit_code != exit::STOPPED {
        let when = exit::ALL.iter().find(|(code, _)| *code == exit_code).map_or("", |(_, when)| when);
        let _ = writeln!(text, "\n`run` would end with exit code {exit_code}: {when}");
    }
    match print(&text) {
        0 => exit_code,
        failed => failed,
    }
}

fn configuration(loaded: &Result<Loaded, ConfigError>, findings: &mut Findings) {
    match loaded {
        Ok(loaded) => {
            let (all, written) = loaded.listing.count();
            findings.ok("configuration", &format!("{all} settings, {written} of them not by default"));
            loaded.warnings.iter().for_each(|warning| findings.note("configuration", warning));
        }
        Err(error) => {
            for problem in error.problems() {
                findings.error(error.exit_code(), "configuration", &problem.to_string());
            }
        }
    }
}

fn contract(blueprint: &Blueprint, findings: &mut Findings) {
    let duplicates = registry::duplicates_of(blueprint.info);
    if duplicates.is_empty() {
        let count = blueprint.info.capabilities.len();
        let plural = if count == 1 { "y" } else { "ies, each" };
        findings.ok("contract", &format!("{count} capabilit{plural} declared once"));
    }
    for duplicate in duplicates {
        findings.error(exit::SOFTWARE, "contract", &duplicate.to_string());
    }
}

/// Folders and ports.
fn places(blueprint: &Blueprint, loaded: &Loaded, findings: &mut Findings) {
    let config = &loaded.config;
    let folder = config.runtime_dir.join(blueprint.info.name);
    let is_running = match ServiceFolder::inspect(&config.runtime_dir, blueprint.info.name) {
        Ok(true) => {
            findings.ok("runtime folder", &folder.display().to_string());
            false
        }
        Ok(false) => {
            findings.ok("runtime folder", &format!("{} will be made", folder.display()));
            false
        }
        Err(error) => {
            findings.error(error.exit_code(), "runtime folder", &chain(&error));
            matches!(error, FolderError::Taken { .. })
        }
    };
    kept("data folder", "HECATE_DATA_DIR", &config.data_dir, findings, |findings| {
        match DataFolder::inspect_missing(&config.data_dir) {
            Ok(()) => findings
                .ok("data folder", &format!("{} will be made when the service asks for it", config.data_dir.display())),
            // A service that keeps nothing starts without.
            Err(error) => findings.note(
                "data folder",
                &format!("{}; help: make it, or set HECATE_DATA_DIR to another one", chain(&error)),
            ),
        }
    });
    kept("secrets folder", "HECATE_SECRETS_DIR", &config.secrets_dir, findings, |findings| {
        let shown = config.secrets_dir.display();
        // Whoever names it means to have secrets in it; most services ask for none.
        if loaded.listing.is_written("secrets_dir") {
            findings
                .note("secrets folder", &format!("{shown} is not there; help: make it, or unset HECATE_SECRETS_DIR"));
        } else {
            findings.ok("secrets folder", &format!("{shown} is not there; a service that asks for a secret needs it"));
        }
    });
    #[cfg(feature = "macula")]
    match crate::lifecycle::inspect_identity(config) {
        Ok(found) => found.iter().for_each(|found| findings.ok("identity", found)),
        Err(error) => findings.error(error.exit_code(), "identity", &chain(&error)),
    }
    findings.ok("mesh", &config.mesh.to_string());
    // The address of one that runs is taken by itself.
    if !is_running {
        health(config, findings);
    }
}

/// A folder that boot does not look at: the service does when it asks for what is in it.
fn kept(subject: &str, variable: &str, path: &Path, findings: &mut Findings, when_missing: impl FnOnce(&mut Findings)) {
    let path_text = path.display();
    match std::fs::metadata(path) {
        Ok(found) if !found.is_dir() => findings.note(subject, &format!("{path_text} is no folder; help: move it")),
        Ok(_) => match rustix::fs::access(path, rustix::fs::Access::READ_OK | rustix::fs::Access::EXEC_OK) {
            Ok(()) => findings.ok(subject, &path_text.to_string()),
            Err(_) => {
                let user = rustix::process::geteuid().as_raw();
                findings.note(subject, &format!("{path_text} cannot be read; help: let user {user} read it"));
            }
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            when_missing(findings);
        }
        Err(error) => {
            let help = format!("help: set {variable} to a folder that this process can reach");
            findings.note(subject, &format!("{path_text} cannot be looked at: {error}; {help}"));
        }
    }
}

/// Binds the address, and lets go of it.
fn health(config: &Config, findings: &mut Findings) {
    if let HealthAddress::Unix(path) = &config.health {
        return match OwnedSocket::inspect(path) {
            Ok(()) => findings.ok("health", &format!("{} is free", path.display())),
            Err(error) => findings.error(error.exit_code(), "health", &chain(&error)),
        };
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map(|runtime| runtime.block_on(endpoint::bind(&config.health))) {
        Ok(Ok(listeners)) => {
            listeners.warnings.iter().for_each(|warning| findings.note("health", warning));
            findings.ok("health", &format!("{} is free", listeners.place));
        }
        Ok(Err(error)) => findings.error(error.exit_code(), "health", &chain(&error)),
        Err(error) => findings.error(exit::OS, "health", &error.to_string()),
    }
}
