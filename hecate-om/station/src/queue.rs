//! What waits to be written to a client: so many frames and bytes, and not one more.

use std::sync::Arc;

use bytes::Bytes;
use macula_rust::frame::MAX_FRAME_BYTES;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::Limits;
use crate::wire::Frame;

/// The end that frames are queued at.
pub(crate) struct Queue {
    frames: mpsc::Sender<Queued>,
    bytes: Arc<Semaphore>,
}

/// A frame that waits to be written, with its share of the queue.
pub(crate) struct Queued {
    pub(crate) bytes: Bytes,
    _share: OwnedSemaphorePermit,
}

impl Queue {
    pub(crate) fn new(limits: &Limits) -> (Self, mpsc::Receiver<Queued>) {
        let (frames, queued) = mpsc::channel(limits.queued_frames.max(1));
        // So many that the longest frame fits.
        let bytes = limits.queued_bytes.clamp(MAX_FRAME_BYTES + 4, Semaphore::MAX_PERMITS);
        (Self { frames, bytes: Arc::new(Semaphore::new(bytes)) }, queued)
    }

    /// Queues a frame without waiting; false if there is no room.
    pub(crate) fn try_add(&self, frame: &Frame) -> bool {
        let Ok(share) = self.bytes.clone().try_acquire_many_owned(share(frame)) else { return false };
        self.frames.try_send(Queued { bytes: frame.bytes().clone(), _share: share }).is_ok()
    }

    /// Queues a frame once there is room.
    pub(crate) async fn add(&self, frame: &Frame) {
        if let Ok(share) = self.bytes.clone().acquire_many_owned(share(frame)).await {
            // Where nobody writes any more, the connection has ended.
            let _ = self.frames.send(Queued { bytes: frame.bytes().clone(), _share: share }).await;
        }
    }
}

fn share(frame: &Frame) -> u32 {
    u32::try_from(frame.bytes().len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_takes_nothing_until_something_is_written() {
        let frame = Frame::around(b"a frame");
        let (queue, mut queued) = Queue::new(&Limits { queued_frames: 2, ..Limits::default() });
        assert!(queue.try_add(&frame) && queue.try_add(&frame));
        assert!(!queue.try_add(&frame));
        assert_eq!(queued.recv().await.unwrap().bytes, frame.bytes());
        assert!(queue.try_add(&frame));
    }

    #[tokio::test]
    async fn bytes_are_bounded_however_few_frames_there_are() {
        let long = Frame::around(&vec![0; MAX_FRAME_BYTES]);
        let (queue, mut queued) = Queue::new(&Limits { queued_bytes: 0, ..Limits::default() });
        assert!(queue.try_add(&long));
        assert!(!queue.try_add(&Frame::around(b"a frame")));
        // The share is free once the frame is written, not once it is taken.
        let taken = queued.recv().await.unwrap();
        assert!(!queue.try_add(&Frame::around(b"a frame")));
        drop(taken);
        assert!(queue.try_add(&Frame::around(b"a frame")));
    }
}
