//! The process as the system sees it: the standard names of Prometheus, read from `/proc`.
//!
//! What the system does not tell is left out.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use super::Family;

/// What is known of this process.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Process {
    stat: Option<Stat>,
    /// Seconds since 1970.
    start_time: Option<f64>,
    open_files: Option<u64>,
    max_files: Option<u64>,
}

/// `/proc/self/stat`, in the units of the metrics.
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_seconds: f64,
    threads: u64,
    /// After the system came up, in seconds.
    started: f64,
    virtual_bytes: u64,
    resident_bytes: u64,
}

impl Process {
    pub(super) fn now() -> Self {
        let ticks = clock_ticks_per_second() as f64;
        let stat = fs::read_to_string("/proc/self/stat").ok();
        let stat = stat.and_then(|text| Stat::parse(&text, ticks, page_size() as u64));
        let booted = fs::read_to_string("/proc/stat").ok().and_then(|text| boot_time(&text));
        // The folder that is read is a file as well.
        let open_files = fs::read_dir("/proc/self/fd").ok().map(|files| (files.count() as u64).saturating_sub(1));
        Self {
            start_time: stat.as_ref().zip(booted).map(|(stat, booted)| booted + stat.started),
            open_files,
            max_files: getrlimit(Resource::Nofile).current,
            stat,
        }
    }
}

impl Stat {
    fn parse(text: &str, ticks: f64, page: u64) -> Option<Self> {
        // The second field is a name, in which anything may be; the third comes first here.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_seconds: (number(14)? + number(15)?) as f64 / ticks,
            threads: number(20)?,
            started: number(22)? as f64 / ticks,
            virtual_bytes: number(23)?,
            resident_bytes: number(24)? * page,
        })
    }
}

/// When the system came up, from `/proc/stat`.
fn boot_time(text: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (seconds, bytes) = (Some(&Unit::Seconds), Some(&Unit::Bytes));
        if let Some(stat) = &self.stat {
            let help = "Time that the process had a processor, in user and system.";
            let mut cpu = Family::of(&mut encoder, "process_cpu", help, seconds, MetricType::Counter)?;
            cpu.counted(&[], stat.cpu_seconds)?;
            for (name, help, value) in [
                ("process_resident_memory", "Memory that is in use.", stat.resident_bytes),
                ("process_virtual_memory", "Memory that is addressed.", stat.virtual_bytes),
            ] {
                Family::of(&mut encoder, name, help, bytes, MetricType::Gauge)?.is(&[], value)?;
            }
            Family::gauge(&mut encoder, "process_threads", "Threads.")?.is(&[], stat.threads)?;
        }
        if let Some(started) = self.start_time {
            let help = "When the process started, since 1970.";
            Family::of(&mut encoder, "process_start_time", help, seconds, MetricType::Gauge)?.is(&[], started)?;
        }
        for (name, help, value) in [
            ("process_open_fds", "Files that are open.", self.open_files),
            ("process_max_fds", "Files that may be open at once.", self.max_files),
        ] {
            if let Some(value) = value {
                Family::gauge(&mut encoder, name, help)?.is(&[], value)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_anything() {
        let text = "42 (a) b (c) S 1 1 1 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 9 0 1000 8192 3 18446744073709551615 0";
        let expected = Stat { cpu_seconds: 2.0, threads: 9, started: 10.0, virtual_bytes: 8192, resident_bytes: 12288 };
        assert_eq!(Stat::parse(text, 100.0, 4096), Some(expected));
        assert_eq!(Stat::parse("42 (x) S 1", 100.0, 4096), None);
        assert_eq!(boot_time("cpu  1 2\nbtime 1700000000\nprocesses 3\n"), Some(1_700_000_000.0));
    }

    #[test]
    fn this_process_is_seen() {
        let Process { stat, start_time, open_files, max_files } = Process::now();
        let stat = stat.unwrap();
        assert!(stat.threads >= 1 && stat.resident_bytes > 100_000 && stat.virtual_bytes >= stat.resident_bytes);
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        let age = now - start_time.unwrap();
        assert!((-5.0..36_000.0).contains(&age), "{age}");
        assert!(open_files.unwrap() >= 3 && open_files <= max_files);
    }
}
