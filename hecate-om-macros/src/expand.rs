//! Writes the code of a checked service: constants, one table, and shims that call generic functions
//! of the runtime. Small on purpose; a test holds the size.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};

use crate::arguments::TypeName;
use crate::lock;
use crate::manifest::ManifestText;
use crate::model::{
    Access, Callbacks, Capability, Confidential, Handler, HealthCallback, Kind, LIMITS, Limits, Rate, ReplyType,
    Service, Use,
};
use crate::package::TRACKED;
use crate::parse::{Block, is_capability};
use crate::validate::types::first_span;
use syn::{Path, Type};

/// The author's block, and all that makes it a service.
pub(crate) fn service(block: &Block, service: &Service, manifest: &ManifestText) -> TokenStream {
    let private = service.crate_path.private();
    let interface = interface(service, manifest);
    let contract = contract(service);
    let test = contract_test(service);
    let names = attribute_names(block, |_| true);
    quote! {
        #block
        const _: () = {
            use #private as __hecate;
            #names
            #interface
            #contract
        };
        #test
    }
}

/// The paths by which the author wrote `capability`, as attributes: what he imported is used, and an
/// editor knows what it is.
pub(crate) fn attribute_names(block: &Block, is_known: impl Fn(&Path) -> bool) -> TokenStream {
    let mut paths: Vec<&Path> = Vec::new();
    for attribute in block.methods().flat_map(|method| &method.attributes).filter(|attribute| is_capability(attribute))
    {
        if is_known(attribute.path()) && !paths.contains(&attribute.path()) {
            paths.push(attribute.path());
        }
    }
    let taken = Ident::new(TAKEN, Span::call_site());
    quote!(#(#[#paths(#taken)] const _: () = ();)*)
}

/// The argument of a `#[capability]` that a service block took.
pub(crate) const TAKEN: &str = "__taken";

/// What an author may name: constants and the generated callbacks.
fn interface(service: &Service, manifest: &ManifestText) -> TokenStream {
    let self_type = &service.self_type;
    let text = &manifest.text;
    let constants = service.capabilities.iter().map(|capability| {
        let doc = format!(" Calls `{}` version {}.", capability.name, capability.version);
        let deprecated = capability.deprecated.as_ref().map(|why| quote!(#[deprecated = #why]));
        let address = address(&service.name, &capability.name, capability.version);
        let marks = marks(&capability.access, capability.is_idempotent);
        let attributes = quote!(#[doc = #doc] #deprecated);
        constant(&quote!(__hecate), &capability.handler, &address, &marks, &attributes)
    });
    let absent = absent_callbacks(&service.callbacks);
    quote! {
        const MANIFEST: &::core::primitive::str = #text;
        #[allow(dead_code, private_interfaces, clippy::all)]
        impl #self_type {
            #(#constants)*
            /// The `manifest.json` of this service, byte for byte.
            pub const MANIFEST: &'static ::core::primitive::str = MANIFEST;
            /// What this service is.
            pub fn info() -> &'static __hecate::ServiceInfo { &INFO }
            /// What this service offers.
            pub fn capabilities() -> &'static [__hecate::CapabilityInfo] { INFO.capabilities }
            /// What this service asks of its realm.
            pub fn identity_spec() -> &'static __hecate::IdentitySpec { &INFO.identity }
            #absent
        }
    }
}

/// What a typed constant is made of.
pub(crate) fn address(provider: &str, name: &str, version: u16) -> TokenStream {
    let version = Literal::u16_unsuffixed(version);
    quote!(#provider, #name, #version)
}

/// What a typed constant tells callers besides.
pub(crate) fn marks(access: &Access, is_idempotent: bool) -> TokenStream {
    let open = (*access == Access::Open).then(|| quote!(.open()));
    let idempotent = is_idempotent.then(|| quote!(.idempotent()));
    quote!(#open #idempotent)
}

/// The typed constant of a handler in a block with errors.
pub(crate) fn stub_constant(private: &TokenStream, handler: &Handler) -> TokenStream {
    constant(private, handler, &address("", "", 1), &TokenStream::new(), &quote!(#[doc(hidden)]))
}

/// The typed constant of a handler.
fn constant(
    private: &TokenStream,
    handler: &Handler,
    address: &TokenStream,
    marks: &TokenStream,
    attributes: &TokenStream,
) -> TokenStream {
    let Handler { visibility, constant, .. } = handler;
    // What is no `Result` is told there, and once: the same words at the same place are.
    let (at, private) = match &handler.reply {
        ReplyType::Written(_) => (Span::call_site(), private.clone()),
        ReplyType::Behind(result) => (first_span(result), respanned(private.clone(), first_span(result))),
    };
    let request = request_type(handler);
    let reply = reply_type(&private, handler);
    let value = quote_spanned!(at=> #private::Capability::new(#address)#marks);
    quote! {
        #attributes
        #visibility const #constant: #private::Capability<Self, #request, #reply> = #value;
    }
}

fn request_type(handler: &Handler) -> TokenStream {
    handler.request.as_ref().map_or_else(|| quote!(()), ToTokens::to_token_stream)
}

fn reply_type(private: &TokenStream, handler: &Handler) -> TokenStream {
    match &handler.reply {
        ReplyType::Written(reply) => reply.to_token_stream(),
        ReplyType::Behind(result) => quote_spanned!(first_span(result)=> <#result as #private::Answer>::Reply),
    }
}

/// The names of the callbacks that the author left out: taken here, so that one in another block
/// collides with them instead of being passed over in silence. By constants, which hide no method of
/// a trait from `self.stop()`.
fn absent_callbacks(callbacks: &Callbacks) -> TokenStream {
    let names = [
        ("start", callbacks.start.is_some()),
        ("stop", callbacks.stop.is_some()),
        ("health", callbacks.health.is_some()),
    ];
    let absent = names.into_iter().filter(|(_, is_written)| !is_written).map(|(name, _)| {
        let name = Ident::new(name, Span::call_site());
        quote! {
            #[allow(non_upper_case_globals)]
            const #name: () = ();
        }
    });
    absent.collect()
}

/// What the runtime needs: the table, the handlers, the callbacks, and the record in the binary.
fn contract(service: &Service) -> TokenStream {
    let Service { self_type, name, callbacks, .. } = service;
    let (table, settings) = (table(service), settings_type(service.settings.as_ref()));
    let handlers = service.capabilities.iter().map(|capability| shim(&capability.handler));
    let (start, stop, health) = (start(service), stop(callbacks), health(callbacks));
    let tracked = TRACKED.map(|variable| quote!(::core::option_env!(#variable)));
    let (run, kept) = (record("hecate_run", "__DATA,__hecate_run"), record("hecate_om", "__DATA,__hecate_om"));
    let uses = uses(&service.uses, self_type, &quote!(__hecate));
    let lock = service.is_locked.then(lock::tracked);
    let shared = quote!(where for<'a> Self: __hecate::Shared<'a>);
    quote! {
        // Names what the manifest was made of, so that a change of it builds anew.
        const _: &[::core::option::Option<&::core::primitive::str>] = &[#(#tracked),*];
        #lock
        static INFO: __hecate::ServiceInfo = #table;
        #[automatically_derived]
        #[allow(deprecated, unused_imports, unused_qualifications, clippy::all)]
        impl __hecate::Service for #self_type {
            const INFO: &'static __hecate::ServiceInfo = &INFO;
            const SERVICE_NAME: &'static ::core::primitive::str = #name;
            type Settings = #settings;
            fn settings_type() -> __hecate::SettingsType { __hecate::settings::<#settings>() }
            fn describe_handlers(__handlers: &mut __hecate::Handlers<Self>) #shared { #(#handlers)* }
            fn boot(
                __context: __hecate::Context<Self>,
            ) -> __hecate::Callback<'static, ::core::result::Result<Self, __hecate::StartError>> #shared { #start }
            fn shut_down(&self) -> __hecate::Callback<'_, ()> #shared { #stop }
            fn probe(&self) -> __hecate::Callback<'_, __hecate::Health> #shared { #health }
            fn mark_as_run() {
                #run
                static RUN: [::core::primitive::u8; __hecate::record_len(#name)] = __hecate::record(#name);
                __hecate::keep(&RUN);
            }
        }
        #uses
        __hecate::inventory::submit! { __hecate::Registration(&INFO) }
        #[used]
        #kept
        static RECORD: [::core::primitive::u8; __hecate::record_len(MANIFEST)] = __hecate::record(MANIFEST);
    }
}

/// What a service says that it uses, where only types can tell what that is.
pub(crate) fn uses(uses: &[Use], self_type: &Type, private: &TokenStream) -> TokenStream {
    let types = uses.iter().filter_map(|used| match used {
        Use::Service(ty) => Some(ty),
        Use::Capability { .. } => None,
    });
    quote! {
        #(
            #[automatically_derived]
            #[allow(deprecated, unused_qualifications, clippy::all)]
            impl #private::Uses<#types> for #self_type {}
        )*
    }
}

/// The type of a service's own settings.
pub(crate) fn settings_type(settings: Option<&TypeName>) -> TokenStream {
    settings.map_or_else(|| quote!(()), |TypeName(path)| path.to_token_stream())
}

/// Calls `start` by the author's own name, so that what is wrong with it is told there.
fn start(service: &Service) -> TokenStream {
    match &service.callbacks.start {
        Some(name) => {
            let (at, context) = (name.span(), Ident::new("__context", Span::call_site()));
            quote_spanned!(at=> __hecate::start_must_be_send(Self::#name(#context)))
        }
        None => {
            let self_type = &service.self_type;
            quote!(__hecate::started(<#self_type as __hecate::StartsByDefault>::by_default()))
        }
    }
}

fn stop(callbacks: &Callbacks) -> TokenStream {
    match &callbacks.stop {
        Some(name) => quote_spanned!(name.span()=> __hecate::stop_must_be_send(self.#name())),
        None => quote!(__hecate::nothing_to_stop()),
    }
}

fn health(callbacks: &Callbacks) -> TokenStream {
    match &callbacks.health {
        Some(HealthCallback { name, is_async: true }) => {
            quote_spanned!(name.span()=> __hecate::health_must_be_send(self.#name()))
        }
        Some(HealthCallback { name, is_async: false }) => quote!(__hecate::told(self.#name())),
        None => quote!(__hecate::told(__hecate::Health::Ok)),
    }
}

/// The section of a binary in which a record is kept; Mach-O has names of its own.
fn record(elf: &str, apple: &str) -> TokenStream {
    quote! {
        #[cfg_attr(target_vendor = "apple", unsafe(link_section = #apple))]
        #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = #elf))]
    }
}

/// The table. Lists stand in `const` blocks: what is in them has no other place that lasts.
fn table(service: &Service) -> TokenStream {
    let Service { name, version, description, callback_module, scope, health_port, .. } = service;
    let capabilities = service.capabilities.iter().map(|capability| {
        let Capability { name, version, description, timeout_ms, .. } = capability;
        let (version, timeout_ms) = (Literal::u16_unsuffixed(*version), Literal::u64_unsuffixed(*timeout_ms));
        let parts = [
            kind(capability.handler.kind()).map(|kind| quote!(.kind(#kind))),
            access(&capability.access).map(|access| quote!(.access(#access))),
            (capability.limits != LIMITS).then(|| limits(&capability.limits)),
            confidential(capability.confidential).map(|confidential| quote!(.confidential(#confidential))),
            capability.is_idempotent.then(|| quote!(.idempotent())),
            capability.is_cancelled_on_disconnect.then(|| quote!(.cancel_on_disconnect())),
            capability.deprecated.as_ref().map(|why| quote!(.deprecated(#why))),
        ];
        let parts = parts.iter().flatten();
        quote!(__hecate::CapabilityInfo::new(#name, #version, #description, #timeout_ms)#(#parts)*)
    });
    let crate::model::Identity { actions, resources, ttl_days } = &service.identity;
    let uses = uses_table(&service.uses);
    let crate::model::Volumes { secrets, state } = &service.volumes;
    quote! {
        __hecate::ServiceInfo::new(
            #name, #version, #description, #callback_module,
            ::core::concat!(::core::file!(), ":", ::core::line!()),
            const { &[#(#capabilities),*] },
            __hecate::IdentitySpec::new(#scope, &[#(#actions),*], &[#(#resources),*], #ttl_days),
            #health_port, MANIFEST,
        ).volumes(#secrets, #state)#uses
    }
}

/// Who may call, where it is not the realm.
fn access(access: &Access) -> Option<TokenStream> {
    match access {
        Access::Open => Some(quote!(__hecate::Access::Open)),
        Access::Realm => None,
        Access::Issuer(node) => {
            let bytes = Literal::byte_string(node);
            Some(quote!(__hecate::Access::Issuer(__hecate::NodeId::from_bytes(*#bytes))))
        }
    }
}

/// The shape of a call, where it is a stream.
fn kind(kind: Kind) -> Option<TokenStream> {
    match kind {
        Kind::Unary => None,
        Kind::ServerStream => Some(quote!(__hecate::Kind::ServerStream)),
        Kind::ClientStream => Some(quote!(__hecate::Kind::ClientStream)),
        Kind::Bidi => Some(quote!(__hecate::Kind::Bidi)),
    }
}

fn limits(limits: &Limits) -> TokenStream {
    let number = Literal::u32_unsuffixed;
    let rate = |rate: Rate| {
        let (calls, period_ms) = (number(rate.calls), number(rate.period_ms));
        quote!((#calls, #period_ms))
    };
    let (payload, reply, concurrency) = (number(limits.payload), number(limits.reply), number(limits.concurrency));
    let (per_caller, total) = (rate(limits.per_caller), rate(limits.total));
    quote!(.limits(__hecate::Limits::new(#payload, #reply, #concurrency, #per_caller, #total)))
}

/// How confidential calls are, where that is not as far as can be.
fn confidential(confidential: Confidential) -> Option<TokenStream> {
    match confidential {
        Confidential::Off => Some(quote!(__hecate::Confidential::Off)),
        Confidential::Preferred => None,
        Confidential::Required => Some(quote!(__hecate::Confidential::Required)),
    }
}

fn uses_table(uses: &[Use]) -> Option<TokenStream> {
    let uses = uses.iter().map(|used| match used {
        Use::Service(ty) => quote!(__hecate::Use::Service {
            name: <#ty as __hecate::Provider>::NAME,
            closed: <#ty as __hecate::Provider>::CLOSED,
        }),
        Use::Capability { reference, version } => {
            let (reference, version) = (reference.to_string(), Literal::u16_unsuffixed(*version));
            quote!(__hecate::Use::Capability { reference: #reference, version: #version })
        }
    });
    (uses.len() > 0).then(|| quote!(.uses(const { &[#(#uses),*] })))
}

/// Hands one handler to the runtime. Its errors point at the method's name and at the author's types.
fn shim(handler: &Handler) -> TokenStream {
    let at = handler.method.span();
    let Handler { method, request, call, .. } = handler;
    let name = |name: &str| Ident::new(name, Span::call_site());
    let (handlers, service, value) = (name("__handlers"), name("__service"), name("__request"));
    let called = name("__call");
    let value_pattern = request.as_ref().map_or_else(|| quote!(_), |_| quote!(#value));
    let call_pattern = call.as_ref().map_or_else(|| quote!(_), |_| quote!(#called));
    let given = [
        request.as_ref().map(|_| quote!(#value)),
        call.as_ref().map(|ty| {
            let at = first_span(ty);
            let called = Ident::new("__call", called.span().located_at(at));
            quote_spanned!(at=> &#called)
        }),
    ];
    let given = given.iter().flatten();
    let answer = quote_spanned!(at=> #service.#method(#(#given),*).await);
    let inferred = quote_spanned!(handler.returns_at=> _);
    let (reply, answer) = match &handler.reply {
        ReplyType::Written(reply) => (reply.to_token_stream(), answer),
        ReplyType::Behind(_) => (
            inferred.clone(),
            quote_spanned!(at=> { use __hecate::NoResult as _; __hecate::Returned(#answer).into_result() }),
        ),
    };
    let refusal = handler.refusal.as_ref().map_or(inferred, ToTokens::to_token_stream);
    let request = handler.request_item().map_or_else(|| request_type(handler), ToTokens::to_token_stream);
    let reply = handler.reply_item().map_or(reply, ToTokens::to_token_stream);
    let types = quote!(#request, #reply, #refusal);
    let run = quote_spanned!(at=> |#service, #call_pattern, #value_pattern| async move { #answer });
    match handler.kind() {
        Kind::Unary => quote_spanned!(at=> __hecate::handler::<_, #types, _>(#handlers, #run);),
        Kind::ServerStream => quote_spanned!(at=> __hecate::Handlers::server_stream::<#types, _, _>(#handlers, #run);),
        Kind::ClientStream => quote_spanned!(at=> __hecate::Handlers::client_stream::<#types, _, _>(#handlers, #run);),
        Kind::Bidi => quote_spanned!(at=> __hecate::Handlers::bidi::<#types, _, _>(#handlers, #run);),
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
        fn #name() { #private::check_contract::<#self_type>(::core::option_env!("CARGO_MANIFEST_DIR")); }
    }
}

/// Tokens that are found at another place.
fn respanned(tokens: TokenStream, at: Span) -> TokenStream {
    let respanned = tokens.into_iter().map(|mut token| {
        token.set_span(at);
        token
    });
    respanned.collect()
}
