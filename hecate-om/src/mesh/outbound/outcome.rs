//! What came of a call: answered, not run, or nobody knows. Whoever makes a call twice needs to know
//! which, so each error of the SDK has its place here, and a new one does not compile without one.

use macula_rust::frame::FrameError;
use macula_rust::pool::PoolError;
use macula_rust::station_link::{ConfidentialityReason, LinkError};

use super::wire::WireError;
use crate::capability::{CapabilityError, ErrorCode, RETRY_AFTER};
use crate::mesh::link::NoLink;
use crate::mesh::metadata;
use crate::mesh::value::Value;

/// What came of a call.
#[derive(Debug)]
pub(super) enum Outcome {
    Reply(Value),
    /// The provider answered that it does not do it.
    Refused(CapabilityError),
    /// The provider does not do it for whoever shows no right token; nothing ran.
    Unauthorized,
    /// Nothing ran; another provider may do it.
    NotRun(Cause),
    /// It cannot be sent to anybody.
    Unsendable(String),
    /// Nothing can be sent at all.
    NoLink(Vec<String>),
    /// No answer came in time. It may have run.
    TimedOut,
    /// It may have run.
    Unknown(String),
}

/// Why a call was not run.
#[derive(Debug)]
pub(super) enum Cause {
    /// The provider is not where its advertisement says.
    Gone(String),
    /// It is there, and takes nothing now.
    Busy(CapabilityError),
    /// It was not reached, or did not take the call as it was.
    Other(String),
}

impl Outcome {
    pub(super) fn of(result: Result<Value, WireError>) -> Self {
        match result {
            Ok(reply) => Self::of_reply(reply),
            Err(WireError::NoLink(NoLink(causes))) => Self::NoLink(causes),
            Err(WireError::Pool(error)) => Self::of_pool(error),
            Err(WireError::Broken(why)) => Self::Unknown(format!("the SDK failed: {why}")),
        }
    }

    fn of_reply(mut reply: Value) -> Self {
        match metadata::take_refusal(&mut reply) {
            None => Self::Reply(reply),
            Some(error) => Self::of_refusal(error),
        }
    }

    /// What a provider refused with in band.
    pub(super) fn of_refusal(error: CapabilityError) -> Self {
        if error.is_not_taken() { Self::NotRun(Cause::Busy(error)) } else { Self::Refused(error) }
    }

    fn of_pool(error: PoolError) -> Self {
        match error {
            PoolError::Link(error) => Self::of_link(error),
            PoolError::NoLink(causes) => Self::NoLink(causes.iter().map(ToString::to_string).collect()),
            PoolError::Closed => Self::NoLink(vec!["the links are closed".to_owned()]),
            PoolError::NoRealmKey => {
                Self::NoLink(vec!["no key of the realm is known; help: set HECATE_REALM_KEY".to_owned()])
            }
            // It resolves the one provider that it is given.
            PoolError::NoProvider(tried) => match tried.into_iter().next_back() {
                None => Self::NotRun(Cause::Gone("it is not advertised any more".to_owned())),
                Some((_, error)) => Self::NotRun(Cause::Other(format!("its station was not reached: {error}"))),
            },
            PoolError::NoStationEndpoint(_) => Self::NotRun(Cause::Other("its station tells no address".to_owned())),
            PoolError::DirectLinksFull => {
                Self::NotRun(Cause::Other("there are as many links to other stations as there may be".to_owned()))
            }
            PoolError::StationNotReached { cause, .. } => {
                let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
                Self::NotRun(Cause::Other(format!("its station was not reached{cause}")))
            }
            PoolError::Confidentiality(error) => Self::of_seal(error.reason, &error.to_string()),
            // What a call has no part in.
            error @ (PoolError::NoSeeds
            | PoolError::SeedNotPinned(_)
            | PoolError::TooManySeeds { .. }
            | PoolError::RealmTrustInvalid(_)
            | PoolError::InvalidOpts(_)
            | PoolError::NotServed(_)
            | PoolError::NotShared
            | PoolError::ContentUnavailable(_)
            | PoolError::ContentMismatch(_)
            | PoolError::ContentTooLarge(_)
            | PoolError::ContentReply(_)
            | PoolError::GroupHeld(_)) => Self::Unknown(error.to_string()),
        }
    }

    fn of_link(error: LinkError) -> Self {
        match error {
            LinkError::Provider { code, detail, .. } => Self::of_provider(&code, detail.as_deref()),
            // The station could not hand the call over: it never came to the provider.
            LinkError::Relay { code, .. } if code == "overloaded" => {
                let error = CapabilityError::new(ErrorCode::Overloaded, "the station has no room for the call");
                Self::NotRun(Cause::Busy(error.retryable(Some(RETRY_AFTER))))
            }
            LinkError::Relay { code, .. } => {
                Self::NotRun(Cause::Gone(format!("the station does not reach it: {code}")))
            }
            LinkError::Stream { code, relay: true, .. } => {
                Self::of_link(LinkError::Relay { reported_by: [0; 32], code })
            }
            LinkError::Stream { code, message, .. } => Self::of_stream(&code, &message),
            LinkError::CallTimeout => Self::TimedOut,
            LinkError::SealedRefused { .. } => {
                Self::NotRun(Cause::Other("it could not open the sealed request".to_owned()))
            }
            LinkError::Confidentiality(error) => Self::of_seal(error.reason, &error.to_string()),
            // What this side cannot write.
            LinkError::Frame(FrameError::Payload(what) | FrameError::BreaksDecodingRule(what)) => {
                Self::Unsendable(what)
            }
            LinkError::Frame(FrameError::TextTooLong(what)) => Self::Unsendable(format!("{what} is too long")),
            LinkError::StreamOpenTooLarge(bytes) => Self::Unsendable(format!(
                "with its token the request has {bytes} bytes, and a stream is opened with 1 MiB"
            )),
            LinkError::Frame(FrameError::ProofsOutOfBound) => Self::Unsendable("too many proofs".to_owned()),
            // A link that ends takes its calls with it, sent or not.
            error @ (LinkError::Io(_)
            | LinkError::Frame(_)
            | LinkError::FrameTooLarge(_)
            | LinkError::StatusExpired
            | LinkError::BindingExpired
            | LinkError::Closed
            | LinkError::Goodbye(_)
            | LinkError::LivenessLost
            | LinkError::IdleTimeout
            | LinkError::ClosedByStation(_)
            | LinkError::ClearAnswerToSealed) => Self::Unknown(format!("the link ended: {error}")),
            // No link came up: there was nothing to send it on.
            error @ (LinkError::InvalidConfig(_)
            | LinkError::Dial(_)
            | LinkError::Handshake(_)
            | LinkError::HandshakeTimeout
            | LinkError::Issuer(_)) => Self::NotRun(Cause::Other(error.to_string())),
            // From looking up who provides it, which comes before a call.
            error @ (LinkError::Record(_)
            | LinkError::RecordNotFound
            | LinkError::ReplyVersionUnsupported
            | LinkError::UnexpectedReply(_)) => Self::NotRun(Cause::Other(error.to_string())),
            // What a call has no part in.
            error @ (LinkError::RecordRefused(_)
            | LinkError::InvalidOffer
            | LinkError::NoOrg
            | LinkError::AlreadyServed
            | LinkError::KemAdvertiseDisabled
            | LinkError::Stopped
            | LinkError::RegisterRefused { .. }
            | LinkError::RegisterUnacknowledged(_)
            | LinkError::EndOfStream
            | LinkError::StreamClosed
            | LinkError::SealedFramesExhausted) => Self::Unknown(error.to_string()),
        }
    }

    fn of_seal(reason: ConfidentialityReason, what: &str) -> Self {
        match reason {
            ConfidentialityReason::NoKemKey
            | ConfidentialityReason::KeyMismatch
            | ConfidentialityReason::NoSignedState => Self::NotRun(Cause::Other(what.to_owned())),
            ConfidentialityReason::ReplyNotOpened => Self::Unknown(what.to_owned()),
        }
    }

    /// What a provider ended a stream with.
    fn of_stream(code: &str, message: &str) -> Self {
        match code {
            // Its handler failed with a text.
            "error" => Self::of_provider("handler_error", Some(message)),
            "not_found" => Self::of_provider("unknown_next_peer", None),
            "mode_mismatch" => {
                Self::NotRun(Cause::Other("there it is of another kind: other things of it are streams".to_owned()))
            }
            "too_many_sessions" => {
                let error = CapabilityError::new(ErrorCode::Overloaded, "the provider has as many streams as it may");
                Self::NotRun(Cause::Busy(error.retryable(Some(RETRY_AFTER))))
            }
            "resource_exhausted" | "malformed_frame" => Self::Unknown(format!("the stream was ended: {code}")),
            code => Self::of_provider(code, Some(message)),
        }
    }

    /// What a provider answered: its runtime with a code of the SDK, or its handler with a text.
    fn of_provider(code: &str, detail: Option<&str>) -> Self {
        // An exception without words is told as an empty one.
        let detail = detail.filter(|detail| !detail.trim().is_empty());
        let busy = |what: &'static str| {
            let error = CapabilityError::new(ErrorCode::Overloaded, what);
            Self::NotRun(Cause::Busy(error.retryable(Some(RETRY_AFTER))))
        };
        match code {
            "handler_error" => match detail {
                // Its runtime ended the handler; this side's clock is as good.
                Some("the request's deadline passed") => Self::TimedOut,
                detail => Self::Refused(spoken(detail.unwrap_or("the provider does not say why"))),
            },
            "unauthorized" => Self::Unauthorized,
            "unknown_next_peer" => Self::NotRun(Cause::Gone("it does not serve this any more".to_owned())),
            "caller_quota" => busy("the provider keeps as many calls of this node as it may"),
            "share_full" | "admission_full" => busy("the provider keeps as many calls as it may"),
            "expired" | "not_yet_valid" => {
                Self::NotRun(Cause::Other(format!("its clock differs from this one: {code}; help: set both by NTP")))
            }
            "sealed_required" => Self::NotRun(Cause::Other(
                "it takes nothing that is not sealed, and tells no key to seal to".to_owned(),
            )),
            "sealed_refused" => Self::NotRun(Cause::Other("it could not open what was sealed".to_owned())),
            // It ran, and what came of it cannot be told.
            "temporary_relay_failure" => Self::Refused(internal("the handler of the provider failed")),
            "payload_too_large" => Self::Refused(internal("the reply is larger than the mesh carries")),
            "unknown_error" => Self::Refused(internal("the mesh cannot carry the reply")),
            "unavailable" | "request_copy" | "request_id_reused" | "reply_not_kept" => {
                Self::Unknown(format!("the provider has no answer: {code}"))
            }
            other => {
                let message = detail.unwrap_or("the provider does not say why").to_owned();
                Self::Refused(CapabilityError::new(ErrorCode::from_wire(other.to_owned()), message))
            }
        }
    }
}

fn internal(what: &'static str) -> CapabilityError {
    CapabilityError::new(ErrorCode::Internal, what)
}

/// A refusal in plain text: `<code>: <message>`, else all of it is message.
fn spoken(text: &str) -> CapabilityError {
    let is_code = |code: &str| {
        let first = code.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        first
            && code.len() <= 64
            && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let (code, message) = match text.split_once(": ") {
        Some((code, message)) if is_code(code) => (code, message),
        _ => ("handler_error", text),
    };
    let error = CapabilityError::new(ErrorCode::from_wire(code.to_owned()), message.to_owned());
    let passes = matches!(error.kind(), ErrorCode::Overloaded | ErrorCode::Draining | ErrorCode::Unavailable);
    if passes { error.retryable(Some(RETRY_AFTER)) } else { error }
}

#[cfg(test)]
mod tests {
    use macula_rust::pool::Provider;
    use macula_rust::station_link::ConfidentialityError;

    use super::*;

    /// `answered`, `not run` or `uncertain`: what may be made again without being asked is only the second.
    fn class(error: PoolError) -> &'static str {
        match Outcome::of(Err(WireError::Pool(error))) {
            Outcome::Reply(_) | Outcome::Refused(_) | Outcome::Unauthorized => "answered",
            Outcome::NotRun(_) | Outcome::Unsendable(_) | Outcome::NoLink(_) => "not run",
            Outcome::TimedOut | Outcome::Unknown(_) => "uncertain",
        }
    }

    fn provider(code: &str, detail: Option<&str>) -> PoolError {
        PoolError::Link(LinkError::Provider {
            responded_by: [1; 32],
            code: code.to_owned(),
            detail: detail.map(str::to_owned),
        })
    }

    fn relay(code: &str) -> PoolError {
        PoolError::Link(LinkError::Relay { reported_by: [1; 32], code: code.to_owned() })
    }

    #[test]
    fn only_what_provably_did_not_run_counts_as_not_run() {
        let sealed = |reason| PoolError::Confidentiality(ConfidentialityError::new(reason));
        let peer = Provider { node: [1; 32], station: [2; 32] };
        let not_run = [
            PoolError::NoLink(Vec::new()),
            PoolError::Closed,
            PoolError::NoRealmKey,
            PoolError::NoProvider(Vec::new()),
            PoolError::NoProvider(vec![(peer, PoolError::Link(LinkError::CallTimeout))]),
            PoolError::NoStationEndpoint(None),
            PoolError::DirectLinksFull,
            PoolError::StationNotReached { station: [1; 32], cause: None },
            sealed(ConfidentialityReason::NoKemKey),
            sealed(ConfidentialityReason::KeyMismatch),
            sealed(ConfidentialityReason::NoSignedState),
            relay("unknown_next_peer"),
            relay("overloaded"),
            PoolError::Link(LinkError::SealedRefused { named: None }),
            PoolError::Link(LinkError::Frame(FrameError::Payload("x".to_owned()))),
            PoolError::Link(LinkError::Dial("x".to_owned())),
            PoolError::Link(LinkError::HandshakeTimeout),
            PoolError::Link(LinkError::RecordNotFound),
            provider("unknown_next_peer", None),
            provider("caller_quota", None),
            provider("share_full", None),
            provider("admission_full", None),
            provider("expired", None),
            provider("not_yet_valid", None),
            provider("sealed_required", None),
            provider("sealed_refused", None),
        ];
        for error in not_run {
            let told = format!("{error:?}");
            assert_eq!(class(error), "not run", "{told}");
        }
        let uncertain = [
            PoolError::Link(LinkError::CallTimeout),
            PoolError::Link(LinkError::Io("x".to_owned())),
            PoolError::Link(LinkError::Frame(FrameError::Malformed)),
            PoolError::Link(LinkError::Frame(FrameError::SignatureInvalid)),
            PoolError::Link(LinkError::FrameTooLarge(1)),
            PoolError::Link(LinkError::StatusExpired),
            PoolError::Link(LinkError::BindingExpired),
            PoolError::Link(LinkError::Closed),
            PoolError::Link(LinkError::Goodbye("x".to_owned())),
            PoolError::Link(LinkError::LivenessLost),
            PoolError::Link(LinkError::IdleTimeout),
            PoolError::Link(LinkError::ClosedByStation("x".to_owned())),
            PoolError::Link(LinkError::ClearAnswerToSealed),
            PoolError::Link(LinkError::Stopped),
            PoolError::NotShared,
            sealed(ConfidentialityReason::ReplyNotOpened),
            provider("handler_error", Some("the request's deadline passed")),
            provider("request_copy", None),
            provider("reply_not_kept", None),
            provider("unavailable", None),
        ];
        for error in uncertain {
            let told = format!("{error:?}");
            assert_eq!(class(error), "uncertain", "{told}");
        }
        let answered = [
            provider("handler_error", Some("no_name: nobody")),
            provider("handler_error", None),
            provider("unauthorized", None),
            provider("temporary_relay_failure", None),
            provider("payload_too_large", None),
            provider("unknown_error", None),
            provider("something_new", Some("why")),
        ];
        for error in answered {
            let told = format!("{error:?}");
            assert_eq!(class(error), "answered", "{told}");
        }
    }

    #[test]
    fn what_a_provider_says_in_text_is_a_refusal_again() {
        let refused = |detail: &str| match Outcome::of(Err(WireError::Pool(provider("handler_error", Some(detail))))) {
            Outcome::Refused(error) => (error.code().to_owned(), error.message().to_owned(), error.is_retryable()),
            other => panic!("{other:?}"),
        };
        let said = |code: &str, message: &str, retryable| (code.to_owned(), message.to_owned(), retryable);
        assert_eq!(refused("no_name: nobody: to greet"), said("no_name", "nobody: to greet", false));
        assert_eq!(refused("unavailable: later"), said("unavailable", "later", true));
        assert_eq!(refused("ValueError: bad"), said("handler_error", "ValueError: bad", false));
        assert_eq!(refused("what a day"), said("handler_error", "what a day", false));
        assert_eq!(refused(": x"), said("handler_error", ": x", false));
        assert_eq!(refused(" "), said("handler_error", "the provider does not say why", false));
        let long = format!("{}: x", "a".repeat(65));
        assert_eq!(refused(&long).0, "handler_error");
    }
}
