//! What a package takes from elsewhere: its hecate-om, and its compiler.

use std::fs;

use serde::Serialize;

use super::Project;
use crate::failure::{Failure, NO_INPUT};

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

impl OmSource {
    /// What adds a package of hecate-om to another one: `option` is cargo's, and `folder` where the package lies in a
    /// checkout.
    pub(crate) fn cargo_add(&self, option: &str, package: &str, folder: &str) -> String {
        let add = format!("cargo add {option}{package}");
        match self {
            Self::Path(root) => format!("{add} --path {root}/{folder}"),
            Self::Git(url) => format!("{add} --git {url}"),
            Self::Version(version) => format!("{add}@{version}"),
        }
    }
}

impl Project {
    /// The channel of rust-toolchain.toml.
    pub(crate) fn toolchain(&self) -> Option<String> {
        let text = fs::read_to_string(self.folder().join("rust-toolchain.toml")).ok()?;
        let table: toml::Table = text.parse().ok()?;
        Some(table.get("toolchain")?.get("channel")?.as_str()?.to_owned())
    }

    /// Where its hecate-om comes from, as its Cargo.toml says it.
    ///
    /// # Errors
    /// The file cannot be read any more.
    pub(crate) fn hecate_om(&self) -> Result<Option<OmSource>, Failure> {
        let text = fs::read_to_string(&self.cargo_toml)
            .map_err(|error| Failure::new(NO_INPUT, format!("cannot read {}: {error}", self.cargo_toml.display())))?;
        Ok(text.parse().ok().and_then(|document| self.source(&document)))
    }

    fn source(&self, document: &toml::Table) -> Option<OmSource> {
        let dependency = document.get("dependencies")?.get("hecate-om")?;
        let text = |key| dependency.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        if let Some(path) = text("path") {
            let root = fs::canonicalize(self.folder().join(path)).ok()?.parent()?.to_str()?.to_owned();
            return Some(OmSource::Path(root));
        }
        text("git")
            .map(OmSource::Git)
            .or_else(|| dependency.as_str().map(str::to_owned).or_else(|| text("version")).map(OmSource::Version))
    }
}
