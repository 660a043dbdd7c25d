//! Looks at the project in this folder, at the environment of its service and at its files, and says of all that
//! is not well what to do.

mod boot;
mod committed;
mod files;
mod package;

use std::io::{IsTerminal, stderr};

use clap::Args;
use serde::Serialize;
use serde_json::json;

use crate::failure::{Failure, NO, NO_INPUT};
use crate::output::{Output, visible};
use crate::project::{Project, Which};

#[derive(Debug, Args)]
#[command(after_help = "\
What would keep the service from starting, or others from trusting it. The service is built for it, and asked what \
a boot would find with the settings of this shell. Outside of a project, only the environment and the files of \
this box are looked at.

Example:
  HECATE_REALM=io.example hecate-om check

Exit codes:
   0  nothing is wrong; notes (!) are no failure, unless --strict is given
   1  something is wrong
  64  the command line is wrong
  65  cargo cannot read the project
  66  the given Cargo.toml is missing
  70  cargo cannot be run
  74  it cannot be printed")]
pub(crate) struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Build with optimizations.
    #[arg(long)]
    release: bool,
    /// Build nothing: what only a built service can tell is left out.
    #[arg(long)]
    no_build: bool,
    /// Notes are failures, too.
    #[arg(long)]
    strict: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Note,
    Error,
}

/// One thing that was looked at, and what is to be done about it, if something is.
#[derive(Debug, Serialize)]
struct Finding {
    level: Level,
    area: &'static str,
    subject: String,
    what: String,
    help: Option<String>,
}

/// What was found so far, in one area after the other.
#[derive(Debug, Default)]
struct Findings {
    area: &'static str,
    all: Vec<Finding>,
}

impl Findings {
    fn begin(&mut self, area: &'static str) {
        self.area = area;
    }

    fn add(&mut self, level: Level, subject: &str, what: &str, help: Option<&str>) {
        let help = help.map(visible);
        self.all.push(Finding { level, area: self.area, subject: visible(subject), what: visible(what), help });
    }

    fn ok(&mut self, subject: &str, what: &str) {
        self.add(Level::Ok, subject, what, None);
    }

    fn note(&mut self, subject: &str, what: &str, help: &str) {
        self.add(Level::Note, subject, what, Some(help));
    }

    fn error(&mut self, subject: &str, what: &str, help: &str) {
        self.add(Level::Error, subject, what, Some(help));
    }

    /// A text as the runtime writes them: what is wrong, `; help: `, and what to do.
    fn told(&mut self, level: Level, subject: &str, text: &str) {
        match text.split_once("; help: ") {
            Some((what, help)) => self.add(level, subject, what, Some(help)),
            None => self.add(level, subject, text, None),
        }
    }

    fn count(&self, level: Level) -> usize {
        self.all.iter().filter(|finding| finding.level == level).count()
    }

    fn text(&self) -> String {
        let (mut text, mut area) = (String::new(), "");
        for finding in &self.all {
            if finding.area != area {
                area = finding.area;
                text += &format!("{}{area}\n", if text.is_empty() { "" } else { "\n" });
            }
            let mark = match finding.level {
                Level::Ok => '✓',
                Level::Note => '!',
                Level::Error => '✗',
            };
            text += &format!("  {mark} {:<16}{}\n", finding.subject, finding.what);
            if let Some(help) = &finding.help {
                text += &format!("    {:<16}help: {help}\n", "");
            }
        }
        let (errors, notes) = (self.count(Level::Error), self.count(Level::Note));
        text + &match (errors, notes) {
            (0, 0) => "\nall is well\n".to_owned(),
            (0, notes) => format!("\nnothing is wrong, {notes} to look at\n"),
            (errors, notes) => format!("\n{errors} wrong, {notes} to look at\n"),
        }
    }
}

pub(crate) fn check(arguments: &Arguments, output: &mut Output) -> Result<u8, Failure> {
    let mut findings = Findings::default();
    findings.begin("project");
    let project = match Project::find(&arguments.which) {
        Ok(project) => Some(project),
        // A box has no project.
        Err(failure) if failure.exit_code() == NO_INPUT && arguments.which.manifest_path.is_none() => {
            findings.note(
                "package",
                "there is no Cargo.toml here",
                "go into the folder of a service to have it checked",
            );
            None
        }
        Err(failure) => return Err(failure),
    };
    let mut program = None;
    if let Some(project) = &project {
        package::look(project, &mut findings);
        if !arguments.no_build && project.is_of_service() {
            if stderr().is_terminal() {
                eprintln!("building {}", project.package);
            }
            program = package::build(project, arguments.release, &mut findings);
        }
        committed::look(project.folder(), &mut findings);
    }
    findings.begin("environment");
    boot::look(program.as_deref(), &mut findings);
    findings.begin("files");
    files::look(&mut findings);
    let (errors, notes) = (findings.count(Level::Error), findings.count(Level::Note));
    output.result(&findings.text(), &json!({"errors": errors, "notes": notes, "findings": findings.all}))?;
    Ok(if errors > 0 || (arguments.strict && notes > 0) { NO } else { 0 })
}
