//! From the start of the process to the first healthy answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::client::Reply;
use crate::process::{Launch, Server};
use crate::report::{Table, median};

/// How often each is started; the servers take turns.
const STARTS: usize = 40;
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(20);

const SERVERS: [Server; 4] = [Server::Hecate, Server::Thousand, Server::ByHand, Server::Axum];

/// Measures, and says it in Markdown.
pub(crate) fn run() -> Outcome<String> {
    let mut started: [Vec<(f64, f64)>; SERVERS.len()] = Default::default();
    for _ in 0..STARTS {
        for (server, times) in SERVERS.iter().zip(&mut started) {
            times.push(start(*server)?);
        }
    }
    let mut table = Table::new(&["start to the first 200 of /health", "median ms", "fastest ms", "CPU ms"]);
    let cpu = |times: &[(f64, f64)]| median(times.iter().map(|(_, cpu)| *cpu).collect());
    for (server, times) in SERVERS.iter().zip(&started) {
        let fastest = times.iter().map(|(took, _)| *took).fold(f64::INFINITY, f64::min);
        table.row(vec![
            server.label().to_owned(),
            format!("{:.2}", median(times.iter().map(|(took, _)| *took).collect())),
            format!("{fastest:.2}"),
            format!("{:.2}", cpu(&times[..])),
        ]);
    }
    let added = |of: fn(&(f64, f64)) -> f64| {
        median(started[1].iter().zip(&started[0]).map(|(thousand, one)| of(thousand) - of(one)).collect())
    };
    Ok(format!(
        "{table}\n{STARTS} starts each, in turns. 1,000 capabilities add {:.2} ms, and {:.2} ms of CPU (medians of the differences).\n",
        added(|(took, _)| *took),
        added(|(_, cpu)| *cpu)
    ))
}

/// Milliseconds until it is healthy: by the clock, and of CPU.
fn start(server: Server) -> Outcome<(f64, f64)> {
    let health = free_address()?;
    let begun = Instant::now();
    let process = Launch { health: Some(health), ..Launch::of(server) }.start()?;
    while !is_healthy(health)? {
        if begun.elapsed() > PATIENCE {
            return Err(format!("{} is not healthy after {PATIENCE:?}", server.label()).into());
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    let (took, cpu) = (begun.elapsed(), process.cpu()?);
    process.stop()?;
    Ok((took.as_secs_f64() * 1e3, cpu.as_secs_f64() * 1e3))
}

/// An address that was free a moment ago: a server is told where, so that nobody waits for it to tell.
fn free_address() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Nobody there, or somebody who is not yet well, is not healthy.
fn is_healthy(address: SocketAddr) -> Outcome<bool> {
    let Ok(mut stream) = TcpStream::connect(address) else { return Ok(false) };
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut answer = Vec::new();
    let asked = stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    if asked.and_then(|()| stream.read_to_end(&mut answer)).is_err() {
        return Ok(false);
    }
    Ok(Reply::parse(&answer)?.is_some_and(|reply| reply.status == 200))
}
