use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;
use crate::dispatch::Dispatch;
use crate::health::board::Phase;
use crate::service::{IdentitySpec, ServiceInfo};

/// What must be seen nowhere.
const CANARY: &str = "tr0ub4dor";

static INFO: ServiceInfo = {
    let identity = IdentitySpec::new("vault", &[], &[], 30);
    ServiceInfo::new("hecate-vault", "1.0.0", "Keeps.", "vault::Vault", "vault.rs:1", &[], identity, 8470, "{}")
};

/// A secrets folder of its own.
struct Vault {
    folder: PathBuf,
    board: Arc<Board>,
    secrets: Secrets,
}

impl Vault {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("hecate-vault-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        DirBuilder::new().mode(0o700).create(&folder).unwrap();
        let board = Board::new(&INFO, Dispatch::new(&INFO));
        board.enter(Phase::Running);
        Self { secrets: Secrets::new(folder.clone(), Arc::clone(&board)), folder, board }
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        put(&self.folder.join(name), content.as_ref(), 0o600);
    }

    fn refused(&self, name: &str) -> (u8, String) {
        let error = self.secrets.get(name).unwrap_err();
        let text = chain(&error);
        for text in [&text, &format!("{error:?}"), &format!("{error:#?}")] {
            assert!(!text.contains(CANARY), "{text}");
        }
        assert!(!text.contains('\n'), "{text}");
        (error.exit_code(), text)
    }

    fn health(&self) -> String {
        serde_json::to_string(&self.board.report(true)).unwrap()
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn put(path: &Path, content: &[u8], mode: u32) {
    let _ = std::fs::remove_file(path);
    std::fs::write(path, content).unwrap();
    set_mode(path, mode);
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_secret_is_the_text_of_its_file_without_one_line_end() {
    let vault = Vault::new("text");
    for (name, content, expected) in
        [("a", "x", "x"), ("b", "x\n", "x"), ("c", "x\r\n", "x"), ("d", "x\n\n", "x\n"), ("e", " x ", " x ")]
    {
        vault.put(name, content);
        let secret = vault.secrets.get(name).unwrap();
        assert_eq!((&*secret.expose(), secret.expose().bytes()), (expected, expected.as_bytes()));
        assert!(secret.matches(expected) && !secret.matches("y") && !secret.matches("") && !secret.matches("xx"));
    }
    vault.put("largest", vec![b'x'; 64 * 1024]);
    assert_eq!(vault.secrets.get("largest").unwrap().expose().len(), 64 * 1024);
}

#[test]
fn what_is_no_secret_is_refused_with_the_file_and_the_way_out() {
    let vault = Vault::new("content");
    let mut long = CANARY.repeat(8000);
    long.truncate(64 * 1024 + 1);
    for (name, content, what) in [
        ("empty", Vec::new(), "is empty; help: write the secret into it"),
        ("line", b"\n".to_vec(), "is empty"),
        ("nul", format!("{CANARY}\0").into_bytes(), "holds NUL bytes; help: store it as text"),
        ("binary", [CANARY.as_bytes(), &[0xff]].concat(), "is no UTF-8 text; help: store it as text"),
        ("large", long.into_bytes(), "is larger than 64 KiB"),
    ] {
        vault.put(name, content);
        let (code, text) = vault.refused(name);
        assert!(text.starts_with(&format!("the secret {} {what}", vault.folder.join(name).display())), "{text}");
        assert_eq!(code, 78, "{text}");
    }
}

#[test]
fn what_is_no_regular_file_is_refused_and_never_waited_for() {
    let vault = Vault::new("kinds");
    let at = |name: &str| vault.folder.join(name);
    mknodat(CWD, at("pipe"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    std::fs::create_dir(at("folder")).unwrap();
    let _socket = UnixListener::bind(at("socket")).unwrap();
    symlink(at("pipe"), at("link")).unwrap();
    for name in ["pipe", "folder", "socket", "link"] {
        let (code, text) = vault.refused(name);
        assert!(code == 78 && text.contains("is no regular file; help: put a file there"), "{name}: {code} {text}");
    }
    symlink("round", at("round")).unwrap();
    let (code, text) = vault.refused("round");
    assert!(code == 78 && text.contains("leads in circles"), "{code} {text}");
}

#[test]
fn a_missing_secret_says_where_it_should_be() {
    let vault = Vault::new("missing");
    let (code, text) = vault.refused("db");
    assert_eq!(code, 66);
    let expected = format!("the secret {} is missing; help: put it there", vault.folder.join("db").display());
    assert!(text.starts_with(&expected), "{text}");
    assert!(vault.secrets.get("db").unwrap_err().is_missing());
    symlink("gone", vault.folder.join("dangling")).unwrap();
    assert_eq!(vault.refused("dangling").0, 66);
    let nowhere = Secrets::new(vault.folder.join("none"), Arc::clone(&vault.board));
    assert_eq!(nowhere.get("db").unwrap_err().exit_code(), 66);
    vault.put("file", "x");
    let no_folder = Secrets::new(vault.folder.join("file"), Arc::clone(&vault.board));
    assert_eq!(no_folder.get("db").unwrap_err().exit_code(), 78);
}

#[test]
fn a_wrong_name_is_never_a_path_and_never_repeated() {
    let vault = Vault::new("names");
    for name in ["../x", "a/b", "", ".", "A", &format!("{CANARY}!"), "a\0", "a\nb"] {
        let (code, text) = vault.refused(name);
        assert_eq!(code, 70, "{text}");
        assert!(text.starts_with("this is no name of a secret; help: use a-z"), "{text}");
    }
}

#[test]
fn what_others_can_read_or_replace_is_refused_with_the_command_that_mends_it() {
    let vault = Vault::new("modes");
    let path = vault.folder.join("db");
    for mode in [0o640, 0o604, 0o644, 0o660, 0o602, 0o666, 0o610] {
        put(&path, CANARY.as_bytes(), mode);
        let (code, text) = vault.refused("db");
        let shown = path.display();
        assert_eq!(text, format!("the secret {shown} is open to others (mode {mode:04o}); help: chmod 600 {shown}"));
        assert_eq!(code, 77);
    }
    set_mode(&path, 0o600);
    for (mode, fine) in [(0o777, false), (0o770, false), (0o1777, true), (0o755, true)] {
        set_mode(&vault.folder, mode);
        match vault.secrets.get("db") {
            Ok(_) => assert!(fine, "{mode:o}"),
            Err(error) => {
                assert!(!fine && error.exit_code() == 77, "{mode:o}: {error}");
                assert!(error.to_string().ends_with(&format!("chmod go-w {}", vault.folder.display())), "{error}");
            }
        }
    }
}

#[test]
fn a_link_is_followed_within_the_folder_and_nowhere_else() {
    let (vault, elsewhere) = (Vault::new("links"), Vault::new("elsewhere"));
    elsewhere.put("db", CANARY);
    symlink(elsewhere.folder.join("db"), vault.folder.join("out")).unwrap();
    let (code, text) = vault.refused("out");
    assert!(code == 77 && text.contains("is a link out of its folder, to "), "{code} {text}");
    vault.put("real", "x");
    symlink("real", vault.folder.join("in")).unwrap();
    assert_eq!(&*vault.secrets.get("in").unwrap().expose(), "x");
    // A file that is fine in a folder that is not.
    let open = vault.folder.join("open");
    std::fs::create_dir(&open).unwrap();
    set_mode(&open, 0o777);
    put(&open.join("x"), b"x", 0o600);
    symlink("open/x", vault.folder.join("through")).unwrap();
    assert_eq!(vault.refused("through").0, 77);
}

#[test]
fn a_volume_of_kubernetes_is_read_and_its_swap_is_seen_at_the_next_reload() {
    let vault = Vault::new("kubernetes");
    let fill = |version: &str| {
        let folder = vault.folder.join(format!("..{version}"));
        DirBuilder::new().mode(0o755).create(&folder).unwrap();
        put(&folder.join("db"), version.as_bytes(), 0o400);
        let new = vault.folder.join("..data_tmp");
        symlink(format!("..{version}"), &new).unwrap();
        std::fs::rename(new, vault.folder.join("..data")).unwrap();
    };
    fill("one");
    symlink("..data/db", vault.folder.join("db")).unwrap();
    let secret = vault.secrets.get("db").unwrap();
    assert_eq!(&*secret.expose(), "one");
    fill("two");
    std::fs::remove_dir_all(vault.folder.join("..one")).unwrap();
    assert_eq!(&*secret.expose(), "one");
    vault.secrets.reload();
    assert_eq!(&*secret.expose(), "two");
}

#[test]
fn a_reload_reaches_all_who_hold_the_secret_and_keeps_the_old_one_when_the_new_is_bad() {
    let vault = Vault::new("reload");
    vault.put("db", "one");
    vault.put("other", "other");
    let (secret, other) = (vault.secrets.get("db").unwrap(), vault.secrets.get("other").unwrap());
    let (clone, again) = (secret.clone(), vault.secrets.get("db").unwrap());
    let seen = secret.expose();
    vault.put("db", "two");
    assert_eq!(&*vault.secrets.get("db").unwrap().expose(), "one", "without a reload nothing changes");
    vault.secrets.reload();
    for handle in [&secret, &clone, &again] {
        assert_eq!(&*handle.expose(), "two");
    }
    assert_eq!(&*seen, "one", "who uses the old one may finish");
    assert!(vault.health().contains(r#""name":"secrets","status":"ok""#), "{}", vault.health());

    put(&vault.folder.join("db"), format!("{CANARY}\0").as_bytes(), 0o600);
    vault.put("other", "newer");
    vault.secrets.reload();
    assert_eq!((&*secret.expose(), &*other.expose()), ("two", "newer"), "one bad secret does not keep others");
    let health = vault.health();
    assert!(health.contains(r#""status":"degraded""#) && health.contains("/db holds NUL bytes"), "{health}");
    assert!(!health.contains(CANARY), "{health}");

    std::fs::remove_file(vault.folder.join("db")).unwrap();
    vault.secrets.reload();
    assert!(vault.health().contains("/db is missing"), "{}", vault.health());
    put(&vault.folder.join("db"), CANARY.as_bytes(), 0o644);
    vault.secrets.reload();
    assert_eq!(&*secret.expose(), "two");
    assert!(vault.health().contains("chmod 600"), "{}", vault.health());

    vault.put("db", "three");
    vault.secrets.reload();
    assert_eq!(&*clone.expose(), "three");
    assert!(vault.health().contains(r#""name":"secrets","status":"ok""#), "{}", vault.health());
}

#[tokio::test]
async fn who_waits_for_a_change_misses_none() {
    let vault = Vault::new("changed");
    vault.put("db", "one");
    let secret = vault.secrets.get("db").unwrap();
    let seen = secret.expose();
    vault.secrets.reload();
    let early = tokio::time::timeout(Duration::from_millis(20), secret.changed(&seen)).await;
    assert!(early.is_err(), "what is read again and is the same is no change");
    vault.put("db", "two");
    vault.secrets.reload();
    let late = tokio::time::timeout(Duration::from_secs(10), secret.changed(&seen)).await;
    assert!(late.is_ok(), "it changed before anybody waited");
}

#[test]
fn no_debug_of_a_secret_tells_what_it_is() {
    let vault = Vault::new("canary");
    vault.put("db", CANARY);
    let secret = vault.secrets.get("db").unwrap();
    assert_eq!(format!("{secret:?}{secret:#?}"), "Secret(db)Secret(db)");
    assert!(!vault.health().contains(CANARY));
}

#[test]
fn a_service_that_asks_for_ever_new_secrets_is_stopped() {
    let vault = Vault::new("many");
    for number in 0..MAX_SECRETS {
        vault.put(&number.to_string(), "x");
        vault.secrets.get(&number.to_string()).unwrap();
    }
    vault.put("one-more", "x");
    assert_eq!(vault.refused("one-more").0, 70);
    assert!(vault.secrets.get("0").is_ok());
}

/// Asks for a secret whenever something is logged, as whoever sends lines elsewhere may.
struct AsksBack(Arc<Vault>);

impl tracing::Subscriber for AsksBack {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        assert!(self.0.secrets.get("token").is_ok());
    }

    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn a_secret_can_be_had_while_others_are_read() {
    let vault = Arc::new(Vault::new("asked-back"));
    for name in ["token", "gone"] {
        vault.put(name, CANARY);
        vault.secrets.get(name).unwrap();
    }
    vault.put("token", "another");
    std::fs::remove_file(vault.folder.join("gone")).unwrap();
    let (ended, is_ended) = std::sync::mpsc::channel();
    let asked = Arc::clone(&vault);
    std::thread::spawn(move || {
        let reload = || asked.secrets.reload();
        tracing::subscriber::with_default(AsksBack(Arc::clone(&asked)), reload);
        let _ = ended.send(());
    });
    is_ended.recv_timeout(Duration::from_secs(20)).expect("the reload lets others ask meanwhile");
    assert_eq!(&*vault.secrets.get("token").unwrap().expose(), "another");
    assert!(vault.health().contains("the old one is kept"));
}
