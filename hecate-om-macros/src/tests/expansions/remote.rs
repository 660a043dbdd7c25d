/// Answers questions.
#[derive(Default)]
pub struct Librarian;

/// Answers what readers ask.
#[hecate_service(name = "hecate-librarian", access = open, uses(Rag, "acme/books.lend" = 2), identity(ttl_days = 7))]
impl Librarian {
    /// Finds a book.
    #[capability(version = 1, idempotent)]
    pub async fn find(&self) -> Result<()> {
        todo!()
    }

    /// Buys a book.
    #[capability(version = 1, access = issuer("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"))]
    async fn buy(&self) -> Result<()> {
        todo!()
    }
}

remote_service! {
    /// Answers questions.
    pub Rag in "hecate-rag" {
        QUERY: "rag.query" = 1, Query -> Answer, access = open, idempotent;
        #[deprecated = "ask nobody"]
        ASK: "rag.ask" = 3, () -> Answer
    }
}
