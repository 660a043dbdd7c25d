//! What the development station of this box left behind for its clients.

use hecate_om_station::StationInfo;

/// Reads `station.json`: what reads is the same when it is read again from what is written of it.
pub(super) fn station_info(input: &[u8]) {
    let Ok(info) = serde_json::from_slice::<StationInfo>(input) else { return };
    let written = serde_json::to_vec_pretty(&info).unwrap();
    assert_eq!(serde_json::from_slice::<StationInfo>(&written).unwrap(), info);
}
