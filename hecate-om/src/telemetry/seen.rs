//! What tests see of the log.

use std::fmt::{Debug, Write};
use std::process::Command;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

const ALONE: &str = "HECATE_TEST_LINES";
const MARK: &str = "line: ";

/// What `act` writes to the log, line by line. It runs in a process of its own, by the name of its test:
/// what is enabled is known to all of a process, and other tests write, too.
pub(crate) fn of(test: &str, act: impl FnOnce()) -> Vec<String> {
    if std::env::var_os(ALONE).is_some() {
        tracing::subscriber::with_default(tracing_subscriber::registry().with(Printed), act);
        std::process::exit(0);
    }
    let (_crate, test) = test.split_once("::").unwrap();
    let mut run = Command::new(std::env::current_exe().unwrap());
    let run = run.args(["--exact", test, "--nocapture"]).env(ALONE, "1").output().unwrap();
    let printed = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && printed.contains("running 1 test"), "{printed}");
    // The first line follows what the harness prints, without a line end.
    printed.split('\n').filter_map(|line| Some(line.split_once(MARK)?.1.to_owned())).collect()
}

struct Printed;

impl<S: Subscriber> Layer<S> for Printed {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line(format!("{MARK}{}", event.metadata().level()));
        event.record(&mut line);
        println!("{}", line.0);
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}
