//! Half-typed code: whatever a block becomes, the macros say something and panic never.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::quote;

use super::package;
use crate::diagnostics::Expansion;
use crate::parse::Block;
use crate::{message, refusal, remote, service, settings};

/// One change to a stream of tokens, at any depth.
#[derive(Clone, Copy)]
enum Change {
    Delete,
    Double,
    SwapWithNext,
}

fn count(tokens: &TokenStream) -> usize {
    let inner = |token: TokenTree| match token {
        TokenTree::Group(group) => 1 + count(&group.stream()),
        _ => 1,
    };
    tokens.clone().into_iter().map(inner).sum()
}

/// The stream with the token at `place` changed; places count through groups.
fn changed(tokens: &TokenStream, place: &mut usize, change: Change) -> TokenStream {
    let mut trees: Vec<TokenTree> = tokens.clone().into_iter().collect();
    for index in 0..trees.len() {
        if *place == 0 {
            match change {
                Change::Delete => drop(trees.remove(index)),
                Change::Double => trees.insert(index, trees[index].clone()),
                Change::SwapWithNext if index + 1 < trees.len() => trees.swap(index, index + 1),
                Change::SwapWithNext => {}
            }
            *place = usize::MAX;
            break;
        }
        *place -= 1;
        if let TokenTree::Group(group) = &trees[index] {
            let within = count(&group.stream());
            if *place < within {
                trees[index] = Group::new(group.delimiter(), changed(&group.stream(), place, change)).into();
                break;
            }
            *place -= within;
        }
    }
    trees.into_iter().collect()
}

/// All streams that are one change away.
fn neighbours(tokens: &TokenStream) -> impl Iterator<Item = TokenStream> {
    [Change::Delete, Change::Double, Change::SwapWithNext]
        .into_iter()
        .flat_map(move |change| (0..count(tokens)).map(move |mut place| changed(tokens, &mut place, change)))
}

/// Pseudo-random numbers, the same ones each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }
}

/// Streams that are up to six changes away.
fn strangers(tokens: &TokenStream, number: usize) -> Vec<TokenStream> {
    let mut dice = Dice(7);
    let stranger = |_| {
        let mut tokens = tokens.clone();
        for _ in 0..=dice.below(6) {
            let change = [Change::Delete, Change::Double, Change::SwapWithNext][dice.below(3)];
            tokens = changed(&tokens, &mut dice.below(count(&tokens)), change);
        }
        tokens
    };
    (0..number).map(stranger).collect()
}

fn has_name(tokens: &TokenStream, name: &str) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Group(group) => has_name(&group.stream(), name),
        TokenTree::Ident(ident) => ident == name,
        _ => false,
    })
}

fn assert_keeps_methods(block: &TokenStream, expansion: Expansion) {
    let Ok(parsed) = syn::parse2::<Block>(block.clone()) else { return };
    // Of a type that has no name nothing is left, or rustc would tell of it once more.
    if !matches!(crate::validate::types::ungrouped_type(&parsed.self_type), syn::Type::Path(_)) {
        return;
    }
    let messages = expansion.diagnostics.messages();
    let tokens = expansion.tokens;
    for method in parsed.methods() {
        let name = method.signature.ident.to_string();
        assert!(has_name(&tokens, &name), "`{name}` is lost of {block}: {messages:?}");
    }
}

fn block() -> TokenStream {
    quote! {
        /// Greets people.
        impl Greeter {
            const STEP: u64 = 2;
            async fn start(context: Context<Self>) -> Result<Self, StartError> { Ok(Self { context }) }
            async fn stop(&self) {}
            fn health(&self) -> Health { Health::Ok }
            /// Greets one person.
            #[capability(name = "greeter.greet", version = 1, access = open, timeout = "5s", idempotent, deprecated = "why")]
            pub(crate) async fn greet(&self, request: Greet, call: &Call<Self>) -> Result<Vec<&'a str>, Refusal> { todo!() }
            #[cfg_attr(unix, capability(version = 2))]
            async fn wave<T>(self: Arc<Self>, (a, b): (u8, Box<dyn Any>)) -> io::Result<Option<T>> where T: Send { todo!() }
            /// Adds numbers.
            #[capability(
                version = 1, limits(payload = "64KiB", reply = "1MiB", concurrency = 8, per_caller = "6/1m", total = "6/1s"),
                confidential = required, cancel_on_disconnect
            )]
            async fn sum(&self, mut numbers: RequestStream<Number>) -> Result<om::ReplyStream<Sum>> { todo!() }
            helper!(now);
        }
    }
}

fn arguments() -> TokenStream {
    quote! {
        name = "hecate-greeter", version = "1.0.0", scope = "greeter", depends_on = ["a", "b"],
        ports(health = 8470), volumes(secrets = "/a", state = "/b"), access = issuer("ab"), uses(Echo, other::Rag, "acme/rag.query" = 1),
        identity(actions = ["answer:greeter.greet@1"], resources = ["greeter/*"], ttl_days = 30), crate = ::hecate_om
    }
}

#[test]
fn a_mutated_block_keeps_its_methods() {
    let (block, arguments) = (block(), arguments());
    for mutated in neighbours(&block).chain(strangers(&block, 1500)) {
        let expansion = service::expand(arguments.clone(), mutated.clone(), &package());
        assert_keeps_methods(&mutated, expansion);
    }
}

#[test]
fn mutated_arguments_leave_the_block_alone() {
    let (block, arguments) = (block(), arguments());
    for mutated in neighbours(&arguments).chain(strangers(&arguments, 300)) {
        assert_keeps_methods(&block, service::expand(mutated, block.clone(), &package()));
    }
}

#[test]
fn a_mutated_remote_service_is_written_or_told() {
    let tokens = quote! {
        crate = ::om,
        /// Answers questions.
        pub(crate) Rag in "hecate-rag" {
            /// Asks.
            QUERY: "rag.query" = 1, Query -> Answer, idempotent, access = open;
            ASK: "rag.ask" = 2, () -> Vec<&'a [u8]>,
            TALK: "rag.talk" = 1, RequestStream<Query> -> ReplyStream<Answer>;
            TELL: "rag.tell" = 1, Box<Query> -> ()
        }
    };
    for mutated in neighbours(&tokens).chain(strangers(&tokens, 1500)) {
        let expansion = remote::expand(mutated.clone());
        assert!(has_name(&expansion.tokens, "Provider") || !expansion.diagnostics.is_empty(), "{mutated}");
    }
}

#[test]
fn mutated_messages_and_refusals_are_expanded_or_told() {
    let item = quote! {
        #[derive(Debug, Refusal)]
        #[refusal(crate = ::om)]
        pub(crate) enum GreetRefusal<'a, T: Send> where T: Copy {
            /// Nobody to greet.
            NoName,
            /// The name is too long.
            TooLong { limit: usize, found: &'a [T] },
            #[refusal(transparent)]
            Call(CallError),
        }
    };
    for mutated in neighbours(&item).chain(strangers(&item, 500)) {
        let name = "GreetRefusal";
        let expansion = message::expand(quote!(crate = ::om), mutated.clone());
        assert_eq!(has_name(&mutated, name), has_name(&expansion.tokens, name));
        let expansion = settings::expand(quote!(crate = ::om), mutated.clone());
        assert_eq!(has_name(&mutated, name), has_name(&expansion.tokens, name));
        // A derive leaves the item to rustc, and must not fail without a word.
        let expansion = refusal::expand(mutated);
        assert!(!expansion.tokens.is_empty() || !expansion.diagnostics.is_empty());
    }
}
