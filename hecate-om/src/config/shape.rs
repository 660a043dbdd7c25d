//! What the settings of a service look like, read from their JSON Schema: names, words for what each
//! takes, defaults, and which must be there.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value as Json;

use super::value::{Value, shown, without_password};
use crate::mask::{MASK, may_be_secret};

/// The settings of a service, one by one.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    pub(super) fields: Vec<Field>,
    /// `LIBRARY_`; none when the variables with the service's name are not its own to read.
    pub(super) prefix: Option<String>,
    schema: Json,
}

/// One setting of a service.
#[derive(Debug)]
pub(crate) struct Field {
    /// Its key in the table of a TOML file.
    pub(super) key: String,
    /// Its variable, if it may have one.
    pub(super) variable: Option<String>,
    /// What it takes.
    pub(super) takes: String,
    /// What it is for.
    pub(super) doc: String,
    pub(super) default: Option<Json>,
    pub(super) is_required: bool,
    pub(super) is_secret: bool,
}

/// The prefixes that belong to the runtime: a service of such a name has its settings in TOML only.
const TAKEN: [&str; 2] = ["HECATE_", "MACULA_"];

impl Shape {
    /// The shape of `T`, as the service of that scope has it.
    pub(super) fn of<T: JsonSchema>(scope: &str) -> Self {
        let root = SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<T>();
        let root = root.as_value();
        let Some(properties) = root["properties"].as_object() else { return Self::default() };
        let prefix = format!("{}_", scope.to_uppercase());
        let prefix = (!TAKEN.iter().any(|taken| prefix.starts_with(taken))).then_some(prefix);
        let required: Vec<_> = root["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        let field = |(key, schema): (&String, &Json)| Field {
            variable: prefix.as_ref().map(|prefix| format!("{prefix}{}", key.replace('-', "_").to_uppercase())),
            takes: takes(schema, root),
            doc: doc_of(schema, root),
            default: schema.get("default").cloned(),
            is_required: required.contains(&key.as_str()),
            is_secret: may_be_secret(key),
            key: key.clone(),
        };
        Self { fields: properties.iter().map(field).collect(), prefix, schema: root.clone() }
    }

    /// What the value takes to which these keys and indices lead, as far as the schema says so.
    pub(super) fn takes_at(&self, path: &[String]) -> Option<String> {
        let schema = path.iter().try_fold(&self.schema, |schema, key| within(schema, key, &self.schema))?;
        Some(takes(schema, &self.schema)).filter(|words| words != ANOTHER)
    }

    pub(super) fn variables(&self) -> Vec<String> {
        self.fields.iter().filter_map(|field| field.variable.clone()).collect()
    }
}

impl Field {
    /// The default as a listing shows it.
    pub(super) fn default_text(&self) -> String {
        match &self.default {
            None | Some(Json::Null) => "none".to_owned(),
            Some(_) if self.is_secret => MASK.to_owned(),
            Some(Json::String(text)) if text.is_empty() => "\"\"".to_owned(),
            Some(Json::String(text)) => without_password(text),
            Some(Json::Array(values)) if values.iter().all(|value| value.is_string() || value.is_number()) => {
                let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                format!("[{}]", values.iter().map(text).collect::<Vec<_>>().join(", "))
            }
            Some(other) => other.to_string(),
        }
    }

    /// What a report says of a value that is none for this setting.
    pub(super) fn found(&self, value: &Value) -> String {
        if self.is_secret { "holds something that does not fit (it is not shown)".to_owned() } else { value.found() }
    }
}

/// What is said of a value that no words are known for.
const ANOTHER: &str = "another value";

/// The schema of what is at a key or an index.
fn within<'a>(schema: &'a Json, key: &str, root: &'a Json) -> Option<&'a Json> {
    let schema = resolved(schema, root);
    let items = || schema.get("items").filter(|_| key.parse::<usize>().is_ok());
    let alternatives = || schema["anyOf"].as_array()?.iter().find_map(|schema| within(schema, key, root));
    schema["properties"].get(key).or_else(items).or_else(alternatives)
}

/// The schema behind references within `root`.
fn resolved<'a>(schema: &'a Json, root: &'a Json) -> &'a Json {
    let target = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    match target.and_then(|pointer| root.pointer(pointer)) {
        Some(target) => target,
        None => schema,
    }
}

fn doc_of(schema: &Json, root: &Json) -> String {
    let own = schema["description"].as_str();
    let doc = own.or_else(|| resolved(schema, root)["description"].as_str()).unwrap_or_default();
    doc.split("\n\n").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a value looks like, to follow "it takes".
fn takes(schema: &Json, root: &Json) -> String {
    let schema = resolved(schema, root);
    if let Some(words) = choices(schema) {
        return words;
    }
    if let Some(alternatives) = schema["anyOf"].as_array() {
        let given: Vec<_> = alternatives.iter().filter(|schema| schema["type"] != "null").collect();
        return match given.as_slice() {
            [] => "nothing".to_owned(),
            given => given.iter().map(|schema| takes(schema, root)).collect::<Vec<_>>().join(", or "),
        };
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Json::String(kind) => vec![kind],
        Json::Array(kinds) => kinds.iter().filter_map(Json::as_str).filter(|kind| *kind != "null").collect(),
        _ => Vec::new(),
    };
    match kinds.as_slice() {
        ["integer"] => whole_number(schema),
        ["number"] => "a number".to_owned(),
        ["boolean"] => "`true` or `false`".to_owned(),
        ["string"] => match schema["format"].as_str() {
            Some("ip") => "an IP address".to_owned(),
            Some("uri") => "an address".to_owned(),
            _ if schema["maxLength"] == 1 => "one character".to_owned(),
            _ => "a text".to_owned(),
        },
        ["array"] => match &schema["items"] {
            Json::Null => "a list".to_owned(),
            items => format!("a list, in a variable with commas; each part is {}", takes(items, root)),
        },
        ["object"] => "a table, in TOML".to_owned(),
        _ => ANOTHER.to_owned(),
    }
}

fn choices(schema: &Json) -> Option<String> {
    let of_enum = schema["enum"].as_array().map(|values| values.iter().collect::<Vec<_>>());
    let of_constants = || {
        let alternatives = schema["oneOf"].as_array()?;
        let mut values = Vec::new();
        for alternative in alternatives {
            match (alternative.get("const"), alternative["enum"].as_array()) {
                (Some(value), _) => values.push(value),
                (None, Some(several)) => values.extend(several),
                (None, None) => return None,
            }
        }
        Some(values)
    };
    let values = of_enum.or_else(of_constants)?;
    let words: Vec<_> =
        values.iter().filter_map(|value| value.as_str()).map(|word| format!("`{}`", shown(word))).collect();
    match words.split_last()? {
        (last, []) => Some(last.clone()),
        (last, rest) => Some(format!("{} or {last}", rest.join(", "))),
    }
}

fn whole_number(schema: &Json) -> String {
    let limits = match schema["format"].as_str() {
        Some("uint8") => Some(("0", "255")),
        Some("uint16") => Some(("0", "65535")),
        Some("int8") => Some(("-128", "127")),
        Some("int16") => Some(("-32768", "32767")),
        _ => None,
    };
    let number =
        |key: &str, limit: Option<&str>| schema.get(key).map(ToString::to_string).or_else(|| limit.map(str::to_owned));
    let least = number("minimum", limits.map(|(least, _)| least));
    let most = number("maximum", limits.map(|(_, most)| most));
    match (least, most) {
        (Some(least), Some(most)) => format!("a whole number from {least} to {most}"),
        (Some(least), None) => format!("a whole number, at least {least}"),
        (None, Some(most)) => format!("a whole number, at most {most}"),
        (None, None) => "a whole number".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(JsonSchema)]
    #[allow(dead_code)]
    struct Wanted {
        /// How many.
        /// In all.
        ///
        /// And more.
        count: u8,
        large: Option<u64>,
        signed: i32,
        ratio: f32,
        tone: Option<Tone>,
        tones: Vec<Tone>,
        names: Vec<String>,
        letter: char,
        is_open: bool,
        limits: Limits,
        home: std::path::PathBuf,
        peer: std::net::IpAddr,
    }

    #[derive(JsonSchema)]
    #[allow(dead_code)]
    struct Limits {
        most: u8,
    }

    #[derive(JsonSchema)]
    #[allow(dead_code)]
    enum Tone {
        /// Quietly.
        Soft,
        Loud,
    }

    #[test]
    fn a_schema_is_put_into_words() {
        let shape = Shape::of::<Wanted>("library");
        let takes = |key: &str| shape.fields.iter().find(|field| field.key == key).unwrap().takes.clone();
        assert_eq!(takes("count"), "a whole number from 0 to 255");
        assert_eq!(takes("large"), "a whole number, at least 0");
        assert_eq!(takes("signed"), "a whole number");
        assert_eq!(takes("ratio"), "a number");
        assert_eq!(takes("tone"), "`Loud` or `Soft`");
        assert_eq!(takes("names"), "a list, in a variable with commas; each part is a text");
        assert!(takes("tones").contains("each part is `Loud` or `Soft`"));
        assert_eq!(takes("letter"), "one character");
        assert_eq!(takes("is_open"), "`true` or `false`");
        assert_eq!(takes("limits"), "a table, in TOML");
        assert_eq!((takes("home").as_str(), takes("peer").as_str()), ("a text", "an IP address"));
        let count = shape.fields.iter().find(|field| field.key == "count").unwrap();
        assert_eq!(count.doc, "How many. In all.");
        assert!(count.is_required);
        assert_eq!(count.variable.as_deref(), Some("LIBRARY_COUNT"));
    }

    #[test]
    fn a_scope_of_the_runtime_has_no_variables() {
        for scope in ["hecate", "hecate_echo", "macula"] {
            assert!(Shape::of::<Wanted>(scope).variables().is_empty(), "{scope}");
        }
        assert!(Shape::of::<()>("library").fields.is_empty());
    }
}
