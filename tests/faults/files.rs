//! F, S5: folders, files and limits of a box that is not as it should be.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use hecate_om_tests::wire::head;
use hecate_om_tests::{Gate, Wire};

use crate::{assert_answers, assert_ends_well, lab, refused};

/// A user that is not this one.
const NOBODY: u32 = 65534;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn f3_only_its_user_can_reach_a_service() {
    let process = lab().ready();
    assert_eq!(mode(&process.socket()), 0o600);
    let home = process.launch.home();
    for folder in [home.parent().unwrap(), &home, &home.join("sockets"), &home.join("run")] {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    assert_eq!(mode(&home.join("run/lock")), 0o600);
}

#[test]
fn m3_a_second_instance_names_the_first_and_leaves_it_alone() {
    let mut first = lab().ready();
    let stderr = refused(first.launch.clone(), 75);
    assert!(stderr.contains(&format!("another process ({})", first.pid())), "{stderr}");
    assert!(first.socket().exists() && first.health_file().exists());
    assert_answers(&first);
    assert_ends_well(&mut first);
}

#[test]
fn f3_a_runtime_folder_that_others_can_enter_is_refused_with_the_fix() {
    let launch = lab();
    let folder = launch.folder().join("run");
    for open in [0o755, 0o750, 0o701, 0o1777] {
        fs::remove_dir_all(&folder).ok();
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(open)).unwrap();
        let stderr = refused(launch.clone(), 77);
        assert!(stderr.contains(&format!("chmod 700 {}", folder.display())), "{stderr}");
        assert!(!launch.home().exists());
    }
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    let mut process = launch.clone().ready();
    assert_ends_well(&mut process);

    fs::set_permissions(launch.home().join("sockets"), Permissions::from_mode(0o755)).unwrap();
    let stderr = refused(launch.clone(), 77);
    assert!(stderr.contains(&format!("chmod 700 {}", launch.home().join("sockets").display())), "{stderr}");
}

#[test]
fn f3_a_runtime_folder_behind_a_link_is_refused_however_it_is_spelled() {
    let launch = lab();
    let (folder, link) = (launch.folder().join("real"), launch.folder().join("link"));
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    symlink(&folder, &link).unwrap();
    for spelled in ["link", "link/", "link/.", "link//"] {
        let place = format!("{}/{spelled}", launch.folder().display());
        let stderr = refused(launch.clone().with("HECATE_RUNTIME_DIR", place), 77);
        assert!(stderr.contains("is a link"), "{spelled}: {stderr}");
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing was made behind it");

    // A folder inside that is a link is no better.
    symlink("/tmp", folder.join("hecate-lab")).unwrap();
    let stderr = refused(launch.clone().with("HECATE_RUNTIME_DIR", folder.to_str().unwrap()), 77);
    assert!(stderr.contains("is a link"), "{stderr}");
}

#[test]
fn f3_a_runtime_folder_of_somebody_else_is_refused() {
    let launch = lab();
    let folder = launch.folder().join("run");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    // Only root can give a folder away; everybody else finds one that is root's.
    let place = if chown(&folder, Some(NOBODY), None).is_ok() { &folder } else { Path::new("/usr") };
    let stderr = refused(launch.with("HECATE_RUNTIME_DIR", place.to_str().unwrap()), 77);
    assert!(stderr.contains("belongs to user") && stderr.contains("HECATE_RUNTIME_DIR"), "{stderr}");
}

#[test]
fn f3_a_path_that_no_socket_can_have_is_refused_before_anything_is_made() {
    let launch = lab();
    let long = launch.folder().join("x".repeat(100));
    let stderr = refused(launch.clone().with("HECATE_RUNTIME_DIR", long.to_str().unwrap()), 78);
    assert!(stderr.contains("bytes long, the kernel takes 107"), "{stderr}");
    assert!(stderr.contains("HECATE_RUNTIME_DIR to a shorter folder"), "{stderr}");
    assert!(!long.exists());
}

#[test]
fn f3_what_is_in_the_way_is_named_and_not_removed() {
    let launch = lab();
    let mut process = launch.clone().ready();
    assert_ends_well(&mut process);
    let socket = launch.home().join("sockets/api.sock");
    fs::write(&socket, "precious").unwrap();
    let stderr = refused(launch.clone(), 73);
    assert!(stderr.contains(socket.to_str().unwrap()) && stderr.contains("is no socket"), "{stderr}");
    assert_eq!(fs::read_to_string(&socket).unwrap(), "precious");

    let file = launch.folder().join("file");
    fs::write(&file, "precious").unwrap();
    let stderr = refused(launch.clone().with("HECATE_RUNTIME_DIR", file.to_str().unwrap()), 77);
    assert!(stderr.contains("is no folder"), "{stderr}");
}

#[test]
fn s5_few_files_do_not_silence_health() {
    let process = lab().files(128).ready();
    let gate = Gate::closed();
    let mut callers: Vec<_> = (0..150).map(|_| Wire::unix(process.socket())).collect();
    for caller in &mut callers {
        let body = gate.request();
        let _ = caller.try_send(head("POST", "/capabilities/lab.hold/v1", body.len()) + &body);
    }
    gate.wait_for(16);
    for _ in 0..20 {
        assert_eq!(process.probe("/livez").status, 200);
    }
    gate.open();
    drop(callers);
    assert_eq!(Wire::unix(process.socket()).call("lab.say", r#"{"text":"a"}"#).status, 200);
}

#[test]
fn f1_a_disk_that_takes_nothing_ends_boot_with_the_path() {
    // No file may grow; the signal for it is ignored, so that writing fails as on a disk that is full.
    let launch = lab().after("trap '' XFSZ && ulimit -f 0");
    let stderr = refused(launch.clone(), 73);
    assert!(stderr.contains("cannot write") && stderr.contains(launch.home().to_str().unwrap()), "{stderr}");
    assert!(launch.journal().is_empty() && !launch.home().join("sockets/api.sock").exists(), "it came no further");
}

#[test]
#[ignore = "needs root: mounts a disk of its own"]
fn f1_a_disk_that_is_full_or_read_only_ends_boot_with_the_path_and_the_next_boot_is_clean() {
    let launch = lab();
    let (disk, folder) = (launch.folder().join("disk"), launch.folder().join("disk/run"));
    fs::create_dir(&disk).unwrap();
    let launch = launch.with("HECATE_RUNTIME_DIR", folder.to_str().unwrap()).without("LAB_JOURNAL");
    // In a mount namespace of its own: it goes away with the process.
    let on = |preparation: &str| {
        let disk = disk.display();
        let preparation = preparation.replace("DISK", &disk.to_string());
        let shell = format!(r#"{preparation} && exec "$@""#);
        launch.clone().through(&["unshare", "--mount", "/bin/sh", "-c", &shell, "sh"])
    };
    let cases = [
        // Of sixteen KiB, all taken: there is room for a name, and none for what is in a file.
        (
            "mount -t tmpfs -o size=16k,mode=700 none DISK && ! dd if=/dev/zero of=DISK/rest bs=4k 2>&1 | grep -v .",
            "write",
        ),
        ("mount -t tmpfs -o size=64k,mode=700,nr_inodes=4 none DISK && touch DISK/1 DISK/2", "make the folder"),
        ("mount -t tmpfs -o ro,mode=700 none DISK", "make the folder"),
    ];
    for (preparation, action) in cases {
        let stderr = refused(on(preparation), 73);
        assert!(stderr.contains(&format!("cannot {action}")), "{preparation}: {stderr}");
        assert!(stderr.contains(folder.to_str().unwrap()), "{preparation}: {stderr}");
    }
    let mut process = on("mount -t tmpfs -o size=64k,mode=700 none DISK").start();
    process.wait_for_log("ready");
    assert_ends_well(&mut process);
}

#[test]
fn f3_a_file_in_place_of_a_folder_is_named() {
    for name in ["run/hecate-lab", "run/hecate-lab/run", "run/hecate-lab/sockets"] {
        let launch = lab();
        let file = launch.folder().join(name);
        let folder = file.parent().unwrap();
        fs::create_dir_all(folder).unwrap();
        for folder in folder.ancestors().take_while(|folder| *folder != launch.folder()) {
            fs::set_permissions(folder, Permissions::from_mode(0o700)).unwrap();
        }
        fs::write(&file, "precious").unwrap();
        let stderr = refused(launch.clone(), 77);
        assert!(stderr.contains(file.to_str().unwrap()) && stderr.contains("is no folder"), "{name}: {stderr}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    }
}

#[test]
fn f3_a_lock_that_is_no_file_is_refused_and_nobody_hangs_on_it() {
    for kind in ["folder", "fifo", "link"] {
        let launch = lab();
        let lock = launch.home().join("run/lock");
        assert_ends_well(&mut launch.clone().ready());
        fs::remove_file(&lock).unwrap();
        match kind {
            "folder" => fs::create_dir(&lock).unwrap(),
            "link" => symlink("/etc/hostname", &lock).unwrap(),
            _ => assert!(std::process::Command::new("mkfifo").arg(&lock).status().unwrap().success()),
        }
        let (code, _, stderr) = launch.run(&[]);
        assert_eq!(code, 73, "{kind}: {stderr}");
        assert!(stderr.contains(lock.to_str().unwrap()), "{kind}: {stderr}");
    }
}

/// Starts a service that may have so many threads, itself among them; returns what it says.
fn refused_with_threads(most: u32) -> String {
    let launch = lab();
    // A user for each limit: the threads of all its processes count.
    let launch = launch.by_user(61_000 + most);
    let stderr = refused(launch.clone().through(&["prlimit", &format!("--nproc={most}")]), 71);
    assert!(launch.journal().is_empty(), "it came no further");
    stderr
}

#[test]
#[ignore = "needs root: runs as a user whose threads can be counted"]
fn s5_without_a_thread_it_ends_with_71_and_says_why() {
    assert!(refused_with_threads(1).contains("gives no thread"));
}

#[test]
#[ignore = "needs root: runs as a user whose threads can be counted"]
fn s5_with_too_few_threads_it_ends_with_71_and_says_why() {
    for most in 2..=5 {
        let stderr = refused_with_threads(most);
        assert!(stderr.contains("the threads that it needs; help: raise the limit"), "{most}: {stderr}");
    }
}

#[test]
#[ignore = "needs root: hides /proc"]
fn s5_without_proc_a_service_runs() {
    let hide = r#"mount -t tmpfs none /proc && exec "$@""#;
    let mut process = lab().through(&["unshare", "--mount", "/bin/sh", "-c", hide, "sh"]).ready();
    assert_answers(&process);
    assert_eq!(process.probe("/readyz").status, 200);
    assert_ends_well(&mut process);
}
