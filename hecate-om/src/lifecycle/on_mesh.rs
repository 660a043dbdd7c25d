//! The mesh as boot and drain see it: there or not, compiled in or not.

#[cfg(feature = "macula")]
pub(crate) use here::inspect_identity;
#[cfg(feature = "macula")]
pub(super) use here::{Identified, OnMesh};
#[cfg(not(feature = "macula"))]
pub(super) use nowhere::{Identified, OnMesh};

#[cfg(feature = "macula")]
mod here {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::runtime::Handle;
    use tokio::time::Instant;

    use crate::client::Calls;
    use crate::config::Config;
    use crate::config::mesh::MeshMode;
    use crate::dispatch::Dispatch;
    use crate::health::board::{Board, Finding};
    use crate::health::{Health, Impact};
    use crate::identity::{Identity, IdentityError, Place};
    use crate::lifecycle::boot::BootError;
    use crate::mesh::access::profile_of;
    use crate::mesh::presence::{Presence, Setup};
    use crate::service::Blueprint;

    /// Who the service is; nobody where there is no mesh.
    pub(in crate::lifecycle) struct Identified(Option<Identity>);

    impl Identified {
        /// Reads the key, or makes it. Blocks.
        pub(in crate::lifecycle) fn read(config: &Config) -> Result<Self, BootError> {
            if config.mesh.mode == MeshMode::Off {
                return Ok(Self(None));
            }
            let identity = Identity::load(&place_of(config))?;
            let (node, key, is_new) = (identity.node(), identity.path().display(), identity.is_new());
            tracing::info!(%node, %key, is_new, "identity");
            Ok(Self(Some(identity)))
        }
    }

    /// Which node the service is, in words, by the key that a boot would take; nothing where it takes none.
    /// Blocks.
    ///
    /// # Errors
    /// Those that would end the boot.
    pub(crate) fn inspect_identity(config: &Config) -> Result<Option<String>, IdentityError> {
        let place = place_of(config);
        let told = |place: &Place| format!("a key will be made in {}", place.data_dir.join("identity").display());
        let shown = |found: Identity| format!("node {}, {}", found.node(), found.path().display());
        let is_on_mesh = config.mesh.mode != MeshMode::Off;
        let found = if is_on_mesh { Some(Identity::inspect(&place)?) } else { None };
        Ok(found.map(|found| found.map_or_else(|| told(&place), shown)))
    }

    fn place_of(config: &Config) -> Place {
        Place {
            data_dir: config.data_dir.clone(),
            secrets_dir: config.secrets_dir.clone(),
            profile: profile_of(config.mesh.profile),
        }
    }

    /// A service on the mesh, or not on it.
    #[derive(Default)]
    pub(in crate::lifecycle) struct OnMesh(Option<Presence>);

    impl OnMesh {
        pub(in crate::lifecycle) fn begin(
            identified: Identified,
            config: &Config,
            blueprint: Blueprint,
            dispatch: &Arc<Dispatch>,
            board: &Arc<Board>,
            workers: &Handle,
            calls: &Calls,
        ) -> Self {
            let Some(identity) = identified.0 else { return Self(None) };
            let begun = Presence::begin(Setup {
                blueprint,
                config: config.mesh.clone(),
                node: identity.node(),
                identity: Arc::clone(identity.key()),
                dispatch: Arc::clone(dispatch),
                board: Arc::clone(board),
                workers: workers.clone(),
                secrets_dir: config.secrets_dir.clone(),
                station_folder: config.runtime_dir.join("station"),
            });
            match begun {
                Ok(presence) => {
                    let view = Arc::clone(presence.view());
                    calls.join_mesh(presence.outbound());
                    board.show_mesh(Box::new(move |with_details| view.told(with_details)));
                    Self(Some(presence))
                }
                Err(error) => {
                    tracing::error!(%error, "the service is not on the mesh");
                    let health = Health::degraded(format!("the service is not on the mesh: {error}"));
                    let check = board.add("mesh.link", Impact::Degrading);
                    let at = std::time::Instant::now();
                    board.note(check, Finding { health, code: None, at, took: Duration::ZERO });
                    Self(None)
                }
            }
        }

        /// What reads the files of the identity again; it blocks.
        pub(in crate::lifecycle) fn reload(&self) -> impl FnOnce() + Send + use<> {
            let certificate = self.0.as_ref().map(|presence| Arc::clone(presence.certificate()));
            move || certificate.iter().for_each(|certificate| certificate.read())
        }

        /// Whether anybody could have found the service.
        pub(in crate::lifecycle) fn is_advertised(&self) -> bool {
            self.0.as_ref().is_some_and(|presence| presence.view().is_advertised())
        }

        pub(in crate::lifecycle) async fn withdraw(&self, until: Instant) {
            if let Some(presence) = &self.0 {
                presence.withdraw(until).await;
            }
        }

        pub(in crate::lifecycle) async fn leave(self, until: Instant) {
            if let Some(presence) = self.0 {
                presence.leave(until).await;
            }
        }
    }
}

#[cfg(not(feature = "macula"))]
mod nowhere {
    use std::sync::Arc;

    use tokio::runtime::Handle;
    use tokio::time::Instant;

    use crate::client::Calls;
    use crate::config::Config;
    use crate::dispatch::Dispatch;
    use crate::health::board::Board;
    use crate::lifecycle::boot::BootError;
    use crate::service::Blueprint;

    pub(in crate::lifecycle) struct Identified;

    impl Identified {
        pub(in crate::lifecycle) fn read(_config: &Config) -> Result<Self, BootError> {
            Ok(Self)
        }
    }

    #[derive(Default)]
    pub(in crate::lifecycle) struct OnMesh(());

    impl OnMesh {
        pub(in crate::lifecycle) fn begin(
            _identified: Identified,
            _config: &Config,
            _blueprint: Blueprint,
            _dispatch: &Arc<Dispatch>,
            _board: &Arc<Board>,
            _workers: &Handle,
            _calls: &Calls,
        ) -> Self {
            Self(())
        }

        pub(in crate::lifecycle) fn reload(&self) -> impl FnOnce() + Send + use<> {
            || ()
        }

        pub(in crate::lifecycle) fn is_advertised(&self) -> bool {
            false
        }

        pub(in crate::lifecycle) async fn withdraw(&self, _until: Instant) {}

        pub(in crate::lifecycle) async fn leave(self, _until: Instant) {}
    }
}
