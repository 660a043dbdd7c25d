//! A generic type with its parameters given is concrete.

#![deny(warnings)]

use std::marker::PhantomData;

use hecate_om::prelude::*;

#[derive(Default)]
struct Postgres;

#[derive(Default)]
struct Store<D, const SIZE: usize> {
    database: PhantomData<D>,
}

#[message]
struct Page<T> {
    items: Vec<T>,
}

#[message]
struct Item {
    name: String,
}

impl<D, const SIZE: usize> Store<D, SIZE> {
    fn size(&self) -> usize {
        SIZE
    }
}

/// Keeps things.
#[hecate_service(name = "hecate-store")]
impl Store<Postgres, 16>
where
    Postgres: Default,
{
    /// Lists all.
    #[capability(version = 1)]
    async fn list(&self, request: Page<Item>) -> Result<Page<Item>> {
        assert!(request.items.len() < self.size());
        Ok(request)
    }
}

fn main() {
    let _ = Store::<Postgres, 16>::LIST;
    let _ = Store::<String, 1>::default().database;
    let _ = hecate_om::run::<Store<Postgres, 16>>;
}
