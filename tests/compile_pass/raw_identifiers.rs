//! Keywords may be names where they are raw.

#![deny(warnings)]

use hecate_om::prelude::*;

#[derive(Default)]
struct r#Type;

#[message]
struct r#Match {
    r#type: String,
    r#final: bool,
}

#[derive(Refusal)]
enum r#Refused {
    /// The match is over.
    r#Final { r#type: String },
    #[refusal(transparent)]
    r#Move(CallError),
}

/// Plays.
#[hecate_service(name = "hecate-game")]
impl r#Type {
    /// Tries it.
    #[capability(version = 1)]
    async fn r#try(&self, r#match: r#Match) -> Result<r#Match, r#Refused> {
        if r#match.r#final { Err(r#Refused::r#Final { r#type: r#match.r#type }) } else { Ok(r#match) }
    }
}

fn main() {
    assert_eq!(r#Type::TRY.to_string(), "game.try@1");
    let refused = r#Refused::r#Final { r#type: "chess".to_owned() }.into_error();
    assert_eq!(refused.code(), "final");
    assert_eq!(refused.details().unwrap()["type"], "chess");
    let _ = hecate_om::run::<r#Type>;
}
