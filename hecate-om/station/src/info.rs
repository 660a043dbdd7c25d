//! `station.json`: what a client needs to know of the station of this box.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use macula_rust::profile::Profile;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::folder::{self, FolderError};

/// What a client needs to dial the station of this box and to trust its realm: the content of
/// `station.json`. Fields may be added within the schema, and readers let unknown ones pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationInfo {
    /// [`StationInfo::SCHEMA`].
    pub schema: String,
    /// The process that runs the station.
    pub pid: u32,
    /// Where it listens.
    pub host: String,
    /// On which UDP port.
    pub port: u16,
    /// The node that clients pin.
    #[serde(with = "hex")]
    pub node_id: [u8; 32],
    /// With which keys all nodes of the station sign.
    #[serde(with = "profile")]
    pub profile: Profile,
    /// The id of the realm: SHA-256 of its name.
    #[serde(with = "hex")]
    pub realm: [u8; 32],
    /// The name of the realm.
    pub realm_name: String,
    /// The public key of the realm as carried, for `Opts::realm_trust`.
    #[serde(with = "hex")]
    pub realm_key: Vec<u8>,
}

impl StationInfo {
    /// The schema that this crate writes and reads.
    pub const SCHEMA: &str = "hecate.station/1";

    /// What the station of a box says of itself, for who only calls and would not run it; none when no process
    /// runs one. `folder` is that of the station, `<runtime dir>/station`.
    ///
    /// # Errors
    /// When the file cannot be had, or is not what a station of this version writes.
    pub fn of_box(folder: &Path) -> Result<Option<Self>, InfoError> {
        // What a station left that was killed is believed by nobody.
        if !folder::is_locked(folder) {
            return Ok(None);
        }
        Self::read(&folder.join(folder::INFO))
    }

    /// Writes it, whole or not at all. Only for who has the seat.
    pub(crate) fn publish(&self, path: &Path) -> Result<(), InfoError> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| InfoError::refused(path, &error))?;
        Ok(folder::replace(path, &text)?)
    }

    fn read(path: &Path) -> Result<Option<Self>, InfoError> {
        let Some(text) = folder::read(path, MOST_BYTES)? else { return Ok(None) };
        let info: Self = serde_json::from_slice(&text).map_err(|error| InfoError::refused(path, &error))?;
        if info.schema != Self::SCHEMA {
            return Err(InfoError::refused(path, &format!("the schema is `{}`, not `{}`", info.schema, Self::SCHEMA)));
        }
        Ok(Some(info))
    }
}

/// Why `station.json` cannot be written or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InfoError {
    /// The file cannot be had.
    #[error(transparent)]
    File(#[from] FolderError),
    /// It is not what a station of this version writes.
    #[error("{} does not read: {what}; help: run all services of this box in the same version, and leave the files of the station alone", .path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

impl InfoError {
    fn refused(path: &Path, what: &dyn fmt::Display) -> Self {
        Self::Refused { path: path.to_owned(), what: what.to_string() }
    }
}

/// A hybrid key takes some 6 KiB in hex.
const MOST_BYTES: u64 = 64 << 10;

/// The file as it comes and is replaced.
#[derive(Debug)]
pub(crate) struct InfoFile {
    path: PathBuf,
    seen: Option<Stamp>,
}

/// Two files that replaced one another differ in it.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    changed: (i64, i64),
}

impl InfoFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, seen: None }
    }

    /// Makes the file news again.
    pub(crate) fn forget(&mut self) {
        self.seen = None;
    }

    /// What the file says, if it is another one than last time.
    pub(crate) fn news(&mut self) -> Option<Result<StationInfo, InfoError>> {
        // Missing: a station that starts has not written it yet.
        let found = std::fs::symlink_metadata(&self.path).ok()?;
        let stamp = Stamp { inode: found.ino(), changed: (found.ctime(), found.ctime_nsec()) };
        if self.seen.as_ref() == Some(&stamp) {
            return None;
        }
        // Replaced or removed in between: the next look tells.
        let read = StationInfo::read(&self.path).transpose()?;
        self.seen = Some(stamp);
        Some(read)
    }
}

mod hex {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &impl AsRef<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
        let digits: String = bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        serializer.serialize_str(&digits)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, T: TryFrom<Vec<u8>>>(deserializer: D) -> Result<T, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = decode(text.as_bytes()).ok_or_else(|| D::Error::custom("a field is not pairs of hex digits"))?;
        let length = bytes.len();
        T::try_from(bytes).map_err(|_| D::Error::custom(format!("an id is not {length} bytes long")))
    }

    fn decode(text: &[u8]) -> Option<Vec<u8>> {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let (pairs, rest) = text.as_chunks::<2>();
        let byte = |&[high, low]: &[u8; 2]| u8::try_from(digit(high)? << 4 | digit(low)?).ok();
        rest.is_empty().then(|| pairs.iter().map(byte).collect()).flatten()
    }
}

mod profile {
    use macula_rust::profile::Profile;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(profile: &Profile, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(profile.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Profile, D::Error> {
        Profile::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use serde_json::{Value, json};

    use super::*;

    fn info() -> StationInfo {
        StationInfo {
            schema: StationInfo::SCHEMA.to_owned(),
            pid: 7,
            host: "127.0.0.1".to_owned(),
            port: 4433,
            node_id: [0xab; 32],
            profile: Profile::PqPure,
            realm: [1; 32],
            realm_name: "hecate.local".to_owned(),
            realm_key: vec![0, 255],
        }
    }

    #[test]
    fn the_file_is_the_document_of_the_contract() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("station.json");
        info().publish(&path).unwrap();
        let read: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let wanted = json!({
            "schema": "hecate.station/1",
            "pid": 7,
            "host": "127.0.0.1",
            "port": 4433,
            "node_id": "ab".repeat(32),
            "profile": "pq_pure",
            "realm": "01".repeat(32),
            "realm_name": "hecate.local",
            "realm_key": "00ff",
        });
        assert_eq!(read, wanted);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(StationInfo::read(&path).unwrap(), Some(info()));
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_file_that_is_replaced_is_news_and_one_that_stays_is_not() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("station.json");
        let mut file = InfoFile::new(path.clone());
        assert!(file.news().is_none());
        info().publish(&path).unwrap();
        assert_eq!(file.news().unwrap().unwrap(), info());
        assert!(file.news().is_none());
        // The same words of another station.
        info().publish(&path).unwrap();
        assert_eq!(file.news().unwrap().unwrap(), info());
        file.forget();
        assert_eq!(file.news().unwrap().unwrap(), info());
        std::fs::remove_file(&path).unwrap();
        assert!(file.news().is_none());
    }

    #[test]
    fn what_no_station_wrote_is_refused_by_name() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("station.json");
        let said = |text: &str| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            let said = StationInfo::read(&path).unwrap_err().to_string();
            assert!(said.contains(path.to_str().unwrap()) && said.contains("; help: "), "{said}");
            said
        };
        let whole = serde_json::to_string(&info()).unwrap();
        assert!(said("").contains("does not read"));
        assert!(said(&whole[..whole.len() - 1]).contains("does not read"));
        assert!(said(&whole.replace("station/1", "station/2")).contains("the schema is `hecate.station/2`"));
        assert!(said(&whole.replace("pq_pure", "classic")).contains("not a known crypto profile"));
        assert!(said(&whole.replace(&"ab".repeat(32), "ab")).contains("an id is not 1 bytes long"));
        assert!(said(&whole.replace("00ff", "0xff")).contains("pairs of hex digits"));
        assert!(said(&format!("{}{whole}", " ".repeat(64 << 10))).contains("does not read"));

        std::fs::write(&path, &whole).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let error = StationInfo::read(&path).unwrap_err().to_string();
        assert!(error.contains("is open to others (mode 0644)"), "{error}");
    }

    #[test]
    fn what_a_later_version_adds_is_let_pass() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("station.json");
        info().publish(&path).unwrap();
        let mut document: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        document["motto"] = json!("later");
        std::fs::write(&path, document.to_string()).unwrap();
        assert_eq!(StationInfo::read(&path).unwrap(), Some(info()));
    }
}
