//! What an edit adds, as `diff -u` shows it. Edits only insert whole lines, so this only knows insertions.

use std::fmt::Write;

/// How many lines are shown around each insertion.
const AROUND: usize = 3;

/// Lines that come before line `before` of a file, counted from 0.
#[derive(Debug, Clone)]
pub(super) struct Insertion {
    pub(super) before: usize,
    pub(super) lines: Vec<String>,
}

/// The file with all of them; they are in order.
pub(super) fn applied(text: &str, insertions: &[Insertion]) -> String {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut edited = String::with_capacity(text.len() + 1024);
    for (at, line) in text.split_inclusive('\n').enumerate() {
        for insertion in insertions.iter().filter(|insertion| insertion.before == at) {
            for line in &insertion.lines {
                edited.push_str(line);
                edited.push_str(end);
            }
        }
        edited.push_str(line);
    }
    edited
}

pub(super) fn shown(file: &str, text: &str, insertions: &[Insertion]) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut shown = format!("--- a/{file}\n+++ b/{file}\n");
    let mut added = 0;
    let mut at = 0;
    while at < insertions.len() {
        // Those whose surroundings touch are shown together.
        let first = insertions[at].before.saturating_sub(AROUND);
        let mut last = at;
        while insertions.get(last + 1).is_some_and(|next| next.before <= insertions[last].before + 2 * AROUND) {
            last += 1;
        }
        let end = (insertions[last].before + AROUND).min(lines.len());
        let new: usize = insertions[at..=last].iter().map(|insertion| insertion.lines.len()).sum();
        let _ = writeln!(shown, "@@ -{},{} +{},{} @@", first + 1, end - first, first + 1 + added, end - first + new);
        for (number, line) in lines.iter().enumerate().take(end).skip(first) {
            for insertion in insertions[at..=last].iter().filter(|insertion| insertion.before == number) {
                for line in &insertion.lines {
                    let _ = writeln!(shown, "+{line}");
                }
            }
            let _ = writeln!(shown, " {line}");
        }
        added += new;
        at = last + 1;
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    fn insertion(before: usize, lines: &[&str]) -> Insertion {
        Insertion { before, lines: lines.iter().map(|line| (*line).to_owned()).collect() }
    }

    #[test]
    fn the_diff_is_one_that_patch_applies() {
        let text: String = (0..40).map(|number| format!("line {number}\n")).collect();
        for places in [vec![0], vec![1, 3], vec![5, 12], vec![5, 11, 39], vec![0, 20, 38]] {
            let insertions: Vec<_> = places.iter().map(|at| insertion(*at, &["new", "  lines"])).collect();
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("file");
            let diff = folder.path().join("diff");
            fs::write(&file, &text).unwrap();
            fs::write(&diff, shown("file", &text, &insertions)).unwrap();
            let git = Command::new("git")
                .arg("apply")
                .arg("--unsafe-paths")
                .arg(&diff)
                .current_dir(&folder)
                .output()
                .unwrap();
            assert!(git.status.success(), "{places:?}: {}", String::from_utf8_lossy(&git.stderr));
            assert_eq!(fs::read_to_string(&file).unwrap(), applied(&text, &insertions), "{places:?}");
        }
    }

    #[test]
    fn line_ends_stay_what_they_are() {
        assert_eq!(applied("a\r\nb\r\n", &[insertion(1, &["x"])]), "a\r\nx\r\nb\r\n");
    }
}
