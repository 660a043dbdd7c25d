//! The file of the key, in every state that somebody may leave it in.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};

use super::{boot, identified, key, marker, mode, node, provisioned, put, set_mode};
use crate::{assert_ends_well, refused};

#[test]
fn i1_a_first_boot_makes_a_key_and_a_service_is_the_same_node_ever_after() {
    let launch = identified();
    let first = boot(&launch);
    let made = fs::read(key(&launch)).unwrap();
    assert_eq!((mode(&key(&launch)), mode(key(&launch).parent().unwrap())), (0o600, 0o700));
    assert_eq!(fs::read_to_string(marker(&launch)).unwrap().trim(), first);
    assert_eq!(boot(&launch), first);
    assert_eq!(fs::read(key(&launch)).unwrap(), made, "it is left as it was");
}

#[test]
fn i2_a_lost_key_is_told_with_both_ways_out_and_never_made_anew() {
    let launch = identified();
    let first = boot(&launch);
    let copy = fs::read(key(&launch)).unwrap();
    fs::remove_file(key(&launch)).unwrap();
    for _ in 0..2 {
        let stderr = refused(launch.clone(), 66);
        let places = [key(&launch), provisioned(&launch), marker(&launch)].map(|path| path.display().to_string());
        for told in
            places.iter().map(String::as_str).chain([first.as_str(), "put the key back", "to become a new node"])
        {
            assert!(stderr.contains(told), "{told}: {stderr}");
        }
        assert!(!key(&launch).exists() && launch.journal().matches("start\n").count() == 1, "nobody came up");
    }
    put(&key(&launch), &copy);
    assert_eq!(boot(&launch), first, "the first way out");
    fs::remove_file(key(&launch)).unwrap();
    fs::remove_file(marker(&launch)).unwrap();
    assert_ne!(boot(&launch), first, "the second way out");
}

#[test]
fn i3_what_is_no_key_is_told_and_left_as_it_is() {
    let launch = identified();
    boot(&launch);
    let (path, whole) = (key(&launch), fs::read(key(&launch)).unwrap());
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    let cases = [
        ("empty", Vec::new(), "is empty"),
        ("corrupt", b"not a key at all\n".to_vec(), "holds no node key"),
        ("truncated", whole[..whole.len() / 2].to_vec(), "holds no node key, or not all of it"),
        ("changed", changed, "is damaged"),
    ];
    for (case, content, told) in cases {
        put(&path, &content);
        let stderr = refused(launch.clone(), 78);
        assert!(stderr.contains(told) && stderr.contains(path.to_str().unwrap()), "{case}: {stderr}");
        assert!(stderr.contains("restore it from a copy"), "{case}: {stderr}");
        assert_eq!(fs::read(&path).unwrap(), content, "{case}");
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let stderr = refused(launch.clone(), 78);
    assert!(stderr.contains(path.to_str().unwrap()), "a folder: {stderr}");
    assert!(path.is_dir());
    fs::remove_dir(&path).unwrap();
    symlink(launch.folder().join("nowhere"), &path).unwrap();
    let stderr = refused(launch.clone(), 78);
    assert!(stderr.contains("is a link that leads nowhere"), "{stderr}");
    assert!(!launch.folder().join("nowhere").exists(), "nothing is made at the end of a link");
    let other = launch.folder().join("elsewhere.key");
    put(&other, &whole);
    fs::remove_file(&path).unwrap();
    symlink(&other, &path).unwrap();
    let stderr = refused(launch.clone(), 77);
    assert!(stderr.contains(path.to_str().unwrap()) && stderr.contains("is a link out of its folder"), "{stderr}");
}

#[test]
fn i4_a_key_that_others_may_read_is_refused_with_the_command_to_type() {
    let launch = identified();
    let first = boot(&launch);
    set_mode(&key(&launch), 0o644);
    let stderr = refused(launch.clone(), 77);
    let path = key(&launch);
    let command = stderr.trim_end().split_once("help: ").unwrap_or_else(|| panic!("{stderr}")).1;
    assert!(command.starts_with("chmod 600 ") && command.contains(path.to_str().unwrap()), "{stderr}");
    assert_eq!(mode(&path), 0o644, "nobody but its owner changes it");
    assert!(std::process::Command::new("sh").args(["-c", command]).status().unwrap().success());
    assert_eq!(boot(&launch), first);
}

#[test]
#[ignore = "needs root: runs as another user"]
fn i4_a_key_that_cannot_be_read_is_told_and_no_reason_to_make_another() {
    let launch = identified().by_user(65_534);
    chown(launch.folder().join("secrets"), Some(65_534), None).unwrap();
    let first = boot(&launch);
    chown(key(&launch), Some(0), None).unwrap();
    let stderr = refused(launch.clone(), 77);
    assert!(stderr.contains(key(&launch).to_str().unwrap()), "{stderr}");
    assert_eq!(fs::symlink_metadata(key(&launch)).unwrap().uid(), 0, "it is left as it was");
    chown(key(&launch), Some(65_534), None).unwrap();
    assert_eq!(boot(&launch), first);
}

#[test]
fn i5_a_key_of_another_node_is_refused_with_both_nodes_and_the_way_out() {
    let (launch, other) = (identified(), identified());
    let (first, second) = (boot(&launch), boot(&other));
    put(&key(&launch), fs::read(key(&other)).unwrap());
    let stderr = refused(launch.clone(), 78);
    for told in [first.as_str(), second.as_str(), marker(&launch).to_str().unwrap()] {
        assert!(stderr.contains(told), "{told}: {stderr}");
    }
    fs::remove_file(marker(&launch)).unwrap();
    assert_eq!(boot(&launch), second);
}

#[test]
fn i6_a_key_of_the_operator_comes_first_and_none_is_made_beside_it() {
    let (launch, other) = (identified(), identified());
    let provided = boot(&other);
    put(&provisioned(&launch), fs::read(key(&other)).unwrap());
    assert_eq!(boot(&launch), provided);
    assert!(!key(&launch).exists());
    // With the operator's key gone the service is not to become somebody else.
    fs::remove_file(provisioned(&launch)).unwrap();
    let stderr = refused(launch.clone(), 66);
    assert!(stderr.contains(provisioned(&launch).to_str().unwrap()), "{stderr}");
    assert!(!key(&launch).exists());
}

#[test]
fn i7_a_disk_that_is_full_leaves_nothing_that_the_next_boot_takes_for_a_key() {
    let launch = identified();
    // The runtime folder has room for its few bytes, a key has not.
    let full = launch.clone().after("trap '' XFSZ && ulimit -f 4");
    for _ in 0..2 {
        let stderr = refused(full.clone(), 74);
        assert!(
            stderr.contains("cannot make the node key") && stderr.contains(key(&launch).to_str().unwrap()),
            "{stderr}"
        );
        let left: Vec<_> =
            fs::read_dir(key(&launch).parent().unwrap()).unwrap().map(|left| left.unwrap().path()).collect();
        assert!(left.is_empty(), "{left:?}");
    }
    let first = boot(&launch);
    assert_eq!(boot(&launch), first);
}

#[test]
#[ignore = "needs root: mounts a disk of its own"]
fn i7_a_data_folder_that_is_read_only_ends_a_first_boot_with_its_path() {
    let launch = identified();
    let data = launch.folder().join("data");
    fs::create_dir(&data).unwrap();
    let shell = format!(r#"mount -t tmpfs -o ro,mode=700 none {} && exec "$@""#, data.display());
    let read_only = launch.clone().through(&["unshare", "--mount", "/bin/sh", "-c", &shell, "sh"]);
    let stderr = refused(read_only.clone(), 73);
    assert!(stderr.contains(data.join("identity").to_str().unwrap()), "{stderr}");
    assert!(launch.journal().is_empty(), "it came no further");
    // With a key of the operator's it needs to write nothing.
    let other = identified();
    let provided = boot(&other);
    put(&provisioned(&launch), fs::read(key(&other)).unwrap());
    let mut process = read_only.ready();
    assert_eq!(node(&process), provided);
    assert_ends_well(&mut process);
}

#[test]
fn i8_two_first_boots_at_once_end_with_one_key() {
    let launch = identified();
    // Two runtime folders, so that both may run: only the key is between them.
    let twin = launch.clone().with("HECATE_RUNTIME_DIR", launch.folder().join("run-2").to_str().unwrap());
    let [mut first, mut second] = [launch.clone().start(), twin.start()];
    let is_up = |process: &mut hecate_om_tests::Process| {
        hecate_om_tests::eventually("ready, or the end", || {
            let is_ready = process.log().iter().any(|line| line["message"] == "ready");
            (is_ready || process.has_ended()).then_some(is_ready)
        })
    };
    let up = [is_up(&mut first), is_up(&mut second)];
    let kept = fs::read_to_string(marker(&launch)).unwrap();
    for (process, is_up) in [&mut first, &mut second].into_iter().zip(up) {
        if is_up {
            assert_eq!(node(process), kept.trim());
            assert_ends_well(process);
        } else {
            assert!(process.exit_code() > 0 && process.stderr().starts_with("error: "), "{}", process.stderr());
        }
    }
    assert!(up.contains(&true));
    assert_eq!(boot(&launch), kept.trim());
}

#[test]
fn i9_nothing_of_a_key_is_in_what_a_service_prints() {
    let launch = identified().with("HECATE_LOG", "trace");
    let mut process = launch.clone().ready();
    let mut shown = process.probe("/health").json().to_string() + &process.probe("/info").json().to_string();
    shown += &process.metrics();
    assert_ends_well(&mut process);
    shown += &(process.stdout() + &process.stderr());
    let whole = fs::read(key(&launch)).unwrap();
    // Every other thing that fails with a key at hand.
    put(&key(&launch), &whole[..whole.len() - 1]);
    shown += &refused(launch.clone(), 78);
    put(&key(&launch), [whole.as_slice(), b"\n"].concat());
    shown += &refused(launch.clone(), 78);
    let shown = shown.to_lowercase();
    assert!(shown.contains("node.key"), "{shown}");
    // The file ends with what is secret. Hex in any case, and the decimal list of a debug print.
    for piece in whole[whole.len() - 32..].windows(8) {
        let hex: String = piece.iter().map(|byte| format!("{byte:02x}")).collect();
        let list = piece.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
        assert!(!shown.contains(&hex) && !shown.contains(&list), "a part of the key is shown");
    }
    for skipped in 0..3 {
        let base64 = base64(&whole[whole.len() - 32 + skipped..][..24]).to_lowercase();
        assert!(!shown.contains(&base64) && !shown.contains(&base64.replace('+', "-").replace('/', "_")));
    }
}

/// Of bytes that come in threes.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = bytes.chunks_exact(3).flat_map(|three| {
        let number = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        [18, 12, 6, 0].map(|shift| char::from(DIGITS[(number >> shift & 63) as usize]))
    });
    digits.collect()
}
