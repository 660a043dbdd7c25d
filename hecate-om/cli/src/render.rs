//! `render`: what a service is deployed with, from its manifest and from nothing else.

mod deployment;

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use hecate_om::manifest::Manifest;
use serde::Serialize;
use serde_json::json;

use crate::failure::{DATA, Failure, NO_INPUT};
use crate::output::{Output, visible};
use crate::project::{How, OmSource, Project, Which};
use crate::template::{Template, template};

pub(crate) use deployment::{Deployment, LOCAL_REGISTRY};

#[derive(Debug, Args)]
#[command(after_help = "\
The project in this folder is built for its manifest; nothing but the manifest, and the toolchain and the hecate-om \
that the project has, decides what is rendered.

Examples:
  hecate-om render quadlet
  hecate-om render compose --write
  hecate-om render k8s --manifest target/release/hecate/hecate-weather.manifest.json

Exit codes:
   0  it is printed, or written
  64  the command line is wrong
  65  there is no such service or no manifest, or it is not clear which
  66  there is no Cargo.toml, or no such file
  70  it does not build, or the format cannot hold what the manifest says
  73  the file cannot be written
  74  something cannot be read or printed")]
pub(crate) struct Arguments {
    /// What to render.
    #[arg(value_enum)]
    what: Kind,
    /// Of this manifest.json, instead of that of the project in this folder.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["service", "manifest_path", "package"])]
    manifest: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
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

/// The toolchain that this was tested with, for whoever has not chosen one.
pub(crate) const TOOLCHAIN: &str = "1.95.0";

/// What an image is built from.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Sources<'a> {
    pub(crate) package: &'a str,
    pub(crate) toolchain: &'a str,
    pub(crate) om: &'a OmSource,
    /// By its path in the package; a build script is copied only where there is one.
    pub(crate) build_script: Option<&'a str>,
}

/// What the templates of `templates/deploy` take.
#[derive(Debug, Serialize)]
struct Values<'a> {
    service: &'a Deployment,
    #[serde(flatten)]
    sources: Sources<'a>,
}

/// Renders one file of a deployment.
///
/// # Errors
/// A value that the format cannot hold.
pub(crate) fn file(kind: Kind, service: &Deployment, sources: Sources<'_>) -> Result<String, Failure> {
    kind.template().render(&Values { service, sources })
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<u8, Failure> {
    let (project, manifest) = match &arguments.manifest {
        Some(path) => (None, parsed(path)?),
        None => {
            let project = Project::find(&arguments.which)?;
            let manifest = project.build(How::default())?.service(arguments.service.as_deref())?.kept.manifest.clone();
            (Some(project), manifest)
        }
    };
    let service = Deployment::of(&manifest)?;
    let toolchain = project.as_ref().and_then(Project::toolchain).unwrap_or_else(|| TOOLCHAIN.to_owned());
    let om = project.as_ref().map(Project::hecate_om).transpose()?.flatten();
    let om = om.unwrap_or_else(|| OmSource::Version(env!("CARGO_PKG_VERSION").to_owned()));
    let package = project.as_ref().map_or(&*service.name, |project| &project.package);
    let build_script = project.as_ref().and_then(|project| project.build_script.as_deref()?.to_str());
    let sources = Sources { package, toolchain: &toolchain, om: &om, build_script };
    let text = file(arguments.what, &service, sources)?;
    let name = arguments.what.file(&service.name);
    let Some(project) = project.filter(|_| arguments.write) else {
        output.result(&text, &json!({"file": name, "text": text}))?;
        return Ok(0);
    };
    let path = project.folder().join(&name);
    let verb = match fs::read_to_string(&path) {
        Ok(found) if found == text => "identical",
        Ok(_) => "update",
        Err(_) => "create",
    };
    if verb != "identical" {
        crate::file::replace(&path, &text)?;
    }
    output.result(&format!("{verb:>11}  {name}\n"), &json!({"file": name, "verb": verb}))?;
    Ok(0)
}

/// A manifest of a file.
///
/// # Errors
/// It cannot be read, is too large, or is no manifest; all that is wrong with it is told.
fn parsed(path: &Path) -> Result<Manifest, Failure> {
    let help = "give the manifest.json of a build, or what `<service> manifest` printed";
    let shown = path.display();
    let mut text = String::new();
    // Of one that is longer, parsing tells.
    File::open(path)
        .and_then(|file| file.take(Manifest::MAX_BYTES as u64 + 1).read_to_string(&mut text))
        .map_err(|error| Failure::new(NO_INPUT, format!("cannot read {shown}: {error}")).help(help))?;
    Manifest::parse(&text).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(|error| format!("\n  {}", visible(&error.to_string()))).collect();
        Failure::new(DATA, format!("{shown} is no manifest of a service:{}", errors.concat())).help(help)
    })
}

#[cfg(test)]
mod tests {
    use yaml_rust2::{Yaml, YamlLoader};

    use super::*;

    fn rendered(kind: Kind) -> String {
        let service =
            Deployment::new("acme-widgets", "0.1.0", "Widgets", "acme_widgets", "localhost/x".to_owned(), 8470);
        let om = OmSource::Version("0.1.0".to_owned());
        let sources = Sources { package: "acme-widgets", toolchain: TOOLCHAIN, om: &om, build_script: None };
        file(kind, &service, sources).unwrap()
    }

    /// What it is does not matter to the layer of dependencies, so that one holds when it changes.
    #[test]
    fn a_build_script_is_copied_where_there_is_one_and_after_the_dependencies() {
        let service =
            Deployment::new("acme-widgets", "0.1.0", "Widgets", "acme_widgets", "localhost/x".to_owned(), 8470);
        let om = OmSource::Version("0.1.0".to_owned());
        let rendered = |build_script| {
            let sources = Sources { package: "acme-widgets", toolchain: TOOLCHAIN, om: &om, build_script };
            file(Kind::Containerfile, &service, sources).unwrap()
        };
        for script in ["build.rs", "tools/build.rs"] {
            let text = rendered(Some(script));
            let steps = [
                "COPY Cargo.toml Cargo.lock ./\n",
                &format!("    && install -D src/main.rs \"{script}\" \\\n    && cargo build --release --locked "),
                "COPY src src\n",
                &format!("COPY {script} {script}\n"),
                &format!(
                    "RUN touch src/main.rs src/service.rs \"{script}\" \\\n    && cargo build --release --locked "
                ),
            ];
            let found: Vec<_> = steps.iter().map(|step| text.find(step)).collect();
            assert!(found.iter().all(Option::is_some) && found.is_sorted(), "{found:?} in {text}");
        }
        let without = rendered(None);
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let more: Vec<_> = lines(&rendered(Some("build.rs")));
        let more: Vec<_> = more.iter().filter(|line| !without.lines().any(|other| other == **line)).collect();
        assert_eq!(more.len(), 3, "{more:?}");
        assert!(
            !without.contains("build.rs") && without.contains("RUN touch src/main.rs src/service.rs \\\n"),
            "{without}"
        );
    }

    fn words(list: &Yaml) -> Vec<&str> {
        list.as_vec().unwrap().iter().filter_map(Yaml::as_str).collect()
    }

    #[test]
    fn the_folders_of_the_manifest_are_what_every_file_mounts() {
        let manifest = json!({
            "schema": "hecate.manifest/1", "name": "acme-widgets", "display_name": "Widgets", "version": "0.1.0",
            "description": "Widgets", "service_type": "container_daemon", "tenancy": "realm",
            "runs_on": "infrastructure_node", "callback_module": "acme::Widgets", "image": "localhost/x",
            "depends_on": [], "scope": "widgets", "capabilities": [],
            "identity": {"scope": "widgets", "actions": [], "resources": [], "ttl_days": 30},
            "ports": {"health": 8470}, "volumes": {"secrets": "/run/secrets/widgets", "state": "/data"},
            "min_om_version": "0.1.0",
        });
        let service = Deployment::of(&Manifest::parse_strict(&manifest.to_string()).unwrap()).unwrap();
        let om = OmSource::Version("0.1.0".to_owned());
        for (kind, lines) in [
            (
                Kind::Containerfile,
                &[
                    "VOLUME [\"/data\"]",
                    "HECATE_DATA_DIR=/data \\",
                    "HECATE_SECRETS_DIR=/run/secrets/widgets",
                    "COPY --from=build --chown=65532:65532 /image/state/ /",
                ][..],
            ),
            (
                Kind::Quadlet,
                &[
                    "Volume=acme-widgets-state:/data:U",
                    "Volume=/etc/hecate/secrets/acme-widgets:/run/secrets/widgets:ro,Z",
                ],
            ),
            (Kind::Compose, &["- \"state:/data\"", "- \"secrets:/run/secrets/widgets:ro\""]),
            (Kind::K8s, &["value: \"/data/data\"", "mountPath: \"/data\"", "mountPath: \"/run/secrets/widgets\""]),
        ] {
            let sources = Sources { package: "acme-widgets", toolchain: TOOLCHAIN, om: &om, build_script: None };
            let text = file(kind, &service, sources).unwrap();
            for line in lines {
                assert!(text.lines().any(|found| found.trim() == *line), "no `{line}` in {text}");
            }
            assert!(!text.contains("/var/lib"), "{text}");
        }
    }

    /// An image that an engine keeps no health check of, or no volume, is run as it should be all the same.
    #[test]
    fn each_way_to_run_it_asks_for_its_health_and_keeps_what_lasts_by_itself() {
        let unit = rendered(Kind::Quadlet);
        for line in [
            "HealthCmd=[\"/acme-widgets\",\"health\",\"--ready\"]",
            "Volume=acme-widgets-state:/var/lib/acme-widgets:U",
            "Image=localhost/x:0.1.0",
        ] {
            assert!(unit.lines().any(|found| found == line), "no `{line}` in {unit}");
        }

        let compose = &YamlLoader::load_from_str(&rendered(Kind::Compose)).unwrap()[0];
        let service = &compose["services"]["acme-widgets"];
        assert_eq!(words(&service["healthcheck"]["test"]), ["CMD", "/acme-widgets", "health", "--ready"]);
        assert!(words(&service["volumes"]).contains(&"state:/var/lib/acme-widgets"));
        assert_eq!(compose["volumes"]["state"]["name"].as_str(), Some("acme-widgets-state"));

        let objects = YamlLoader::load_from_str(&rendered(Kind::K8s)).unwrap();
        assert_eq!(objects[0]["kind"].as_str(), Some("PersistentVolumeClaim"));
        let pod = &objects[1]["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        for (probe, path) in [("startupProbe", "/startupz"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]
        {
            assert_eq!(container[probe]["httpGet"]["path"].as_str(), Some(path));
        }
        assert_eq!(container["volumeMounts"][0]["mountPath"].as_str(), Some("/var/lib/acme-widgets"));
        let claim = pod["volumes"][0]["persistentVolumeClaim"]["claimName"].as_str();
        assert_eq!(claim, objects[0]["metadata"]["name"].as_str());
    }
}
