//! The links of the pages: each leads to a file of this tree, and to a heading where it names one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::promises::root;

/// What a page has: where its links lead, and what its headings can be linked by.
#[derive(Debug, Default)]
struct Page {
    links: Vec<String>,
    anchors: BTreeSet<String>,
}

impl Page {
    fn parse(text: &str) -> Self {
        let (mut page, mut heading) = (Self::default(), None::<String>);
        let mut times = BTreeMap::<String, u32>::new();
        for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push(dest_url.into_string());
                }
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    let anchor = anchor(&heading.take().unwrap_or_default());
                    let before = times.entry(anchor.clone()).or_default();
                    page.anchors.insert(if *before == 0 { anchor } else { format!("{anchor}-{before}") });
                    *before += 1;
                }
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                _ => {}
            }
        }
        page
    }

    fn read(path: &Path) -> Self {
        Self::parse(&fs::read_to_string(path).unwrap())
    }
}

/// As the places where such pages are shown make it of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Why a link of `page` leads nowhere, if it does; those to other places are not followed.
fn fault(page: &Path, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, heading) = link.split_once('#').map_or((link, None), |(path, heading)| (path, Some(heading)));
    let target = if path.is_empty() { page.to_owned() } else { page.parent().unwrap().join(path) };
    let Ok(target) = fs::canonicalize(&target) else { return Some(format!("there is no {}", target.display())) };
    if !target.starts_with(fs::canonicalize(root()).unwrap()) {
        return Some(format!("{} is no part of this tree", target.display()));
    }
    let heading = heading?;
    let has_it = target.extension().is_some_and(|kind| kind == "md") && Page::read(&target).anchors.contains(heading);
    (!has_it).then(|| format!("{} has no heading `{heading}`", target.display()))
}

/// The pages of a folder, not of those below it.
fn pages(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect()
}

#[test]
fn every_link_of_the_pages_leads_to_what_is_there() {
    let all: Vec<PathBuf> = ["", "docs", "tests/benches"].into_iter().flat_map(pages).collect();
    let (mut links, mut headings, mut wrong) = (0, 0, Vec::new());
    for path in &all {
        let page = Page::read(path);
        links += page.links.len();
        headings += page.links.iter().filter(|link| link.contains('#')).count();
        let faults = page.links.iter().filter_map(|link| Some((link, fault(path, link)?)));
        wrong.extend(faults.map(|(link, why)| format!("{}: `{link}`: {why}", path.display())));
    }
    assert!(all.len() > 12 && links > 60 && headings > 5, "{} pages, {links} links, {headings} to headings", all.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let text =
        "# A `b` & c.d\n\n## Twice\n\n## Twice\n\n[x](README.md) ![y](#twice-1)\n\n| [z](docs/mesh.md) |\n|---|\n";
    let page = Page::parse(text);
    assert_eq!(page.links, ["README.md", "#twice-1", "docs/mesh.md"]);
    assert_eq!(Vec::from_iter(&page.anchors), ["a-b--cd", "twice", "twice-1"]);
    let readme = root().join("README.md");
    for link in
        ["docs/mesh.md", "#contributing-licence", "docs/../README.md#your-own", "docs", "https://example.com/#x"]
    {
        assert_eq!(fault(&readme, link), None);
    }
    for (link, why) in [
        ("docs/moon.md", "there is no "),
        ("#moon", "has no heading `moon`"),
        ("docs/mesh.md#moon", "has no heading `moon`"),
        ("LICENSE#moon", "has no heading `moon`"),
        ("../", "is no part of this tree"),
        ("/etc/passwd", "is no part of this tree"),
    ] {
        assert!(fault(&readme, link).is_some_and(|found| found.contains(why)), "{link}: {:?}", fault(&readme, link));
    }
}
