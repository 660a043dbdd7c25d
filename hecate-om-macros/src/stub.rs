//! What stands in for a service whose block has errors: enough for the rest of the crate to be
//! checked and completed as if it were whole, so that no second, false error follows the first.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::{GenericParam, Generics, Ident, Type};

use crate::arguments::TypeName;
use crate::crate_path::CratePath;
use crate::expand;
use crate::model::Handler;
use crate::parse::Block;
use crate::validate::types::{ungrouped_type, with_static_lifetimes};

/// A contract that nothing obeys; its crate does not compile anyway.
pub(crate) struct Stub {
    private: TokenStream,
    generics: Generics,
    self_type: TokenStream,
    settings: TokenStream,
    handlers: Vec<Handler>,
    /// What the author wrote, and must not be written again.
    taken: Vec<Ident>,
}

impl Stub {
    /// None for a type that no block can make a service of.
    pub(crate) fn of_block(
        block: &Block,
        crate_path: &CratePath,
        settings: Option<&TypeName>,
        handlers: Vec<Handler>,
    ) -> Option<Self> {
        if !matches!(ungrouped_type(&block.self_type), Type::Path(_)) {
            return None;
        }
        let mut taken: Vec<Ident> = block.methods().map(|method| method.signature.ident.clone()).collect();
        taken.extend(block.constants().cloned());
        let mut unique: Vec<Handler> = Vec::new();
        for handler in handlers {
            let is_new = unique.iter().all(|other| other.constant != handler.constant);
            if is_new && !taken.contains(&handler.constant) {
                unique.push(handler);
            }
        }
        taken.extend(unique.iter().map(|handler| handler.constant.clone()));
        let self_type = block.self_type.to_token_stream();
        let settings = expand::settings_type(settings);
        Some(Self { settings, handlers: unique, taken, ..Self::of(self_type, &block.generics, crate_path) })
    }

    pub(crate) fn of_type(name: &Ident, generics: &Generics, crate_path: &CratePath) -> Self {
        let (_, arguments, _) = generics.split_for_impl();
        Self::of(quote!(#name #arguments), generics, crate_path)
    }

    fn of(self_type: TokenStream, generics: &Generics, crate_path: &CratePath) -> Self {
        Self {
            private: crate_path.private(),
            generics: without_lifetimes(generics),
            self_type: with_static_lifetimes(self_type),
            settings: expand::settings_type(None),
            handlers: Vec::new(),
            taken: Vec::new(),
        }
    }

    /// An item, unless the author wrote one of that name.
    fn item(&self, name: &str, item: TokenStream) -> TokenStream {
        if self.taken.iter().any(|taken| taken == name) { TokenStream::new() } else { item }
    }
}

/// Parameters without lifetimes: a contract has none, and whatever borrows is told already.
fn without_lifetimes(generics: &Generics) -> Generics {
    let mut generics = generics.clone();
    let kept = generics.params.iter().filter(|parameter| !matches!(parameter, GenericParam::Lifetime(_)));
    let parameters = with_static_lifetimes(quote!(#(#kept),*));
    let clause = with_static_lifetimes(generics.where_clause.to_token_stream());
    generics.where_clause = syn::parse2(clause).unwrap_or_default();
    match syn::parse2::<Generics>(quote!(<#parameters>)) {
        Ok(parsed) => Generics { where_clause: generics.where_clause, ..parsed },
        Err(_) => generics,
    }
}

impl ToTokens for Stub {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { private, generics, self_type, settings, handlers, .. } = self;
        let (parameters, _, clauses) = generics.split_for_impl();
        let predicates = generics.where_clause.iter().flat_map(|clause| &clause.predicates);
        let constants = handlers.iter().map(|handler| expand::stub_constant(private, handler));
        let manifest = self.item(
            "MANIFEST",
            quote!(
                #[doc(hidden)]
                pub const MANIFEST: &'static ::core::primitive::str = "";
            ),
        );
        let generated = [
            ("info", quote!(#private::ServiceInfo), quote!(&#private::NO_SERVICE)),
            ("capabilities", quote!([#private::CapabilityInfo]), quote!(#private::NO_SERVICE.capabilities)),
            ("identity_spec", quote!(#private::IdentitySpec), quote!(&#private::NO_SERVICE.identity)),
        ]
        .map(|(name, ty, value)| {
            let ident = format_ident!("{name}");
            self.item(name, quote!(#[doc(hidden)] pub fn #ident() -> &'static #ty { #value }))
        });
        tokens.extend(quote! {
            #[allow(dead_code, private_interfaces)]
            impl #parameters #self_type #clauses {
                #(#constants)*
                #manifest
                #(#generated)*
            }
            #[automatically_derived]
            impl #parameters #private::Service for #self_type
            where for<'a> Self: #private::Shared<'a>, #(#predicates),*
            {
                const INFO: &'static #private::ServiceInfo = &#private::NO_SERVICE;
                const SERVICE_NAME: &'static ::core::primitive::str = "";
                type Settings = #settings;
                fn settings_type() -> #private::SettingsType { ::core::unreachable!() }
                fn describe_handlers(_: &mut #private::Handlers<Self>) {}
                fn boot(
                    _: #private::Context<Self>,
                ) -> #private::Callback<'static, ::core::result::Result<Self, #private::StartError>> {
                    ::core::unreachable!()
                }
                fn shut_down(&self) -> #private::Callback<'_, ()> { ::core::unreachable!() }
                fn probe(&self) -> #private::Callback<'_, #private::Health> { ::core::unreachable!() }
                fn mark_as_run() {}
            }
        });
    }
}
