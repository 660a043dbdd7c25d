//! Leaves the manifest in the build output: a copy for people and tools, never the record itself,
//! which is in the binary. Nothing here fails a build or says a word.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::manifest::ManifestText;

/// Set by `hecate_om_build::manifest()` for the crate of its build script.
const FOLDER_VARIABLE: &str = "BUILD_HECATE_MANIFEST_FOLDER";

/// The folder `<build dir>/<profile>/hecate` of a build that makes something to run or to link.
pub(crate) struct BuildOutput {
    folder: PathBuf,
}

impl BuildOutput {
    /// None under check, clippy, rustdoc and rust-analyzer, and in units built with `--test`.
    pub(crate) fn of_this_build() -> Option<Self> {
        let arguments: Vec<String> =
            std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
        let told = std::env::var_os(FOLDER_VARIABLE).map(PathBuf::from);
        Self::of(&Rustc::read(&arguments), told)
    }

    fn of(rustc: &Rustc, told: Option<PathBuf>) -> Option<Self> {
        if rustc.crate_name.is_none() || rustc.is_test {
            return None;
        }
        // A compiler cache runs rustc for the dependencies alone, and brings back what `link` made.
        let is_cached = told.is_some() && rustc.emit == ["dep-info"];
        if !is_cached && !rustc.emit.iter().any(|kind| kind == "link") {
            return None;
        }
        let folder = told.or_else(|| Some(profile_folder(Path::new(rustc.out_dir.as_deref()?))?.join("hecate")))?;
        Some(Self { folder })
    }

    /// Writes the manifest if it is not there already, whole or not at all.
    pub(crate) fn write(&self, manifest: &ManifestText) {
        let path = self.folder.join(format!("{}.manifest.json", manifest.service));
        if fs::read(&path).is_ok_and(|there| there == manifest.text.as_bytes()) {
            return;
        }
        // Nothing to do about an error: the manifest is in the binary.
        let _ = self.replace(&path, manifest);
    }

    fn replace(&self, path: &Path, manifest: &ManifestText) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let temporary = self.folder.join(format!(".{}.{}.tmp", manifest.service, std::process::id()));
        let replaced = write_aged(&temporary, &manifest.text).and_then(|()| fs::rename(&temporary, path));
        if replaced.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        // A build script watches the folder, and would take its own crate's manifest for a change.
        File::open(&self.folder)?.set_modified(long_ago())?;
        replaced
    }
}

fn write_aged(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.set_modified(long_ago())
}

/// Older than any build.
fn long_ago() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)
}

/// `target/debug` for `target/debug/deps`, `target/debug/examples` or `target/debug/build/package/0123/out`.
fn profile_folder(out_dir: &Path) -> Option<&Path> {
    let last = out_dir.file_name()?;
    if last == "deps" || last == "examples" {
        return out_dir.parent();
    }
    // The package may be called `build`, too.
    let build = out_dir.ancestors().nth(3)?;
    (last == "out" && build.ends_with("build")).then(|| build.parent()).flatten()
}

/// What rustc, in whose process a macro runs, was asked to do.
#[derive(Default, Debug)]
struct Rustc {
    crate_name: Option<String>,
    out_dir: Option<String>,
    emit: Vec<String>,
    is_test: bool,
}

impl Rustc {
    fn read(arguments: &[String]) -> Self {
        let mut rustc = Self::default();
        let mut rest = arguments.iter().skip(1);
        while let Some(argument) = rest.next() {
            let (flag, mut value) = match argument.split_once('=') {
                Some((flag, value)) => (flag, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            let mut value = || value.take().or_else(|| rest.next().cloned());
            match flag {
                "--crate-name" => rustc.crate_name = value(),
                "--out-dir" => rustc.out_dir = value(),
                // `link=path` asks for a link, too.
                "--emit" => {
                    let kinds = argument.strip_prefix("--emit=").map(str::to_owned).or_else(value).unwrap_or_default();
                    rustc.emit.extend(kinds.split(',').map(|kind| kind.split('=').next().unwrap_or(kind).to_owned()));
                }
                "--cfg" => rustc.is_test |= value().is_some_and(|cfg| cfg == "test"),
                "--test" => rustc.is_test = true,
                _ => {}
            }
        }
        rustc
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(line: &str, told: Option<&str>) -> Option<String> {
        let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let output = BuildOutput::of(&Rustc::read(&arguments), told.map(PathBuf::from))?;
        Some(output.folder.to_string_lossy().into_owned())
    }

    #[test]
    fn a_real_build_is_told_from_all_others() {
        let build = "rustc --crate-name echo --emit=dep-info,link --out-dir /t/debug/deps";
        assert_eq!(folder(build, None).as_deref(), Some("/t/debug/hecate"));
        let example = "rustc --crate-name echo --emit=dep-info,link --out-dir=/home/build/t/debug/examples";
        assert_eq!(folder(example, None).as_deref(), Some("/home/build/t/debug/hecate"));
        // The layout of build folders that cargo is moving to, with a package of an unlucky name.
        let next = "rustc --crate-name echo --emit=dep-info,link --out-dir /home/build/t/debug/build/build/01/out";
        assert_eq!(folder(next, None).as_deref(), Some("/home/build/t/debug/hecate"));

        let check = "rustc --crate-name echo --emit=dep-info,metadata --out-dir /t/debug/deps";
        let test = "rustc --crate-name echo --emit=dep-info,link --test --out-dir /t/debug/deps";
        let harness = "rustc --crate-name echo --emit dep-info,link --cfg test --out-dir /t/debug/deps";
        let rustdoc = "rustdoc --crate-name echo --out-dir /t/doc";
        let elsewhere = "rustc --crate-name echo --emit=link --out-dir /tmp/deps/echo";
        assert_eq!(folder(elsewhere, None), None);
        for other in [check, test, harness, rustdoc, "rust-analyzer-proc-macro-srv", ""] {
            assert_eq!(folder(other, None), None, "{other}");
            assert_eq!(folder(other, Some("/t/debug/hecate")), None, "{other}");
        }
    }

    #[test]
    fn a_compiler_cache_writes_where_the_build_script_says() {
        let pass = "rustc --crate-name echo --emit dep-info -o /tmp/x.d";
        assert_eq!(folder(pass, None), None);
        assert_eq!(folder(pass, Some("/t/debug/hecate")).as_deref(), Some("/t/debug/hecate"));
    }
}
