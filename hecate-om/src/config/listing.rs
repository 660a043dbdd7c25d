//! Every value and where it came from, for `<binary> config`; and what can be set, for `--help`.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::setting::{self, SERVICE_TABLE};
use super::shape::Shape;
use super::value::Origin;
use crate::telemetry::text::visible;

/// A value that holds.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(super) key: String,
    pub(super) variable: Option<String>,
    /// What it is for.
    pub(super) doc: String,
    pub(super) value: String,
    pub(super) origin: Origin,
    /// Those that it stands before, the weakest first.
    pub(super) shadowed: Vec<Shadowed>,
}

/// A value that does not hold, because a stronger one does.
#[derive(Debug, Clone)]
pub(super) struct Shadowed {
    pub(super) origin: Origin,
    pub(super) value: String,
}

/// All values: the runtime's, and the service's own.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(super) runtime: Vec<Listed>,
    pub(super) service: Vec<Listed>,
}

impl Listing {
    /// For people.
    pub(crate) fn text(&self) -> String {
        let all = || self.runtime.iter().chain(&self.service);
        let keys = all().map(|listed| listed.key.len()).max().unwrap_or_default();
        let values = all().map(|listed| listed.value.chars().count()).max().unwrap_or_default().min(48);
        let line = |listed: &Listed| {
            let Listed { key, value, origin, shadowed, .. } = listed;
            let over = shadowed
                .iter()
                .rev()
                .map(|other| visible(&format!("{:keys$}    over {} from {}", "", other.value, other.origin)) + "\n");
            visible(&format!("{key:keys$}  {value:values$}  {origin}")) + "\n" + &over.collect::<String>()
        };
        let mut text: String = self.runtime.iter().map(line).collect();
        if !self.service.is_empty() {
            text.push_str(&format!("\n[{SERVICE_TABLE}]\n"));
            text.extend(self.service.iter().map(line));
        }
        text
    }

    /// For programs.
    pub(crate) fn json(&self, warnings: &[String]) -> String {
        let listed = |listed: &Listed| {
            let shadowed = |other: &Shadowed| json!({"value": other.value, "source": other.origin.to_string()});
            json!({
                "key": listed.key,
                "doc": listed.doc,
                "variable": listed.variable,
                "value": listed.value,
                "source": listed.origin.to_string(),
                "shadowed": listed.shadowed.iter().map(shadowed).collect::<Vec<Json>>(),
            })
        };
        let all = |values: &[Listed]| values.iter().map(listed).collect::<Vec<Json>>();
        let whole = json!({"runtime": all(&self.runtime), "service": all(&self.service), "warnings": warnings});
        format!("{whole:#}\n")
    }

    /// Where values come from, for the log.
    pub(crate) fn origins(&self) -> String {
        let origins = self.runtime.iter().chain(&self.service).filter_map(|listed| match &listed.origin {
            Origin::Default => None,
            Origin::File { file, .. } => Some(file.path.display().to_string()),
            Origin::Environment(_) => Some("environment".to_owned()),
        });
        let origins: BTreeSet<_> = origins.collect();
        if origins.is_empty() { "defaults".to_owned() } else { Vec::from_iter(origins).join(", ") }
    }

    /// Whether somebody wrote the setting of that key.
    pub(crate) fn is_written(&self, key: &str) -> bool {
        self.runtime.iter().any(|listed| listed.key == key && !matches!(listed.origin, Origin::Default))
    }

    /// How many values there are, and how many of them somebody wrote.
    pub(crate) fn count(&self) -> (usize, usize) {
        let all = || self.runtime.iter().chain(&self.service);
        (all().count(), all().filter(|listed| !matches!(listed.origin, Origin::Default)).count())
    }
}

/// The settings of the runtime, for `--help`.
pub(crate) fn settings_help() -> String {
    let line = |setting: &&setting::Setting| {
        let reload = if setting.reloads { "; SIGHUP reads it again" } else { "" };
        let default = setting.default.replace('`', "");
        format!("  {:<31}{}\n  {:<31}without it: {default}{reload}\n", setting.variable, setting.takes, "")
    };
    setting::ALL.iter().map(line).collect()
}

/// The settings of a service, for `--help`.
pub(crate) fn service_help(shape: &Shape) -> String {
    let width = shape.fields.iter().map(|field| field.variable.as_deref().unwrap_or(&field.key).len()).max();
    let width = width.unwrap_or_default().max(29) + 2;
    let lines = shape.fields.iter().map(|field| {
        let name = field.variable.as_deref().unwrap_or(&field.key);
        let default = match field.is_required {
            true => "needed".to_owned(),
            false => format!("without it: {}", field.default_text()),
        };
        let doc = if field.doc.is_empty() { String::new() } else { format!("  {:width$}{}\n", "", field.doc) };
        format!("  {name:<width$}{}; {default}\n{doc}", field.takes)
    });
    lines.collect()
}
