//! By which path generated code reaches the runtime crate.

use darling::FromMeta;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::spanned::Spanned;
use syn::{Expr, Meta, Path};

use crate::diagnostics::{Diagnostics, Rule};

/// The absolute path of the runtime crate, `::hecate_om` unless the author says otherwise.
#[derive(Clone)]
pub(crate) struct CratePath(TokenStream);

impl Default for CratePath {
    fn default() -> Self {
        Self(quote!(::hecate_om))
    }
}

impl CratePath {
    /// The module that generated code names.
    pub(crate) fn private(&self) -> TokenStream {
        let Self(root) = self;
        quote!(#root::__private)
    }

    /// The names of the path, without the colons.
    pub(crate) fn segments(&self) -> Vec<String> {
        let path = syn::parse2::<Path>(self.0.clone());
        path.iter().flat_map(|path| &path.segments).map(|segment| segment.ident.to_string()).collect()
    }

    /// The path of the crate itself.
    pub(crate) fn root(&self) -> &TokenStream {
        &self.0
    }
}

/// `crate = ::path`, as written.
#[derive(Clone)]
pub(crate) struct RawCratePath(Path);

impl FromMeta for RawCratePath {
    fn from_meta(item: &Meta) -> darling::Result<Self> {
        if let Meta::NameValue(pair) = item
            && let Expr::Path(path) = crate::arguments::ungrouped(&pair.value)
            && path.qself.is_none()
        {
            return Ok(Self(path.path.clone()));
        }
        let place = match item {
            Meta::NameValue(pair) => pair.value.span(),
            other => other.span(),
        };
        let message = "`crate` takes a path\nhelp: write `crate = ::hecate_om`";
        Err(darling::Error::custom(message).with_span(&place))
    }
}

impl RawCratePath {
    pub(crate) fn new(path: Path) -> Self {
        Self(path)
    }

    /// The path, if it means the same wherever the generated code stands.
    pub(crate) fn validate(&self, diagnostics: &mut Diagnostics) -> CratePath {
        let Self(path) = self;
        let in_crate = path.segments.first().is_some_and(|first| first.ident == "crate");
        if path.leading_colon.is_none() && !in_crate {
            let text = path.to_token_stream().to_string().replace(' ', "");
            let what = format!("`crate = {text}` must be an absolute path");
            let module = text.trim_start_matches("self::").trim_start_matches("super::");
            let help =
                format!("write `crate = ::{module}` for a crate, `crate = crate::{module}` for a module of this one");
            diagnostics.error(Rule::AbsoluteCrate, path, what, help);
        }
        CratePath(path.to_token_stream())
    }
}
