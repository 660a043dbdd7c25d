//! `orgs`: the orgs that the realm of this box admitted, one a line, so that nobody has to claim anew when
//! another process runs the station. It is no secret and no promise: whoever is not in it asks again.

use std::path::Path;

use tokio::sync::watch;

use crate::folder::{self, FolderError, StationFolder};

/// More were left behind by services that are long gone: then all claim anew.
const MOST: usize = 128;
const MOST_BYTES: u64 = 64 << 10;

/// What the stations before admitted.
pub(crate) fn of_before(folder: &StationFolder) -> Vec<String> {
    let text = match folder::read(&folder.orgs(), MOST_BYTES) {
        Ok(text) => text.unwrap_or_default(),
        Err(error) => {
            tracing::warn!(%error, "orgs that were admitted before have to claim anew");
            return Vec::new();
        }
    };
    let orgs: Vec<_> = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect();
    if orgs.len() > MOST { Vec::new() } else { orgs }
}

/// Notes the orgs as they come, for the station after this one.
pub(crate) async fn note(folder: &StationFolder, mut orgs: watch::Receiver<Vec<String>>) {
    loop {
        let now = orgs.borrow_and_update().clone();
        if let Err(error) = write(&folder.orgs(), &now) {
            tracing::warn!(%error, "orgs that are admitted now have to claim anew when another runs the station");
        }
        if orgs.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

fn write(path: &Path, orgs: &[String]) -> Result<(), FolderError> {
    let text: String = orgs.iter().flat_map(|org| [org.as_str(), "\n"]).collect();
    folder::replace(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_admitted_is_known_to_the_next_unless_it_is_too_much() {
        let home = tempfile::tempdir().unwrap();
        let folder = StationFolder::open(&home.path().join("station")).unwrap();
        assert!(of_before(&folder).is_empty());
        let orgs = ["acme".to_owned(), "hecate-echo".to_owned()];
        write(&folder.orgs(), &orgs).unwrap();
        assert_eq!(of_before(&folder), orgs);
        write(&folder.orgs(), &vec!["acme".to_owned(); MOST + 1]).unwrap();
        assert!(of_before(&folder).is_empty());
    }
}
