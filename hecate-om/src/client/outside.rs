//! Calls that no service makes: at one service of this box, or over a mesh that was joined for them. Nothing is
//! declared by whoever makes them, and what they carry has no type.

use std::path::Path;
use std::sync::Arc;

use super::calling::Plan;
use super::calls::Delivered;
use super::local::Headers;
use super::open::{Open, Opened, Received, Sending};
use super::{CallError, Calls, flow};
use crate::capability::{CapabilityError, Item, Kind, Output};

/// Calls the service at `socket`, and no other; that of the org of the plan alone if `is_org_meant`.
pub(crate) async fn open_at(
    socket: &Path,
    plan: Plan,
    is_org_meant: bool,
    kind: Kind,
    sending: Sending,
) -> Result<Opened, CallError> {
    let Plan { address, cause, timeout, token, .. } = plan;
    let mut open = Open::begin(&address, kind, sending, &cause, timeout, token);
    let token = open.token.clone();
    let headers = Headers {
        org: is_org_meant.then_some(&address.org),
        realm: None,
        hops: cause.hops,
        trace: &cause.trace,
        deadline: open.patience.and_then(|patience| open.begun.checked_add(patience)),
        token: token.as_deref(),
    };
    match flow::open(socket, &headers, &mut open).await {
        Some(opened) => opened,
        None => Err(CallError::NotReached {
            capability: address.to_string(),
            attempts: std::mem::take(&mut open.trail).ended(),
        }),
    }
}

/// Brings a call of any kind to its provider.
pub(crate) async fn bring(calls: &Arc<Calls>, plan: Plan, kind: Kind, sending: Sending) -> Result<Opened, CallError> {
    let mut request = match sending {
        Sending::One(request) if kind == Kind::Unary => request,
        sending => return calls.open(plan, kind, sending).await,
    };
    let Delivered { reply, via, provider, trail } = calls.carry(plan, &mut *request).await?;
    let item = match reply {
        Output::Json(body) => Item::Json(body),
        #[cfg(feature = "macula")]
        Output::Value(value) => Item::Value(value),
        Output::Items(_) => {
            return Err(CallError::Reply(CapabilityError::internal("one reply was expected, and a stream came")));
        }
    };
    Ok(Opened { received: Received::One(item), via, provider, trail })
}
