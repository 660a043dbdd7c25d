//! A difference between two contracts: where, what, whether it breaks callers, and why.

use std::fmt;

use serde::{Serialize, Serializer};

/// One thing that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The name of the service.
    pub service: String,
    #[serde(flatten)]
    /// Where in it.
    pub place: Place,
    #[serde(flatten)]
    /// What it is.
    pub difference: Difference,
    /// Whether callers that rely on the contract as it was may fail.
    pub breaking: bool,
    /// What that means for callers.
    pub why: &'static str,
}

/// A place in the contract of a service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize)]
pub struct Place {
    /// `echo.say@1`; nothing where it is about the whole service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
    /// Nothing where it is about the whole capability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// The field, as in `$.lines[*].count`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// Which of the two messages of a capability: what callers write, and what they read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Callers write it, the service reads it.
    Request,
    /// The service writes it, callers read it.
    Reply,
}

/// What is not as it was, and how it was.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Difference {
    /// A service that the lock does not know.
    ServiceAdded,
    /// A service that is gone.
    ServiceRemoved,
    /// A capability that the lock does not know.
    CapabilityAdded,
    /// A capability that is gone; the one that was probably made of it.
    CapabilityRemoved(Option<String>),
    /// Another shape of call.
    Kind(String, String),
    /// Callers should leave it, or should no more.
    Deprecated(bool),
    /// A code to refuse with that was none.
    RefusalAdded(String),
    /// A code that it refuses with no more.
    RefusalRemoved(String),
    /// A field that was none; whether it always stands there.
    FieldAdded(Presence),
    /// A field that is gone.
    FieldRemoved(Presence),
    /// A field that may not be left out any more.
    FieldRequired,
    /// A field that may be left out now.
    FieldOptional,
    /// One of several values or shapes that was none.
    VariantAdded(String),
    /// One of several values or shapes that is gone.
    VariantRemoved(String),
    /// What a field holds: what it was, and what it is.
    Type(String, String),
    /// A limit: of what, what it was, and what it is.
    Bound(&'static str, String, String),
    /// A rule of JSON Schema: which, what it said, and what it says.
    Keyword(String, String, String),
    /// What a field has that was left out.
    Default(String, String),
    /// More than can be compared.
    TooLarge,
}

/// Whether a field always stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Presence {
    /// It does.
    Required,
    /// It may be left out.
    Optional,
}

impl Presence {
    pub(super) fn of(is_required: bool) -> Self {
        if is_required { Presence::Required } else { Presence::Optional }
    }
}

impl Difference {
    /// What programs call it.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Difference::ServiceAdded => "service_added",
            Difference::ServiceRemoved => "service_removed",
            Difference::CapabilityAdded => "capability_added",
            Difference::CapabilityRemoved(_) => "capability_removed",
            Difference::Kind(..) => "kind_changed",
            Difference::Deprecated(true) => "deprecated",
            Difference::Deprecated(false) => "no_longer_deprecated",
            Difference::RefusalAdded(_) => "refusal_added",
            Difference::RefusalRemoved(_) => "refusal_removed",
            Difference::FieldAdded(_) => "field_added",
            Difference::FieldRemoved(_) => "field_removed",
            Difference::FieldRequired => "field_required",
            Difference::FieldOptional => "field_optional",
            Difference::VariantAdded(_) => "variant_added",
            Difference::VariantRemoved(_) => "variant_removed",
            Difference::Type(..) => "type_changed",
            Difference::Bound(..) => "bound_changed",
            Difference::Keyword(..) => "rule_changed",
            Difference::Default(..) => "default_changed",
            Difference::TooLarge => "too_large",
        }
    }

    /// What it means for callers, who write requests and read replies.
    pub(super) fn why(&self, side: Option<Side>, is_breaking: bool) -> &'static str {
        use Difference as D;
        match (self, side, is_breaking) {
            (D::ServiceRemoved | D::CapabilityRemoved(_), _, _) => "callers find nobody who answers",
            (D::ServiceAdded | D::CapabilityAdded, _, _) => "nobody calls it yet",
            (D::Kind(..), _, _) => "callers of before cannot call it at all",
            (D::Deprecated(_), _, _) => "callers are told, and answered as before",
            (D::RefusalAdded(_), _, _) => "callers take a code that they do not know for a plain failure",
            (D::RefusalRemoved(_), _, _) => "callers that act on it wait for what never comes",
            (D::Default(..), _, _) => "callers that leave it out may be answered otherwise",
            (D::TooLarge, _, _) => "nobody can tell, so it counts as breaking",
            (D::FieldAdded(_), Some(Side::Request), true) => "callers of before do not send it",
            (D::FieldRemoved(_), Some(Side::Request), true) => "callers send it, and what they mean by it is not done",
            (D::FieldRequired, Some(Side::Request), true) => "callers of before may leave it out",
            (D::FieldAdded(_), Some(Side::Reply), true) => "callers of before refuse fields that they do not know",
            (D::FieldRemoved(_), Some(Side::Reply), true) => "callers of before need it",
            (D::FieldOptional, Some(Side::Reply), true) => "callers of before need it",
            (_, Some(Side::Request), true) => "callers may send what is not taken any more",
            (_, Some(Side::Reply), true) => "callers may get what they cannot read",
            (_, Some(Side::Request), false) => "what callers of before send is still taken",
            (_, Some(Side::Reply), false) => "callers of before can still read it",
            (_, None, true) => "callers may fail",
            (_, None, false) => "callers go on as before",
        }
    }
}

/// What it is, in words: `the field is gone`.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Difference as D;
        match self {
            D::ServiceAdded => f.write_str("a new service"),
            D::ServiceRemoved => f.write_str("the service is gone"),
            D::CapabilityAdded => f.write_str("a new capability"),
            D::CapabilityRemoved(None) => f.write_str("the capability is gone"),
            D::CapabilityRemoved(Some(now)) => write!(f, "the capability is gone, perhaps renamed to `{now}`"),
            D::Kind(old, new) => write!(f, "its kind was `{old}` and is `{new}`"),
            D::Deprecated(true) => f.write_str("deprecated now"),
            D::Deprecated(false) => f.write_str("deprecated no more"),
            D::RefusalAdded(code) => write!(f, "refuses with a new code, `{code}`"),
            D::RefusalRemoved(code) => write!(f, "does not refuse with `{code}` any more"),
            D::FieldAdded(Presence::Required) => f.write_str("a new field that always stands there"),
            D::FieldAdded(Presence::Optional) => f.write_str("a new field that may be left out"),
            D::FieldRemoved(Presence::Required) => f.write_str("the field is gone; it always stood there"),
            D::FieldRemoved(Presence::Optional) => f.write_str("the field is gone; it could be left out"),
            D::FieldRequired => f.write_str("could be left out, and is required"),
            D::FieldOptional => f.write_str("was required, and may be left out"),
            D::VariantAdded(label) => write!(f, "may be `{label}` now"),
            D::VariantRemoved(label) => write!(f, "cannot be `{label}` any more"),
            D::Type(old, new) => write!(f, "was {old}, and is {new}"),
            D::Bound(of, old, new) => write!(f, "{of}: was {old}, and is {new}"),
            D::Keyword(keyword, old, new) => write!(f, "`{keyword}` was {old}, and is {new}"),
            D::Default(old, new) => write!(f, "left out, it was {old}, and is {new}"),
            D::TooLarge => f.write_str("too large to be compared"),
        }
    }
}

impl Serialize for Difference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Told<'a> {
            change: &'a str,
            what: String,
        }
        Told { change: self.id(), what: self.to_string() }.serialize(serializer)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.capability.as_ref().map(|capability| format!("capability `{capability}`")));
        parts.extend(self.side.map(|side| side.to_string()));
        parts.extend(self.path.as_ref().map(|path| format!("`{path}`")));
        f.write_str(&parts.join(", "))
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Request => "request",
            Side::Reply => "reply",
        })
    }
}

/// In one line, without the name of the service where a capability says it.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place.capability {
            None => write!(f, "service `{}`", self.service)?,
            Some(_) => write!(f, "{}", self.place)?,
        }
        write!(f, ": {}; {}", self.difference, self.why)
    }
}
