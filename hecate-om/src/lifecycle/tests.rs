//! Boot and drain at the moments that no process can be made to meet from outside.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use super::*;
use crate::config::{SettingsType, Sources, setting};
use crate::context::Surroundings;
use crate::health::Health;
use crate::service::{IdentitySpec, ServiceInfo, StartError, Started, Task};

static INFO: ServiceInfo = {
    let identity = IdentitySpec::new("moment", &[], &[], 30);
    ServiceInfo::new("hecate-moment", "1.0.0", "Waits.", "m::Moment", "m.rs:1", &[], identity, 8470, "{}")
};

fn started(health: fn() -> Task<Health>, stop: fn() -> Task<()>) -> Started {
    Started { handlers: Vec::new(), health: Box::new(health), stop: Box::new(stop) }
}

/// Runs a service in a folder of its own, on a thread that gives its exit code.
fn run_with(start: Start, variables: &[(&str, &str)]) -> (mpsc::Sender<Signal>, JoinHandle<u8>) {
    let (sender, receiver) = mpsc::channel(4);
    let variables: Vec<_> = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let run = move || {
        let folder = tempfile::tempdir().unwrap();
        let blueprint = Blueprint { info: &INFO, settings: SettingsType::of::<()>(), contracts: Vec::new, start };
        let place = folder.path().join("run").into_os_string().into_string().unwrap();
        let own = [(setting::RUNTIME_DIR.variable, place.as_str()), (setting::HEALTH_ADDR.variable, "127.0.0.1:0")];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let sources = Sources::only(own.into_iter().chain(variables));
        let config = Config::load(&blueprint, sources).unwrap().config;
        let (supervisor, reload) = (Arc::default(), Arc::new(|| Ok(())));
        let launch = Launch { blueprint, config, supervisor, audience: Audience::Machine, reload };
        super::run(launch, || Ok(receiver), |_| {}).unwrap_or_else(|error| error.exit_code())
    };
    (sender, std::thread::spawn(run))
}

#[test]
fn a_release_build_without_a_terminal_has_to_be_told_of_the_mesh() {
    let must_choose = |variables: &[(&str, &str)], audience, is_debug| {
        let start: Start = |_| unreachable!("nothing starts here");
        let blueprint = Blueprint { info: &INFO, settings: SettingsType::of::<()>(), contracts: Vec::new, start };
        let variables = [("HOME", "/home/nobody")].iter().chain(variables);
        let variables = variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let config = Config::load(&blueprint, Sources::only(variables)).unwrap().config;
        boot::must_choose_mesh(&config.mesh, audience, is_debug)
    };
    assert!(must_choose(&[], Audience::Machine, false));
    assert!(!must_choose(&[], Audience::Person, false), "who looks sees where it is");
    assert!(!must_choose(&[], Audience::Machine, true), "nobody runs a fleet of debug builds");
    for mode in ["auto", "off"] {
        assert!(!must_choose(&[("HECATE_MESH", mode)], Audience::Machine, false), "{mode}");
    }
    let (node, key) = ("ab".repeat(32), "cd".repeat(32));
    let stations = [
        ("MACULA_STATION_SEEDS", "127.0.0.1"),
        ("MACULA_STATION_NODE_IDS", &node),
        ("HECATE_REALM", "io.example"),
        ("HECATE_REALM_KEY", &key),
    ];
    assert!(!must_choose(&stations, Audience::Machine, false));
    let error = boot::BootError::MeshNotChosen;
    assert_eq!(error.exit_code(), 78);
    assert!(error.to_string().starts_with("HECATE_MESH is not set"), "{error}");
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_second_signal_ends_a_service_at_once_that_the_first_met_before_it_was_ready() {
    static STOPS: AtomicUsize = AtomicUsize::new(0);
    static LOOKS: AtomicUsize = AtomicUsize::new(0);
    let begun = Instant::now();
    let (signals, ended) = run_with(
        |_| {
            let health = || -> Task<Health> {
                LOOKS.fetch_add(1, Ordering::SeqCst);
                Box::pin(std::future::pending())
            };
            let stop = || -> Task<()> {
                STOPS.fetch_add(1, Ordering::SeqCst);
                Box::pin(std::future::pending())
            };
            Box::pin(async move { Ok(started(health, stop)) })
        },
        &[],
    );
    until("its health is asked", || LOOKS.load(Ordering::SeqCst) == 1);
    signals.blocking_send(Signal::Stop(Stop::Terminate)).unwrap();
    until("`stop` runs", || STOPS.load(Ordering::SeqCst) == 1);
    signals.blocking_send(Signal::Stop(Stop::Interrupt)).unwrap();
    assert_eq!(ended.join().unwrap(), 130);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn a_start_that_ends_too_late_is_owed_its_stop() {
    static STOPS: AtomicUsize = AtomicUsize::new(0);
    let (_signals, ended) = run_with(
        |_| {
            Box::pin(async {
                // It blocks its thread: nobody can take it away.
                std::thread::sleep(Duration::from_millis(1500));
                let stop = || -> Task<()> {
                    Box::pin(async {
                        STOPS.fetch_add(1, Ordering::SeqCst);
                    })
                };
                Ok(started(|| Box::pin(async { Health::Ok }), stop))
            })
        },
        &[("HECATE_START_TIMEOUT", "1s")],
    );
    assert_eq!((ended.join().unwrap(), STOPS.load(Ordering::SeqCst)), (75, 1));
}

static HEALTHY: AtomicUsize = AtomicUsize::new(0);

type Start = fn(Arc<Surroundings>) -> Task<Result<Started, StartError>>;

/// The author's value, as it goes away.
struct Ends(fn());

impl Drop for Ends {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn ends_badly(how: fn()) -> Task<Result<Started, StartError>> {
    let ends = Arc::new(Ends(how));
    let held = Arc::clone(&ends);
    let health = Box::new(move || -> Task<Health> {
        let held = Arc::clone(&held);
        Box::pin(async move {
            let _held = held;
            HEALTHY.fetch_add(1, Ordering::SeqCst);
            Health::Ok
        })
    });
    let stop = Box::new(move || -> Task<()> {
        let held = Arc::clone(&ends);
        Box::pin(async move { drop(held) })
    });
    Box::pin(async { Ok(Started { handlers: Vec::new(), health, stop }) })
}

#[test]
fn a_service_that_ends_badly_does_not_change_how_its_process_ends() {
    let holds_a_runtime = |_| -> Task<_> { ends_badly(|| drop(Builder::new_current_thread().build().unwrap())) };
    let panics = |_| -> Task<_> { ends_badly(|| panic!("dropped")) };
    let blocks = |_| -> Task<_> { ends_badly(|| std::thread::sleep(Duration::from_secs(3600))) };
    for (start, is_patient) in [(holds_a_runtime as Start, true), (panics, true), (blocks, true), (blocks, false)] {
        HEALTHY.store(0, Ordering::SeqCst);
        let (signals, ended) = run_with(start, &[]);
        until("its health is asked", || HEALTHY.load(Ordering::SeqCst) == 1);
        signals.blocking_send(Signal::Stop(Stop::Terminate)).unwrap();
        if !is_patient {
            let _ = signals.blocking_send(Signal::Stop(Stop::Terminate));
        }
        let begun = Instant::now();
        let code = ended.join().map_err(|_| "it panicked");
        assert!(code == Ok(0) || !is_patient && code == Ok(143), "{code:?}");
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}
