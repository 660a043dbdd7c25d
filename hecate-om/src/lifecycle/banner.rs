//! What a service says when it is up: where it is, what it offers, and a line that calls it.

use std::fmt::Write as _;
use std::io::Write as _;

use super::Ready;
use crate::contract::sample_request;
use crate::telemetry::Audience;

/// Tells `audience` that the service is ready.
pub(crate) fn announce(ready: &Ready<'_>, audience: Audience) {
    let info = ready.blueprint.info;
    match audience {
        Audience::Person => {
            // Standard output may be gone; the service is not.
            let _ = std::io::stdout().write_all(text(ready).as_bytes());
        }
        Audience::Machine => {
            let offers: Vec<_> = info.capabilities.iter().map(ToString::to_string).collect();
            tracing::info!(
                name = info.name,
                version = info.version,
                health = %ready.health,
                socket = %ready.socket.display(),
                offers = offers.join(" "),
                r#try = try_line(ready),
                pid = std::process::id(),
                took_ms = ready.took.as_millis(),
                "ready"
            );
        }
    }
}

fn text(ready: &Ready<'_>) -> String {
    let info = ready.blueprint.info;
    let mut text = format!("\n  {} {} is ready in {} ms\n\n", info.name, info.version, ready.took.as_millis());
    let mut line = |label: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {label:<8}{value}");
    };
    line("health", &ready.health.to_string());
    line("socket", &ready.socket.display().to_string());
    let width = info.capabilities.iter().map(|capability| capability.to_string().len()).max().unwrap_or_default();
    for (index, capability) in info.capabilities.iter().enumerate() {
        let label = if index == 0 { "offers" } else { "" };
        let summary = capability.description.lines().next().unwrap_or_default();
        line(label, format!("{:<width$}  {summary}", capability.to_string()).trim_end());
    }
    if let Some(call) = try_line(ready) {
        line("try", &call);
    }
    text.push('\n');
    text
}

/// The command that calls the first capability, to paste into a shell.
fn try_line(ready: &Ready<'_>) -> Option<String> {
    let capability = ready.blueprint.info.capabilities.first()?;
    let program = std::env::args().next().unwrap_or_else(|| ready.blueprint.info.name.to_owned());
    let handlers = (ready.blueprint.contracts)();
    let sample = sample_request(handlers.first()?).to_string();
    Some(format!("{} call {capability} {}", quoted(&program), quoted(&sample)))
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
