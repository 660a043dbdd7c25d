//! Hours of calls while things go wrong: nothing that lives through it may grow, and nothing may go wrong that was
//! not made to.
//!
//! Three processes live from start to end and are judged: a provider, a caller on its box, and a caller that reaches
//! it, and a second provider, over the mesh. The second provider and the two services that keep the station of the
//! mesh are killed, stopped and drained meanwhile.

mod faults;
mod slope;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::faults::{Faults, Schedule};
use self::slope::Slope;
use crate::Outcome;
use crate::fleet::Member;
use crate::report::{Table, machine, median};

/// Of the calls on the box, so many go over the mesh besides: each costs milliseconds of signatures.
const OVER_MESH: f64 = 0.1;
/// What is made once is made in this time, before anything is looked at.
const FIRST: Duration = Duration::from_secs(10);
/// How long a process may need to come to rest after the load.
const REST: Duration = Duration::from_secs(90);
/// How long before the end nothing more is broken: everything has to be well again by then.
const CALM: Duration = Duration::from_secs(45);
/// How long after a fault calls over the mesh may fail as if nobody were there: a station that does not answer is
/// missed after two questions, ten seconds apart, and dialed every ten seconds.
const GRACE: Duration = Duration::from_secs(60);
/// Slopes of a shorter time say nothing.
const JUDGED: Duration = Duration::from_secs(600);
/// The SDK remembers each call for 330 s: until then what is remembered grows.
const REMEMBERED: Duration = Duration::from_secs(360);

/// What is to be done.
pub(crate) struct Plan {
    minutes: u64,
    rate: f64,
    seed: u64,
}

impl Plan {
    /// Reads `--minutes M [--rate R] [--seed S]`.
    pub(crate) fn of(words: &[&str]) -> Outcome<Self> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        let mut plan = Self { minutes: 0, rate: 100.0, seed: u64::from(now.subsec_nanos()) };
        for pair in words.chunks(2) {
            match *pair {
                ["--minutes", minutes] => plan.minutes = minutes.parse()?,
                ["--rate", rate] => plan.rate = rate.parse()?,
                ["--seed", seed] => plan.seed = seed.parse()?,
                _ => return Err(format!("soak does not take `{}`", pair.join(" ")).into()),
            }
        }
        if plan.minutes < 2 || !(1.0..=10_000.0).contains(&plan.rate) {
            return Err("soak takes two minutes at least, and a rate of 1 to 10000 calls in a second".into());
        }
        Ok(plan)
    }

    fn length(&self) -> Duration {
        Duration::from_secs(60 * self.minutes)
    }

    /// What comes before samples count for slopes.
    fn warm_up(&self) -> Duration {
        if self.length() >= 2 * REMEMBERED { REMEMBERED } else { Duration::from_secs(20) }
    }

    fn every(&self) -> Duration {
        Duration::from_secs(if self.minutes < 20 { 10 } else { 30 })
    }
}

/// What one process has at one moment, and did since the last one.
#[derive(Clone, Default)]
struct Sample {
    at: Duration,
    rss_kib: f64,
    files: f64,
    threads: f64,
    tasks: f64,
    in_flight: f64,
    /// Of callers: microseconds, calls, and calls that came to something else than they should.
    p50: f64,
    p99: f64,
    calls: u64,
    failed: u64,
}

/// A process that lives from start to end.
struct Survivor {
    member: Member,
    is_caller: bool,
    /// Whether its calls go over the mesh, and may fail where that is broken.
    is_far: bool,
    samples: Vec<Sample>,
    /// What was called, what it came to, how often.
    came: BTreeMap<(String, String), u64>,
    not_offered: u64,
    complaints: Vec<String>,
}

impl Survivor {
    fn new(member: Member, is_caller: bool, is_far: bool) -> Self {
        Self {
            member,
            is_caller,
            is_far,
            samples: Vec::new(),
            came: BTreeMap::new(),
            not_offered: 0,
            complaints: Vec::new(),
        }
    }

    fn sample(&self, at: Duration) -> Outcome<(Sample, Value)> {
        let metrics = self.member.metrics()?;
        let told = match self.is_caller {
            true => self.member.call("caller.told", &Value::Null)?,
            false => self.member.call("provider.tasks", &Value::Null)?,
        };
        let number = |name: &str| told[name].as_f64().unwrap_or_default();
        let sample = Sample {
            at,
            rss_kib: metrics.sum("process_resident_memory_bytes") / 1024.0,
            files: metrics.sum("process_open_fds"),
            threads: metrics.sum("process_threads"),
            tasks: if self.is_caller { number("tasks") } else { number("value") },
            in_flight: metrics.sum("hecate_calls_in_flight") + number("waiting"),
            p50: number("p50_us"),
            p99: number("p99_us"),
            ..Sample::default()
        };
        Ok((sample, told))
    }

    /// Looks at it; what is wrong in the window since the last look is added to its complaints.
    fn look(&mut self, at: Duration, is_excused: bool) -> Outcome<()> {
        let (mut sample, told) = self.sample(at)?;
        self.not_offered += told["not_offered"].as_u64().unwrap_or_default();
        for came in told["came"].as_array().into_iter().flatten() {
            let text = |name: &str| came[name].as_str().unwrap_or_default().to_owned();
            let (what, to, times) = (text("what"), text("to"), came["times"].as_u64().unwrap_or_default());
            sample.calls += times;
            if to != "ok" {
                sample.failed += times;
                let passes = self.is_far && is_excused && faults::explains(&to);
                if !passes {
                    let last = told["last"].as_str().unwrap_or_default();
                    let name = self.member.name;
                    self.complaints.push(format!("{name}, {} s: {what}: {times} times {to}; {last}", at.as_secs()));
                }
            }
            *self.came.entry((what, to)).or_default() += times;
        }
        self.samples.push(sample);
        Ok(())
    }

    fn pace(&self, rate: f64) -> Outcome<()> {
        self.member.call("caller.pace", &json!({"per_second": rate})).map(drop)
    }
}

/// Soaks, prints what came of it, and says whether all is well.
pub(crate) fn run(plan: &Plan) -> Outcome<bool> {
    println!("{}", machine(&format!("soak --minutes {} --rate {} --seed {}", plan.minutes, plan.rate, plan.seed)));
    let folder = tempfile::Builder::new().prefix("hecate-om-soak-").tempdir()?;
    let boxed = |name: &str| folder.path().join(name);

    let keeper = |name, service, program| {
        Member::new(name, program, service, &boxed("mesh")).with("HECATE_MESH", "auto").with("LOAD", "keeper")
    };
    let mut one = keeper("keeper one", "hecate-keeper", "server-load");
    let mut two = keeper("keeper two", "hecate-echo", "server-hecate");
    one.start()?;
    one.wait_until_advertised()?;
    two.start()?;
    two.wait_until_advertised()?;
    let variables = variables(one.runtime())?;
    let on_mesh = |member: Member| variables.iter().fold(member, |member, (name, value)| member.with(name, value));
    let provider = |name, place: &str| on_mesh(Member::new(name, "server-load", "hecate-provider", &boxed(place)));
    let caller = |name, place: &str, seed: u64| {
        let member = Member::new(name, "server-load", "hecate-caller", &boxed(place)).with("LOAD", "caller");
        on_mesh(member).with("LOAD_SEED", seed.to_string())
    };

    let mut survivors = [
        Survivor::new(provider("provider", "near"), false, false),
        Survivor::new(caller("caller, socket", "near", plan.seed), true, false),
        Survivor::new(caller("caller, mesh", "far", plan.seed ^ 1).with("HECATE_RESOLVE", "mesh"), true, true),
    ];
    for survivor in &mut survivors {
        survivor.member.start()?;
        survivor.member.wait_until_advertised()?;
    }
    let mut victim = provider("second provider", "elsewhere");
    victim.start()?;
    victim.wait_until_advertised()?;

    let [_, near, far] = &survivors;
    near.pace(plan.rate)?;
    far.pace(plan.rate * OVER_MESH)?;
    std::thread::sleep(FIRST);
    let before = rest(&mut survivors, None)?;

    let schedule = Schedule::of(plan.seed, plan.length());
    let faults = Faults::begin(schedule, [one, two], victim, plan.length().saturating_sub(CALM));
    let begun = Instant::now();
    let [_, near, far] = &survivors;
    near.pace(plan.rate)?;
    far.pace(plan.rate * OVER_MESH)?;
    let mut next = plan.every();
    while next <= plan.length() {
        std::thread::sleep(next.saturating_sub(begun.elapsed()));
        let at = begun.elapsed();
        let is_excused = faults.was_within(plan.every() + GRACE.min(CALM));
        for survivor in &mut survivors {
            if survivor.member.has_ended()? {
                let words = survivor.member.complaints();
                return Err(format!("{} ended at {} s; {words:?}", survivor.member.name, at.as_secs()).into());
            }
            survivor.look(at, is_excused)?;
        }
        next += plan.every();
    }
    let told_faults = faults.end()?;
    let after = rest(&mut survivors, Some(&before))?;
    Ok(judge(plan, &survivors, &before, &after, &told_faults))
}

/// What a client of the mesh needs, as the station tells it to its box.
fn variables(runtime: &Path) -> Outcome<Vec<(&'static str, String)>> {
    let station: Value = serde_json::from_str(&fs::read_to_string(runtime.join("station/station.json"))?)?;
    let text = |name: &str| station[name].as_str().unwrap_or_default().to_owned();
    Ok(vec![
        ("HECATE_MESH", "required".to_owned()),
        ("HECATE_REALM", text("realm_name")),
        ("HECATE_REALM_KEY", text("realm_key")),
        ("MACULA_STATION_SEEDS", format!("{}:{}", text("host"), station["port"])),
        ("MACULA_STATION_NODE_IDS", text("node_id")),
    ])
}

/// Stops the load and waits until all rest, as they did `before` if that is known; says what each has then.
fn rest(survivors: &mut [Survivor], before: Option<&[Sample]>) -> Outcome<Vec<Sample>> {
    for survivor in survivors.iter().filter(|survivor| survivor.is_caller) {
        survivor.pace(0.0)?;
    }
    let end = Instant::now() + REST;
    loop {
        std::thread::sleep(Duration::from_secs(3));
        let mut now = Vec::new();
        for survivor in survivors.iter() {
            now.push(survivor.sample(Duration::ZERO)?.0);
        }
        let rests = now.iter().all(|sample| sample.in_flight == 0.0)
            && before.is_none_or(|before| now.iter().zip(before).all(|(now, before)| left(now, before).is_empty()));
        if rests || Instant::now() > end {
            return Ok(now);
        }
    }
}

/// What a process has at rest that it had not before: a few more of each are links and their tasks, which may be on
/// their way.
fn left(now: &Sample, before: &Sample) -> Vec<String> {
    let levels = [
        ("descriptors", now.files, before.files + 8.0),
        ("threads", now.threads, before.threads + 4.0),
        ("tasks", now.tasks, before.tasks + 8.0),
        ("calls in flight", now.in_flight, 0.0),
    ];
    let over = levels.into_iter().filter(|(_, now, most)| now > most);
    over.map(|(what, now, most)| format!("{now} {what} at rest, {most} at most")).collect()
}

fn judge(plan: &Plan, survivors: &[Survivor], before: &[Sample], after: &[Sample], faults: &faults::Told) -> bool {
    let mut complaints = faults.complaints.clone();
    println!("{}", by_minute(survivors));

    let mut table = Table::new(&["", "start", "end", "slope per hour (±)", "most", ""]);
    let judged: Vec<_> = survivors.iter().collect();
    let time = plan.length().saturating_sub(plan.warm_up());
    let is_judged = time >= JUDGED;
    for survivor in judged {
        let samples: Vec<&Sample> = survivor.samples.iter().filter(|sample| sample.at >= plan.warm_up()).collect();
        type Read = fn(&Sample) -> f64;
        // Over the mesh the slowest of a hundred are those that met a fault.
        let latency: (&str, Read) =
            if survivor.is_far { ("p50 µs", |sample| sample.p50) } else { ("p99 µs", |sample| sample.p99) };
        let mut quantities: Vec<(&str, Read)> = vec![
            ("RSS KiB", |sample| sample.rss_kib),
            ("descriptors", |sample| sample.files),
            ("threads", |sample| sample.threads),
            ("tasks", |sample| sample.tasks),
        ];
        if survivor.is_caller {
            quantities.push(latency);
        }
        for (what, read) in quantities {
            let points: Vec<(f64, f64)> =
                samples.iter().map(|sample| (sample.at.as_secs_f64() / 3600.0, read(sample))).collect();
            let third = (points.len() / 5).max(1);
            let middle = |points: &[(f64, f64)]| median(points.iter().map(|(_, value)| *value).collect());
            let (start, end) =
                (middle(&points[..third.min(points.len())]), middle(&points[points.len().saturating_sub(third)..]));
            let slope = Slope::of(&points);
            let most = tolerance(what, start);
            let grows = is_judged && slope.at_least() > most;
            let name = survivor.member.name;
            if grows {
                complaints.push(format!("{name}: {what} grows by {:.1} each hour, more than {most:.1}", slope.slope));
            }
            let mark = if grows {
                "grows"
            } else if is_judged {
                ""
            } else {
                "not judged"
            };
            table.row(vec![
                format!("{name}: {what}"),
                format!("{start:.0}"),
                format!("{end:.0}"),
                format!("{:.1} (±{:.1})", slope.slope, slope.margin()),
                format!("{most:.1}"),
                mark.to_owned(),
            ]);
        }
    }
    println!("{table}");
    if !is_judged {
        println!(
            "Slopes are judged from {} minutes on: shorter ones are those of caches that fill.\n",
            JUDGED.as_secs() / 60 + 1
        );
    }

    let mut table = Table::new(&["at rest", "RSS KiB before, after", "descriptors", "threads", "tasks", "in flight"]);
    for ((survivor, before), after) in survivors.iter().zip(before).zip(after) {
        let pair = |read: fn(&Sample) -> f64| format!("{:.0}, {:.0}", read(before), read(after));
        table.row(vec![
            survivor.member.name.to_owned(),
            pair(|sample| sample.rss_kib),
            pair(|sample| sample.files),
            pair(|sample| sample.threads),
            pair(|sample| sample.tasks),
            pair(|sample| sample.in_flight),
        ]);
        complaints.extend(left(after, before).iter().map(|left| format!("{}: {left}", survivor.member.name)));
    }
    println!("{table}");

    let mut table = Table::new(&["calls", "came to", "times"]);
    for survivor in survivors.iter().filter(|survivor| survivor.is_caller) {
        let name = survivor.member.name;
        for ((what, to), times) in &survivor.came {
            table.row(vec![format!("{name}: {what}"), to.clone(), times.to_string()]);
        }
        if survivor.not_offered > 0 {
            table.row(vec![
                format!("{name}: not made, because too many waited"),
                String::new(),
                survivor.not_offered.to_string(),
            ]);
        }
        if survivor.came.values().sum::<u64>() == 0 {
            complaints.push(format!("{name} made no call"));
        }
    }
    println!("{table}\n{}", faults.lines.join("\n"));
    for survivor in survivors {
        complaints.extend(survivor.complaints.iter().cloned());
        for (line, times) in survivor.member.complaints() {
            println!("log of {}: {times} times {line}", survivor.member.name);
        }
    }
    println!();
    complaints.iter().for_each(|complaint| println!("UNEXPECTED: {complaint}"));
    println!("{}", if complaints.is_empty() { "Nothing unexpected." } else { "Not well." });
    complaints.is_empty()
}

/// By how much something may seem to grow in an hour.
///
/// Of memory 2 %, or 1 MiB: at a hundred calls a second that is three bytes for each, less than the smallest thing
/// that could be forgotten, and more than an allocator drifts. Of what is counted, one: a leak is of every fault or
/// call, hundreds in an hour. Of latency a tenth, which a table that is searched from end to end exceeds.
fn tolerance(what: &str, start: f64) -> f64 {
    match what {
        "RSS KiB" => (start * 0.02).max(1024.0),
        "p99 µs" | "p50 µs" => start * 0.1,
        _ => 1.0,
    }
}

fn by_minute(survivors: &[Survivor]) -> Table {
    let head = ["minute", "RSS KiB", "descriptors", "threads", "tasks", "p50 µs", "p99 µs", "calls", "failed"];
    let mut table = Table::new(&head);
    let minute = |sample: &Sample| (sample.at.as_secs().saturating_sub(1)) / 60 + 1;
    let last = survivors.iter().flat_map(|survivor| &survivor.samples).map(minute).max().unwrap_or(0);
    for number in 1..=last {
        for survivor in survivors {
            let samples: Vec<&Sample> = survivor.samples.iter().filter(|sample| minute(sample) == number).collect();
            let middle = |read: fn(&Sample) -> f64| {
                format!("{:.0}", median(samples.iter().map(|sample| read(sample)).collect()))
            };
            let sum = |read: fn(&Sample) -> u64| samples.iter().map(|sample| read(sample)).sum::<u64>().to_string();
            let mut row = vec![format!("{number}, {}", survivor.member.name)];
            row.extend([
                middle(|sample| sample.rss_kib),
                middle(|sample| sample.files),
                middle(|sample| sample.threads),
                middle(|sample| sample.tasks),
            ]);
            row.extend(if survivor.is_caller {
                [
                    middle(|sample| sample.p50),
                    middle(|sample| sample.p99),
                    sum(|sample| sample.calls),
                    sum(|sample| sample.failed),
                ]
            } else {
                std::array::from_fn(|_| "-".to_owned())
            });
            table.row(row);
        }
    }
    table
}
