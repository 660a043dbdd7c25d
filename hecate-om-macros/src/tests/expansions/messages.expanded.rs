#[allow(unused_imports)]
use ::core::convert::{From as _, Into as _};
#[derive(
    ::hecate_om::__private::serde::Serialize,
    ::hecate_om::__private::serde::Deserialize,
    ::hecate_om::__private::schemars::JsonSchema
)]
#[serde(crate = "::hecate_om::__private::serde")]
#[schemars(crate = "::hecate_om::__private::schemars")]
/// Whom to greet.
pub struct Greet {
    name: String,
}
#[allow(unused_imports)]
use ::core::convert::{From as _, Into as _};
#[derive(
    ::hecate_om::__private::serde::Deserialize,
    ::hecate_om::__private::schemars::JsonSchema
)]
#[serde(crate = "::hecate_om::__private::serde", deny_unknown_fields)]
#[schemars(crate = "::hecate_om::__private::schemars")]
/// How to greet.
struct GreeterSettings {
    /// What is said.
    greeting: String,
}
#[derive(Debug, Refusal)]
pub enum GreetRefusal {
    /// Nobody to greet.
    NoName,
    /// The name is too long.
    TooLong { limit: usize, found: usize },
    #[refusal(transparent)]
    Call(CallError),
}
#[automatically_derived]
impl ::hecate_om::__private::Refusal for GreetRefusal {
    fn into_error(self) -> ::hecate_om::__private::CapabilityError {
        match self {
            Self::NoName => {
                ::hecate_om::__private::refuse("no_name", "Nobody to greet.", [])
            }
            Self::TooLong { limit: __limit, found: __found } => {
                ::hecate_om::__private::refuse(
                    "too_long",
                    "The name is too long.",
                    [
                        ("limit", ::hecate_om::__private::detail(&__limit)),
                        ("found", ::hecate_om::__private::detail(&__found)),
                    ],
                )
            }
            Self::Call(inner) => {
                <CallError as ::hecate_om::__private::Refusal>::into_error(inner)
            }
        }
    }
    fn codes() -> ::std::vec::Vec<::hecate_om::__private::RefusalCode> {
        let mut __codes = ::std::vec::Vec::new();
        __codes
            .push(::hecate_om::__private::RefusalCode {
                code: "no_name",
                message: "Nobody to greet.",
            });
        __codes
            .push(::hecate_om::__private::RefusalCode {
                code: "too_long",
                message: "The name is too long.",
            });
        ::core::iter::Extend::extend(
            &mut __codes,
            <CallError as ::hecate_om::__private::Refusal>::codes(),
        );
        __codes
    }
}
#[automatically_derived]
impl ::core::convert::From<CallError> for GreetRefusal {
    fn from(inner: CallError) -> Self {
        Self::Call(inner)
    }
}
