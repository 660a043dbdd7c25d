//! A mesh of a test's own.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hecate_om_station::{DevelopmentMesh, StationInfo};
use hyper::Method;
use macula_rust::profile::Profile;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::NotStarted;
use super::folder::TemporaryFolder;
use crate::client::exchange;
use crate::config::setting;
use crate::exit;
use crate::telemetry::chain;

/// How long the station of a mesh may take to come up, and a service to be found there.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often is looked whether it is.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A mesh of a test's own: a development station in a temporary folder, whose realm admits whoever comes.
///
/// Each service [on it](super::Setup::on) is on a box of its own, so that one reaches another as it would
/// over the stations of a fleet: by the same link, the same encoding and with the same checks.
///
/// ```standalone_crate
/// # use hecate_om::prelude::*;
/// use hecate_om::testing::{Mesh, Setup, block_on};
///
/// # #[message] struct Text { text: String }
/// # #[derive(Default)] struct Echo;
/// #[hecate_service(name = "hecate-echo")]
/// impl Echo {
///     /// Says it back.
///     #[capability(version = 1)]
///     async fn say(&self, request: Text, call: &Call<Self>) -> Result<Text> {
///         Ok(Text { text: format!("{} via {}", request.text, call.via()) })
///     }
/// }
///
/// # #[derive(Default)] struct Parrot;
/// #[hecate_service(name = "hecate-parrot", uses(Echo))]
/// impl Parrot {
///     /// Repeats what the echo says.
///     #[capability(version = 1)]
///     async fn repeat(&self, request: Text, call: &Call<Self>) -> Result<Text, CallError> {
///         Echo::SAY.call(call, request).await
///     }
/// }
///
/// # fn main() {
/// block_on(async {
///     let mesh = Mesh::start().await.unwrap();
///     let echo = Setup::<Echo>::new().on(&mesh).start().await.unwrap();
///     let parrot = Setup::<Parrot>::new().on(&mesh).start().await.unwrap();
///     let said = parrot.call(Parrot::REPEAT, Text { text: "hello".into() }).await.unwrap();
///     assert_eq!(said.text, "hello via mesh");
///     assert_eq!(mesh.relayed_calls(), 1);
/// #   drop(echo);
/// });
/// # }
/// ```
pub struct Mesh {
    on: Arc<Running>,
}

/// Goes on for as long as the test or a service holds it.
pub(super) struct Running {
    mesh: DevelopmentMesh,
    info: StationInfo,
    _folder: TemporaryFolder,
}

impl Mesh {
    /// Starts one.
    ///
    /// # Errors
    /// When its station does not come up.
    pub async fn start() -> Result<Self, NotStarted> {
        let folder = TemporaryFolder::new().map_err(NotStarted::for_want_of_a_place)?;
        let joined = DevelopmentMesh::join(folder.path.join("station"), Profile::PqPure).await;
        let mesh = joined.map_err(|error| failed(chain(&error)))?;
        let mut station = mesh.station();
        let found = timeout(PATIENCE, station.wait_for(Option::is_some)).await;
        let info = found.ok().and_then(Result::ok).and_then(|info| info.clone());
        let info = info.ok_or_else(|| failed(mesh.state().borrow().to_string()))?;
        Ok(Self { on: Arc::new(Running { mesh, info, _folder: folder }) })
    }

    /// How many calls its station has passed on between services: none for those that the realm itself
    /// answered.
    pub fn relayed_calls(&self) -> u64 {
        self.on.mesh.counts().map_or(0, |counts| counts.relayed_calls)
    }

    /// What another program finds in its environment that is to be on this mesh: a service in a process of
    /// its own, or one that is written in another language.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        self.on.settings().into()
    }

    pub(super) fn running(&self) -> Arc<Running> {
        Arc::clone(&self.on)
    }
}

impl fmt::Debug for Mesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mesh({}:{})", self.on.info.host, self.on.info.port)
    }
}

impl Running {
    /// What a service is told of it, as an operator would write it.
    pub(super) fn settings(&self) -> [(&'static str, String); 6] {
        let info = &self.info;
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        [
            (setting::MESH.variable, "required".to_owned()),
            (setting::RESOLVE.variable, "mesh".to_owned()),
            (setting::STATION_SEEDS.variable, format!("{}:{}", info.host, info.port)),
            (setting::STATION_NODE_IDS.variable, hex(&info.node_id)),
            (setting::REALM.variable, info.realm_name.clone()),
            (setting::REALM_KEY.variable, hex(&info.realm_key)),
        ]
    }

    /// Waits until everything that a service offers is found on the mesh, and the realm has said whether it
    /// mints the token that the service may need.
    pub(super) async fn found(&self, health: SocketAddr) -> Result<(), NotStarted> {
        let mut last = Value::Null;
        let looking = async {
            loop {
                last = told(health, "/info").await["mesh"].take();
                let is_found = last["offered"].is_u64() && last["offered"] == last["advertised"];
                if is_found && !told(health, "/health/identity.token").await["age_ms"].is_null() {
                    return;
                }
                sleep(LOOK_EVERY).await;
            }
        };
        let found = timeout(PATIENCE, looking).await;
        found.map_err(|_| failed(format!("the service is not found on the mesh; it tells {last}")))
    }
}

async fn told(health: SocketAddr, path: &str) -> Value {
    let Ok(stream) = TcpStream::connect(health).await else { return Value::Null };
    let answer = exchange(stream, Method::GET, path, Bytes::new()).await;
    answer.ok().and_then(|(_, body)| serde_json::from_slice(&body).ok()).unwrap_or_default()
}

fn failed(message: String) -> NotStarted {
    NotStarted { exit_code: exit::TRY_AGAIN, message }
}
