//! The document that a running service serves at `/openapi.json` is OpenAPI 3.1, as the tools of that
//! world see it.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use hecate_om::prelude::*;
use serde_json::Value;

const VALIDATOR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/validate.py");

#[derive(Default)]
struct Library;

/// A search, with everything that a type can have.
#[message]
struct Search {
    /// Words that the title has.
    words: Vec<String>,
    filter: Option<Filter>,
    /// Wanted values by field.
    #[serde(default)]
    fields: BTreeMap<String, Wanted>,
    year: (u16, u16),
    page: Page<Cursor>,
}

#[message]
enum Filter {
    Everything,
    Shelf(u8),
    Either(Box<Filter>, Box<Filter>),
    Language { code: String, exact: bool },
}

#[message]
#[serde(untagged)]
enum Wanted {
    Number(f64),
    Text(String),
}

#[message]
struct Cursor {
    after: u64,
}

#[message]
struct Page<T> {
    at: T,
    #[serde(default)]
    size: u32,
}

#[message]
struct Found {
    books: Vec<Book>,
    next: Option<Page<Cursor>>,
}

#[message]
struct Book {
    title: String,
    binding: Binding,
    sequels: Vec<Book>,
}

#[message]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Binding {
    Paper,
    Cloth { color: String },
}

mod old {
    use hecate_om::prelude::*;

    /// Another type of the same name.
    #[message]
    pub(super) struct Book {
        pub(super) isbn: String,
    }
}

#[derive(Refusal)]
#[allow(dead_code)]
enum SearchRefusal {
    /// No shelf has this number.
    NoShelf { shelf: u8, shelves: u8 },
    /// The library is closed.
    Closed,
}

/// Finds books.
#[hecate_service(name = "hecate-library")]
impl Library {
    /// Finds books by their titles.
    ///
    /// Case does not matter.
    #[capability(version = 2)]
    async fn search(&self, _request: Search) -> Result<Found, SearchRefusal> {
        Ok(Found { books: Vec::new(), next: None })
    }

    /// Finds one book by its number.
    #[capability(name = "library.search", version = 1, deprecated = "version 2 finds by title")]
    async fn search_by_number(&self, request: old::Book) -> Result<Book> {
        Ok(Book { title: request.isbn, binding: Binding::Paper, sequels: Vec::new() })
    }

    /// Counts the books of each shelf.
    #[capability(version = 1)]
    async fn count(&self) -> Result<BTreeMap<String, u64>> {
        Ok(BTreeMap::new())
    }

    /// Puts all books back.
    #[capability(version = 1)]
    async fn tidy(&self) -> Result<()> {
        Ok(())
    }
}

async fn document() -> String {
    let service = hecate_om::testing::start::<Library>().await.unwrap();
    service.get("/openapi.json").await.unwrap()
}

#[tokio::test]
async fn the_document_describes_every_version_of_every_capability() {
    let document: Value = serde_json::from_str(&document().await).unwrap();
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(
        paths,
        [
            "/capabilities",
            "/capabilities/library.count/v1",
            "/capabilities/library.search/v1",
            "/capabilities/library.search/v2",
            "/capabilities/library.tidy/v1",
            "/openapi.json",
        ]
    );
    assert_eq!(document["paths"]["/capabilities/library.search/v1"]["post"]["deprecated"], true);
    let refused = &document["paths"]["/capabilities/library.search/v2"]["post"]["responses"]["422"]["description"];
    assert!(refused.as_str().unwrap().contains("- `no_shelf`: No shelf has this number."), "{refused}");
}

#[tokio::test]
#[ignore = "needs Python's openapi-spec-validator; .ci/run installs it"]
async fn the_document_is_valid_openapi() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("openapi.json");
    fs::write(&file, document().await).unwrap();
    let output = Command::new("python3").arg(VALIDATOR).arg(&file).output().unwrap();
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{failed}");
    assert!(said.contains("6 paths"), "{said}");
}
