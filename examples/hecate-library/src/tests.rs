use hecate_om::testing::{Setup, TestService, block_on, messages_arrive};
use tempfile::TempDir;

use super::*;

/// A library that has its books in `folder`.
fn setup(folder: &TempDir) -> Setup<Library> {
    Setup::new().secret("librarian", "sesame\n").data_dir(folder.path().join("data"))
}

async fn library(folder: &TempDir) -> TestService<Library> {
    setup(folder).start().await.unwrap()
}

async fn add(library: &TestService<Library>, title: &str) {
    let request = Add { token: "sesame".to_owned(), title: title.to_owned() };
    library.call(Library::ADD, request).await.unwrap();
}

async fn lend(library: &TestService<Library>, title: &str, reader: &str) -> Result<Book, CallError> {
    library.call(Library::LEND, Lend { title: title.to_owned(), reader: reader.to_owned() }).await
}

fn refused<T>(answer: Result<T, CallError>) -> (String, String) {
    match answer {
        Err(CallError::Refused(error)) => {
            let details = error.details().map(ToString::to_string).unwrap_or_default();
            (error.code().to_owned(), details)
        }
        _ => panic!("that should have been refused"),
    }
}

#[test]
fn a_book_is_lent_to_one_reader_at_a_time() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let library = library(&folder).await;
        add(&library, "Emma").await;
        assert_eq!(lend(&library, "Emma", "ada").await.unwrap().lent_to.as_deref(), Some("ada"));
        let again = refused(lend(&library, "Emma", "bob").await);
        assert_eq!(again, ("lent_already".to_owned(), r#"{"to":"ada"}"#.to_owned()));
        let back = || GiveBack { title: "Emma".to_owned() };
        assert_eq!(library.call(Library::GIVE_BACK, back()).await.unwrap().lent_to, None);
        assert_eq!(refused(library.call(Library::GIVE_BACK, back()).await).0, "not_lent");
        assert!(lend(&library, "Emma", "bob").await.is_ok());
        let unknown = refused(lend(&library, "Persuasion", "bob").await);
        assert_eq!(unknown, ("no_such_book".to_owned(), r#"{"title":"Persuasion"}"#.to_owned()));
    });
}

#[test]
fn a_reader_has_so_many_books_and_no_more() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let settings = LibrarySettings { most_loans: 1, town: Some("Gent".to_owned()) };
        let library = setup(&folder).settings(settings).start().await.unwrap();
        add(&library, "Emma").await;
        add(&library, "Persuasion").await;
        lend(&library, "Emma", "ada").await.unwrap();
        let second = refused(lend(&library, "Persuasion", "ada").await);
        assert_eq!(second, ("too_many_books".to_owned(), r#"{"most":1}"#.to_owned()));
        assert!(lend(&library, "Persuasion", "bob").await.is_ok());
        assert_eq!(library.call(Library::LIST, ()).await.unwrap().town.as_deref(), Some("Gent"));
    });
}

#[test]
fn without_settings_a_reader_has_five_books() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let library = library(&folder).await;
        for title in ["Emma", "Persuasion", "Lady Susan", "Evelina", "Camilla", "Cecilia"] {
            add(&library, title).await;
            let is_lent = lend(&library, title, "ada").await.is_ok();
            assert_eq!(is_lent, title != "Cecilia", "{title}");
        }
        assert_eq!(library.call(Library::LIST, ()).await.unwrap().town, None);
    });
}

#[test]
fn only_a_librarian_adds_books() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let library = library(&folder).await;
        for token in ["", "sesam", "sesame\n", "open"] {
            let request = Add { token: token.to_owned(), title: "Emma".to_owned() };
            assert_eq!(refused(library.call(Library::ADD, request).await).0, "librarians_only");
        }
        assert!(library.call(Library::LIST, ()).await.unwrap().books.is_empty());
        let nobody = Setup::<Library>::new().start().await.err().unwrap();
        assert_eq!(nobody.exit_code, 66);
        assert!(nobody.to_string().contains("secrets/librarian is missing; help: "), "{nobody}");
    });
}

#[test]
fn what_was_lent_is_still_lent_after_a_restart_and_counted() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let first = library(&folder).await;
        add(&first, "Emma").await;
        lend(&first, "Emma", "ada").await.unwrap();
        assert_eq!(first.stop().await, 0);
        let counted = std::fs::read_to_string(folder.path().join("data/statistics.json")).unwrap();
        assert_eq!(counted, r#"{"loans":1}"#, "written when the service ended, long before the minute was over");

        let second = library(&folder).await;
        let books = second.call(Library::LIST, ()).await.unwrap().books;
        assert_eq!(books, [Book { title: "Emma".to_owned(), lent_to: Some("ada".to_owned()) }]);
        let third = Setup::<Library>::new().secret("librarian", "x").data_dir(folder.path().join("data")).start().await;
        assert_eq!(third.err().unwrap().exit_code, 75, "two libraries would lend the same book");
    });
}

#[test]
fn its_task_and_its_check_are_shown_in_health() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let library = library(&folder).await;
        let (status, report) = library.health("/health").await.unwrap();
        assert_eq!(status, 200, "{report}");
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        let found: Vec<_> =
            report["checks"].as_array().unwrap().iter().filter_map(|check| check["name"].as_str()).collect();
        for name in ["catalogue", "secrets", "task.statistics"] {
            assert!(found.contains(&name), "{name} is missing from {found:?}");
        }
    });
}

#[test]
fn a_catalogue_that_cannot_be_written_lends_nothing_and_says_so() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let library = library(&folder).await;
        add(&library, "Emma").await;
        // In the way of the new file.
        std::fs::create_dir(folder.path().join("data/catalogue.new")).unwrap();
        assert_eq!(refused(lend(&library, "Emma", "ada").await).0, "not_written");
        assert_eq!(library.call(Library::LIST, ()).await.unwrap().books[0].lent_to, None);
        std::fs::remove_dir(folder.path().join("data/catalogue.new")).unwrap();
        assert!(lend(&library, "Emma", "ada").await.is_ok());
    });
}

#[test]
fn every_message_arrives_as_it_was_sent() {
    messages_arrive(Library::ADD);
    messages_arrive(Library::LEND);
    messages_arrive(Library::GIVE_BACK);
    messages_arrive(Library::LIST);
    assert_eq!(Library::capabilities().len(), 4, "that is all of them");
}
