//! Streams of events: frames in a ring, and readers who are somewhere in it.
//!
//! Nobody waits for a reader. A frame is made once, however many read; a reader takes it when its connection has room, and one that falls
//! out of the ring is over, and begins anew with what it missed.

use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// Frames that a reader may be behind.
const BEHIND: usize = 128;
/// Bytes of these; the newest frame is kept whatever it weighs.
const BEHIND_BYTES: usize = 8 << 20;
/// Readers at once.
const READERS: usize = 48;

/// The frames, and who waits for the next.
#[derive(Debug, Default)]
pub(super) struct Frames {
    ring: VecDeque<Bytes>,
    bytes: usize,
    /// The number of the frame after the newest.
    next: u64,
    readers: HashMap<u64, Option<Waker>>,
    newcomer: u64,
}

impl Frames {
    /// Gives every reader another frame.
    pub(super) fn push(&mut self, frame: Bytes) {
        self.next += 1;
        if self.readers.is_empty() {
            self.ring.clear();
            self.bytes = 0;
            return;
        }
        self.bytes += frame.len();
        self.ring.push_back(frame);
        while self.ring.len() > BEHIND || self.bytes > BEHIND_BYTES && self.ring.len() > 1 {
            self.bytes -= self.ring.pop_front().map_or(0, |frame| frame.len());
        }
        self.readers.values_mut().filter_map(Option::take).for_each(Waker::wake);
    }

    /// Whether anybody reads.
    pub(super) fn are_read(&self) -> bool {
        !self.readers.is_empty()
    }

    /// The number of the frame, if it is still there; `Err` if it has gone.
    fn get(&self, number: u64) -> Result<Option<Bytes>, Gone> {
        let oldest = self.next - self.ring.len() as u64;
        let place = number.checked_sub(oldest).ok_or(Gone)?;
        Ok(usize::try_from(place).ok().and_then(|place| self.ring.get(place)).cloned())
    }
}

/// A reader is too far behind.
struct Gone;

/// A reader of frames: first its own, then those that come.
#[derive(Debug)]
pub(crate) struct Feed {
    frames: Arc<Mutex<Frames>>,
    id: u64,
    first: Option<Bytes>,
    next: u64,
}

impl Feed {
    /// A reader that begins with `first` and goes on with what comes from now on; `None` when there are too many already.
    pub(super) fn open(frames: &Arc<Mutex<Frames>>, first: impl FnOnce() -> Bytes) -> Option<Feed> {
        let mut all = frames.lock().unwrap_or_else(PoisonError::into_inner);
        if all.readers.len() >= READERS {
            return None;
        }
        all.newcomer += 1;
        let (id, next) = (all.newcomer, all.next);
        all.readers.insert(id, None);
        drop(all);
        Some(Feed { frames: frames.clone(), id, first: Some(first()), next })
    }

    /// The next frame; `None` once this reader has fallen too far behind.
    pub(crate) fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        let frames = self.frames.clone();
        let mut all = frames.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get(self.next) {
            Err(Gone) => Poll::Ready(None),
            Ok(Some(frame)) => {
                self.next += 1;
                Poll::Ready(Some(frame))
            }
            Ok(None) => {
                all.readers.insert(self.id, Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner).readers.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(feed: &mut Feed) -> Poll<Option<Bytes>> {
        Pin::new(feed).poll_frame(&mut Context::from_waker(Waker::noop()))
    }

    fn push(frames: &Arc<Mutex<Frames>>, frame: impl Into<Bytes>) {
        frames.lock().expect("not poisoned").push(frame.into());
    }

    #[test]
    fn a_reader_hears_its_beginning_and_then_what_comes() {
        let frames = Arc::default();
        push(&frames, "nobody hears this");
        let mut feed = Feed::open(&frames, || "first".into()).expect("room");
        push(&frames, "second");
        assert_eq!(read(&mut feed), Poll::Ready(Some("first".into())));
        assert_eq!(read(&mut feed), Poll::Ready(Some("second".into())));
        assert!(read(&mut feed).is_pending());
    }

    #[test]
    fn who_falls_behind_is_over_and_holds_nobody_up() {
        let frames = Arc::default();
        let mut slow = Feed::open(&frames, Bytes::new).expect("room");
        let mut quick = Feed::open(&frames, Bytes::new).expect("room");
        let _ = (read(&mut slow), read(&mut quick));
        for n in 0..=BEHIND {
            push(&frames, n.to_string());
            assert_eq!(read(&mut quick), Poll::Ready(Some(n.to_string().into())));
        }
        assert_eq!(read(&mut slow), Poll::Ready(None));
    }

    #[test]
    fn heavy_frames_are_kept_in_smaller_numbers() {
        let frames = Arc::default();
        let mut slow = Feed::open(&frames, Bytes::new).expect("room");
        let _ = read(&mut slow);
        (0..3).for_each(|_| push(&frames, vec![0; BEHIND_BYTES / 2]));
        assert_eq!(read(&mut slow), Poll::Ready(None));
        let all = frames.lock().expect("not poisoned");
        assert_eq!((all.ring.len(), all.bytes), (2, BEHIND_BYTES));
    }

    #[test]
    fn there_is_an_end_to_readers_and_one_that_leaves_makes_room() {
        let frames = Arc::default();
        let mut feeds: Vec<_> =
            (0..READERS).map(|_| Feed::open(&frames, Bytes::new).expect("room")).collect();
        assert!(Feed::open(&frames, Bytes::new).is_none());
        feeds.pop();
        assert!(Feed::open(&frames, Bytes::new).is_some());
    }
}
