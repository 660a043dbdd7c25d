//! The limits of a running service, for its operator: `<scope>.get_limits` tells them, `<scope>.set_limits`
//! changes them until the process ends.
//!
//! Only the socket leads here, and only the user of the service and root come as far. Each change and each
//! refusal of one is a line in the log; so many come in at once, as the log surely writes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Either};
use hyper::body::{Body, Incoming};
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout};

use super::{HttpAnswer, discard, json_response, problem};
use crate::capability::{CapabilityError, ErrorCode, json};
use crate::dispatch::{Dispatch, too_large};
use crate::guard::change::shown;
use crate::guard::warrant::LocalUser;
use crate::telemetry::{LINES, WINDOW};

/// The largest request, in bytes: one that names every limit has some hundred.
const MAX_BODY: usize = 16 * 1024;
/// How long it may take to come.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many changes there may be in one [`WINDOW`]: what the log keeps back nobody could look up, and a window
/// of the log meets two of these.
pub(crate) const MOST_CHANGES: u64 = LINES / 2;

/// What is filtered by who wants to see changes, and nothing else.
const AUDIT: &str = "hecate_om::audit";

/// What may be done with limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Get,
    Set,
}

impl Asked {
    /// `<scope>.get_limits/v1` and `<scope>.set_limits/v1`.
    pub(super) fn of(path: &str, scope: &str) -> Option<Self> {
        match path.strip_prefix(scope)?.strip_prefix('.')? {
            "get_limits/v1" => Some(Self::Get),
            "set_limits/v1" => Some(Self::Set),
            _ => None,
        }
    }
}

/// How many changes there were lately.
pub(super) struct Changes(Mutex<(Instant, u64)>);

impl Changes {
    pub(super) fn new() -> Self {
        Self(Mutex::new((Instant::now(), 0)))
    }

    fn take(&self, user: LocalUser) -> Result<(), CapabilityError> {
        let (begun, count) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if begun.elapsed() >= WINDOW {
            (*begun, *count) = (Instant::now(), 0);
        }
        *count += 1;
        if *count <= MOST_CHANGES {
            return Ok(());
        }
        let message = format!("limits are changed {MOST_CHANGES} times in {WINDOW:?}, at most");
        if *count == MOST_CHANGES + 1 {
            tracing::info!(target: AUDIT, uid = user.uid(), error = message, "limits were not changed, nor are they before that time is over");
        }
        let after = WINDOW.saturating_sub(begun.elapsed());
        Err(CapabilityError::new(ErrorCode::RateLimited, message).retryable(Some(after)))
    }
}

/// Answers `user`, who is the service's own or root.
pub(super) async fn answer(
    dispatch: &Dispatch,
    changes: &Changes,
    asked: Asked,
    user: LocalUser,
    body: Incoming,
) -> HttpAnswer {
    let told = match whole(body).await {
        Ok(body) => match asked {
            Asked::Get => json::decode::<()>(&body).map(|()| dispatch.told_limits()),
            Asked::Set => set(dispatch, changes, user, &body),
        },
        Err(error) => Err(error),
    };
    match told {
        Ok(told) => json_response(told.to_string()).map(Either::Left),
        Err(error) => problem::of(&error, None),
    }
}

fn set(dispatch: &Dispatch, changes: &Changes, user: LocalUser, body: &[u8]) -> Result<Value, CapabilityError> {
    changes.take(user)?;
    let uid = user.uid();
    let request = json::decode::<Map<String, Value>>(body).inspect_err(|error| {
        tracing::info!(target: AUDIT, uid, error = error.message(), "limits were not changed");
    })?;
    let changed = dispatch.change_limits(&request).inspect_err(|error| {
        let name = shown(request.get("name").and_then(Value::as_str).unwrap_or_default());
        let version = request.get("version").and_then(Value::as_u64);
        tracing::info!(target: AUDIT, uid, capability = name, capability_version = version, error = error.message(), "limits were not changed");
    })?;
    let (info, from, to) = (changed.capability, changed.from, changed.to);
    tracing::info!(target: AUDIT, uid, capability = info.name, capability_version = info.version, from, to, "limits were changed");
    Ok(changed.told)
}

/// The body of a request, which is small.
async fn whole(mut body: Incoming) -> Result<Bytes, CapabilityError> {
    if body.size_hint().lower() > MAX_BODY as u64 {
        discard(body);
        return Err(too_large(MAX_BODY));
    }
    let mut whole = BytesMut::new();
    let reading = async {
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|error| CapabilityError::invalid_request(format!("the body ended early: {error}")))?;
            let Ok(data) = frame.into_data() else { continue };
            if whole.len() + data.len() > MAX_BODY {
                return Err(too_large(MAX_BODY));
            }
            whole.extend_from_slice(&data);
        }
        Ok(())
    };
    let read = timeout(PATIENCE, reading).await;
    let read = read.unwrap_or_else(|_| Err(CapabilityError::invalid_request("the body did not come")));
    if let Err(error) = read {
        discard(body);
        return Err(error);
    }
    Ok(whole.freeze())
}
