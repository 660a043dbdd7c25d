use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::process::Command;

use macula_rust::node_key::Purpose;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::*;
use crate::exit;
use crate::telemetry::chain;
use crate::telemetry::seen;

/// A box with folders of its own.
struct Lab {
    home: TempDir,
    place: Place,
}

impl Lab {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let (data_dir, secrets_dir) = (home.path().join("data"), home.path().join("secrets"));
        Self { place: Place { data_dir, secrets_dir, profile: Profile::PqPure }, home }
    }

    /// One whose service has been up before.
    fn used() -> (Self, Identity) {
        let lab = Self::new();
        let identity = lab.load();
        (lab, identity)
    }

    fn load(&self) -> Identity {
        Identity::load(&self.place).unwrap_or_else(|error| panic!("{}", chain(&error)))
    }

    /// How it is refused; nothing that was there is touched by that.
    fn refused(&self) -> (u8, String) {
        let before = self.files();
        let error = Identity::load(&self.place).expect_err("there is no identity");
        assert_eq!(self.files(), before, "what was there stays as it is");
        let text = chain(&error);
        assert!(!text.contains('\n'), "{text}");
        for (_, content) in before.into_iter().filter(|(_, content)| content.len() > 100) {
            let seed = &content[content.len() - 32..];
            for shown in [&text, &format!("{error:?}")] {
                assert!(!shown.contains(&format!("{seed:?}")) && !shown.contains(&hex(seed)), "{shown}");
            }
        }
        (error.exit_code(), text.replace(&self.home.path().display().to_string(), "~"))
    }

    /// Every regular file below the box, and what it holds.
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        let mut folders = vec![self.home.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let entry = entry.unwrap();
                let kind = entry.file_type().unwrap();
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if kind.is_file() {
                    files.push((entry.path(), std::fs::read(entry.path()).unwrap()));
                }
            }
        }
        files.sort();
        files
    }

    fn provision(&self, key: &NodeKey) {
        key.save(&self.place.provisioned()).unwrap();
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_first_boot_makes_a_key_and_every_later_one_finds_it() {
    let (lab, first) = Lab::used();
    assert!(first.is_new());
    assert!(macula_rust::node_key::puzzle_solved(first.node().as_bytes(), macula_rust::node_key::PUZZLE_DIFFICULTY));
    let again = lab.load();
    assert_eq!((again.node(), again.is_new()), (first.node(), false));
    assert_eq!(std::fs::read_to_string(lab.place.marker()).unwrap(), format!("{}\n", first.node()));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&lab.place.own()), mode(&lab.place.folder())), (0o600, 0o700));
    assert_eq!(lab.files().len(), 2, "the key and the marker: {:?}", lab.files());
}

#[test]
fn a_key_in_the_secrets_folder_comes_first() {
    let lab = Lab::new();
    let key = NodeKey::generate_identity(Profile::PqPure, 0).unwrap();
    lab.provision(&key);
    let identity = lab.load();
    assert_eq!(*identity.node().as_bytes(), key.node_id().unwrap());
    assert_eq!((identity.path(), identity.is_new()), (&*lab.place.provisioned(), false));
    assert!(!lab.place.own().exists());
    // Once it is gone, the service does not become somebody else.
    std::fs::remove_file(lab.place.provisioned()).unwrap();
    let (code, text) = lab.refused();
    assert_eq!(code, exit::NO_INPUT);
    assert!(text.contains(&identity.node().to_string()), "{text}");
}

#[test]
fn a_key_in_the_secrets_folder_needs_no_data_folder() {
    let mut lab = Lab::new();
    lab.provision(&NodeKey::generate_identity(Profile::PqPure, 0).unwrap());
    std::fs::write(lab.home.path().join("file"), "").unwrap();
    lab.place.data_dir = lab.home.path().join("file/data");
    lab.load();
}

#[test]
fn a_key_that_was_lost_is_told_and_never_made_anew() {
    let (lab, identity) = Lab::used();
    let copy = std::fs::read(lab.place.own()).unwrap();
    std::fs::remove_file(lab.place.own()).unwrap();
    let node = identity.node();
    let told = format!(
        "the key of node {node} is lost: neither ~/secrets/node.key nor ~/data/identity/node.key is there, and \
         ~/data/identity/node-id says that this service was that node; help: put the key back, or remove \
         ~/data/identity/node-id to become a new node"
    );
    assert_eq!(lab.refused(), (exit::NO_INPUT, told.clone()));
    assert_eq!(lab.refused(), (exit::NO_INPUT, told), "and again");
    // The two ways out.
    std::fs::write(lab.place.own(), copy).unwrap();
    set_mode(&lab.place.own(), 0o600);
    assert_eq!(lab.load().node(), node);
    std::fs::remove_file(lab.place.own()).unwrap();
    std::fs::remove_file(lab.place.marker()).unwrap();
    let new = lab.load();
    assert!(new.is_new() && new.node() != node);
}

#[test]
fn a_key_of_another_node_is_refused_with_both_named() {
    let (lab, identity) = Lab::used();
    let other = NodeKey::generate_identity(Profile::PqPure, 0).unwrap();
    lab.provision(&other);
    let (was, node) = (identity.node(), NodeId::from_bytes(other.node_id().unwrap()));
    let told = format!(
        "the node key ~/secrets/node.key is of node {node}, but ~/data/identity/node-id says that this service was \
         node {was}; help: put the key of {was} back, or remove ~/data/identity/node-id to go on as {node}"
    );
    assert_eq!(lab.refused(), (exit::CONFIG, told));
    std::fs::remove_file(lab.place.marker()).unwrap();
    assert_eq!(lab.load().node(), node);
}

#[test]
fn a_marker_that_names_no_node_is_refused_and_no_reason_to_make_a_key() {
    let (lab, _) = Lab::used();
    for text in ["", "nonsense\n", &"f".repeat(1000)] {
        std::fs::write(lab.place.marker(), text).unwrap();
        let told = "~/data/identity/node-id holds no node id; help: remove it if the node key \
                    ~/data/identity/node.key is the right one";
        assert_eq!(lab.refused(), (exit::CONFIG, told.to_owned()), "{text}");
    }
    std::fs::remove_file(lab.place.own()).unwrap();
    let (code, text) = lab.refused();
    assert!(code == exit::NO_INPUT && text.contains("the key of node (unknown) is lost"), "{text}");
}

#[test]
fn two_first_boots_at_once_end_with_one_key() {
    let lab = Lab::new();
    let nodes: Vec<_> = std::thread::scope(|scope| {
        let boots: Vec<_> = (0..4).map(|_| scope.spawn(|| lab.load().node())).collect();
        boots.into_iter().map(|boot| boot.join().unwrap()).collect()
    });
    assert!(nodes.iter().all(|node| *node == nodes[0]), "{nodes:?}");
    assert_eq!(lab.load().node(), nodes[0]);
    assert_eq!(lab.files().len(), 2, "{:?}", lab.files().iter().map(|file| &file.0).collect::<Vec<_>>());
}

/// Every way in which a file is no key, in either folder.
#[test]
fn what_is_no_key_is_refused_by_name_and_left_as_it_is() {
    type Spoil = fn(&Path);
    let connect: Spoil = |path| NodeKey::generate(Purpose::Connect, Profile::PqPure).unwrap().save(path).unwrap();
    let hybrid: Spoil = |path| {
        // The profile is a byte behind the magic and the purpose; the halves come after it.
        let mut file = std::fs::read(path).unwrap();
        file[25] = 2;
        std::fs::write(path, file).unwrap();
    };
    let restore = "restore it from a copy: another key is another node";
    let no_file = "is no regular file; help: put a file there";
    let rows: [(&str, Spoil, u8, String); 13] = [
        ("empty", |path| std::fs::write(path, "").unwrap(), exit::CONFIG, format!("is empty; help: {restore}")),
        (
            "corrupt",
            |path| std::fs::write(path, "no key at all, but text").unwrap(),
            exit::CONFIG,
            format!("holds no node key, or not all of it; help: {restore}"),
        ),
        (
            "truncated",
            |path| {
                let file = std::fs::read(path).unwrap();
                std::fs::write(path, &file[..file.len() / 2]).unwrap();
            },
            exit::CONFIG,
            format!("holds no node key, or not all of it; help: {restore}"),
        ),
        (
            "flipped",
            |path| {
                let mut file = std::fs::read(path).unwrap();
                *file.last_mut().unwrap() ^= 1;
                std::fs::write(path, file).unwrap();
            },
            exit::CONFIG,
            format!("is damaged: the stored public key is not the one its private key derives; help: {restore}"),
        ),
        (
            "too large",
            |path| std::fs::write(path, vec![b'x'; 64 * 1024 + 1]).unwrap(),
            exit::CONFIG,
            "is larger than 64 KiB; help: is it the right file?".to_owned(),
        ),
        (
            "folder",
            |path| {
                std::fs::remove_file(path).unwrap();
                std::fs::create_dir(path).unwrap();
            },
            exit::CONFIG,
            no_file.to_owned(),
        ),
        (
            "pipe",
            |path| {
                std::fs::remove_file(path).unwrap();
                mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0).unwrap();
            },
            exit::CONFIG,
            no_file.to_owned(),
        ),
        (
            "link to nowhere",
            |path| {
                std::fs::remove_file(path).unwrap();
                symlink("nowhere", path).unwrap();
            },
            exit::CONFIG,
            format!("is a link that leads nowhere; help: {restore}"),
        ),
        (
            "link out",
            |path| {
                let away = path.parent().unwrap().parent().unwrap().join("away.key");
                std::fs::rename(path, &away).unwrap();
                symlink(&away, path).unwrap();
            },
            exit::PERMISSION,
            "is a link out of its folder".to_owned(),
        ),
        ("read by all", |path| set_mode(path, 0o604), exit::PERMISSION, "is open to others (mode 0604); help: chmod 600".to_owned()),
        (
            "read by the group",
            |path| set_mode(path, 0o640),
            exit::PERMISSION,
            "is open to others (mode 0640); help: chmod 600".to_owned(),
        ),
        ("purpose", connect, exit::CONFIG, "is no identity key but a connect key; help: give the identity key of the node".to_owned()),
        (
            "profile",
            hybrid,
            exit::CONFIG,
            "is of the crypto profile pq_hybrid, this service is set to pq_pure; help: a realm has one profile and its \
             nodes have keys of that: set the one that the key is of, or give a key of the other"
                .to_owned(),
        ),
    ];
    for (name, spoil, code, told) in rows {
        for is_provisioned in [true, false] {
            let (lab, _) = Lab::used();
            let path = if is_provisioned { lab.place.provisioned() } else { lab.place.own() };
            if is_provisioned {
                lab.provision(&NodeKey::generate_identity(Profile::PqPure, 0).unwrap());
            }
            spoil(&path);
            let (found, text) = lab.refused();
            assert_eq!(found, code, "{name}: {text}");
            let folder = if is_provisioned { "~/secrets/" } else { "~/data/identity/" };
            assert!(text.contains(folder) && text.contains(&told), "{name}: {text}");
        }
    }
}

#[test]
fn a_link_within_the_secrets_folder_is_followed() {
    // As Kubernetes mounts a secret: `node.key` leads through `..data` to the file of this version.
    let lab = Lab::new();
    let key = NodeKey::generate_identity(Profile::PqPure, 0).unwrap();
    let secrets = &lab.place.secrets_dir;
    key.save(&secrets.join("..2026_11_21/node.key")).unwrap();
    symlink("..2026_11_21", secrets.join("..data")).unwrap();
    symlink("..data/node.key", lab.place.provisioned()).unwrap();
    assert_eq!(*lab.load().node().as_bytes(), key.node_id().unwrap());
}

#[test]
fn a_key_of_another_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        // Nobody else can give a file away. CI runs as root.
        return;
    }
    let (lab, _) = Lab::used();
    chown(lab.place.own(), Some(54321), None).unwrap();
    let (code, text) = lab.refused();
    assert_eq!(code, exit::PERMISSION, "{text}");
    assert!(text.contains("belongs to user 54321, this process runs as 0; help: chown 0"), "{text}");
}

#[test]
fn folders_that_cannot_be_had_are_told() {
    // Below a file nothing can be read, whoever asks.
    let mut lab = Lab::new();
    std::fs::write(lab.home.path().join("file"), "").unwrap();
    lab.place.data_dir = lab.home.path().join("file");
    let (code, text) = lab.refused();
    assert_eq!(
        (code, text.as_str()),
        (exit::CANNOT_CREATE, "cannot make the folder ~/file/identity: Not a directory (os error 20)")
    );
    lab.place.secrets_dir = lab.home.path().join("file");
    let (code, text) = lab.refused();
    assert_eq!((code, text.contains("is in no folder; help: set HECATE_SECRETS_DIR")), (exit::CONFIG, true), "{text}");
    // Others could put a folder of theirs in place.
    let (lab, _) = Lab::used();
    set_mode(&lab.place.data_dir, 0o777);
    assert_eq!(
        lab.refused(),
        (exit::PERMISSION, "~/data is open to others (mode 0777); help: chmod o-w ~/data".to_owned())
    );
    for harmless in [0o1777, 0o2775, 0o755] {
        set_mode(&lab.place.data_dir, harmless);
        lab.load();
    }
    // Others could put a key of theirs in place.
    let (lab, _) = Lab::used();
    set_mode(&lab.place.folder(), 0o777);
    let (code, text) = lab.refused();
    assert_eq!(
        (code, text.contains("is open to others (mode 0777); help: chmod 700")),
        (exit::PERMISSION, true),
        "{text}"
    );
}

const FULL_DISK: &str = "HECATE_TEST_FULL_DISK";

/// The system refuses to write more than so many blocks into a file, in a process of its own: what was
/// begun must not be there for the next boot.
#[test]
fn a_full_disk_leaves_nothing_that_the_next_boot_takes_for_a_key() {
    if let Some(home) = std::env::var_os(FULL_DISK) {
        let home = PathBuf::from(home);
        let place = Place { data_dir: home.join("data"), secrets_dir: home.join("secrets"), profile: Profile::PqPure };
        let error = Identity::load(&place).expect_err("nothing can be written");
        println!("code {} {}", error.exit_code(), chain(&error));
        return;
    }
    for blocks in [0, 1, 2] {
        let lab = Lab::new();
        let this = "identity::key::tests::a_full_disk_leaves_nothing_that_the_next_boot_takes_for_a_key";
        let run = Command::new("sh")
            .args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" --exact {this} --nocapture")])
            .arg(std::env::current_exe().unwrap())
            .env(FULL_DISK, lab.home.path())
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&run.stdout);
        let told = format!("code {} cannot make the node key {}", exit::IO, lab.place.own().display());
        assert!(run.status.success() && printed.contains(&told), "{blocks}: {printed}");
        assert_eq!(lab.files(), [], "{blocks}");
        assert!(lab.load().is_new(), "once there is room");
    }
}

#[test]
fn a_crash_between_key_and_marker_is_made_good() {
    let lab = Lab::new();
    let key = NodeKey::generate_identity(Profile::PqPure, 0).unwrap();
    key.save(&lab.place.own()).unwrap();
    // A crash between key and marker leaves this; the next boot goes on from there.
    assert_eq!(*lab.load().node().as_bytes(), key.node_id().unwrap());
    assert!(lab.place.marker().is_file());
}

#[test]
fn a_process_with_a_key_leaves_no_core() {
    let (_lab, _) = Lab::used();
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let cores = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let numbers: Vec<_> = cores.split_whitespace().skip(4).take(2).collect();
    assert!(numbers.iter().all(|number| ["0", "1"].contains(number)), "{cores}");
}

#[test]
fn nothing_of_the_key_shows() {
    let (lab, identity) = Lab::used();
    let file = std::fs::read(lab.place.own()).unwrap();
    let seed = &file[file.len() - 32..];
    let shown = format!("{identity:?} {identity:#?}");
    assert!(!shown.contains(&hex(seed)) && !shown.contains(&format!("{seed:?}")), "{shown}");
    assert!(shown.contains(&identity.node().to_string()), "{shown}");
}

#[test]
fn the_log_tells_of_a_new_key_and_of_nothing_in_it() {
    let name = concat!(module_path!(), "::the_log_tells_of_a_new_key_and_of_nothing_in_it");
    let lines = seen::of(name, || {
        let (lab, _) = Lab::used();
        lab.load();
        // For the test to look for; the process that it is told to ends with this.
        tracing::info!(file = hex(&std::fs::read(lab.place.own()).unwrap()));
    });
    let [made, file] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(made.contains("a node key was made: keep a copy of it node="), "{made}");
    let seed = file.trim_end_matches('"').split_at_checked(file.len() - 65).unwrap().1;
    assert_eq!(seed.len(), 64, "{seed}");
    assert!(!made.contains(seed), "{made}");
}
