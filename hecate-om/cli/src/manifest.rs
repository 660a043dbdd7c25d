//! The manifest of the service in this folder, as it is built.

use clap::Args;
use serde_json::Value;

use crate::failure::{Failure, SOFTWARE};
use crate::output::Output;
use crate::project::{How, Project, Which};

#[derive(Debug, Args)]
#[command(after_help = "\
The package is built first, which costs next to nothing when it is built already; what is printed is what its \
program keeps, byte for byte the manifest.json of the build output. With --json it stands on one line.

Example:
  hecate-om manifest | jq .capabilities

Exit codes:
   0  the manifest is printed
  64  the command line is wrong
  65  there is no such service, or it is not clear which
  66  there is no Cargo.toml
  70  it does not build
  74  something cannot be read or written")]
pub(crate) struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Build with optimizations.
    #[arg(long)]
    release: bool,
    /// Which service, where a package has several.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
}

pub(crate) fn print(arguments: &Arguments, output: &mut Output) -> Result<u8, Failure> {
    let project = Project::find(&arguments.which)?;
    let built = project.build(How { is_release: arguments.release, ..How::default() })?;
    let kept = &built.service(arguments.service.as_deref())?.kept;
    let manifest: Value = serde_json::from_str(&kept.text)
        .map_err(|error| Failure::new(SOFTWARE, format!("a manifest that was read is none: {error}")))?;
    output.result(&kept.text, &manifest)?;
    Ok(0)
}
