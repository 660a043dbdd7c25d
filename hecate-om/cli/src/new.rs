//! `new`: from a name to a service that builds, is tested, runs and can be deployed.
//!
//! Everything is rendered before anything is written, and what is written is there in whole or not at all.

mod image;
mod name;
mod place;
mod source;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use hecate_om::contract_lock;
use minijinja::Value;
use serde::Serialize;
use serde_json::json;

use self::image::Image;
use self::name::ServiceName;
use self::place::{Place, Rendered};
use crate::failure::{Failure, USAGE};
use crate::output::Output;
use crate::project::OmSource;
use crate::render::{self, Deployment, Kind, Sources, TOOLCHAIN};
use crate::template::{Template, invisible, shell, template};

pub(crate) use name::{capitalised, is_keyword};
pub(crate) use source::own as own_source;

/// The build script of a project, which keeps its manifest in the build output.
const BUILD_SCRIPT: &str = "build.rs";

/// The longest description, in bytes: it is one line wherever it is shown.
const MOST_DESCRIPTION: usize = 200;

#[derive(Debug, Args)]
#[command(after_help = "\
A service with one capability that works: with tests, README.md, the lock of its contract, an image, units and \
workflows. All of it is written, or nothing.

Examples:
  hecate-om new hecate-weather --description \"Forecasts over the mesh\"
  hecate-om new hecate-weather --org acme --vertical-slices
  hecate-om scaffold --name hecate-weather --dry-run

Exit codes:
   0  the project is there, or would be
  64  the command line is wrong, or a service cannot be called that
  66  hecate-om is not where it is said to be
  70  a file cannot be rendered
  73  something is in the way, or cannot be written
  74  something cannot be read or printed")]
pub(crate) struct Arguments {
    /// The name of the service, kebab-case.
    #[arg(value_name = "NAME", required_unless_present = "named", conflicts_with = "named")]
    name: Option<String>,
    /// The same, as an option.
    #[arg(long = "name", value_name = "NAME", id = "named")]
    named: Option<String>,
    /// What it is for, in one line.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Who owns the image; without it and a registry, the image is one of this box.
    #[arg(long, value_name = "OWNER")]
    org: Option<String>,
    /// Which registry has the image [default: ghcr.io, where the owner is said].
    #[arg(long, value_name = "HOST")]
    registry: Option<String>,
    /// Where to put the project [default: a folder NAME; this one, where it is called NAME and has no files].
    #[arg(long, value_name = "FOLDER")]
    path: Option<PathBuf>,
    /// Lay the sources out by what the service does, a module with all that it needs (a desk) for each thing: commands,
    /// projections and queries.
    #[arg(long)]
    vertical_slices: bool,
    /// Where hecate-om comes from: the folder of a checkout, the address of a git repository, or a version
    /// [default: the checkout that this program was built from, else its own version].
    #[arg(long, value_name = "SOURCE")]
    hecate_om: Option<String>,
    /// Show what would be written, and write nothing.
    #[arg(long)]
    dry_run: bool,
}

/// What the templates of `templates/new` take.
#[derive(Debug, Serialize)]
struct Values<'a> {
    service: &'a Deployment,
    crate_name: String,
    type_name: String,
    toolchain: &'a str,
    om: &'a OmSource,
    slices: bool,
    is_below_a_workspace: bool,
    /// Empty where the image is on none.
    registry: &'a str,
    /// Command lines, made here of what is quoted already.
    call: Value,
    build_image: Value,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<u8, Failure> {
    let name = arguments.name.as_deref().or(arguments.named.as_deref()).unwrap_or_default();
    let name = ServiceName::new(name)?;
    let summary = match &arguments.description {
        Some(text) => description(text)?,
        None => format!("{} over the Macula mesh", name.display_name()),
    };
    let image = Image::new(arguments.org.as_deref(), arguments.registry.as_deref(), name.as_str())?;
    let om = arguments.hecate_om.as_deref().map_or_else(source::own, source::of)?;
    let service = Deployment::new(name.as_str(), "0.1.0", &summary, &name.scope(), image.reference, 8470);
    let place = Place::find(arguments.path.as_deref(), name.as_str())?;
    let shape = Shape { slices: arguments.vertical_slices, is_below_a_workspace: place.is_below_a_workspace() };
    let files = files(&name, &service, &om, &image.registry, shape)?;
    if !arguments.dry_run {
        place.fill(&files)?;
    }
    let told = Told { place: &place, files: &files, om: &om, call: call(&service), is_dry: arguments.dry_run };
    output.result(&told.text(&name), &told.value())?;
    Ok(0)
}

/// # Errors
/// One that no line can hold.
fn description(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    let refused = |what: String, help: &str| Err(Failure::new(USAGE, what).help(help));
    if text.is_empty() {
        return refused("the description is empty".to_owned(), "say what the service is for, or leave it out");
    }
    if let Some((character, what)) = invisible(text) {
        let what = format!("the description holds `{}`, which {what}", character.escape_unicode());
        return refused(what, "write it in one line of what everybody sees");
    }
    if text.ends_with('\\') {
        return refused(
            "the description ends with `\\`, which a unit of systemd cannot hold".to_owned(),
            "leave that out",
        );
    }
    if text.len() > MOST_DESCRIPTION {
        let what =
            format!("the description has {} bytes, and at most {MOST_DESCRIPTION} stand in one line", text.len());
        return refused(what, "shorten it; README.md has room for more");
    }
    Ok(text.to_owned())
}

fn call(service: &Deployment) -> String {
    format!("hecate-om call {}.greet@1 '{{\"name\":\"Ada\"}}'", service.scope)
}

/// What decides which files there are, and not what they say of the service.
#[derive(Debug, Clone, Copy)]
struct Shape {
    slices: bool,
    is_below_a_workspace: bool,
}

/// Every file of a project.
fn files(
    name: &ServiceName,
    service: &Deployment,
    om: &OmSource,
    registry: &str,
    shape: Shape,
) -> Result<Vec<Rendered>, Failure> {
    let context = match om {
        OmSource::Path(path) => format!("--build-context hecate-om={path} "),
        _ => String::new(),
    };
    let values = Values {
        service,
        crate_name: name.crate_name(),
        type_name: name.type_name(),
        toolchain: TOOLCHAIN,
        om,
        slices: shape.slices,
        is_below_a_workspace: shape.is_below_a_workspace,
        registry,
        call: Value::from_safe_string(call(service)),
        build_image: Value::from_safe_string(format!(
            "podman build {context}-t {}:{} .",
            service.image, service.version
        )),
    };
    let mut templates: Vec<(&str, Template)> = vec![
        (".github/workflows/build-push.yml", template!("new/workflows/build-push.yml")),
        (".github/workflows/ci.yml", template!("new/workflows/ci.yml")),
        (".gitignore", template!("new/gitignore")),
        ("AGENTS.md", template!("new/AGENTS.md")),
        ("CHANGELOG.md", template!("new/CHANGELOG.md")),
        ("Cargo.toml", template!("new/Cargo.toml")),
        ("README.md", template!("new/README.md")),
        (BUILD_SCRIPT, template!("new/build.rs")),
        // What `hecate-om lock` would write, without a build: tests/lock.rs builds, and compares.
        (contract_lock::FILE, template!("new/contract.lock.json")),
        ("rust-toolchain.toml", template!("new/rust-toolchain.toml")),
        ("src/main.rs", template!("new/src/main.rs")),
        ("tests/contract.rs", template!("new/tests/contract.rs")),
    ];
    if shape.slices {
        templates.extend([
            ("src/greet_visitor.rs", template!("new/slices/greet_visitor.rs")),
            ("src/project_visitors.rs", template!("new/slices/project_visitors.rs")),
            ("src/query_visitors.rs", template!("new/slices/query_visitors.rs")),
            ("src/service.rs", template!("new/slices/service.rs")),
        ]);
    } else {
        templates.push(("src/service.rs", template!("new/src/service.rs")));
    }
    let mut files =
        vec![Rendered { path: "LICENSE".to_owned(), text: include_str!("../templates/new/LICENSE").to_owned() }];
    for (path, template) in templates {
        let text = template.render(&values)?;
        let text = if path.ends_with(".rs") { formatted(text) } else { text };
        files.push(Rendered { path: path.to_owned(), text });
    }
    let sources = Sources { package: name.as_str(), toolchain: TOOLCHAIN, om, build_script: Some(BUILD_SCRIPT) };
    for kind in [Kind::Containerfile, Kind::Quadlet, Kind::Compose] {
        let text = render::file(kind, service, sources)?;
        files.push(Rendered { path: kind.file(name.as_str()), text });
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

/// As `cargo fmt` leaves it: where lines break depends on how long the name is. Without rustfmt, as it is.
fn formatted(text: String) -> String {
    let format = || {
        let mut rustfmt = Command::new("rustfmt")
            .args(["--edition", "2024", "--quiet"])
            // Only the defaults: the project has no rustfmt.toml, whatever stands above it.
            .args(["--config-path", "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        rustfmt.stdin.take()?.write_all(text.as_bytes()).ok()?;
        let done = rustfmt.wait_with_output().ok().filter(|done| done.status.success() && !done.stdout.is_empty())?;
        String::from_utf8(done.stdout).ok()
    };
    format().unwrap_or(text)
}

/// What is said in the end.
struct Told<'a> {
    place: &'a Place,
    files: &'a [Rendered],
    om: &'a OmSource,
    call: String,
    is_dry: bool,
}

impl Told<'_> {
    /// The folder as one would type it from here.
    fn folder(&self) -> String {
        let folder = self.place.folder();
        let here = std::env::current_dir().unwrap_or_default();
        let near = folder.strip_prefix(&here).unwrap_or(folder);
        if near == Path::new("") { ".".to_owned() } else { near.display().to_string() }
    }

    fn next(&self) -> Vec<String> {
        let folder = self.folder();
        // Where no shell takes the path, it is at least told.
        let enter = (folder != ".").then(|| format!("cd {}", shell(&folder).unwrap_or(folder)));
        let rest = ["cargo test", "cargo run"].map(str::to_owned);
        enter.into_iter().chain(rest).chain([self.call.clone(), "hecate-om render quadlet".to_owned()]).collect()
    }

    fn from(&self) -> String {
        match self.om {
            OmSource::Path(path) => format!(
                "hecate-om comes from {path}, so the project builds on this box only; `--hecate-om <git url>` gives one that \
                 builds anywhere"
            ),
            OmSource::Git(url) => format!("hecate-om comes from {url}"),
            OmSource::Version(version) => format!("hecate-om is {version} of the registry"),
        }
    }

    fn text(&self, name: &ServiceName) -> String {
        let mut text = String::new();
        let verb = if self.is_dry { "would create" } else { "create" };
        for file in self.files {
            let size = if self.is_dry { format!("  ({} bytes)", file.text.len()) } else { String::new() };
            let _ = writeln!(text, "{verb:>12}  {}{size}", file.path);
        }
        let folder = self.folder();
        let place = if folder == "." { "here".to_owned() } else { format!("in {folder}") };
        if self.is_dry {
            let _ =
                writeln!(text, "\n{} would be {} files {place}; nothing was written", name.as_str(), self.files.len());
            return text;
        }
        let _ = writeln!(text, "\n{} is {} files {place}. {}.\n\nnext:", name.as_str(), self.files.len(), self.from());
        for command in self.next() {
            let _ = writeln!(text, "  {command}");
        }
        text
    }

    fn value(&self) -> serde_json::Value {
        let files: Vec<_> =
            self.files.iter().map(|file| json!({"path": file.path, "bytes": file.text.len()})).collect();
        json!({
            "folder": self.place.folder(),
            "written": !self.is_dry,
            "files": files,
            "hecate_om": self.om,
            "next": if self.is_dry { Vec::new() } else { self.next() },
        })
    }
}

#[cfg(test)]
mod tests;
