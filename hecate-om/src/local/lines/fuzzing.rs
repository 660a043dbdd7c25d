//! The lines of requests: the same however they are cut, and never more kept than one of them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a broken promise is told")]

use std::task::Waker;

use super::*;

/// Reads lines in one piece, in single bytes, and in pieces of many sizes. The first byte of an input says how
/// long a line may be, the second how it is cut, and a body that begins with a `!` breaks off at its end.
pub(crate) fn request_lines(input: &[u8]) {
    let [limit, seed, body @ ..] = input else { return };
    let limit = usize::from(*limit);
    let (is_broken, body) = body.strip_prefix(b"!").map_or((false, body), |body| (true, body));
    let told = told(body, limit, is_broken);
    let mut state = u32::from(*seed);
    let mut some = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as usize % (limit + 3)
    };
    assert_eq!(read(body, limit, is_broken, || body.len().max(1)), told, "in one piece");
    assert_eq!(read(body, limit, is_broken, || 1), told, "in single bytes");
    assert_eq!(read(body, limit, is_broken, &mut some), told, "cut by {seed}");
    for line in &told {
        let Told::Line(line) = line else { continue };
        let Ok(document) = serde_json::from_slice::<serde_json::Value>(line) else { continue };
        let mut written = Vec::new();
        put_line(&serde_json::to_vec_pretty(&document).unwrap(), &mut written);
        assert!(!written.contains(&b'\n'), "{document}");
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&written).unwrap(), document);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Told {
    Line(Vec<u8>),
    TooLong,
    Broken,
}

/// What is told of a body, said once more without any pieces.
fn told(body: &[u8], limit: usize, is_broken: bool) -> Vec<Told> {
    let mut told = Vec::new();
    let mut lines = body.split(|byte| *byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        let is_last = lines.peek().is_none();
        let text = line.trim_ascii();
        // Space around a line counts, but for the carriage return at its end.
        if line.len() > limit + 1 || (text.len() > limit && !(is_last && is_broken)) {
            told.push(Told::TooLong);
            return told;
        }
        if is_last && is_broken {
            told.push(Told::Broken);
        } else if !text.is_empty() {
            told.push(Told::Line(text.to_vec()));
        }
    }
    told
}

fn read(body: &[u8], limit: usize, is_broken: bool, size: impl FnMut() -> usize + Unpin) -> Vec<Told> {
    let mut lines = Lines::of(Cut { left: Bytes::copy_from_slice(body), size, is_broken }, limit);
    let mut context = Context::from_waker(Waker::noop());
    let mut told = Vec::new();
    while let Poll::Ready(Some(line)) = lines.poll_next(&mut context) {
        assert!(lines.begun.len() <= limit + 1, "{} bytes are kept", lines.begun.len());
        told.push(match line {
            Ok(line) => Told::Line(line.to_vec()),
            Err(NoLine::TooLong) => {
                lines.take_body();
                Told::TooLong
            }
            Err(NoLine::Broken(())) => Told::Broken,
        });
    }
    assert!(lines.take_body().is_none(), "it ends with its body");
    told
}

/// A body in pieces.
struct Cut<S> {
    left: Bytes,
    size: S,
    is_broken: bool,
}

impl<S: FnMut() -> usize + Unpin> Body for Cut<S> {
    type Data = Bytes;
    type Error = ();

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ()>>> {
        if self.left.is_empty() {
            return Poll::Ready(self.is_broken.then_some(Err(())));
        }
        let size = (self.size)().min(self.left.len());
        Poll::Ready(Some(Ok(Frame::data(self.left.split_to(size)))))
    }
}
