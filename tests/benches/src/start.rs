//! From the start of the process to the first healthy answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

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
    let home = Home::new()?;
    // The keys of the service and of the station are made once in the life of a box.
    home.start()?;
    let mut on_mesh = Vec::new();
    for _ in 0..STARTS {
        for (server, times) in SERVERS.iter().zip(&mut started) {
            times.push(start(Launch::of(*server))?);
        }
        on_mesh.push(home.start()?);
    }
    let mut table = Table::new(&["start to the first 200 of /health", "median ms", "fastest ms", "CPU ms"]);
    let cpu = |times: &[(f64, f64)]| median(times.iter().map(|(_, cpu)| *cpu).collect());
    let rows = SERVERS.iter().map(|server| server.label()).zip(&started);
    for (label, times) in rows.chain([("hecate-om, on the development mesh", &on_mesh)]) {
        let fastest = times.iter().map(|(took, _)| *took).fold(f64::INFINITY, f64::min);
        table.row(vec![
            label.to_owned(),
            format!("{:.2}", median(times.iter().map(|(took, _)| *took).collect())),
            format!("{fastest:.2}"),
            format!("{:.2}", cpu(&times[..])),
        ]);
    }
    let added = |of: fn(&(f64, f64)) -> f64| {
        median(started[1].iter().zip(&started[0]).map(|(thousand, one)| of(thousand) - of(one)).collect())
    };
    let memory = |kib: u64| kib as f64 / 1024.0;
    Ok(format!(
        "{table}\n{STARTS} starts each, in turns. 1,000 capabilities add {:.2} ms, and {:.2} ms of CPU (medians of the differences). \
         On the mesh the service runs the station of its box, whose keys and its own are there already. Idle it holds {:.1} MiB (RSS) \
         once it is found there, and {:.1} MiB with `HECATE_MESH=off`.\n",
        added(|(took, _)| *took),
        added(|(_, cpu)| *cpu),
        memory(home.memory()?),
        memory(idle_memory()?),
    ))
}

/// The folders of a box that stay from start to start.
struct Home(TempDir);

impl Home {
    fn new() -> Outcome<Self> {
        Ok(Self(tempfile::Builder::new().prefix("hecate-om-benches-").tempdir()?))
    }

    fn launch(&self) -> Launch {
        let (run, data) = (self.0.path().join("run"), self.0.path().join("data"));
        Launch { runtime_dir: Some(run), on_mesh: Some(data), ..Launch::of(Server::Hecate) }
    }

    fn start(&self) -> Outcome<(f64, f64)> {
        start(self.launch())
    }

    /// The KiB of a service that is found on the mesh.
    fn memory(&self) -> Outcome<u64> {
        let health = free_address()?;
        let process = Launch { health: Some(health), ..self.launch() }.ready()?;
        let begun = Instant::now();
        loop {
            let told = asked(health, "/info")?.map(|(_, body)| serde_json::from_slice::<Value>(&body)).transpose()?;
            let mesh = &told.as_ref().unwrap_or(&Value::Null)["mesh"];
            if mesh["offered"].is_u64() && mesh["offered"] == mesh["advertised"] {
                break;
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("the service is not found on the mesh after {PATIENCE:?}; it tells {mesh}").into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        process.wait_until_idle()?;
        let memory = process.memory()?;
        process.stop()?;
        Ok(memory)
    }
}

/// The KiB of a service without the mesh.
fn idle_memory() -> Outcome<u64> {
    let process = Launch::of(Server::Hecate).ready()?;
    process.wait_until_idle()?;
    let memory = process.memory()?;
    process.stop()?;
    Ok(memory)
}

/// Milliseconds until it is healthy: by the clock, and of CPU.
fn start(launch: Launch) -> Outcome<(f64, f64)> {
    let (health, label) = (free_address()?, launch.server.label());
    let begun = Instant::now();
    let process = Launch { health: Some(health), ..launch }.start()?;
    while !is_healthy(health)? {
        if begun.elapsed() > PATIENCE {
            return Err(format!("{label} is not healthy after {PATIENCE:?}").into());
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
    Ok(asked(address, "/health")?.is_some_and(|(status, _)| status == 200))
}

/// What is at a path; nothing when nobody answers.
fn asked(address: SocketAddr, path: &str) -> Outcome<Option<(u16, Vec<u8>)>> {
    let Ok(mut stream) = TcpStream::connect(address) else { return Ok(None) };
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut answer = Vec::new();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let asked = stream.write_all(request.as_bytes());
    if asked.and_then(|()| stream.read_to_end(&mut answer)).is_err() {
        return Ok(None);
    }
    Ok(Reply::parse(&answer)?.map(|reply| (reply.status, reply.body.to_vec())))
}
