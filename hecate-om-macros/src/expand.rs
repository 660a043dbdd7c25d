//! Writes the code of a checked service: constants, one table, and shims that call generic functions
//! of the runtime. Small on purpose; a test holds the size.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Type;

use crate::manifest::ManifestText;
use crate::model::{Capability, Handler, HealthCallback, ReplyType, Service};
use crate::package::TRACKED;
use crate::parse::Block;

/// The author's block, and all that makes it a service.
pub(crate) fn service(block: &Block, service: &Service, manifest: &ManifestText) -> TokenStream {
    let private = service.crate_path.private();
    let interface = interface(service, manifest);
    let contract = contract(service);
    let test = contract_test(service);
    quote! {
        #block
        const _: () = {
            use #private as __hecate;
            #interface
            #contract
        };
        #test
    }
}

/// What an author may name: constants and the generated callbacks.
fn interface(service: &Service, manifest: &ManifestText) -> TokenStream {
    let self_type = &service.self_type;
    let text = &manifest.text;
    let constants = service.capabilities.iter().map(|capability| {
        let doc = format!(" Calls `{}` version {}.", capability.name, capability.version);
        let deprecated = capability.deprecated.as_ref().map(|why| quote!(#[deprecated = #why]));
        let (name, version) = (&capability.name, capability.version);
        constant(&quote!(__hecate), &capability.handler, name, version, &quote!(#[doc = #doc] #deprecated))
    });
    let absent = absent_callbacks(service);
    quote! {
        #[allow(dead_code, private_interfaces, clippy::all)]
        impl #self_type {
            #(#constants)*
            /// The `manifest.json` of this service, byte for byte.
            pub const MANIFEST: &'static ::core::primitive::str = #text;
            /// What this service is.
            pub fn info() -> &'static __hecate::ServiceInfo { <Self as __hecate::Service>::INFO }
            /// What this service offers.
            pub fn capabilities() -> &'static [__hecate::CapabilityInfo] { Self::info().capabilities }
            /// What this service asks of its realm.
            pub fn identity_spec() -> &'static __hecate::IdentitySpec { &Self::info().identity }
            #absent
        }
    }
}

/// The typed constant of a handler.
pub(crate) fn constant(
    private: &TokenStream,
    handler: &Handler,
    name: &str,
    version: u16,
    attributes: &TokenStream,
) -> TokenStream {
    let Handler { visibility, constant, .. } = handler;
    let request = request_type(handler);
    let reply = reply_type(private, handler);
    let version = Literal::u16_unsuffixed(version);
    quote! {
        #attributes
        #visibility const #constant: #private::Capability<Self, #request, #reply> = #private::Capability::new(#name, #version);
    }
}

fn request_type(handler: &Handler) -> TokenStream {
    handler.request.as_ref().map_or_else(|| quote!(()), ToTokens::to_token_stream)
}

fn reply_type(private: &TokenStream, handler: &Handler) -> TokenStream {
    match &handler.reply {
        ReplyType::Written(reply) => reply.to_token_stream(),
        ReplyType::Behind(result) => quote!(<#result as #private::Answer>::Reply),
    }
}

/// The callbacks that the author left out: written here, so that one in another block collides with
/// them instead of being passed over in silence.
fn absent_callbacks(service: &Service) -> TokenStream {
    let at = first_span(&service.self_type);
    let callbacks = &service.callbacks;
    let start = callbacks.start.is_none().then(|| {
        let start = Ident::new("start", at);
        let default = quote_spanned!(at=> <Self as ::core::default::Default>::default());
        quote! {
            async fn #start(_: __hecate::Context<Self>) -> ::core::result::Result<Self, __hecate::StartError> {
                ::core::result::Result::Ok(#default)
            }
        }
    });
    let stop = callbacks.stop.is_none().then(|| {
        let stop = Ident::new("stop", at);
        quote!(async fn #stop(&self) {})
    });
    let health = callbacks.health.is_none().then(|| {
        let health = Ident::new("health", at);
        quote!(fn #health(&self) -> __hecate::Health { __hecate::Health::Ok })
    });
    quote!(#start #stop #health)
}

fn first_span(tokens: impl ToTokens) -> Span {
    tokens.into_token_stream().into_iter().next().map_or_else(Span::call_site, |token| token.span())
}

/// What the runtime needs: the table, the handlers, the callbacks, and the record in the binary.
fn contract(service: &Service) -> TokenStream {
    let self_type = &service.self_type;
    let table = table(service);
    let handlers = service.capabilities.iter().map(|capability| shim(&capability.handler));
    let name = &service.name;
    // By the author's own names, so that a wrong type is told there.
    let at =
        |written: &Option<Ident>, name: &str| written.clone().unwrap_or_else(|| Ident::new(name, Span::call_site()));
    let (start, stop) = (at(&service.callbacks.start, "start"), at(&service.callbacks.stop, "stop"));
    let health = match &service.callbacks.health {
        Some(HealthCallback { name, is_async: true }) => quote!(self.#name().await),
        Some(HealthCallback { name, is_async: false }) => quote!(self.#name()),
        None => quote!(self.health()),
    };
    let tracked = TRACKED.map(|variable| quote!(::core::option_env!(#variable)));
    let (run, kept) = (record("hecate_run", "__DATA,__hecate_run"), record("hecate_om", "__DATA,__hecate_om"));
    quote! {
        // Names what the manifest was made of, so that a change of it builds anew.
        const _: &[::core::option::Option<&::core::primitive::str>] = &[#(#tracked),*];
        static INFO: __hecate::ServiceInfo = #table;
        #[automatically_derived]
        impl __hecate::Service for #self_type {
            const INFO: &'static __hecate::ServiceInfo = &INFO;
            fn describe_handlers(__handlers: &mut __hecate::Handlers<Self>) { #(#handlers)* }
            async fn boot(__context: __hecate::Context<Self>) -> ::core::result::Result<Self, __hecate::StartError> {
                __hecate::started(Self::#start(__context).await)
            }
            async fn shut_down(&self) { self.#stop().await }
            async fn probe(&self) -> __hecate::Health { #health }
            fn mark_as_run() {
                #run
                static RUN: [::core::primitive::u8; __hecate::record_len(#name)] = __hecate::record(#name);
                __hecate::keep(&RUN);
            }
        }
        __hecate::inventory::submit! { __hecate::Registration(&INFO) }
        #[used]
        #kept
        static MANIFEST: [::core::primitive::u8; __hecate::record_len(<#self_type>::MANIFEST)] =
            __hecate::record(<#self_type>::MANIFEST);
    }
}

/// The section of a binary in which a record is kept; Mach-O has names of its own.
fn record(elf: &str, apple: &str) -> TokenStream {
    quote! {
        #[cfg_attr(target_vendor = "apple", unsafe(link_section = #apple))]
        #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = #elf))]
    }
}

fn table(service: &Service) -> TokenStream {
    let Service { name, version, description, callback_module, scope, health_port, self_type, .. } = service;
    let capabilities = service.capabilities.iter().map(|capability| {
        let Capability { name, version, description, timeout_ms, .. } = capability;
        let (version, timeout_ms) = (Literal::u16_unsuffixed(*version), Literal::u64_unsuffixed(*timeout_ms));
        let deprecated = capability.deprecated.as_ref().map(|why| quote!(.deprecated(#why)));
        quote!(__hecate::CapabilityInfo::new(#name, #version, #description, #timeout_ms)#deprecated)
    });
    let (actions, resources, ttl_days) = (service.actions(), service.resources(), crate::model::TTL_DAYS);
    quote! {
        __hecate::ServiceInfo::new(
            #name, #version, #description, #callback_module,
            ::core::concat!(::core::file!(), ":", ::core::line!()),
            &[#(#capabilities),*],
            __hecate::IdentitySpec::new(#scope, &[#(#actions),*], &[#(#resources),*], #ttl_days),
            #health_port, <#self_type>::MANIFEST,
        )
    }
}

/// Hands one handler to the runtime. Its errors point at the method's name and at the author's types.
fn shim(handler: &Handler) -> TokenStream {
    let at = handler.method.span().resolved_at(Span::mixed_site());
    let method = &handler.method;
    let request = request_type(handler);
    let reply = reply_type(&quote!(__hecate), handler);
    let [service, call, value] = ["service", "call", "request"].map(|name| format_ident!("{name}", span = at));
    let pattern = |taken: bool, name: &Ident| if taken { quote!(#name) } else { quote!(_) };
    let (call_pattern, value_pattern) =
        (pattern(handler.takes_call, &call), pattern(handler.request.is_some(), &value));
    let given = [handler.request.is_some().then(|| quote!(#value)), handler.takes_call.then(|| quote!(&#call))];
    let given = given.iter().flatten();
    let handlers = Ident::new("__handlers", Span::call_site());
    quote_spanned! {at=>
        #handlers.unary::<#request, #reply, _, _, _>(|#service, #call_pattern, #value_pattern| async move {
            #service.#method(#(#given),*).await
        });
    }
}

/// A test in the author's crate that walks what only a running program knows.
fn contract_test(service: &Service) -> TokenStream {
    let private = service.crate_path.private();
    let self_type = &service.self_type;
    let name = format_ident!("{}_keeps_its_contract", service.name.replace('-', "_"));
    quote! {
        #[cfg(test)]
        #[allow(unnameable_test_items)]
        #[::core::prelude::v1::test]
        fn #name() { #private::check_contract::<#self_type>(); }
    }
}

/// The type of a block, for what is written beside it.
pub(crate) fn implements(
    private: &TokenStream,
    generics: &syn::Generics,
    self_type: &Type,
    body: &TokenStream,
) -> TokenStream {
    let (parameters, _, _) = generics.split_for_impl();
    let clauses = generics.where_clause.as_ref().map(|clause| &clause.predicates).into_iter().flatten();
    quote! {
        impl #parameters #private::Service for #self_type
        where Self: ::core::marker::Send + ::core::marker::Sync + 'static, #(#clauses),*
        { #body }
    }
}
