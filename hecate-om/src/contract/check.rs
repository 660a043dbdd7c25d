//! The test that every service gets: its types mean to callers what they mean to their author.
//!
//! Macros see tokens, not types, so this is what they leave over.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value};

use super::message::MessageSchema;
use super::problem::{Found, Place, Problem, Side};
use super::{CapabilityContract, Contract};
use crate::contract_lock;
use crate::registry;
use crate::service::{Blueprint, Service};

mod boolean;

pub(super) use boolean::Kept;

/// The fields that the mesh puts beside those of a message.
pub(crate) const RESERVED: [&str; 2] = ["caller", "_hecate"];

/// Checks the contract of a service, and whether it is as the lock in `package`, the folder of its package, says:
/// `#[hecate_service]` generates a test that calls it.
///
/// # Panics
/// When something is wrong, with everything that is.
#[track_caller]
pub fn check<S: Service>(package: Option<&str>) {
    let blueprint = Blueprint::of::<S>();
    let mut problems = problems(blueprint);
    if let Some(package) = package {
        problems.extend(unlike_lock(blueprint, Path::new(package)));
    }
    assert!(problems.is_empty(), "{}", report(S::INFO.name, &problems));
}

fn report(service: &str, problems: &[Problem]) -> String {
    let count = match problems.len() {
        1 => "a problem".to_owned(),
        count => format!("{count} problems"),
    };
    let lines: String = problems.iter().map(|problem| format!("\n  - {problem}")).collect();
    format!("the contract of `{service}` has {count}:{lines}\n")
}

/// What of the lock of its package a service does not keep.
fn unlike_lock(blueprint: Blueprint, package: &Path) -> impl Iterator<Item = Problem> {
    let linked: Vec<&str> = registry::services().into_iter().map(|service| service.name).collect();
    let contract = Contract::of(blueprint).to_json();
    contract_lock::problems(package, blueprint.info.name, &contract, &linked).into_iter().map(Problem::Locked)
}

/// Everything that is wrong with the contract of a service.
fn problems(blueprint: Blueprint) -> Vec<Problem> {
    let info = blueprint.info;
    let handlers = (blueprint.contracts)();
    let mut problems: Vec<Problem> = registry::duplicates_of(info).into_iter().map(Problem::from).collect();
    if info.capabilities.len() != handlers.len() {
        let (capabilities, handlers) = (info.capabilities.len(), handlers.len());
        problems.push(Problem::Miscounted { service: info.name, capabilities, handlers });
    }
    problems.extend(Contract::new(info, &handlers).capabilities.iter().flat_map(problems_of));
    problems
}

fn problems_of(capability: &CapabilityContract) -> Vec<Problem> {
    let mut problems = check_message(&capability.request, &Place::top(capability, Side::Request));
    problems.extend(check_message(&capability.reply, &Place::top(capability, Side::Reply)));
    problems
}

fn check_message(message: &MessageSchema, top: &Place) -> Vec<Problem> {
    let mut walk = TopLevel { message, following: Vec::new(), reserved: BTreeMap::new() };
    let misfits = walk.demands_object(message.root(), "").err().unwrap_or_default().into_iter();
    let misfits = misfits.map(|(pointer, found)| Problem::NotAnObject { place: top.at(&pointer), found });
    let reserved = walk.reserved.into_iter();
    let reserved = reserved.map(|(pointer, field)| Problem::Reserved { place: top.at(&pointer), field });
    let references: BTreeSet<String> = message.references().into_iter().collect();
    let dangling = references.into_iter().filter(|reference| message.resolve(reference).is_none());
    let dangling = dangling.map(|reference| Problem::Dangling { place: top.clone(), reference });
    let lost = boolean::lost(message).into_iter();
    let lost = lost.map(|(pointer, kept)| Problem::LostBoolean { place: top.at(&pointer), kept });
    misfits.chain(reserved).chain(dangling).chain(lost).collect()
}

/// A walk over all schemas that speak of the message itself, not of what is in it.
struct TopLevel<'a> {
    message: &'a MessageSchema,
    /// The references on the way to here.
    following: Vec<&'a str>,
    /// Reserved fields by JSON pointer.
    reserved: BTreeMap<String, &'static str>,
}

/// Whether only objects satisfy a schema; if not, what else does, by JSON pointer.
type Verdict = Result<(), BTreeMap<String, Found>>;

impl<'a> TopLevel<'a> {
    /// Judges a schema and notes reserved fields on its way.
    fn demands_object(&mut self, schema: &'a Value, pointer: &str) -> Verdict {
        let misfit = |found| Err(BTreeMap::from([(pointer.to_owned(), found)]));
        let Value::Object(keywords) = schema else {
            return misfit(if schema == &Value::Bool(false) { Found::Nothing } else { Found::Anything });
        };
        self.note_reserved(keywords, pointer);
        let mut verdicts = Vec::new();
        if let Some(said) = said_by_type(keywords).or_else(|| said_by_values(keywords)) {
            verdicts.push(said.or_else(misfit));
        }
        if let Some(Value::String(reference)) = keywords.get("$ref") {
            verdicts.extend(self.follow(reference));
        }
        for key in ["oneOf", "anyOf"] {
            if let Some(Value::Array(branches)) = keywords.get(key) {
                verdicts.push(self.every_branch(branches, &format!("{pointer}/{key}")));
            }
        }
        for (index, part) in keywords.get("allOf").and_then(Value::as_array).into_iter().flatten().enumerate() {
            verdicts.push(self.demands_object(part, &format!("{pointer}/allOf/{index}")));
        }
        // All of them hold for one value: a single one that demands an object is enough.
        if verdicts.contains(&Ok(())) {
            return Ok(());
        }
        let misfits: BTreeMap<_, _> = verdicts.into_iter().filter_map(Result::err).flatten().collect();
        if misfits.is_empty() { misfit(Found::Anything) } else { Err(misfits) }
    }

    /// Nothing where the reference says nothing: it dangles, or it leads back to where it stands.
    fn follow(&mut self, reference: &'a str) -> Option<Verdict> {
        if self.following.contains(&reference) {
            return None;
        }
        let schema = self.message.resolve(reference)?;
        self.following.push(reference);
        let verdict = self.demands_object(schema, reference.trim_start_matches('#'));
        self.following.pop();
        Some(verdict)
    }

    fn every_branch(&mut self, branches: &'a [Value], pointer: &str) -> Verdict {
        let mut misfits = BTreeMap::new();
        for (index, branch) in branches.iter().enumerate() {
            misfits.extend(self.demands_object(branch, &format!("{pointer}/{index}")).err().into_iter().flatten());
        }
        if misfits.is_empty() { Ok(()) } else { Err(misfits) }
    }

    fn note_reserved(&mut self, keywords: &Map<String, Value>, pointer: &str) {
        let fields = keywords.get("properties").and_then(Value::as_object);
        for field in RESERVED.into_iter().filter(|field| fields.is_some_and(|fields| fields.contains_key(*field))) {
            self.reserved.insert(format!("{pointer}/properties/{field}"), field);
        }
    }
}

/// What `type` allows beside objects; nothing where there is no `type`.
fn said_by_type(keywords: &Map<String, Value>) -> Option<Result<(), Found>> {
    let kinds = match keywords.get("type")? {
        Value::Array(kinds) => kinds.as_slice(),
        kind => std::slice::from_ref(kind),
    };
    let other = kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "object");
    Some(other.map_or(Ok(()), |kind| Err(Found::of_type(kind))))
}

/// The same for the values that `const` and `enum` spell out.
fn said_by_values(keywords: &Map<String, Value>) -> Option<Result<(), Found>> {
    let listed = keywords.get("enum").and_then(Value::as_array).map(Vec::as_slice);
    let values = listed.or_else(|| keywords.get("const").map(std::slice::from_ref))?;
    Some(values.iter().try_for_each(said_by_value))
}

fn said_by_value(value: &Value) -> Result<(), Found> {
    match value {
        Value::Object(_) => Ok(()),
        Value::String(_) => Err(Found::Text),
        Value::Number(_) => Err(Found::Number),
        Value::Bool(_) => Err(Found::Boolean),
        Value::Array(_) => Err(Found::Array),
        Value::Null => Err(Found::Null),
    }
}

#[cfg(test)]
mod tests;
