//! The one error that a caller can get from a capability, with the runtime's codes and their meaning.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::{CallId, MAX_HOPS};

/// When a caller may come back to a service that starts, drains, is full or lacks something.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What a caller gets of what broke inside.
const INSIDE: &str = "the service failed; its log tells more";

/// Why a call was not answered with a reply.
///
/// What a caller sees is `code`, `message`, `details`, `retryable` and `retry_after`; a
/// [source](Error::source) stays in the service's log.
///
/// ```
/// use hecate_om::prelude::*;
///
/// let refusal = CapabilityError::refused("no_name", "nobody to greet");
/// assert_eq!(refusal.code(), "no_name");
/// assert!(!refusal.is_retryable());
/// ```
#[derive(Debug)]
pub struct CapabilityError {
    code: ErrorCode,
    message: Cow<'static, str>,
    details: Option<Box<Value>>,
    retryable: bool,
    retry_after: Option<Duration>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The codes of the runtime, and those that services make.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorCode {
    /// The request cannot be read as the capability's request type.
    InvalidRequest,
    /// The caller may not do this.
    Unauthorized,
    /// No capability of that name is here.
    UnknownCapability,
    /// The capability is here, in other versions.
    UnsupportedVersion,
    /// The request is larger than the capability takes.
    PayloadTooLarge,
    /// The caller, or all callers of the mesh together, call more often than the capability takes.
    RateLimited,
    /// As many calls as the capability takes at once are running.
    Overloaded,
    /// The service is on its way out.
    Draining,
    /// The service is not ready.
    Unavailable,
    /// The handler did not end before its deadline.
    Timeout,
    /// The handler panicked, or its reply could not be carried.
    Internal,
    /// Too many calls led to this one: services call each other in a circle.
    TooManyHops,
    /// The service that wanted to call does not declare that it uses the capability: see `uses`.
    Undeclared,
    /// A service's own refusal.
    Service(Cow<'static, str>),
}

impl ErrorCode {
    /// Every code that services may not make.
    const RUNTIME: [ErrorCode; 13] = [
        ErrorCode::InvalidRequest,
        ErrorCode::Unauthorized,
        ErrorCode::UnknownCapability,
        ErrorCode::UnsupportedVersion,
        ErrorCode::PayloadTooLarge,
        ErrorCode::RateLimited,
        ErrorCode::Overloaded,
        ErrorCode::Draining,
        ErrorCode::Unavailable,
        ErrorCode::Timeout,
        ErrorCode::Internal,
        ErrorCode::TooManyHops,
        ErrorCode::Undeclared,
    ];

    fn is_runtimes(code: &str) -> bool {
        Self::RUNTIME.iter().any(|runtime| runtime.as_str() == code)
    }

    /// The runtime's code of that text, else a service's own.
    pub(crate) fn from_wire(text: String) -> Self {
        let known = Self::RUNTIME.into_iter().find(|code| code.as_str() == text);
        known.unwrap_or(ErrorCode::Service(text.into()))
    }

    /// The code as callers see it.
    pub fn as_str(&self) -> &str {
        match self {
            ErrorCode::InvalidRequest => "invalid_request",
            ErrorCode::Unauthorized => "unauthorized",
            ErrorCode::UnknownCapability => "unknown_capability",
            ErrorCode::UnsupportedVersion => "unsupported_version",
            ErrorCode::PayloadTooLarge => "payload_too_large",
            ErrorCode::RateLimited => "rate_limited",
            ErrorCode::Overloaded => "overloaded",
            ErrorCode::Draining => "draining",
            ErrorCode::Unavailable => "unavailable",
            ErrorCode::Timeout => "timeout",
            ErrorCode::Internal => "internal",
            ErrorCode::TooManyHops => "too_many_hops",
            ErrorCode::Undeclared => "undeclared",
            ErrorCode::Service(code) => code,
        }
    }

    /// The HTTP status of the local API for this code.
    pub fn http_status(&self) -> u16 {
        match self {
            ErrorCode::InvalidRequest => 400,
            ErrorCode::Unauthorized => 403,
            ErrorCode::UnknownCapability | ErrorCode::UnsupportedVersion => 404,
            ErrorCode::PayloadTooLarge => 413,
            ErrorCode::Service(_) => 422,
            ErrorCode::RateLimited => 429,
            ErrorCode::Internal | ErrorCode::Undeclared => 500,
            ErrorCode::Overloaded | ErrorCode::Draining | ErrorCode::Unavailable => 503,
            ErrorCode::Timeout => 504,
            ErrorCode::TooManyHops => 508,
        }
    }
}

impl CapabilityError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), details: None, retryable: false, retry_after: None, source: None }
    }

    /// A service's own refusal: `code` in snake_case, `message` for people.
    ///
    /// A code that is not snake_case, or that is one of the runtime's, reaches the caller as
    /// `internal`: a caller must be able to trust the runtime's codes. `#[derive(Refusal)]` checks
    /// this at compile time.
    pub fn refused(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        let code = code.into();
        let snake = code.starts_with(|c: char| c.is_ascii_lowercase())
            && code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if snake && !ErrorCode::is_runtimes(&code) {
            Self::new(ErrorCode::Service(code), message)
        } else {
            let source = format!("a service cannot refuse with the code `{code}`: {}", message.into());
            Self::internal(source)
        }
    }

    /// The request has the right types and still makes no sense.
    pub fn invalid_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidRequest, message)
    }

    /// The service cannot do this now; callers may try again.
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::Unavailable, message).retryable(Some(RETRY_AFTER))
    }

    /// What a call gets that one too many led to.
    pub(crate) fn too_many_hops(capability: &str) -> Self {
        let message = format!(
            "more than {MAX_HOPS} calls led to this one of `{capability}`: services call each other in a circle"
        );
        Self::new(ErrorCode::TooManyHops, message)
    }

    /// Something broke inside: the caller sees a call id, `source` goes to the log.
    ///
    /// ```
    /// # use hecate_om::prelude::*;
    /// fn read() -> Result<String> {
    ///     std::fs::read_to_string("/nowhere").map_err(CapabilityError::internal)
    /// }
    /// assert_eq!(read().unwrap_err().code(), "internal");
    /// ```
    pub fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let mut error = Self::new(ErrorCode::Internal, INSIDE);
        error.source = Some(source.into());
        error
    }

    /// The same, naming the call where its message sends the caller to the log: not every way to a caller
    /// has a place for the id beside the message.
    pub(crate) fn under(mut self, call: CallId) -> Self {
        if self.code == ErrorCode::Internal && self.message == INSIDE {
            self.message = format!("{INSIDE} under the call id {call}").into();
        }
        self
    }

    /// The same, with machine-readable details.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    /// The same, of the item of a stream that it is about; the first is 1.
    #[must_use]
    pub(crate) fn in_item(mut self, item: u64) -> Self {
        self.message = format!("item {item}: {}", self.message).into();
        match self.details.as_deref_mut() {
            Some(Value::Object(details)) => drop(details.insert("item".to_owned(), item.into())),
            Some(_) => {}
            None => self.details = Some(Box::new(json!({"item": item}))),
        }
        self
    }

    /// The same, saying that the call may be made again, after `after` if that is known.
    #[must_use]
    pub fn retryable(mut self, after: Option<Duration>) -> Self {
        self.retryable = true;
        self.retry_after = after;
        self
    }

    /// The same, with what it came from, which stays on this side.
    #[must_use]
    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Whether it says that the call was not taken, so that nothing of it was done.
    pub(crate) fn is_not_taken(&self) -> bool {
        matches!(self.code, ErrorCode::Draining | ErrorCode::Overloaded)
    }

    /// The same under another code.
    #[must_use]
    pub(crate) fn recoded(mut self, code: ErrorCode) -> Self {
        self.code = code;
        self
    }

    /// The code as callers see it.
    pub fn code(&self) -> &str {
        self.code.as_str()
    }

    /// The code, to match on.
    pub fn kind(&self) -> &ErrorCode {
        &self.code
    }

    /// What happened, for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What happened, for machines.
    pub fn details(&self) -> Option<&Value> {
        self.details.as_deref()
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.retryable
    }

    /// When it may.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for CapabilityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.message)
    }
}

impl Error for CapabilityError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_cannot_speak_with_the_runtimes_codes() {
        for code in ErrorCode::RUNTIME {
            let error = CapabilityError::refused(code.as_str().to_owned(), "mine");
            assert_eq!(error.kind(), &ErrorCode::Internal, "{code:?}");
        }
        assert_eq!(CapabilityError::refused("No Name", "x").code(), "internal");
        assert_eq!(CapabilityError::refused("no_name", "x").code(), "no_name");
    }

    #[test]
    fn codes_survive_the_wire() {
        for code in ErrorCode::RUNTIME.into_iter().chain([ErrorCode::Service("no_name".into())]) {
            assert_eq!(ErrorCode::from_wire(code.as_str().to_owned()), code);
        }
    }
}
