//! What the two peers have in common: their messages, their runtime, and how they begin and end.

use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// Something to say.
#[derive(Deserialize)]
pub(crate) struct Say {
    pub(crate) text: String,
}

/// What was said.
#[derive(Serialize)]
pub(crate) struct Said {
    pub(crate) text: String,
}

/// Why nothing was said.
#[derive(Serialize)]
pub(crate) struct Refused {
    pub(crate) error: &'static str,
}

/// The handler: the same as that of the service on hecate-om.
pub(crate) async fn say(request: Say) -> Result<Said, Refused> {
    if request.text.is_empty() {
        Err(Refused { error: "there is nothing to say" })
    } else {
        Ok(Said { text: request.text })
    }
}

/// Where a peer listens.
pub(crate) struct Listeners {
    pub(crate) api: UnixListener,
    /// Only where the start is measured.
    pub(crate) health: Option<TcpListener>,
}

/// Runs a peer until SIGTERM; `BENCH_WORKERS` is 0 for a runtime on one thread.
pub(crate) fn run<F: Future<Output = ()>>(serve: impl FnOnce(Listeners) -> F) -> Result<(), Box<dyn Error>> {
    let socket = std::env::var("BENCH_SOCKET").map_err(|_| "BENCH_SOCKET is not set: `hecate-om-benches` runs this")?;
    let health: Option<SocketAddr> = std::env::var("BENCH_HEALTH").ok().map(|address| address.parse()).transpose()?;
    let workers: usize = std::env::var("BENCH_WORKERS").map_or(Ok(0), |workers| workers.parse())?;
    let mut builder = match workers {
        0 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if workers > 0 {
        builder.worker_threads(workers);
    }
    builder.enable_all().build()?.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let health = match health {
            Some(address) => Some(TcpListener::bind(address).await?),
            None => None,
        };
        let listeners = Listeners { api: UnixListener::bind(socket)?, health };
        println!("ready");
        tokio::select! {
            () = serve(listeners) => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    })
}
