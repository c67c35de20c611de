//! An allocator that counts while it is told to, so that timed runs pay one predictable branch for it.
#![allow(unsafe_code)] // `GlobalAlloc` is an unsafe trait; this is the only place that needs one.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

/// The system's allocator with a counter in front.
pub struct Counting;

static ON: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static LIVE_BYTES: AtomicI64 = AtomicI64::new(0);

/// What happened on the heap while something ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heap {
    /// Calls to the allocator that asked for memory.
    pub allocations: u64,
    /// Bytes asked for and not yet given back.
    pub bytes: i64,
}

/// Runs `work`, and says what it did on the heap. One at a time, and nothing else may run meanwhile.
pub fn counted<T>(work: impl FnOnce() -> T) -> (T, Heap) {
    let before = (ALLOCATIONS.load(Relaxed), LIVE_BYTES.load(Relaxed));
    ON.store(true, Relaxed);
    let value = work();
    ON.store(false, Relaxed);
    let heap = Heap {
        allocations: ALLOCATIONS.load(Relaxed) - before.0,
        bytes: LIVE_BYTES.load(Relaxed) - before.1,
    };
    (value, heap)
}

fn count(allocations: u64, bytes: i64) {
    if ON.load(Relaxed) {
        ALLOCATIONS.fetch_add(allocations, Relaxed);
        LIVE_BYTES.fetch_add(bytes, Relaxed);
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

// SAFETY: every method hands its arguments to `System` unchanged and returns what `System` returned; the
// counters allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, signed(layout.size()));
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(0, -signed(layout.size()));
        // SAFETY: `ptr` came from `System` with this `layout`, by the caller's promise.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(1, signed(layout.size()));
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(1, signed(new_size) - signed(layout.size()));
        // SAFETY: `ptr` came from `System` with this `layout`, by the caller's promise, as does `new_size`.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}
