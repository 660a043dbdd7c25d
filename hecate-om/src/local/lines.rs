//! The lines of a body, one by one: how streams travel on this box, in both directions.
//!
//! A line may come in many pieces and a piece may hold many lines. No more is read than is asked for, and
//! no more is kept than one line may have.

#[cfg(all(any(test, fuzzing), feature = "macula"))]
pub(crate) mod fuzzing;

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use hyper::body::{Body, Frame};

/// The lines of a body that are not blank, without the space around them.
pub(crate) struct Lines<B> {
    /// Until it has ended.
    body: Option<B>,
    /// What came and was not looked at.
    piece: Bytes,
    /// The beginning of a line, from the pieces before.
    begun: BytesMut,
    limit: usize,
}

/// Why there is no next line.
#[derive(Debug)]
pub(crate) enum NoLine<E> {
    TooLong,
    Broken(E),
}

impl<B: Body<Data = Bytes> + Unpin> Lines<B> {
    /// None of them may have more than `limit` bytes.
    pub(crate) fn of(body: B, limit: usize) -> Self {
        Self { body: Some(body), piece: Bytes::new(), begun: BytesMut::new(), limit }
    }

    /// What was not read of the body; nothing is read any more.
    pub(crate) fn take_body(&mut self) -> Option<B> {
        self.piece.clear();
        self.begun = BytesMut::new();
        self.body.take()
    }

    /// The next line; none when the body is over. The last one needs no end.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, NoLine<B::Error>>>> {
        loop {
            let Some(body) = &mut self.body else { return Poll::Ready(None) };
            let line = match self.piece.iter().position(|byte| *byte == b'\n') {
                // As below, whether it comes in one piece or in many.
                Some(end) if self.begun.len() + end > self.limit.saturating_add(1) => {
                    return Poll::Ready(Some(Err(NoLine::TooLong)));
                }
                Some(end) => {
                    let line = self.piece.split_to(end);
                    self.piece.advance(1);
                    self.whole(line)
                }
                None => {
                    // Only the carriage return at its end does not count.
                    if self.begun.len() + self.piece.len() > self.limit.saturating_add(1) {
                        return Poll::Ready(Some(Err(NoLine::TooLong)));
                    }
                    self.begun.extend_from_slice(&std::mem::take(&mut self.piece));
                    match ready!(Pin::new(body).poll_frame(context)) {
                        Some(Ok(frame)) => {
                            self.piece = frame.into_data().unwrap_or_else(|_: Frame<Bytes>| Bytes::new());
                            continue;
                        }
                        Some(Err(error)) => {
                            self.take_body();
                            return Poll::Ready(Some(Err(NoLine::Broken(error))));
                        }
                        None => {
                            self.body = None;
                            self.whole(Bytes::new())
                        }
                    }
                }
            };
            match line.len() {
                0 => {}
                length if length > self.limit => return Poll::Ready(Some(Err(NoLine::TooLong))),
                _ => return Poll::Ready(Some(Ok(line))),
            }
        }
    }

    /// A line of which the last piece came.
    fn whole(&mut self, last: Bytes) -> Bytes {
        let line = if self.begun.is_empty() {
            last
        } else {
            let mut line = std::mem::take(&mut self.begun);
            line.extend_from_slice(&last);
            line.freeze()
        };
        let text = line.trim_ascii();
        if text.len() == line.len() { line } else { line.slice_ref(text) }
    }
}

/// A JSON document as one line, without its end. What it holds of line breaks is space between its parts: in
/// a text they are escaped.
pub(crate) fn put_line(document: &[u8], to: &mut Vec<u8>) {
    let from = to.len();
    to.extend_from_slice(document);
    for byte in to.iter_mut().skip(from).filter(|byte| matches!(byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::task::Waker;

    use super::*;

    struct Pieces(VecDeque<&'static str>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))))
        }
    }

    fn read(pieces: &[&'static str], limit: usize) -> Vec<String> {
        let mut lines = Lines::of(Pieces(pieces.iter().copied().collect()), limit);
        let mut read = Vec::new();
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(line)) = lines.poll_next(&mut context) {
            match line {
                Ok(line) => read.push(String::from_utf8(line.to_vec()).unwrap()),
                Err(NoLine::TooLong) => {
                    read.push("too long".to_owned());
                    lines.take_body();
                }
                Err(NoLine::Broken(never)) => match never {},
            }
        }
        read
    }

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        assert_eq!(read(&["a\nb", "c\n", "d", "\n", "e"], 9), ["a", "bc", "d", "e"]);
        assert_eq!(read(&["", "\n\r\n  \n", " a \r", "\n", "\n\n", "b\r\n"], 9), ["a", "b"]);
        assert!(read(&[], 9).is_empty() && read(&["\n"], 9).is_empty());
        let bytes = ["a", "b", "\n", "c", "d", "\r", "\n", "e"];
        assert_eq!(read(&bytes, 9), ["ab", "cd", "e"]);
    }

    #[test]
    fn a_line_of_the_limit_passes_and_one_byte_more_does_not() {
        for whole in [&["abcd\nx"][..], &["ab", "cd", "\n", "x"], &["abcd", "\r\nx"], &["abcd\r", "\nx"]] {
            assert_eq!(read(whole, 4), ["abcd", "x"], "{whole:?}");
        }
        for long in [&["abcde\nx"][..], &["abc", "de", "\n"], &["abcde"], &["abcdefgh", "ijk"]] {
            assert_eq!(read(long, 4), ["too long"], "{long:?}");
        }
    }

    #[test]
    fn a_document_is_one_line() {
        let mut line = Vec::new();
        put_line(b"{\"a\":\n \"b\\n\"\r\n}", &mut line);
        assert_eq!(line, b"{\"a\":  \"b\\n\"  }");
    }
}
