//! Who may read a secret, as one table: facts in, verdict out.
//!
//! | file | verdict |
//! |---|---|
//! | of this user or root, nothing for others | fine |
//! | readable by a group of ours, on a read-only mount (`fsGroup` of Kubernetes) | fine, told |
//! | readable by all, on a read-only mount (what Podman mounts by default) | a warning with the fix |
//! | anything else | refused |

/// What the system says of an open file.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) mode: u32,
    pub(super) owner: u32,
    pub(super) group: u32,
    /// Whether nobody can change what is on this mount.
    pub(super) read_only: bool,
    /// As whom this process runs.
    pub(super) user: u32,
    pub(super) groups: Vec<u32>,
}

/// What follows from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Private,
    SharedWithGroup,
    Public,
    /// What is wrong, and the command that mends it; the path comes after it.
    Refused {
        what: String,
        help: String,
    },
}

const ROOT: u32 = 0;

impl Facts {
    pub(super) fn judge(&self) -> Verdict {
        if ![self.user, ROOT].contains(&self.owner) {
            let what = format!("belongs to user {}, this process runs as {}", self.owner, self.user);
            return Verdict::Refused { what, help: format!("chown {}", self.user) };
        }
        // A credential of systemd has an access list, which shows as bits of the group of root.
        let is_ours = self.group == ROOT || self.groups.contains(&self.group);
        match self.mode & 0o077 {
            0 => Verdict::Private,
            open if self.read_only && open & 0o007 != 0 => Verdict::Public,
            _ if self.read_only && is_ours => Verdict::SharedWithGroup,
            _ => {
                let what = format!("is open to others (mode {:04o})", self.mode & 0o7777);
                Verdict::Refused { what, help: "chmod 600".to_owned() }
            }
        }
    }
}

/// Whether somebody else could put another file in place of one in a folder with this mode.
pub(super) fn is_replaceable(folder_mode: u32) -> bool {
    const STICKY: u32 = 0o1000;
    folder_mode & 0o022 != 0 && folder_mode & STICKY == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: u32 = 1000;
    const FOREIGN: u32 = 1001;

    fn judge(mode: u32, owner: u32, group: u32, read_only: bool) -> Verdict {
        Facts { mode: 0o100_000 | mode, owner, group, read_only, user: OURS, groups: vec![OURS, 2000] }.judge()
    }

    #[test]
    fn every_row_of_the_matrix_has_its_verdict() {
        let rows = [
            // Nothing for others: whatever the mount, whichever the group.
            (0o600, OURS, OURS, false, "private"),
            (0o400, OURS, FOREIGN, false, "private"),
            (0o400, ROOT, ROOT, false, "private"),
            (0o400, ROOT, ROOT, true, "private"),
            (0o700, OURS, OURS, true, "private"),
            // Kubernetes with `fsGroup`, Podman with `gid=`.
            (0o640, ROOT, 2000, true, "group"),
            (0o440, ROOT, 2000, true, "group"),
            (0o440, OURS, OURS, true, "group"),
            // systemd's credentials.
            (0o440, ROOT, ROOT, true, "group"),
            // A group that we are not in.
            (0o640, ROOT, 3000, true, "chmod"),
            // Podman's default.
            (0o444, ROOT, ROOT, true, "public"),
            (0o644, OURS, OURS, true, "public"),
            (0o404, OURS, OURS, true, "public"),
            // Where somebody can write, nothing may be open.
            (0o640, OURS, OURS, false, "chmod"),
            (0o644, OURS, OURS, false, "chmod"),
            (0o444, ROOT, ROOT, false, "chmod"),
            (0o620, OURS, OURS, false, "chmod"),
            (0o602, OURS, OURS, false, "chmod"),
            (0o666, OURS, OURS, false, "chmod"),
            (0o610, OURS, OURS, false, "chmod"),
            (0o4604, OURS, OURS, false, "chmod"),
            // Somebody else's.
            (0o600, FOREIGN, OURS, false, "chown"),
            (0o444, FOREIGN, OURS, true, "chown"),
        ];
        for (mode, owner, group, read_only, expected) in rows {
            let verdict = judge(mode, owner, group, read_only);
            let found = match &verdict {
                Verdict::Private => "private",
                Verdict::SharedWithGroup => "group",
                Verdict::Public => "public",
                Verdict::Refused { help, .. } => help.split(' ').next().unwrap(),
            };
            assert_eq!(found, expected, "{mode:o} {owner}:{group} read-only {read_only}: {verdict:?}");
        }
    }

    #[test]
    fn a_refusal_says_what_the_mode_is_and_whose_the_file() {
        let Verdict::Refused { what, .. } = judge(0o644, OURS, OURS, false) else { panic!() };
        assert_eq!(what, "is open to others (mode 0644)");
        let Verdict::Refused { what, help } = judge(0o600, FOREIGN, OURS, false) else { panic!() };
        assert_eq!((what.as_str(), help.as_str()), ("belongs to user 1001, this process runs as 1000", "chown 1000"));
    }

    #[test]
    fn a_folder_that_others_can_write_needs_the_sticky_bit() {
        for mode in [0o700, 0o755, 0o1777, 0o3777, 0o550] {
            assert!(!is_replaceable(0o040_000 | mode), "{mode:o}");
        }
        for mode in [0o777, 0o775, 0o757, 0o2775, 0o722] {
            assert!(is_replaceable(0o040_000 | mode), "{mode:o}");
        }
    }
}
