//! How long `cargo build` takes after an edit of one of 50 handlers: on hecate-om, and the same 50 on bare
//! axum with schemars. Development profile, dependencies built before.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::Outcome;
use crate::report::{Table, median};

const HANDLERS: usize = 50;
/// How often each is edited and built; the two take turns.
const ROUNDS: usize = 5;

/// What the two packages are called.
const HECATE: &str = "fifty-on-hecate";
const AXUM: &str = "fifty-on-axum";

/// Measures, and says it in Markdown.
pub(crate) fn run() -> Outcome<String> {
    let projects = Projects::write()?;
    for package in [HECATE, AXUM] {
        eprintln!("building {package} and what it needs");
        projects.build(package)?;
        // The first build after a full one also fills the incremental cache.
        projects.edit(package, HANDLERS)?;
        projects.build(package)?;
    }
    let mut took: [Vec<f64>; 2] = Default::default();
    for round in 0..ROUNDS {
        for (package, took) in [HECATE, AXUM].into_iter().zip(&mut took) {
            projects.edit(package, round)?;
            took.push(projects.build(package)?);
        }
    }
    let ratio = median(took[0].iter().zip(&took[1]).map(|(hecate, axum)| hecate / axum).collect());
    let mut table = Table::new(&["`cargo build` after an edit of one of 50 handlers", "median s", "fastest s"]);
    for (label, took) in ["hecate-om", "axum with schemars"].into_iter().zip(took) {
        let fastest = took.iter().copied().fold(f64::INFINITY, f64::min);
        table.row(vec![label.to_owned(), format!("{:.2}", median(took)), format!("{fastest:.2}")]);
    }
    Ok(format!("{table}\n{ROUNDS} edits each, in turns; median of the ratios: {ratio:.2}.\n"))
}

/// A workspace with the two packages; it stays, so that the next time its dependencies are built.
struct Projects {
    folder: PathBuf,
}

impl Projects {
    fn write() -> Outcome<Self> {
        let own = std::env::current_exe()?;
        let target = own.ancestors().nth(2).ok_or("this program is in no target folder")?;
        let projects = Self { folder: target.join("rebuild") };
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let om = here.join("../../hecate-om").canonicalize()?;
        let workspace = format!("[workspace]\nresolver = \"3\"\nmembers = [\"{HECATE}\", \"{AXUM}\"]\n");
        projects.put("Cargo.toml", &workspace)?;
        // The same versions as everywhere else here; cargo adds the two packages.
        projects.put("Cargo.lock", &fs::read_to_string(here.join("Cargo.lock"))?)?;
        let package = |name, dependencies: &str| {
            format!(
                "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n{dependencies}"
            )
        };
        let path = format!("hecate-om = {{ path = {om:?} }}\n");
        projects.put(&format!("{HECATE}/Cargo.toml"), &package(HECATE, &path))?;
        projects.put(&format!("{AXUM}/Cargo.toml"), &package(AXUM, AXUM_DEPENDENCIES))?;
        [HECATE, AXUM].into_iter().try_for_each(|name| projects.edit(name, 0))?;
        Ok(projects)
    }

    /// Writes the source of a package; each call with a new word in the body of one handler.
    fn edit(&self, package: &str, round: usize) -> Outcome<()> {
        let word = format!("{:?}", std::time::SystemTime::now()).replace(|c: char| !c.is_ascii_digit(), "");
        // Another handler each time, neither the first nor the last.
        let touched = (7 + 11 * round) % HANDLERS;
        let source = if package == HECATE { on_hecate(touched, &word)? } else { on_axum(touched, &word)? };
        self.put(&format!("{package}/src/main.rs"), &source)
    }

    fn put(&self, name: &str, text: &str) -> Outcome<()> {
        let path = self.folder.join(name);
        fs::create_dir_all(path.parent().unwrap_or(&self.folder))?;
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(())
    }

    /// Builds a package; seconds.
    fn build(&self, package: &str) -> Outcome<f64> {
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--quiet", "--package", package]).current_dir(&self.folder);
        build.arg("--target-dir").arg(self.folder.join("target"));
        // Those that `cargo run` set for this program are not for that one.
        build.env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
        let begun = Instant::now();
        let status = build.status().map_err(|error| format!("cargo does not run: {error}"))?;
        let took = begun.elapsed().as_secs_f64();
        if status.success() { Ok(took) } else { Err(format!("{package} does not build").into()) }
    }
}

const AXUM_DEPENDENCIES: &str = r#"axum = { version = "0.8.9", default-features = false, features = ["http1", "json", "tokio"] }
schemars = { version = "1.2.3", features = ["derive"] }
serde = { version = "1.0.229", features = ["derive"] }
serde_json = "1.0.154"
tokio = { version = "1.54.1", features = ["net", "rt-multi-thread"] }
"#;

/// The messages of one handler, and its body: the same in both packages.
fn messages(index: usize, attribute: &str) -> String {
    format!(
        "{attribute}
struct Ask{index} {{
    name: String,
    times: u32,
    tags: Vec<String>,
}}

{attribute}
struct Answer{index} {{
    message: String,
    count: usize,
}}

"
    )
}

fn body(index: usize, touched: usize, word: &str) -> String {
    let word = if index == touched { word } else { "Hello" };
    format!(
        "        if request.name.is_empty() {{
            return Err(Refused::NoName);
        }}
        let message = format!(\"{word}, {{}}!\", request.name).repeat(request.times as usize % 8);
        Ok(Answer{index} {{ message, count: request.tags.len() + self.offset }})
"
    )
}

fn on_hecate(touched: usize, word: &str) -> Outcome<String> {
    let mut source = String::from(
        "use hecate_om::prelude::*;

#[derive(Default)]
struct Fifty {
    offset: usize,
}

#[derive(Refusal)]
enum Refused {
    /// Nobody to greet.
    NoName,
}

",
    );
    let mut block = String::from("/// Fifty handlers.\n#[hecate_service(name = \"hecate-fifty\")]\nimpl Fifty {\n");
    for index in 0..HANDLERS {
        source.push_str(&messages(index, "#[message]"));
        let body = body(index, touched, word);
        write!(
            block,
            "    /// Greets in its own way.
    #[capability(version = 1)]
    async fn greet_{index}(&self, request: Ask{index}) -> Result<Answer{index}, Refused> {{
{body}    }}

"
        )?;
    }
    Ok(source + &block + "}\n\nfn main() -> ExitCode {\n    hecate_om::run::<Fifty>()\n}\n")
}

fn on_axum(touched: usize, word: &str) -> Outcome<String> {
    let mut source = String::from(
        "use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};

#[derive(Default)]
struct Fifty {
    offset: usize,
}

enum Refused {
    NoName,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Refused::NoName => (StatusCode::UNPROCESSABLE_ENTITY, \"Nobody to greet.\").into_response(),
        }
    }
}

",
    );
    let (mut block, mut glue) = (String::from("impl Fifty {\n"), String::new());
    let mut router =
        String::from("fn router() -> Router {\n    Router::new()\n        .route(\"/schemas\", get(schemas))\n");
    let mut schemas = String::from("async fn schemas() -> Json<Vec<schemars::Schema>> {\n    Json(vec![\n");
    for index in 0..HANDLERS {
        source.push_str(&messages(index, "#[derive(Serialize, Deserialize, JsonSchema)]"));
        let body = body(index, touched, word);
        write!(
            block,
            "    async fn greet_{index}(&self, request: Ask{index}) -> Result<Answer{index}, Refused> {{\n{body}    }}\n\n"
        )?;
        write!(
            glue,
            "async fn greet_{index}(State(fifty): State<Arc<Fifty>>, Json(request): Json<Ask{index}>) -> Result<Json<Answer{index}>, Refused> {{
    fifty.greet_{index}(request).await.map(Json)
}}

"
        )?;
        writeln!(router, "        .route(\"/fifty.greet_{index}/v1\", post(greet_{index}))")?;
        writeln!(schemas, "        schema_for!(Ask{index}),\n        schema_for!(Answer{index}),")?;
    }
    router.push_str("        .with_state(Arc::default())\n}\n\n");
    schemas.push_str("    ])\n}\n\n");
    let main = "fn main() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { axum::serve(tokio::net::UnixListener::bind(\"fifty.sock\")?, router()).await })
}
";
    Ok(source + &block + "}\n\n" + &glue + &router + &schemas + main)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_changes_one_handler_and_nothing_else() {
        for source in [on_hecate, on_axum] {
            let (before, after) = (source(7, "before").unwrap(), source(7, "after").unwrap());
            let differing = before.lines().zip(after.lines()).filter(|(before, after)| before != after).count();
            assert_eq!(differing, 1);
            assert_eq!(before.lines().count(), after.lines().count());
            assert!(before.contains("greet_49("));
        }
    }
}
