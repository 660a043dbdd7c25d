//! What stands in for a service whose block has errors: enough for the rest of the crate to be
//! checked and completed as if it were whole, so that no second, false error follows the first.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Generics, Ident, Type};

use crate::crate_path::CratePath;
use crate::expand;
use crate::model::Handler;
use crate::parse::Block;

/// A contract that nothing obeys; its crate does not compile anyway.
pub(crate) struct Stub {
    private: TokenStream,
    generics: Generics,
    self_type: TokenStream,
    handlers: Vec<Handler>,
}

impl Stub {
    pub(crate) fn of_block(block: &Block, crate_path: &CratePath, handlers: Vec<Handler>) -> Self {
        let mut unique: Vec<Handler> = Vec::new();
        for handler in handlers {
            if unique.iter().all(|other| other.constant != handler.constant) {
                unique.push(handler);
            }
        }
        Self {
            private: crate_path.private(),
            generics: block.generics.clone(),
            self_type: block.self_type.to_token_stream(),
            handlers: unique,
        }
    }

    pub(crate) fn of_type(name: &Ident, generics: &Generics, crate_path: &CratePath) -> Self {
        let (_, arguments, _) = generics.split_for_impl();
        Self {
            private: crate_path.private(),
            generics: generics.clone(),
            self_type: quote!(#name #arguments),
            handlers: Vec::new(),
        }
    }
}

impl ToTokens for Stub {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { private, generics, self_type, handlers } = self;
        let Ok(ty) = syn::parse2::<Type>(self_type.clone()) else { return };
        let body = quote! {
            const INFO: &'static #private::ServiceInfo = &#private::ServiceInfo::new(
                "", "", "", "", "", &[], #private::IdentitySpec::new("", &[], &[], 1), 1, "",
            );
            fn describe_handlers(_: &mut #private::Handlers<Self>) {}
            async fn boot(_: #private::Context<Self>) -> ::core::result::Result<Self, #private::StartError> {
                ::core::future::pending().await
            }
            async fn shut_down(&self) {}
            async fn probe(&self) -> #private::Health { #private::Health::Ok }
            fn mark_as_run() {}
        };
        let contract = expand::implements(private, generics, &ty, &body);
        let constants =
            handlers.iter().map(|handler| expand::constant(private, handler, "", 1, &quote!(#[doc(hidden)])));
        let (parameters, _, clauses) = generics.split_for_impl();
        tokens.extend(quote! {
            #[allow(dead_code, private_interfaces)]
            impl #parameters #ty #clauses {
                #(#constants)*
                #[doc(hidden)]
                pub const MANIFEST: &'static ::core::primitive::str = "";
                #[doc(hidden)]
                pub fn info() -> &'static #private::ServiceInfo { <Self as #private::Service>::INFO }
                #[doc(hidden)]
                pub fn capabilities() -> &'static [#private::CapabilityInfo] { &[] }
                #[doc(hidden)]
                pub fn identity_spec() -> &'static #private::IdentitySpec { &Self::info().identity }
            }
            #[automatically_derived]
            #contract
        });
    }
}
