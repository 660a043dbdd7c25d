//! Services for the mesh: one that says, one that asks it, and one with fifty capabilities. `MESHED` tells which runs.

use std::time::Duration;

use hecate_om::prelude::*;

#[derive(Default)]
struct Sayer;

#[derive(Default)]
struct Asker;

#[derive(Default)]
struct Fifty;

#[message]
struct Text {
    text: String,
}

#[message]
struct Ask {
    text: String,
    timeout_ms: u64,
}

/// What was said, and by which way.
#[message]
struct Said {
    text: String,
    via: String,
}

#[derive(Refusal)]
enum AskRefusal {
    #[refusal(transparent)]
    Call(CallError),
}

/// Says things.
#[hecate_service(name = "hecate-sayer")]
impl Sayer {
    /// Says it.
    #[capability(version = 1, access = open)]
    async fn say(&self, request: Text, call: &Call<Self>) -> Result<Said> {
        Ok(Said { text: request.text, via: call.via().to_string() })
    }

    /// Says it in a low voice.
    #[capability(version = 1, access = open)]
    async fn whisper(&self, request: Text, call: &Call<Self>) -> Result<Said> {
        Ok(Said { text: request.text.to_lowercase(), via: call.via().to_string() })
    }
}

/// Asks for things.
#[hecate_service(name = "hecate-asker", uses(Sayer))]
impl Asker {
    /// Has it said, within that time.
    #[capability(version = 1, access = open, timeout = "60s")]
    async fn ask(&self, request: Ask, call: &Call<Self>) -> Result<Said, AskRefusal> {
        let asked = Sayer::SAY.call(call, Text { text: request.text });
        Ok(asked.timeout(Duration::from_millis(request.timeout_ms)).await?)
    }
}

macro_rules! fifty {
    ($($version:literal $say:ident)*) => {
        /// Says nothing, in fifty versions.
        #[hecate_service(name = "hecate-fifty")]
        impl Fifty {
            $(
                /// Says nothing.
                #[capability(name = "fifty.nothing", version = $version, access = open)]
                async fn $say(&self) -> Result<()> {
                    Ok(())
                }
            )*
        }
    };
}

fifty! {
    1 n1 2 n2 3 n3 4 n4 5 n5 6 n6 7 n7 8 n8 9 n9 10 n10 11 n11 12 n12 13 n13 14 n14 15 n15 16 n16 17 n17 18 n18 19 n19
    20 n20 21 n21 22 n22 23 n23 24 n24 25 n25 26 n26 27 n27 28 n28 29 n29 30 n30 31 n31 32 n32 33 n33 34 n34 35 n35
    36 n36 37 n37 38 n38 39 n39 40 n40 41 n41 42 n42 43 n43 44 n44 45 n45 46 n46 47 n47 48 n48 49 n49 50 n50
}

fn main() -> ExitCode {
    match std::env::var("MESHED").as_deref() {
        Ok("asker") => hecate_om::run::<Asker>(),
        Ok("fifty") => hecate_om::run::<Fifty>(),
        _ => hecate_om::run::<Sayer>(),
    }
}
