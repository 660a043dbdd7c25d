//! Reads locks and printed contracts: strictly, and everything that is wrong at once.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use super::document::{ContractLock, LockedCapability, LockedService, MAX_BYTES, SCHEMA};
use crate::capability::Kind;

/// What `<binary> contract` prints.
const CONTRACT: &str = "hecate.contract/1";
/// How many faults are told; the rest is counted.
const MOST_FAULTS: usize = 100;

/// Everything that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", told(.faults, *.left_out))]
pub struct Faults {
    faults: Vec<Fault>,
    left_out: usize,
}

/// One thing that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where, as in `services.hecate-echo.capabilities[0].version`; empty for the document as a whole.
    pub path: String,
    /// What was found, and what to write.
    pub problem: String,
}

impl Faults {
    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.path, if self.path.is_empty() { "" } else { ": " }, self.problem)
    }
}

fn told(faults: &[Fault], left_out: usize) -> String {
    let mut lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    if left_out > 0 {
        lines.push(format!("and {left_out} more"));
    }
    lines.join("\n")
}

impl ContractLock {
    /// Reads the text of a `contract.lock.json`.
    ///
    /// # Errors
    /// Everything that is wrong with it: a field that is not known, too.
    pub fn parse(text: &str) -> Result<Self, Faults> {
        let mut reading = Reading::default();
        let lock = reading.json(text).and_then(|document| reading.lock(&document));
        reading.end(lock)
    }

    /// Reads what `<binary> contract` printed, as the lock of that one service.
    ///
    /// # Errors
    /// Everything that is wrong with it. Fields that it does not know it passes over: another version of the runtime
    /// may have printed it.
    pub fn of_contract(text: &str) -> Result<Self, Faults> {
        let mut reading = Reading { passes_unknown: true, ..Reading::default() };
        let lock = reading.json(text).and_then(|document| reading.contract(&document));
        reading.end(lock)
    }

    /// Reads a lock or a contract, whichever the text says that it is.
    ///
    /// # Errors
    /// As [`parse`](Self::parse) and [`of_contract`](Self::of_contract).
    pub fn of_either(text: &str) -> Result<Self, Faults> {
        let is_contract = |document: Value| document.get("schema").is_some_and(|schema| schema == CONTRACT);
        match serde_json::from_str(text).is_ok_and(is_contract) {
            true => Self::of_contract(text),
            false => Self::parse(text),
        }
    }
}

#[derive(Default)]
struct Reading {
    faults: Vec<Fault>,
    left_out: usize,
    passes_unknown: bool,
}

impl Reading {
    fn json(&mut self, text: &str) -> Option<Value> {
        if text.len() > MAX_BYTES {
            let found = text.len();
            return self.refuse("", format!("{found} bytes; a contract has at most {MAX_BYTES}"));
        }
        serde_json::from_str(text).map_err(|error| self.refuse::<()>("", format!("not JSON: {error}"))).ok()
    }

    fn end(self, lock: Option<ContractLock>) -> Result<ContractLock, Faults> {
        match lock {
            Some(lock) if self.faults.is_empty() => Ok(lock),
            _ => Err(Faults { faults: self.faults, left_out: self.left_out }),
        }
    }

    fn refuse<T>(&mut self, path: &str, problem: String) -> Option<T> {
        if self.faults.len() == MOST_FAULTS {
            self.left_out += 1;
        } else {
            self.faults.push(Fault { path: path.to_owned(), problem });
        }
        None
    }

    fn lock(&mut self, document: &Value) -> Option<ContractLock> {
        let fields = self.object(document, "", &["schema", "services"])?;
        let schema = self.schema(fields, SCHEMA);
        let services = self.object_at(fields, "", "services");
        let mut lock = ContractLock::default();
        for (name, service) in services.into_iter().flatten() {
            let path = format!("services.{}", name.escape_debug());
            if let Some(service) = self.service(service, &path) {
                lock.services.insert(name.clone(), service);
            }
        }
        schema.and(services).map(|_| lock)
    }

    fn contract(&mut self, document: &Value) -> Option<ContractLock> {
        let fields = self.object(document, "", &[])?;
        self.schema(fields, CONTRACT)?;
        let name = self.text(fields, "", "service");
        let capabilities = self.capabilities(fields, "");
        let mut lock = ContractLock::default();
        lock.services.insert(name?, LockedService { capabilities: capabilities? });
        Some(lock)
    }

    fn schema(&mut self, fields: &Map<String, Value>, expected: &str) -> Option<()> {
        match fields.get("schema") {
            Some(Value::String(schema)) if schema == expected => Some(()),
            found => self.wrong("schema", found, &format!("`{expected}`, the schema that this version reads")),
        }
    }

    fn service(&mut self, service: &Value, path: &str) -> Option<LockedService> {
        let fields = self.object(service, path, &["capabilities"])?;
        Some(LockedService { capabilities: self.capabilities(fields, path)? })
    }

    fn capabilities(
        &mut self,
        fields: &Map<String, Value>,
        path: &str,
    ) -> Option<BTreeMap<(String, u16), LockedCapability>> {
        let path = joined(path, "capabilities");
        let Some(Value::Array(items)) = fields.get("capabilities") else {
            return self.wrong(&path, fields.get("capabilities"), "an array of capabilities");
        };
        let mut capabilities = BTreeMap::new();
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let Some(capability) = self.capability(item, &path) else { continue };
            let key = (capability.name.clone(), capability.version);
            if let Some(twice) = capabilities.insert(key, capability) {
                self.refuse::<()>(&path, format!("`{twice}` once more; remove one of them"));
            }
        }
        Some(capabilities)
    }

    fn capability(&mut self, item: &Value, path: &str) -> Option<LockedCapability> {
        const KNOWN: [&str; 7] = ["name", "version", "kind", "deprecated", "refusals", "request", "reply"];
        let fields = self.object(item, path, &KNOWN)?;
        let name = self.text(fields, path, "name");
        let version = self.version(fields, path);
        let kind = self.kind(fields, path);
        let deprecated = match fields.get("deprecated") {
            None => Some(None),
            Some(_) => self.text(fields, path, "deprecated").map(Some),
        };
        let refusals = self.refusals(fields, path);
        let request = self.message(fields, path, "request");
        let reply = self.message(fields, path, "reply");
        let capability = LockedCapability {
            name: name?,
            version: version?,
            kind: kind?,
            deprecated: deprecated?,
            refusals: refusals?,
            request: request?,
            reply: reply?,
        };
        Some(capability.tidied())
    }

    fn version(&mut self, fields: &Map<String, Value>, path: &str) -> Option<u16> {
        let found = fields.get("version");
        let version = found.and_then(Value::as_u64).and_then(|version| u16::try_from(version).ok());
        version
            .filter(|version| *version > 0)
            .or_else(|| self.wrong(&joined(path, "version"), found, "an integer from 1 to 65535"))
    }

    /// A contract says nothing of it where nothing streams.
    fn kind(&mut self, fields: &Map<String, Value>, path: &str) -> Option<Kind> {
        let found = fields.get("kind");
        match found.map(Value::as_str) {
            None if self.passes_unknown => Some(Kind::Unary),
            Some(Some("unary")) => Some(Kind::Unary),
            Some(Some("server_stream")) => Some(Kind::ServerStream),
            Some(Some("client_stream")) => Some(Kind::ClientStream),
            Some(Some("bidi")) => Some(Kind::Bidi),
            _ => self.wrong(&joined(path, "kind"), found, "`unary`, `server_stream`, `client_stream` or `bidi`"),
        }
    }

    /// Codes, or in a contract what they mean beside them.
    fn refusals(&mut self, fields: &Map<String, Value>, path: &str) -> Option<Vec<String>> {
        let path = joined(path, "refusals");
        let Some(Value::Array(items)) = fields.get("refusals") else {
            return self.wrong(&path, fields.get("refusals"), "an array of codes");
        };
        let mut codes = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let code = if self.passes_unknown { item.get("code") } else { Some(item) };
            match code.and_then(Value::as_str) {
                Some(code) => codes.push(code.to_owned()),
                None => return self.wrong(&format!("{path}[{index}]"), code, "a code, as in `sold_out`"),
            }
        }
        Some(codes)
    }

    fn message(&mut self, fields: &Map<String, Value>, path: &str, name: &str) -> Option<Value> {
        match fields.get(name) {
            Some(schema @ (Value::Object(_) | Value::Bool(_))) => Some(schema.clone()),
            found => self.wrong(&joined(path, name), found, "a JSON Schema"),
        }
    }

    fn text(&mut self, fields: &Map<String, Value>, path: &str, name: &str) -> Option<String> {
        match fields.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            found => self.wrong(&joined(path, name), found, "a text"),
        }
    }

    fn object_at<'a>(
        &mut self,
        fields: &'a Map<String, Value>,
        path: &str,
        name: &str,
    ) -> Option<&'a Map<String, Value>> {
        match fields.get(name) {
            Some(Value::Object(object)) => Some(object),
            found => self.wrong(&joined(path, name), found, "an object"),
        }
    }

    fn object<'a>(&mut self, value: &'a Value, path: &str, known: &[&str]) -> Option<&'a Map<String, Value>> {
        let Value::Object(fields) = value else { return self.wrong(path, Some(value), "an object") };
        let unknown = fields.keys().filter(|name| !self.passes_unknown && !known.contains(&name.as_str()));
        for name in unknown.collect::<Vec<_>>() {
            let known = known.join("`, `");
            self.refuse::<()>(
                &joined(path, &name.escape_debug().to_string()),
                format!("unknown field; known here is `{known}`"),
            );
        }
        Some(fields)
    }

    fn wrong<T>(&mut self, path: &str, found: Option<&Value>, expected: &str) -> Option<T> {
        let found = match found {
            None => return self.refuse(path, format!("missing; write {expected}")),
            Some(Value::Array(_)) => "an array".to_owned(),
            Some(Value::Object(_)) => "an object".to_owned(),
            // Cut, and escaped: it stays on its line, and sends nothing to a terminal.
            Some(Value::String(text)) => format!("{:?}", text.chars().take(60).collect::<String>()),
            Some(value) => format!("`{value}`"),
        };
        self.refuse(path, format!("found {found}; write {expected}"))
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
