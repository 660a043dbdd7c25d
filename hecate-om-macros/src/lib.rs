//! The procedural macros of `hecate-om`; their documentation stands at its re-exports.
//!
//! Each macro is a plain function from tokens to tokens, in stages that are modules:
//! `parse` reads what the author wrote, `model` holds it, `validate` turns it into what holds
//! or into diagnostics, `expand` writes the code. `build_output` leaves the manifest beside it, and `lock` holds it to
//! what was promised before.

mod arguments;
mod build_output;
mod crate_path;
mod derived;
mod diagnostics;
mod docs;
mod expand;
mod json;
mod lock;
mod manifest;
mod message;
mod model;
mod names;
mod package;
mod parse;
mod reference;
mod refusal;
mod remote;
mod service;
mod settings;
mod stub;
mod validate;

use proc_macro::TokenStream;

use crate::build_output::BuildOutput;
use crate::package::Package;

/// See `hecate_om::hecate_service`.
#[proc_macro_attribute]
pub fn hecate_service(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let expansion = service::expand(arguments.into(), item.into(), &Package::from_cargo());
    if let (Some(manifest), Some(output)) = (&expansion.manifest, BuildOutput::of_this_build()) {
        output.write(manifest);
    }
    expansion.into_tokens().into()
}

/// See `hecate_om::capability`.
#[proc_macro_attribute]
pub fn capability(arguments: TokenStream, item: TokenStream) -> TokenStream {
    service::lone_capability(arguments.into(), item.into()).into_tokens().into()
}

/// Takes the place of `capability` where that is told already.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn told_capability(_: TokenStream, item: TokenStream) -> TokenStream {
    item
}

/// See `hecate_om::message`.
#[proc_macro_attribute]
pub fn message(arguments: TokenStream, item: TokenStream) -> TokenStream {
    message::expand(arguments.into(), item.into()).into_tokens().into()
}

/// See `hecate_om::settings`.
#[proc_macro_attribute]
pub fn settings(arguments: TokenStream, item: TokenStream) -> TokenStream {
    settings::expand(arguments.into(), item.into()).into_tokens().into()
}

/// See `hecate_om::Refusal`.
#[proc_macro_derive(Refusal, attributes(refusal))]
pub fn refusal(item: TokenStream) -> TokenStream {
    refusal::expand(item.into()).into_tokens().into()
}

/// See `hecate_om::remote_service`.
#[proc_macro]
pub fn remote_service(tokens: TokenStream) -> TokenStream {
    remote::expand(tokens.into()).into_tokens().into()
}

#[cfg(test)]
mod tests;
