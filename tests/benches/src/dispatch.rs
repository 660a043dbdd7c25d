//! What a call costs in this process, without a server of its own.
//!
//! hecate-om has no way to call a capability of one's own process without its socket, so its dispatch alone
//! cannot be timed from outside; the gate's difference to `by hand` is its cost, in instructions. Here are the
//! two ends: the typed part alone, and a call of `hecate_om::testing` with all that is between.

use std::hint::black_box;
use std::time::Instant;

use crate::Outcome;
use crate::echo::{Echo, Say};
use crate::report::Table;

const PAYLOADS: [(&str, usize); 3] = [("64 B", 64), ("1 KiB", 1024), ("64 KiB", 64 * 1024)];
/// The least of several batches is what it costs; the rest is the neighbours.
const BATCHES: usize = 9;

/// Measures, and says it in Markdown.
pub(crate) fn run() -> Outcome<String> {
    let mut table = Table::new(&["in this process, µs per call", "64 B", "1 KiB", "64 KiB"]);
    let (mut typed, mut whole) = (
        vec!["decode, handler, encode (no dispatch, no socket)".to_owned()],
        vec!["`testing::TestService::call` (client, a new connection, socket, dispatch)".to_owned()],
    );
    let told = hecate_om::testing::block_on(async {
        let service = hecate_om::testing::start::<Echo>().await?;
        for (_, bytes) in PAYLOADS {
            let text = "a".repeat(bytes);
            let body = format!(r#"{{"text":"{text}"}}"#).into_bytes();
            let calls = 2_000_000 / (bytes + 1000);
            let mut least = [f64::INFINITY; 2];
            for _ in 0..BATCHES {
                let begun = Instant::now();
                for _ in 0..calls {
                    let request: Say = serde_json::from_slice(black_box(&body))?;
                    let reply = Echo.say(request).await.map_err(|_| "the handler refused an echo")?;
                    black_box(serde_json::to_vec(&reply)?);
                }
                least[0] = least[0].min(begun.elapsed().as_secs_f64() / calls as f64);
                let calls = calls.min(200);
                let begun = Instant::now();
                for _ in 0..calls {
                    let reply = service.call(Echo::SAY, Say { text: text.clone() }).await?;
                    if reply.text != text {
                        return Err("an echo came back changed".into());
                    }
                }
                least[1] = least[1].min(begun.elapsed().as_secs_f64() / calls as f64);
            }
            typed.push(format!("{:.2}", least[0] * 1e6));
            whole.push(format!("{:.1}", least[1] * 1e6));
        }
        service.stop().await;
        Outcome::Ok(())
    });
    told?;
    table.row(typed);
    table.row(whole);
    Ok(table.to_string())
}
