//! `render`: what a service is deployed with, from its manifest and from nothing else.

mod deployment;
mod project;

use std::fs;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;

use crate::failure::{CANNOT_CREATE, Failure, USAGE};
use crate::output::Output;
use crate::template::{Template, template};

pub(crate) use deployment::{Deployment, LOCAL_REGISTRY};
pub(crate) use project::Project;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hecate-om render quadlet
  hecate-om render compose --write
  hecate-om render k8s --manifest target/release/hecate/hecate-weather.manifest.json")]
pub(crate) struct Arguments {
    /// What to render.
    #[arg(value_enum)]
    what: Kind,
    /// Of this manifest, instead of that of the project in this folder, which is built for it.
    #[arg(long, value_name = "FILE", conflicts_with = "service")]
    manifest: Option<PathBuf>,
    /// Of this service, where the package has several.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Write the file of the project instead of printing it.
    #[arg(long, conflicts_with = "manifest")]
    write: bool,
}

/// What can be rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// A unit of systemd that podman generates, quadlet/NAME.container.
    Quadlet,
    /// deploy/compose.yml.
    Compose,
    /// Objects of Kubernetes, deploy/k8s.yml.
    K8s,
    /// The recipe of the image, Containerfile.
    Containerfile,
}

impl Kind {
    fn template(self) -> Template {
        match self {
            Kind::Quadlet => template!("deploy/quadlet.container"),
            Kind::Compose => template!("deploy/compose.yml"),
            Kind::K8s => template!("deploy/k8s.yml"),
            Kind::Containerfile => template!("deploy/Containerfile"),
        }
    }

    /// Where a project has it.
    pub(crate) fn file(self, service: &str) -> String {
        match self {
            Kind::Quadlet => format!("quadlet/{service}.container"),
            Kind::Compose => "deploy/compose.yml".to_owned(),
            Kind::K8s => "deploy/k8s.yml".to_owned(),
            Kind::Containerfile => "Containerfile".to_owned(),
        }
    }
}

/// Where the hecate-om of a project comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OmSource {
    /// The folder of a checkout.
    Path(String),
    Git(String),
    /// Of a registry.
    Version(String),
}

/// The toolchain that this was tested with, for whoever has not chosen one.
pub(crate) const TOOLCHAIN: &str = "1.95.0";

/// What the templates of `templates/deploy` take.
#[derive(Debug, Serialize)]
struct Values<'a> {
    service: &'a Deployment,
    package: &'a str,
    toolchain: &'a str,
    om: &'a OmSource,
}

/// Renders one file of a deployment.
///
/// # Errors
/// A value that the format cannot hold.
pub(crate) fn file(
    kind: Kind,
    service: &Deployment,
    package: &str,
    toolchain: &str,
    om: &OmSource,
) -> Result<String, Failure> {
    kind.template().render(&Values { service, package, toolchain, om })
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<u8, Failure> {
    let project = if arguments.manifest.is_some() { None } else { Some(Project::here()?) };
    let manifest = match (&arguments.manifest, &project) {
        (Some(path), _) => project::parse(path)?,
        (None, Some(project)) => project.manifest(arguments.service.as_deref())?,
        (None, None) => return Err(Failure::new(USAGE, "nothing to render from")),
    };
    let service = Deployment::of(&manifest)?;
    let toolchain = project.as_ref().and_then(Project::toolchain).unwrap_or_else(|| TOOLCHAIN.to_owned());
    let version = || OmSource::Version(env!("CARGO_PKG_VERSION").to_owned());
    let om = project.as_ref().and_then(Project::hecate_om).unwrap_or_else(version);
    let package = project.as_ref().map_or(&*service.name, |project| &project.package);
    let text = file(arguments.what, &service, package, &toolchain, &om)?;
    let name = arguments.what.file(&service.name);
    let Some(project) = project.filter(|_| arguments.write) else {
        output.result(&text, &json!({"file": name, "text": text}))?;
        return Ok(0);
    };
    let path = project.folder.join(&name);
    let verb = match fs::read_to_string(&path) {
        Ok(found) if found == text => "identical",
        Ok(_) => "update",
        Err(_) => "create",
    };
    if verb != "identical" {
        let failed = |error| Failure::new(CANNOT_CREATE, format!("{} cannot be written: {error}", path.display()));
        let temporary = path.with_extension("hecate-om-new");
        path.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed)?;
        let written = fs::write(&temporary, &text).and_then(|()| fs::rename(&temporary, &path));
        written.inspect_err(|_| drop(fs::remove_file(&temporary))).map_err(failed)?;
    }
    output.result(&format!("{verb:>11}  {name}\n"), &json!({"file": name, "verb": verb}))?;
    Ok(0)
}
