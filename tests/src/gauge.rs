//! What the kernel knows of a process, and how long answers take.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::{Process, Wire};

impl Process {
    /// How many files it has open, sockets among them.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).map_or(0, Iterator::count)
    }

    /// How much memory it has, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

/// How long answers took.
///
/// Beside each answer of the service a byte goes to a thread of the test and back: what that takes is
/// what the box gives nobody at the moment, and no service is to be blamed for it.
pub struct Latencies {
    answers: Vec<Duration>,
    idle: Vec<Duration>,
}

impl Latencies {
    /// Asks `/livez` so often, each time on a connection of its own.
    pub fn of_livez(health: SocketAddr, times: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mirror = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().take(times) {
                let (mut stream, mut byte) = (stream.unwrap(), [0]);
                stream.read_exact(&mut byte).unwrap();
                stream.write_all(&byte).unwrap();
            }
        });
        let (mut answers, mut idle) = (Vec::new(), Vec::new());
        for _ in 0..times {
            let begun = Instant::now();
            assert_eq!(Wire::tcp(health).get("/livez").status, 200);
            answers.push(begun.elapsed());
            let begun = Instant::now();
            let mut stream = TcpStream::connect(mirror).unwrap();
            stream.write_all(b"x").unwrap();
            stream.read_exact(&mut [0]).unwrap();
            idle.push(begun.elapsed());
            std::thread::sleep(Duration::from_millis(1));
        }
        answers.sort_unstable();
        idle.sort_unstable();
        Self { answers, idle }
    }

    /// What 99 of 100 answers took no longer than, and the same for a byte to nobody.
    pub fn p99(&self) -> (Duration, Duration) {
        let p99 = |sorted: &[Duration]| sorted[sorted.len() * 99 / 100];
        (p99(&self.answers), p99(&self.idle))
    }

    /// Holds the promise: 99 of 100 answers within `most`.
    pub fn assert_p99_below(&self, most: Duration) {
        let (p99, idle) = self.p99();
        let median = self.answers[self.answers.len() / 2];
        println!("/livez: median {median:?}, p99 {p99:?}; a byte to nobody: p99 {idle:?}");
        assert!(p99 < most + idle, "p99 of /livez is {p99:?}, and that of a byte to nobody {idle:?}");
    }
}
