//! Where the hecate-om of a new project comes from.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, NO_INPUT, USAGE};
use crate::project::OmSource;
use crate::template::invisible;

/// What `--hecate-om` takes.
const HELP: &str = "give the folder of a checkout of hecate-om, the address of a git repository, or a version";

/// As `--hecate-om` says it: the folder of a checkout, the address of a repository, or a version.
///
/// # Errors
/// It is none of them.
pub(super) fn of(text: &str) -> Result<OmSource, Failure> {
    if let Some((character, what)) = invisible(text) {
        let what = format!("--hecate-om holds `{}`, which {what}", character.escape_unicode());
        return Err(Failure::new(USAGE, what).help(HELP));
    }
    if text.trim().is_empty() {
        return Err(Failure::new(USAGE, "--hecate-om is empty").help(HELP));
    }
    let is_git = text.contains("://") || text.starts_with("git@") || text.ends_with(".git");
    if is_git && !Path::new(text).is_dir() {
        return Ok(OmSource::Git(text.to_owned()));
    }
    if semver::VersionReq::parse(text).is_ok() && !Path::new(text).is_dir() {
        return Ok(OmSource::Version(text.to_owned()));
    }
    checkout(Path::new(text))
}

/// Without `--hecate-om`: the checkout that this program was built from, else, where it comes from a registry, the
/// crates of its own version there.
///
/// # Errors
/// The checkout has gone.
pub(crate) fn own() -> Result<OmSource, Failure> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    // In a checkout this package is hecate-om/cli; a registry unpacks it into a folder of its own.
    let Some(root) =
        own.strip_prefix("/").ok().filter(|own| own.ends_with("hecate-om/cli")).and(own.ancestors().nth(2))
    else {
        return Ok(OmSource::Version(env!("CARGO_PKG_VERSION").to_owned()));
    };
    checkout(root).map_err(|failure| {
        let what = format!("{failure}; this program was built there, and hecate-om is on no registry");
        Failure::new(NO_INPUT, what)
            .help("say where hecate-om is: `--hecate-om <folder of a checkout | git url | version>`")
    })
}

/// The root of a checkout, found by it or by the crate's folder in it.
fn checkout(folder: &Path) -> Result<OmSource, Failure> {
    let refused = |why: String| Failure::new(NO_INPUT, why).help(HELP);
    let found = fs::canonicalize(folder)
        .map_err(|error| refused(format!("{} cannot be looked at: {error}", folder.display())))?;
    let is_crate = |folder: &PathBuf| {
        let text = fs::read_to_string(folder.join("Cargo.toml")).ok()?;
        let table: toml::Table = text.parse().ok()?;
        Some(table.get("package")?.get("name")?.as_str()? == "hecate-om")
    };
    let root = [Some(found.clone()), found.parent().map(Path::to_owned)];
    let root = root.into_iter().flatten().find(|root| is_crate(&root.join("hecate-om")) == Some(true));
    let Some(root) = root else {
        return Err(refused(format!("{} is no checkout of hecate-om", found.display())));
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-/+@".contains(c);
    match root.to_str() {
        Some(text) if text.chars().all(fits) => Ok(OmSource::Path(text.to_owned())),
        _ => Err(refused(format!(
            "the path of {} holds what a Containerfile cannot; move it to one of `a-z`, `0-9`, `.`, `_`, `-`, `+` and `@`",
            root.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_a_checkout_knows_it() {
        let OmSource::Path(path) = own().unwrap() else { panic!("no path") };
        assert!(Path::new(&path).join("hecate-om/src/lib.rs").is_file());
        assert_eq!(of(&path).unwrap(), OmSource::Path(path.clone()));
        assert_eq!(of(&format!("{path}/hecate-om")).unwrap(), OmSource::Path(path));
    }

    #[test]
    fn a_git_address_and_a_version_are_told_apart() {
        for url in ["https://example.com/hecate-om.git", "ssh://git@example.com/x", "git@example.com:x/y", "file:///x"]
        {
            assert_eq!(of(url).unwrap(), OmSource::Git(url.to_owned()));
        }
        for version in ["0.1.0", "=0.1.0", "0.1", "1"] {
            assert_eq!(of(version).unwrap(), OmSource::Version(version.to_owned()));
        }
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        let told = of("/nonexistent/place").unwrap_err().told(false);
        assert!(told.contains("/nonexistent/place") && told.contains("help: give the folder"), "{told}");
        let folder = tempfile::tempdir().unwrap();
        let told = of(folder.path().to_str().unwrap()).unwrap_err().told(false);
        assert!(told.contains("is no checkout of hecate-om"), "{told}");
        for (text, what) in [("a\u{202e}b", "--hecate-om holds `\\u{202e}`"), ("", "--hecate-om is empty")] {
            let failure = of(text).unwrap_err();
            assert_eq!(failure.exit_code(), USAGE);
            let told = failure.told(false);
            assert!(told.contains(what) && told.contains("help: give the folder"), "{told}");
        }
    }
}
