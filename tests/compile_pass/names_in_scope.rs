//! What a user calls his own things is no matter to generated code.

#![deny(warnings)]
#![allow(dead_code, non_camel_case_types, unused_imports, unused_macros)]

use hecate_om as om;
use hecate_om::{Refusal, capability, hecate_service, message};

mod core {}
mod std {}
mod alloc {}
mod serde {}
mod schemars {}
mod inventory {}
mod hecate_om_macros {}

struct Service;
struct Context;
struct Call;
struct Health;
struct String;
struct Option;
struct Some;
struct None;
struct Ok;
struct Err;
struct Box;
struct Vec;
struct Result;
struct Default;
struct Send;
struct Sync;
struct Self_;
struct CapabilityError;
struct ServiceInfo;
struct INFO;
struct MANIFEST;
struct RECORD;
struct RUN;

fn drop() {}
fn handler() {}

macro_rules! concat {
    () => {};
}
macro_rules! file {
    () => {};
}
macro_rules! line {
    () => {};
}
macro_rules! option_env {
    () => {};
}

#[message]
struct Request {
    text: ::std::string::String,
    service: ::core::option::Option<::core::primitive::bool>,
    call: ::core::primitive::usize,
    request: (),
}

#[derive(Refusal)]
enum Refused {
    /// No.
    No { code: ::core::primitive::u8, message: (), details: (), error: () },
    /// Ok.
    Ok,
    #[refusal(transparent)]
    Call(::hecate_om::CallError),
}

#[derive(::core::default::Default)]
struct Handlers;

/// Shadows all that it can.
#[hecate_service(name = "hecate-shadow")]
impl Handlers {
    /// With a pattern that shadows.
    #[capability(version = 1)]
    async fn handlers(&self, request: Request, call: &om::Call<Self>) -> ::core::result::Result<Request, Refused> {
        let _ = call.id();
        ::core::result::Result::Ok(request)
    }

    fn unary(&self) {}
    fn boot() {}
    fn probe(&self) {}
    fn shut_down(&self) {}
    fn describe_handlers() {}
    fn mark_as_run() {}
}

fn main() {
    let _ = Handlers::HANDLERS;
    let _ = om::run::<Handlers>;
}
