//! The writer of a level: one after the other, in the background.
//!
//! What cannot be written is dropped, for there will be another answer. What cannot be forgotten is tried again until it is.

use super::level::Shared;
use super::{Place, Write};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// Writes that are made together.
const TOGETHER: usize = 64;
const TOGETHER_BYTES: usize = 256 << 10;
/// How long it rests before it tries to forget again what it could not.
const AGAIN: Duration = Duration::from_secs(1);

/// What is to be forgotten and could not be yet, by name.
type Owed = HashMap<String, Place>;

/// Makes an entry: where it goes, its bytes, and how long it keeps.
pub(super) type Make = Box<dyn FnOnce() -> Option<Entry> + Send>;

/// An entry, ready to be written.
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) bytes: Vec<u8>,
    pub(super) keep_for: Duration,
}

/// Something to do.
pub(super) enum Job {
    Put {
        make: Make,
        bytes: u64,
    },
    Forget(Place),
    /// Everything before it is done, or was tried, when this is answered.
    Flush(SyncSender<()>),
}

/// Works until nobody has anything to write any more.
pub(super) async fn run(shared: Arc<Shared>, mut jobs: UnboundedReceiver<Job>) {
    // Found out early, and said, if it is of no use.
    let nothing = Place::of(b"", None);
    let _ = shared.guarded(shared.store.get(&nothing, 0)).await;
    let mut owed = Owed::new();
    loop {
        let first = if owed.is_empty() {
            jobs.recv().await
        } else {
            match tokio::time::timeout(AGAIN, jobs.recv()).await {
                Ok(job) => job,
                Err(_) => {
                    forget(&shared, &mut owed).await;
                    continue;
                }
            }
        };
        let Some(first) = first else { return };
        // What is owed is older than what comes now.
        forget(&shared, &mut owed).await;
        let (mut batch, mut flushes, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut next = Some(first);
        while let Some(job) = next {
            bytes += take(&shared, job, &mut batch, &mut flushes);
            if batch.len() >= TOGETHER || bytes >= TOGETHER_BYTES {
                break;
            }
            next = jobs.try_recv().ok();
        }
        write(&shared, batch, &mut owed).await;
        for done in flushes {
            let _ = done.try_send(());
        }
    }
}

/// Adds a job to the batch; answers its bytes.
fn take(shared: &Shared, job: Job, batch: &mut Vec<Write>, flushes: &mut Vec<SyncSender<()>>) -> usize {
    match job {
        Job::Put { make, bytes } => {
            // Code that encodes is the user's.
            let made = catch_unwind(AssertUnwindSafe(make)).ok().flatten();
            shared.waiting.fetch_sub(1, Relaxed);
            shared.waiting_bytes.fetch_sub(bytes, Relaxed);
            let Some(Entry { place, bytes, keep_for }) =
                made.filter(|made| made.bytes.len() <= shared.max_entry_bytes)
            else {
                shared.tally.dropped.fetch_add(1, Relaxed);
                return 0;
            };
            let length = bytes.len();
            batch.push(Write::Put { place, bytes, keep_for });
            return length;
        }
        Job::Forget(place) => batch.push(Write::Forget(place)),
        Job::Flush(done) => flushes.push(done),
    }
    0
}

/// Writes a batch. Where that fails, what was to be forgotten is owed.
async fn write(shared: &Arc<Shared>, batch: Vec<Write>, owed: &mut Owed) {
    if batch.is_empty() {
        return;
    }
    let forgotten: Vec<Place> = batch.iter().filter_map(forgets).cloned().collect();
    let puts = (batch.len() - forgotten.len()) as u64;
    if apply(shared, batch).await {
        forgotten.iter().for_each(|place| shared.doomed.done(place));
    } else {
        shared.tally.dropped.fetch_add(puts, Relaxed);
        for place in forgotten {
            // Once is enough, however often it was asked for.
            if let Some(again) = owed.insert(place.forgotten().into(), place) {
                shared.doomed.done(&again);
            }
        }
    }
}

/// Forgets what is owed, as far as it can be.
async fn forget(shared: &Arc<Shared>, owed: &mut Owed) {
    let places: Vec<Place> = owed.values().cloned().collect();
    for batch in places.chunks(TOGETHER) {
        if !apply(shared, batch.iter().cloned().map(Write::Forget).collect()).await {
            return;
        }
        for place in batch {
            owed.remove(place.forgotten());
            shared.doomed.done(place);
        }
    }
}

/// Whether the store has done it. A task of its own, for a store of the user's may panic.
async fn apply(shared: &Arc<Shared>, batch: Vec<Write>) -> bool {
    let shared = shared.clone();
    let done = tokio::spawn(async move { shared.guarded(shared.store.apply(batch)).await.is_ok() });
    done.await.unwrap_or(false)
}

fn forgets(write: &Write) -> Option<&Place> {
    match write {
        Write::Forget(place) => Some(place),
        Write::Put { .. } => None,
    }
}
