//! `add capability`: a handler with its messages and a test, at the right place of the service's file.

mod diff;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use minijinja::Value;
use serde::Serialize;
use serde_json::json;

use self::diff::Insertion;
use self::source::Found;
use crate::failure::{DATA, Failure, NO_INPUT, USAGE};
use crate::file;
use crate::new::{capitalised, is_keyword};
use crate::output::Output;
use crate::project::{Project, Which};
use crate::template::template;

/// What help says of `add`, and of the only thing that it adds.
const ADDED: &str = "\
It comes into the file of the service, with its messages and, where the file has tests as `new` writes them, a test.

Examples:
  hecate-om add capability repeat
  hecate-om add capability weather.repeat@2 --dry-run

Exit codes:
   0  it is there, or would be
  64  the command line is wrong, or a capability cannot be called that
  65  the service cannot be read, or there are several
  66  there is no Cargo.toml, or no service
  70  cargo cannot be run
  73  the file cannot be written
  74  it cannot be printed";

#[derive(Debug, Args)]
#[command(after_help = ADDED)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// A capability that says back what it is sent, to begin with.
    #[command(after_help = ADDED)]
    Capability(Added),
}

#[derive(Debug, Args)]
struct Added {
    /// Its name, with the scope of the service or without, and its version where that is not 1.
    #[arg(value_name = "NAME[@VERSION]")]
    name: String,
    #[command(flatten)]
    which: Which,
    /// Show what would be added, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// The last parts that are the runtime's.
const RESERVED: &[&str] = &["info", "describe", "get_limits", "set_limits"];
/// Names of callbacks, and of what is generated.
const CALLBACKS: &[&str] = &["start", "stop", "health", "capabilities", "identity_spec", "info"];
/// The longest name of a capability.
const MOST: usize = 128;

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<u8, Failure> {
    let What::Capability(arguments) = &arguments.what;
    let project = Project::find(&arguments.which)?;
    let folder = project.folder();
    let (path, text, found) = service_of(folder)?;
    let wanted = Wanted::new(&arguments.name, &found)?;
    let insertions = insertions(&wanted, &found, &text)?;
    let file = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
    let diff = diff::shown(&file, &text, &insertions);
    if !arguments.dry_run {
        file::replace(&path, &diff::applied(&text, &insertions))?;
    }
    let mut told = diff.clone();
    if arguments.dry_run {
        told.push_str("\nnothing was changed\n");
    } else {
        told.push_str(&format!("\n{} is in {file}. next:\n", wanted.reference()));
        next(&project).iter().for_each(|command| told.push_str(&format!("  {command}\n")));
    }
    output.result(
        &told,
        &json!({
            "capability": wanted.reference(), "file": file, "written": !arguments.dry_run, "diff": diff,
            "next": if arguments.dry_run { Vec::new() } else { next(&project) },
        }),
    )?;
    Ok(0)
}

/// What comes after. What callers may rely on is locked last, once it is what it is to be; `add` does not build.
fn next(project: &Project) -> Vec<&'static str> {
    let lock = if project.contract_lock().exists() { "hecate-om lock --accept" } else { "hecate-om lock" };
    vec!["cargo fmt", "cargo test", lock]
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    name: String,
    version: u16,
    method: String,
    /// Whether the method alone would give another name.
    is_named: bool,
}

impl Wanted {
    fn new(text: &str, service: &Found) -> Result<Self, Failure> {
        let of = |key: &str| service.arguments.iter().find(|(found, _)| found == key).map(|(_, value)| value.clone());
        let scope = of("scope").or_else(|| {
            let name = of("name")?;
            Some(name.strip_prefix("hecate-").unwrap_or(&name).replace('-', "_"))
        });
        let Some(scope) = scope else {
            return Err(Failure::new(DATA, "`#[hecate_service]` has no name").help("write `name = \"..\"`"));
        };
        let shown = text.escape_debug().to_string();
        let refused =
            |why: &str, help: String| Failure::new(USAGE, format!("`{shown}` cannot be added: {why}")).help(help);
        let (path, version) = text.split_once('@').unwrap_or((text, "1"));
        let version: u16 = match version.trim_start_matches('v').parse() {
            Ok(version) if version > 0 => version,
            _ => return Err(refused("a version is a number from 1 to 65535", format!("write `{path}@2`"))),
        };
        let rest = path.strip_prefix(&scope).and_then(|rest| rest.strip_prefix('.')).unwrap_or(path);
        let snake = snake(rest);
        let is_right = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_lowercase())
                && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        if rest != snake || !rest.split('.').all(is_right) || scope.len() + 1 + rest.len() > MOST {
            let why =
                format!("the name of a capability is lower snake words with dots between them, at most {MOST} bytes");
            let near = snake.trim_matches(['_', '.']);
            let near = near.strip_prefix(&format!("{scope}.")).unwrap_or(near);
            let near = if near.split('.').all(is_right) && near.len() < 60 { near } else { "repeat" };
            return Err(refused(&why, format!("write `{scope}.{near}`")));
        }
        let last = rest.rsplit('.').next().unwrap_or(rest);
        if RESERVED.contains(&last) {
            return Err(refused(&format!("`{last}` is the runtime's"), format!("write `{scope}.{rest}_it`")));
        }
        let mut method = rest.replace('.', "_");
        if is_keyword(&method) || CALLBACKS.contains(&method.as_str()) {
            method.push_str("_it");
        }
        let name = format!("{scope}.{rest}");
        let mut is_taken = false;
        for (method, arguments) in &service.capabilities {
            let of = |key: &str| arguments.iter().find(|(found, _)| found == key).map(|(_, value)| value.clone());
            let found = of("name").unwrap_or_else(|| format!("{scope}.{method}"));
            is_taken |= found == name && of("version").and_then(|found| found.parse().ok()) == Some(version);
        }
        if is_taken {
            let help = format!("write another version, such as `{name}@{}`", version.saturating_add(1));
            return Err(refused("the service has it", help));
        }
        let is_free = |method: &str, stem: &str| {
            let types = ["Request", "Reply"].map(|end| format!("{stem}{end}"));
            !service.functions.iter().any(|found| found == method)
                && !types.iter().any(|name| service.words.contains(name))
        };
        if !is_free(&method, &capitalised(&method)) {
            method = format!("{method}_v{version}");
            if !is_free(&method, &capitalised(&method)) {
                return Err(refused(&format!("`{method}` is there already"), format!("write `{scope}.{rest}_more`")));
            }
        }
        let is_named = method != rest;
        Ok(Self { name, version, method, is_named })
    }

    fn reference(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// Lower snake words of whatever it was.
fn snake(text: &str) -> String {
    let mut snake = String::new();
    for character in text.chars() {
        match character {
            'A'..='Z' if snake.ends_with(|c: char| c.is_ascii_lowercase()) => {
                snake.push('_');
                snake.push(character.to_ascii_lowercase());
            }
            c if c.is_ascii_alphanumeric() || c == '.' || c == '_' => snake.push(c.to_ascii_lowercase()),
            '/' => snake.push('.'),
            _ => snake.push('_'),
        }
    }
    snake
}

/// What the templates of `templates/add` take.
#[derive(Debug, Serialize)]
struct Values {
    name: String,
    version: u16,
    method: String,
    constant: String,
    stem: String,
    type_name: String,
    /// `name = "..", `, where it has to be said.
    named: Value,
}

fn insertions(wanted: &Wanted, found: &Found, text: &str) -> Result<Vec<Insertion>, Failure> {
    let named = if wanted.is_named { format!("name = \"{}\", ", wanted.name) } else { String::new() };
    let values = Values {
        name: wanted.name.clone(),
        version: wanted.version,
        method: wanted.method.clone(),
        constant: wanted.method.to_uppercase(),
        stem: capitalised(&wanted.method),
        type_name: found.type_name.clone(),
        named: Value::from_safe_string(named),
    };
    let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let mut insertions = vec![
        Insertion {
            before: first_line(text, found.block),
            lines: lines(template!("add/messages.rs").render(&values)?),
        },
        Insertion { before: found.block_end, lines: lines(template!("add/method.rs").render(&values)?) },
    ];
    // A test uses what `new` wrote into the module; another one may have other names in it.
    let has_kit = ["block_on", "start"].iter().all(|word| found.words.iter().any(|found| found == word));
    if let Some(end) = found.tests_end.filter(|_| has_kit) {
        insertions.push(Insertion { before: end, lines: lines(template!("add/test.rs").render(&values)?) });
    }
    Ok(insertions)
}

/// The first line of the comment that stands directly above `block`, which is about it.
fn first_line(text: &str, block: usize) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let above = lines.iter().take(block).rev().take_while(|line| line.trim_start().starts_with("//"));
    block - above.count()
}

/// The file of the service: the only one with a block.
fn service_of(folder: &Path) -> Result<(PathBuf, String, Found), Failure> {
    let mut files = Vec::new();
    list(&folder.join("src"), 0, &mut files);
    files.sort();
    let mut services = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path)
            .map_err(|error| Failure::new(NO_INPUT, format!("{} cannot be read: {error}", path.display())))?;
        if !text.contains("hecate_service") {
            continue;
        }
        let found = source::read(&text)
            .map_err(|error| Failure::new(DATA, format!("{} is no Rust: {error}", path.display())))?;
        services.extend(found.map(|found| (path, text, found)));
    }
    if services.len() > 1 {
        let paths: Vec<_> = services.iter().map(|(path, ..)| path.display().to_string()).collect();
        let what = format!("there are several services: {}", paths.join(", "));
        return Err(Failure::new(DATA, what).help("write the capability by hand"));
    }
    services.pop().ok_or_else(|| {
        let what = format!("no file of {} has a block with `#[hecate_service]`", folder.join("src").display());
        Failure::new(NO_INPUT, what).help("make a service first: `hecate-om new NAME`")
    })
}

/// The Rust files of a folder, not too deep and not too many.
fn list(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
        if kind.is_dir() && depth < 8 {
            list(&path, depth + 1, files);
        } else if kind.is_file() && path.extension().is_some_and(|end| end == "rs") && files.len() < 10_000 {
            files.push(path);
        }
    }
}

#[cfg(test)]
mod tests;
