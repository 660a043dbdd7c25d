//! A handler may take a request, a call, both or none, by any pattern.

#![deny(warnings)]

use std::collections::{BTreeMap, HashMap};

use hecate_om::prelude::*;

#[derive(Default)]
struct Shapes;

#[message]
struct Point {
    x: f64,
    y: f64,
}

/// Takes everything.
#[hecate_service(name = "hecate-shapes")]
impl Shapes {
    /// Nothing.
    #[capability(version = 1)]
    async fn none(&self) -> Result<()> {
        Ok(())
    }

    /// The call.
    #[capability(version = 1)]
    async fn call(&self, call: &Call<Self>) -> Result<()> {
        let _ = call.id();
        Ok(())
    }

    /// The call, by a path and the service's name.
    #[capability(version = 1)]
    async fn path(&self, _call: &hecate_om::Call<Shapes>) -> Result<()> {
        Ok(())
    }

    /// A request.
    #[capability(version = 1)]
    async fn request(&self, mut request: Point) -> Result<Point> {
        request.x += 1.0;
        Ok(request)
    }

    /// A request that is taken apart.
    #[capability(version = 1)]
    async fn apart(&self, Point { x, y }: Point, _: &Call<Self>) -> Result<Point> {
        Ok(Point { x: y, y: x })
    }

    /// A request without fields.
    #[capability(version = 1)]
    async fn unit(&self, request: (), call: &Call<Self>) -> Result<()> {
        let _ = call.via();
        Ok(request)
    }

    /// Maps.
    #[capability(version = 1)]
    async fn maps(&self, request: HashMap<String, Vec<u8>>) -> Result<BTreeMap<String, usize>> {
        Ok(request.into_iter().map(|(name, bytes)| (name, bytes.len())).collect())
    }

    /// A box.
    #[capability(version = 1)]
    async fn boxed(&self, request: Box<Point>) -> Result<Box<Point>> {
        Ok(request)
    }

    /// An explicit lifetime in the receiver's type.
    #[capability(version = 1)]
    async fn elided(self: &'_ Self, call: &'_ Call<Self>) -> Result<()> {
        let _ = call.caller();
        Ok(())
    }
}

fn main() {
    let _: Capability<Shapes, (), ()> = Shapes::UNIT;
    let _: Capability<Shapes, HashMap<String, Vec<u8>>, BTreeMap<String, usize>> = Shapes::MAPS;
    assert_eq!(Shapes::capabilities().len(), 9);
    let _ = hecate_om::run::<Shapes>;
}
