//! Ten capabilities that wait: more calls at once than one of them takes.

use std::process::ExitCode;

use hecate_om::prelude::*;
use hecate_om_tests::{crowd, gate};

#[derive(Default)]
struct Crowd;

#[message]
struct At {
    gate: String,
}

macro_rules! crowd {
    ($($version:literal $wait:ident)*) => {
        /// Waits, in ten versions.
        #[hecate_service(name = "hecate-crowd")]
        impl Crowd {
            $(
                /// Waits with all others.
                #[capability(name = "crowd.wait", version = $version, timeout = "600s")]
                async fn $wait(&self, request: At) -> Result<()> {
                    crowd::join(request.gate).await;
                    Ok(())
                }
            )*

            /// Waits at a gate, and blocks its thread meanwhile.
            #[capability(version = 1, timeout = "600s")]
            async fn block(&self, request: At) -> Result<()> {
                gate::block(request.gate);
                Ok(())
            }
        }
    };
}

crowd! { 1 wait1 2 wait2 3 wait3 4 wait4 5 wait5 6 wait6 7 wait7 8 wait8 9 wait9 10 wait10 }

fn main() -> ExitCode {
    hecate_om::run::<Crowd>()
}
