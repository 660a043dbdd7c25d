//! Contracts for the tests of this module.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Contract;
use crate::capability::{
    CapabilityError, CapabilityInfo, HandlerContract, Kind, Refusal, RefusalCode, Reply, Request, json,
};
use crate::service::{IdentitySpec, ServiceInfo};

#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Order {
    id: u64,
    lines: Vec<Line>,
    note: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, Label>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Line {
    article: String,
    price: Amount<Cents>,
    parts: Vec<Line>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Amount<T> {
    value: T,
    unit: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Cents(u32);

#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) enum Label {
    Plain,
    Colored { red: u8, green: u8, blue: u8 },
    Linked(Box<Label>),
}

/// Read without its `notes`, written with them.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Placed {
    order: Order,
    #[serde(default)]
    notes: Vec<String>,
}

pub(super) enum OrderRefusal {}

impl Refusal for OrderRefusal {
    fn into_error(self) -> CapabilityError {
        match self {}
    }

    fn codes() -> Vec<RefusalCode> {
        vec![RefusalCode { code: "sold_out", message: "Nothing is left." }]
    }
}

pub(super) fn handler<R: Request, T: Reply, E: Refusal>() -> HandlerContract {
    HandlerContract { request: json::schema::<R>, reply: json::schema::<T>, refusals: E::codes }
}

/// A service with version 1 of each capability.
pub(super) fn contract(capabilities: Vec<(&'static str, HandlerContract)>) -> Contract {
    let (names, handlers): (Vec<_>, Vec<_>) = capabilities.into_iter().unzip();
    let info = |name| CapabilityInfo::new(name, 1, "Does what it is called.", 30_000);
    Contract::new(service(names.into_iter().map(info).collect()), &handlers)
}

/// A service with much to describe.
pub(super) fn shop() -> Contract {
    let order = "Places an order.\n\nIt is sent tomorrow.";
    let capabilities = vec![
        CapabilityInfo::new("shop.order", 2, order, 30_000),
        CapabilityInfo::new("shop.ping", 1, "Does nothing.", 30_000).deprecated("health is served elsewhere"),
    ];
    let handlers = [handler::<Order, Placed, OrderRefusal>(), handler::<(), (), CapabilityError>()];
    Contract::new(service(capabilities), &handlers)
}

/// A service with a capability of each kind that streams.
pub(super) fn streams() -> Contract {
    let capabilities = vec![
        CapabilityInfo::new("shop.watch", 1, "Tells what is ordered.", 30_000).kind(Kind::ServerStream),
        CapabilityInfo::new("shop.bulk", 1, "Places many orders.", 30_000).kind(Kind::ClientStream),
        CapabilityInfo::new("shop.haggle", 1, "Goes on and on.", 30_000).kind(Kind::Bidi),
    ];
    let handlers = [(); 3].map(|()| handler::<Order, Placed, OrderRefusal>());
    Contract::new(service(capabilities), &handlers)
}

pub(super) fn service(capabilities: Vec<CapabilityInfo>) -> &'static ServiceInfo {
    Box::leak(Box::new(ServiceInfo::new(
        "hecate-shop",
        "1.2.3",
        "Sells things.",
        "shop::Shop",
        "src/shop.rs:1",
        capabilities.leak(),
        IdentitySpec::new("shop", &[], &["shop/*"], 30),
        8470,
        "",
    )))
}
