//! A library that denies all it can, and has no prelude.

#![no_implicit_prelude]
#![forbid(unsafe_code)]
#![deny(
    warnings,
    missing_docs,
    missing_debug_implementations,
    nonstandard_style,
    rust_2018_idioms,
    rust_2021_compatibility,
    rust_2024_compatibility,
    future_incompatible,
    let_underscore,
    refining_impl_trait,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unnameable_types,
    unreachable_pub,
    unused,
    unused_lifetimes,
    unused_qualifications,
    clippy::all,
    clippy::cargo_common_metadata,
    clippy::nursery,
    clippy::pedantic,
    clippy::absolute_paths,
    clippy::allow_attributes_without_reason,
    clippy::as_conversions,
    clippy::default_numeric_fallback,
    clippy::exhaustive_structs,
    clippy::expect_used,
    clippy::impl_trait_in_params,
    clippy::indexing_slicing,
    clippy::min_ident_chars,
    clippy::missing_docs_in_private_items,
    clippy::module_name_repetitions,
    clippy::multiple_inherent_impl,
    clippy::panic,
    clippy::pattern_type_mismatch,
    clippy::same_name_method,
    clippy::shadow_reuse,
    clippy::shadow_same,
    clippy::shadow_unrelated,
    clippy::unreachable,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm
)]
#![allow(
    clippy::absolute_paths,
    clippy::allow_attributes_without_reason,
    clippy::unused_async,
    clippy::cargo_common_metadata,
    reason = "of this file's own code, not of what it is made into"
)]

use ::hecate_om::{
    Call, Context, Health, Refusal, StartError, capability, hecate_service, message, remote_service, settings,
};
use ::std::fmt::Debug;
use ::std::primitive::{bool, u64};
use ::std::result::Result::{self, Err, Ok};
use ::std::string::String;

/// Whom to greet.
#[message]
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Greet {
    /// The name.
    pub name: String,
    /// How it is said.
    pub tone: Tone,
}

/// How a greeting is said.
#[message]
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Tone {
    /// Quietly.
    Soft,
    /// So that all hear it.
    Loud {
        /// How loud.
        level: u64,
    },
}

/// Why a greeting is refused.
#[derive(Refusal, Debug)]
#[non_exhaustive]
pub enum GreetRefusal {
    /// Nobody to greet.
    NoName,
    /// The name is too long.
    TooLong {
        /// The longest.
        limit: u64,
    },
    /// What another capability refused.
    #[refusal(transparent)]
    Call(::hecate_om::CallError),
}

/// How people are greeted.
#[settings]
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GreeterSettings {
    /// Whether anybody is.
    pub ready: bool,
    /// What is said.
    pub greeting: ::std::option::Option<String>,
}

/// Greets people.
#[derive(Debug)]
#[non_exhaustive]
pub struct Greeter {
    /// Whether it is ready.
    ready: bool,
}

/// Greets people by name.
#[hecate_service(
    name = "hecate-greeter",
    access = issuer("0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"),
    settings = GreeterSettings,
    uses(Parrot, Rag, "acme/rag.query" = 1),
    identity(ttl_days = 7)
)]
impl Greeter {
    /// Starts.
    async fn start(context: Context<Self>) -> Result<Self, StartError> {
        Ok(Self { ready: context.settings().ready })
    }

    /// Tells whether it has started.
    async fn health(&self) -> Health {
        if self.ready { Health::Ok } else { Health::down("asleep") }
    }

    /// Greets one person.
    ///
    /// # Errors
    /// When there is nobody.
    #[capability(version = 1)]
    pub async fn greet(&self, request: Greet, call: &Call<Self>) -> Result<Greet, GreetRefusal> {
        if request.name.is_empty() {
            return Err(GreetRefusal::NoName);
        }
        if call.time_left().is_zero() { Err(GreetRefusal::TooLong { limit: 1 }) } else { Ok(request) }
    }

    /// Greets without a word.
    ///
    /// # Errors
    /// Never.
    #[capability(version = 1, access = open, idempotent, deprecated = "nobody sees it")]
    pub async fn nod(&self) -> Nod {
        Ok(())
    }
}

/// What a nod answers.
type Nod = Result<(), GreetRefusal>;

remote_service! {
    /// Answers questions.
    pub Rag in "hecate-rag" {
        /// Asks.
        QUERY: "rag.query" = 1, Greet -> Greet, access = open, idempotent;
        ASK: "rag.ask" = 2, () -> ();
    }
}

remote_service!(pub Undocumented in "hecate-undocumented" { ASK: "asked.ask" = 2, () -> () });

/// Greets by itself, starting and stopping as it is.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Parrot;

/// Says it again.
#[hecate_service(name = "hecate-parrot")]
impl Parrot {
    /// Says it.
    #[capability(version = 1)]
    async fn say(&self, request: Greet) -> Result<Greet, GreetRefusal> {
        Ok(request)
    }
}
