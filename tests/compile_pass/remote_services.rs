//! A service of another program may be described anywhere, as visible as need be, and by a macro.

#![deny(warnings)]

use hecate_om::{Provider, prelude::*};

#[message]
struct Query {
    text: String,
}

#[message]
struct Answer {
    text: String,
}

// Nothing in it, and nobody uses it.
remote_service!(pub(crate) Empty in "hecate-empty" {});

mod of_others {
    use super::{Answer, Query};

    hecate_om::remote_service! {
        crate = ::hecate_om,
        /// Answers questions.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) Rag in "hecate-rag" {
            /// Asks.
            QUERY: "rag.query" = 1, Query -> Answer, idempotent;
            QUERY_ALL: "rag.query" = 65535, std::collections::BTreeMap<String, Query> -> Box<Answer>, access = open;
            #[deprecated = "ask nobody"]
            ASK_2: "rag.query.deep" = 1, () -> (), idempotent, access = realm,
        }
    }
}

macro_rules! remote {
    ($(#[$doc:meta])* $vis:vis $service:ident, $name:literal, $constant:ident, $what:literal, $version:literal, $request:ty, $reply:ty) => {
        remote_service!($(#[$doc])* $vis $service in $name { $constant: $what = $version, $request -> $reply });
    };
}

remote!(#[allow(dead_code)] pub Library, "hecate-library", LEND, "library.lend", 3, Query, Answer);

fn main() {
    remote_service!(Local in "hecate-local" { SAY: "local.say" = 1, Query -> Answer; });
    let _: Capability<of_others::Rag, Query, Answer> = of_others::Rag::QUERY;
    assert_eq!(of_others::Rag::QUERY_ALL.to_string(), "rag.query@65535");
    assert!(of_others::Rag::QUERY_ALL.is_open() && of_others::Rag::QUERY.is_idempotent());
    assert!(!of_others::Rag::QUERY.is_open() && !of_others::Rag::QUERY_ALL.is_idempotent());
    assert_eq!((Library::LEND.provider(), Library::NAME), ("hecate-library", "hecate-library"));
    assert_eq!((Local::SAY.version(), Local::NAME), (1, "hecate-local"));
    let query = Query { text: Answer { text: String::new() }.text };
    assert!(query.text.is_empty());
}
