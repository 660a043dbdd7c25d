//! C8: callers who may not call.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::{assert_answers, lab};

#[test]
#[ignore = "needs root: calls as another user"]
fn c8_another_user_is_refused_though_it_reaches_the_socket() {
    let process = lab().ready();
    // Somebody opened the way to it; the kernel still tells who calls.
    for folder in process.socket().ancestors().skip(1).take_while(|folder| *folder != std::env::temp_dir()) {
        fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(process.socket(), Permissions::from_mode(0o666)).unwrap();
    let stranger = process.launch.clone().by_user(65534);
    let (code, stdout, stderr) = stranger.run(&["call", "lab.nothing"]);
    assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
    assert!(stderr.contains("unauthorized") && stderr.contains("user 65534"), "{stderr}");
    assert_answers(&process);
}
