//! From an event of `tracing` to a line: what is written, how, and how often.

use std::fmt::Debug;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::counts::{self, SUPPRESSED};
use super::format::Format;
use super::limit::{Limit, Suppressed, Verdict};
use super::lines::Lines;
use super::record::{Record, Value};
use super::text::bounded;
use crate::capability::current;

/// Writes events as lines.
#[derive(Debug, Clone)]
pub(super) struct Log {
    format: Format,
    limit: Arc<Limit>,
    lines: Lines,
}

impl Log {
    /// # Errors
    /// When the system gives no thread that writes.
    pub(super) fn to(out: impl Write + Send + 'static, format: Format) -> io::Result<Self> {
        let limit = Arc::new(Limit::default());
        let (of, form) = (Arc::clone(&limit), format.clone());
        let lines = Lines::to(out, move |now, dropped| {
            let (due, ask) = of.due(now);
            let suppressed = due.into_iter().map(|suppressed| notice(&form, suppressed));
            let dropped = (dropped > 0).then(|| lost(&form, dropped));
            (suppressed.chain(dropped).collect(), ask)
        })?;
        Ok(Self { format, limit, lines })
    }

    /// Tells what was kept back so far, and waits a moment until all is written.
    pub(super) fn flush(&self, limit: std::time::Duration) {
        for suppressed in self.limit.rest() {
            self.lines.take(notice(&self.format, suppressed));
        }
        self.lines.flush(limit);
    }
}

/// A line that stands for those that were not written.
fn notice(format: &Format, suppressed: Suppressed) -> Vec<u8> {
    let Suppressed { lines, place, is_shared } = suppressed;
    let mut record = Record::new(if is_shared { "lines of many places suppressed" } else { "lines suppressed" });
    record.put("suppressed", Value::Unsigned(lines));
    if !is_shared {
        let file = place.file().unwrap_or("an unknown file");
        let at = place.line().map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"));
        record.put("at", Value::Text(bounded(at)));
    }
    counts::lines(*place.level()).add(1);
    format.line(*place.level(), place.target(), record, SystemTime::now())
}

/// A line for those that nobody read in time.
fn lost(format: &Format, lines: u64) -> Vec<u8> {
    let mut record = Record::new("log lines were dropped: nobody read them in time");
    record.put("lines", Value::Unsigned(lines));
    counts::lines(Level::WARN).add(1);
    format.line(Level::WARN, module_path!(), record, SystemTime::now())
}

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Log {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut record = Record::default();
            attributes.record(&mut record);
            span.extensions_mut().replace(record);
        }
    }

    fn on_record(&self, id: &Id, values: &tracing::span::Record<'_>, context: Context<'_, S>) {
        let mut newer = Record::default();
        values.record(&mut newer);
        if let Some(span) = context.span(id)
            && let Some(record) = span.extensions_mut().get_mut::<Record>()
        {
            record.update(newer);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let about = event.metadata();
        match self.limit.judge(about, Instant::now()) {
            Verdict::Write => {}
            Verdict::WriteAfter(suppressed) => drop(self.lines.take(notice(&self.format, suppressed))),
            Verdict::Suppress { is_first } => {
                SUPPRESSED.add(1);
                if is_first {
                    self.lines.look();
                }
                return;
            }
        }
        let mut record = Record::default();
        event.record(&mut record);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Record>() {
                record.inherit(outer);
            }
        }
        // What a handler says is told with its call.
        current::look(|call| {
            record.put_new("trace_id", || Value::Text(call.trace_id().to_string()));
            record.put_new("capability", || Value::Text(call.capability.name.to_owned()));
            record.put_new("capability_version", || Value::Unsigned(call.capability.version.into()));
            record.put_new("call_id", || Value::Text(call.id.to_string()));
        });
        if self.lines.take(self.format.line(*about.level(), about.target(), record, SystemTime::now())) {
            counts::lines(*about.level()).add(1);
        }
    }
}

#[cfg(test)]
mod tests;
