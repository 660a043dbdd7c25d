//! The settings that a service has of its own: from the table `[service]` and from variables with the
//! service's prefix.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::environment::{Environment, is_link};
use super::listing::{Listed, Shadowed};
use super::report::Report;
use super::setting::SERVICE_TABLE;
use super::shape::{Field, Shape};
use super::typed::{self, Current, Mistake, What};
use super::value::{Entry, Node, Origin, Value, shown, without_password};
use crate::mask::may_be_secret;
use crate::nearest::nearest;

/// The type of a service's own settings. `#[settings]` gives all it needs.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the settings of a Hecate service",
    label = "this type cannot be read from a configuration",
    note = "help: write `#[settings]` above `{Self}`, or derive `serde::Deserialize` and `schemars::JsonSchema` for it"
)]
pub trait Settings: DeserializeOwned + JsonSchema + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + JsonSchema + Send + Sync + 'static> Settings for T {}

/// The settings of a service, read and typed.
#[derive(Clone)]
pub(crate) struct ServiceSettings(Arc<dyn Any + Send + Sync>);

impl ServiceSettings {
    pub(crate) fn new(settings: impl Any + Send + Sync) -> Self {
        Self(Arc::new(settings))
    }

    /// The settings, if they are of that type.
    pub(crate) fn get<T: 'static>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

/// They may hold secrets.
impl fmt::Debug for ServiceSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceSettings(..)")
    }
}

type Read = fn(&[Entry], &Current) -> Result<ServiceSettings, Mistake>;

/// A type of settings as the runtime sees it: everything generic ends here.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct SettingsType {
    shape: fn(&str) -> Shape,
    read: Read,
}

impl SettingsType {
    pub(crate) fn of<T: Settings>() -> Self {
        Self {
            shape: Shape::of::<T>,
            read: |entries, current| T::deserialize(typed::Settings { entries, current }).map(ServiceSettings::new),
        }
    }

    pub(crate) fn shape(&self, scope: &str) -> Shape {
        (self.shape)(scope)
    }

    /// Reads what the layers hold, the strongest last; everything that is wrong goes into the report.
    pub(super) fn read(
        &self,
        shape: &Shape,
        tables: Vec<Node>,
        environment: &Environment,
        report: &mut Report,
        listed: &mut Vec<Listed>,
    ) -> Option<ServiceSettings> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut shadowed: Vec<(String, Shadowed)> = Vec::new();
        let variables = shape.fields.iter().filter_map(|field| {
            let node = environment.node(field.variable.as_deref()?)?;
            // Kubernetes does this to a service `library` with a setting `port`.
            let is_link = matches!(&node.value, Value::Text(text) if field.key.ends_with("port") && is_link(text));
            let entry = Entry { key: field.key.clone(), key_origin: node.origin.clone(), node };
            (!is_link).then_some(entry)
        });
        let of_tables = tables.into_iter().flat_map(|table| known_entries(table, shape, report)).collect::<Vec<_>>();
        for entry in of_tables.into_iter().chain(variables) {
            if let Some(weaker) = entries.iter().position(|other| other.key == entry.key) {
                let weaker = entries.remove(weaker);
                let value = weaker.node.value.listed(&weaker.key);
                shadowed.push((weaker.key, Shadowed { origin: weaker.node.origin, value }));
            }
            entries.push(entry);
        }
        for field in &shape.fields {
            let entry = entries.iter().find(|entry| entry.key == field.key);
            let (value, origin) = match entry {
                Some(entry) => (entry.node.value.listed(&entry.key), entry.node.origin.clone()),
                None => (field.default_text(), Origin::Default),
            };
            listed.push(Listed {
                key: field.key.clone(),
                variable: field.variable.clone(),
                doc: field.doc.clone(),
                value,
                origin,
                shadowed: shadowed
                    .iter()
                    .filter(|(key, _)| *key == field.key)
                    .map(|(_, other)| other.clone())
                    .collect(),
            });
        }
        self.read_all(shape, entries, report)
    }

    /// serde stops at the first value that is wrong: each is told and left out, and the rest read anew.
    fn read_all(&self, shape: &Shape, mut entries: Vec<Entry>, report: &mut Report) -> Option<ServiceSettings> {
        let present: Vec<String> = entries.iter().map(|entry| entry.key.clone()).collect();
        let before = entries.len();
        entries.retain(|entry| is_written_well(entry, shape, report));
        let mut is_whole = entries.len() == before;
        for field in shape.fields.iter().filter(|field| field.is_required && !present.contains(&field.key)) {
            is_whole = false;
            tell_missing(field, report);
        }
        loop {
            let current = Current::default();
            let mistake = match (self.read)(&entries, &current) {
                Ok(settings) => return is_whole.then_some(settings),
                Err(mistake) => mistake,
            };
            let wrong = current.take().and_then(|key| entries.iter().position(|entry| entry.key == key));
            match wrong {
                Some(index) => tell_mistake(&entries.remove(index), &mistake, shape, report),
                // What is missing is told, or was left out for its own problem.
                None if !is_whole => return None,
                None => {
                    report.problem(
                        format!("[{SERVICE_TABLE}]"),
                        "does not fit",
                        shown(&without_password(&mistake.to_string())),
                    );
                    return None;
                }
            }
            is_whole = false;
        }
    }
}

/// The entries of a table that are settings; the others are told.
fn known_entries(table: Node, shape: &Shape, report: &mut Report) -> Vec<Entry> {
    let place = table.origin.naming(SERVICE_TABLE);
    let Value::Table(entries) = table.value else {
        report.problem(place, table.value.found(), format!("write a table, `[{SERVICE_TABLE}]`"));
        return Vec::new();
    };
    if shape.fields.is_empty() {
        if !entries.is_empty() {
            report.ignored(place, "is for settings of its own, which this service has not,", "remove it");
        }
        return Vec::new();
    }
    let is_known = |entry: &Entry| {
        let is_known = shape.fields.iter().any(|field| field.key == entry.key);
        if !is_known {
            let known = shape.fields.iter().map(|field| field.key.as_str());
            tell_unknown(&format!("{SERVICE_TABLE}.{}", shown(&entry.key)), entry, known, report);
        }
        is_known
    };
    let mut kept = entries;
    kept.retain(is_known);
    kept
}

/// A key of a file that nobody reads: a typing mistake is a problem, another one is ignored.
pub(super) fn tell_unknown<'a>(
    name: &str,
    entry: &Entry,
    known: impl Iterator<Item = &'a str> + Clone,
    report: &mut Report,
) {
    let place = entry.key_origin.naming(name);
    let plain = entry.key.to_lowercase().replace('-', "_");
    let plain = plain.strip_prefix("hecate_").unwrap_or(&plain).to_owned();
    let near = known.clone().find(|known| known.replace('-', "_") == plain).or_else(|| {
        let scored = known.map(|known| (strsim::damerau_levenshtein(known, &entry.key), known));
        scored.filter(|(distance, known)| *distance <= 2.min(known.len() / 2)).min().map(|(_, known)| known)
    });
    match near {
        Some(near) => report.problem(place, "is no setting", format!("did you mean `{near}`?")),
        None => report.ignored(place, "is no setting of this service", "remove it"),
    }
}

/// Whether a text was really given; the same holds of the runtime's own variables.
fn is_written_well(entry: &Entry, shape: &Shape, report: &mut Report) -> bool {
    let Some(field) = shape.fields.iter().find(|field| field.key == entry.key) else { return true };
    let place = naming(field, &entry.node.origin);
    match &entry.node.value {
        Value::NoText => {
            report.problem(place, "holds bytes that are no UTF-8", format!("it takes {}", field.takes));
            false
        }
        Value::Text(text) if text.trim().is_empty() => {
            report.problem(place, "is set and empty", format!("unset it, or give it {}", field.takes));
            false
        }
        Value::Text(text) if is_unexpanded(text, field.is_secret) => {
            let help = format!("whatever starts the service did not replace it; it takes {}", field.takes);
            report.problem(place, format!("holds the unexpanded `{}`", shown(&without_password(text))), help);
            false
        }
        _ => true,
    }
}

/// Whether a text holds the name of a variable instead of its value. A secret may look like anything:
/// only what is nothing but such a name is taken, and shown, for one.
fn is_unexpanded(text: &str, is_secret: bool) -> bool {
    let name = text.trim().strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let is_name = name.is_some_and(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
    if is_secret { is_name } else { text.contains("${") }
}

fn naming(field: &Field, origin: &Origin) -> String {
    origin.naming(&format!("{SERVICE_TABLE}.{}", field.key))
}

fn tell_missing(field: &Field, report: &mut Report) {
    let in_toml = format!("`{}` in the table `[{SERVICE_TABLE}]` of a TOML file", field.key);
    let doc = if field.doc.is_empty() { String::new() } else { format!(": {}", field.doc) };
    match &field.variable {
        Some(variable) => {
            report.problem(variable, "is not set", format!("give it {}, or write {in_toml}{doc}", field.takes));
        }
        None => {
            let place = format!("{SERVICE_TABLE}.{}", field.key);
            report.problem(place, "is not set", format!("give {in_toml} {}{doc}", field.takes));
        }
    }
}

fn tell_mistake(entry: &Entry, mistake: &Mistake, shape: &Shape, report: &mut Report) {
    let Some(field) = shape.fields.iter().find(|field| field.key == entry.key) else { return };
    let is_inside = mistake.path.len() > 1;
    let is_masked = field.is_secret || mistake.path.iter().any(|key| may_be_secret(key));
    let origin = mistake.origin.as_ref().unwrap_or(&entry.node.origin);
    let place = match origin {
        Origin::File { .. } if is_inside => origin.naming(&format!("{SERVICE_TABLE}.{}", mistake.path.join("."))),
        _ => naming(field, origin),
    };
    let inner = mistake.path.iter().skip(1).try_fold(&entry.node, |node, key| match &node.value {
        Value::Table(entries) => entries.iter().find(|entry| entry.key == *key).map(|entry| &entry.node),
        Value::List(nodes) => nodes.get(key.parse::<usize>().ok()?),
        _ => Some(node),
    });
    let value = inner.map_or(&entry.node.value, |node| &node.value);
    let found =
        if is_masked { "holds something that does not fit (it is not shown)".to_owned() } else { field.found(value) };
    match &mistake.what {
        What::Unfit(wanted) if is_inside && matches!(origin, Origin::File { .. }) => {
            let takes = shape.takes_at(&mistake.path);
            report.problem(place, found, format!("it takes {}", takes.as_deref().unwrap_or_else(|| in_words(wanted))));
        }
        What::Unfit(_) => report.problem(place, found, format!("it takes {}", field.takes)),
        What::Told(_) if is_masked => report.problem(place, found, format!("it takes {}", field.takes)),
        What::Told(message) => report.problem(place, found, shown(&without_password(message))),
        What::OnlyInToml => {
            let help = format!("give it in a TOML file, as `{}` in the table `[{SERVICE_TABLE}]`", field.key);
            report.problem(place, "is set, and no variable can hold a table", help);
        }
        What::Unknown(key, known) => {
            let help = match nearest(key, known.iter().copied()).first() {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    format!("it takes {}", known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", "))
                }
            };
            report.problem(place, format!("has a key `{}`, which is no setting", shown(key)), help);
        }
        What::Missing(key) => report.problem(place, format!("lacks `{key}`"), format!("write `{key} = ..` there")),
    }
}

/// What serde wanted, for whoever knows no Rust.
fn in_words(wanted: &str) -> &str {
    match wanted {
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "a whole number that is not negative, and not too large",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number that is not too large",
        "f32" | "f64" => "a number",
        "a string" => "a text",
        "a boolean" => "`true` or `false`",
        "a sequence" => "a list",
        wanted => wanted.strip_prefix("struct ").map_or(wanted, |_| "a table"),
    }
}
