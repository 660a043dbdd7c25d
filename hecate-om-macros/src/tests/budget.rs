//! How much code a capability costs those who compile it.

use std::io::Write;
use std::process::{Command, Stdio};

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::package;

/// At most this much for each capability, its own method and its manifest entry included, its doc text not.
const MAX_LINES: usize = 15;
const MAX_BYTES: usize = 800;

/// A stream is named in full by the method and by the constant, which wrap, and its kind by the table.
const MAX_STREAM_LINES: usize = 17;
const MAX_STREAM_BYTES: usize = 900;

/// What each says; it stands above the method, in the table and in the manifest.
const DOC: &str = "Answers.";

fn size_of(capabilities: usize, request: impl Fn(Ident) -> TokenStream, reply: TokenStream) -> (usize, usize) {
    let methods = (0..capabilities).map(|index| {
        let name = format_ident!("answer_{index:02}");
        let request = request(format_ident!("Request{index:02}"));
        quote! {
            #[doc = #DOC]
            #[capability(version = 1, timeout = "5s")]
            pub async fn #name(&self, request: #request, call: &Call<Self>) -> Result<#reply, Refusal> { todo!() }
        }
    });
    let block: TokenStream = quote!(impl Greeter { #(#methods)* });
    let expansion = crate::service::expand(quote!(name = "hecate-greeter"), block, &package());
    assert!(expansion.diagnostics.is_empty(), "{:?}", expansion.diagnostics.messages());
    let text = formatted(&expansion.tokens.to_string());
    // Indentation costs nobody anything.
    let bytes: usize = text.lines().map(|line| line.trim().len()).sum();
    (text.lines().count(), bytes - 3 * DOC.len() * capabilities)
}

/// The code as the toolchain formats it.
fn formatted(code: &str) -> String {
    let rustfmt = ["--edition", "2024", "--config", "max_width=120,use_small_heuristics=Max"];
    let mut child = Command::new("rustfmt").args(rustfmt).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(code.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

/// What each of many capabilities takes, in lines and bytes.
fn size_of_one(request: impl Fn(Ident) -> TokenStream, reply: TokenStream) -> (usize, usize) {
    let (few, many) = (size_of(10, &request, reply.clone()), size_of(60, &request, reply));
    ((many.0 - few.0).div_ceil(50), (many.1 - few.1).div_ceil(50))
}

#[test]
fn a_capability_stays_small() {
    let (lines, bytes) = size_of_one(|request| quote!(#request), quote!(Reply));
    println!("{lines} lines and {bytes} bytes for each capability");
    assert!(lines <= MAX_LINES, "{lines} lines");
    assert!(bytes <= MAX_BYTES, "{bytes} bytes");
}

#[test]
fn a_stream_stays_small() {
    for (lines, bytes) in [
        size_of_one(|request| quote!(#request), quote!(ReplyStream<Reply>)),
        size_of_one(|request| quote!(RequestStream<#request>), quote!(Reply)),
        size_of_one(|request| quote!(RequestStream<#request>), quote!(ReplyStream<Reply>)),
    ] {
        println!("{lines} lines and {bytes} bytes for each stream");
        assert!(lines <= MAX_STREAM_LINES, "{lines} lines");
        assert!(bytes <= MAX_STREAM_BYTES, "{bytes} bytes");
    }
}
