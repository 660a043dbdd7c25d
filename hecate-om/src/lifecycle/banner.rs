//! What a service says when it is up: where it is, what it offers, and a line that calls it.

use std::fmt::Write as _;
use std::io::Write as _;

use super::Ready;
use crate::contract::sample_request;
use crate::service::ServiceInfo;
use crate::telemetry::{Audience, millis, panics};

/// How many capabilities are named; `GET /capabilities` has all.
const SHOWN: usize = 50;

/// Tells `audience` that the service is ready.
pub(crate) fn announce(ready: &Ready, audience: Audience) {
    let info = ready.blueprint.info;
    match audience {
        Audience::Person => {
            // Standard output may be gone; the service is not.
            let _ = std::io::stdout().write_all(text(ready).as_bytes());
        }
        Audience::Machine => {
            let shown: Vec<_> = info.capabilities.iter().take(SHOWN).map(ToString::to_string).collect();
            tracing::info!(
                name = info.name,
                health = %ready.health,
                socket = %ready.socket.display(),
                mesh = ready.mesh,
                capabilities = info.capabilities.len(),
                offers = shown.join(" "),
                r#try = try_line(ready),
                pid = std::process::id(),
                took_ms = millis(ready.took),
                "ready"
            );
        }
    }
}

fn text(ready: &Ready) -> String {
    let info = ready.blueprint.info;
    let mut text = format!("\n  {} {} is ready in {} ms\n\n", info.name, info.version, ready.took.as_millis());
    let mut line = |label: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {label:<8}{value}");
    };
    line("health", &ready.health.to_string());
    line("socket", &ready.socket.display().to_string());
    line("mesh", &ready.mesh);
    let width =
        info.capabilities.iter().take(SHOWN).map(|capability| capability.to_string().len()).max().unwrap_or_default();
    for (index, capability) in info.capabilities.iter().take(SHOWN).enumerate() {
        let label = if index == 0 { "offers" } else { "" };
        let summary = capability.description.lines().next().unwrap_or_default();
        line(label, format!("{:<width$}  {summary}", capability.to_string()).trim_end());
    }
    if let Some(more) = info.capabilities.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        line("", &format!("and {more} more"));
    }
    if let Some(call) = try_line(ready) {
        line("try", &call);
    }
    text.push('\n');
    text
}

/// The command that calls the first capability, to paste into a shell.
fn try_line(ready: &Ready) -> Option<String> {
    let capability = ready.blueprint.info.capabilities.first()?;
    // A shell that was not started with the same environment must find the same socket.
    let place = std::env::var("HECATE_RUNTIME_DIR").map(|place| format!("HECATE_RUNTIME_DIR={} ", quoted(&place)));
    let (place, program) = (place.unwrap_or_default(), program(ready.blueprint.info));
    let handlers = (ready.blueprint.contracts)();
    // The schema is the author's code; a service that is up must not fall over it.
    let sample = panics::caught(|| Some(sample_request(handlers.first()?).to_string())).ok().flatten()?;
    Some(format!("{place}{program} call {capability} {}", quoted(&sample)))
}

/// The program of this service, to be typed in any folder.
pub(crate) fn program(info: &ServiceInfo) -> String {
    let path = std::env::current_exe().ok().and_then(|path| path.into_os_string().into_string().ok());
    quoted(&path.unwrap_or_else(|| info.name.to_owned()))
}

/// A word of a shell command.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_survive_the_shell() {
        assert_eq!(quoted("target/debug/hecate-echo"), "target/debug/hecate-echo");
        assert_eq!(quoted(r#"{"text":"it's"}"#), r#"'{"text":"it'\''s"}'"#);
        assert_eq!(quoted(""), "''");
    }
}
