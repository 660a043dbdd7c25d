//! How the service is on the mesh.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::Family;

/// What there is to count.
#[derive(Debug)]
pub(super) struct Mesh {
    pub(super) links: u64,
    pub(super) offered: u64,
    pub(super) advertised: u64,
    /// Where the station runs in this process.
    pub(super) relayed: Option<u64>,
}

impl Collector for Mesh {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        Family::gauge(&mut encoder, "hecate_mesh_links", "Links to stations that are up.")?.is(&[], self.links)?;
        Family::gauge(&mut encoder, "hecate_mesh_offered", "Procedures that are offered on the mesh.")?
            .is(&[], self.offered)?;
        Family::gauge(&mut encoder, "hecate_mesh_advertised", "Procedures that the mesh finds here.")?
            .is(&[], self.advertised)?;
        if let Some(relayed) = self.relayed {
            let help = "Calls that the development station of this process has passed on.";
            Family::counter(&mut encoder, "hecate_station_relayed_calls", help)?.counted(&[], relayed)?;
        }
        Ok(())
    }
}
