//! A service that says back what it is told, and looks whether it got it as it was sent.

use std::sync::Arc;

use crate::capability::{
    Access, Call, CapabilityError, CapabilityInfo, HandlerContract, Handlers, Input, Kind, Output, ReplyStream,
    RequestStream,
};
use crate::client::Calls;
use crate::config::SettingsType;
use crate::config::mesh::{CryptoProfile, Realm};
use crate::dispatch::{Dispatch, Origin};
use crate::guard::access::Standing;
use crate::node_id::NodeId;
use crate::service::{Blueprint, IdentitySpec, ServiceInfo};

use super::messages::{Everything, Open, survives};

pub(super) struct Lab;

/// Who grants tokens for `lab.few`.
const ISSUER: NodeId = NodeId::from_bytes([3; 32]);

static CAPABILITIES: [CapabilityInfo; 7] = [
    CapabilityInfo::new("lab.take", 1, "Takes everything.", 30_000),
    CapabilityInfo::new("lab.take", 2, "Takes what it knows and what it does not.", 30_000),
    CapabilityInfo::new("lab.unit", 1, "Takes nothing.", 30_000),
    CapabilityInfo::new("lab.few", 1, "Is for few.", 30_000).access(Access::Issuer(ISSUER)),
    CapabilityInfo::new("lab.refuse", 65_535, "Refuses.", 30_000),
    CapabilityInfo::new("lab.each", 1, "Sends back what it gets.", 30_000).kind(Kind::Bidi),
    CapabilityInfo::new("lab.last", 1, "Takes many.", 30_000).kind(Kind::ClientStream),
];

static INFO: ServiceInfo = {
    let identity = IdentitySpec::new("lab", &[], &[], 30);
    ServiceInfo::new("hecate-lab", "1.0.0", "Lab.", "lab::Lab", "lab.rs:1", &CAPABILITIES, identity, 8470, "{}")
};

thread_local! {
    /// One for each thread: tests run at once, and each looks whether a call of its own is left over.
    static DISPATCH: Arc<Dispatch> = answering();
}

pub(super) fn dispatch() -> Arc<Dispatch> {
    DISPATCH.with(Arc::clone)
}

fn answering() -> Arc<Dispatch> {
    let dispatch = Dispatch::new(&INFO);
    dispatch.open(handlers().bind(&Arc::new(Lab), &Calls::none_of(&INFO)));
    let realm = Realm { id: [1; 32], name: Some("hecate.local".to_owned()), key: vec![7; 2592] };
    dispatch.stand(Standing { org: "lab".to_owned(), realm: Some(realm), profile: CryptoProfile::PqPure });
    dispatch
}

pub(super) fn blueprint() -> Blueprint {
    Blueprint {
        info: &INFO,
        settings: SettingsType::of::<()>(),
        contracts,
        start: |_| Box::pin(std::future::pending()),
    }
}

fn contracts() -> Vec<HandlerContract> {
    handlers().contracts()
}

fn handlers() -> Handlers<Lab> {
    let mut handlers = Handlers::<Lab>::new();
    handlers.unary(async |_lab, call: Call<Lab>, request: Everything| {
        is_told_well(&call);
        survives(&request);
        Ok::<_, CapabilityError>(request)
    });
    handlers.unary(async |_lab, _call: Call<Lab>, request: Open| {
        survives(&request);
        Ok::<_, CapabilityError>(request)
    });
    handlers.unary(async |_lab, _call: Call<Lab>, (): ()| Ok::<_, CapabilityError>(()));
    handlers.unary(async |_lab, _call: Call<Lab>, (): ()| Ok::<_, CapabilityError>(()));
    handlers.unary(async |_lab, _call: Call<Lab>, request: Open| {
        let details = serde_json::to_value(request).unwrap_or_default();
        Err::<(), _>(CapabilityError::refused("no", "no").with_details(details))
    });
    handlers.bidi(async |_lab, _call: Call<Lab>, requests: RequestStream<Open>| {
        Ok::<_, CapabilityError>(ReplyStream::new(requests))
    });
    handlers.client_stream(async |_lab, _call: Call<Lab>, mut requests: RequestStream<Open>| {
        let mut last = None;
        while let Some(request) = requests.next().await {
            let request = request?;
            survives(&request);
            last = Some(request);
        }
        last.ok_or_else(|| CapabilityError::refused("none", "none"))
    });
    handlers
}

/// What a handler learns of its call makes sense whatever its caller said.
fn is_told_well(call: &Call<Lab>) {
    assert!(call.hops() <= 16, "{}", call.hops());
    let parent = call.trace().traceparent();
    assert!(parent.len() == 55 && parent.starts_with("00-"), "{parent}");
    assert!(call.trace().tracestate().is_none_or(|state| state.len() <= 512));
}

/// Makes a call as it comes from the mesh, with its request in the form of the mesh.
pub(crate) async fn call(path: &str, origin: Origin, input: Input) -> Result<Output, CapabilityError> {
    let dispatch = dispatch();
    let slot = dispatch.find(path).unwrap();
    dispatch.admit(slot, origin, None)?.answer(input)?.await
}

/// No call is left over, and none panicked.
pub(crate) fn is_at_rest() {
    let dispatch = dispatch();
    assert_eq!(dispatch.in_flight(), 0, "a call is left over");
    assert_eq!(dispatch.panics(), 0, "a handler panicked");
}
