//! What a breaker weighs, and whether calls make it heavier.

use crate::subject::{Contender, Setup, Traffic, verify};
use fusebox_benchmarks::allocations::counted;

/// What one breaker takes.
pub(crate) struct Footprint {
    /// Bytes of the breaker itself and of what it holds on the heap, when new.
    pub(crate) fresh: i64,
    /// The part of it that is the breaker's own size.
    pub(crate) inline: i64,
    /// What 1,000 and then 100,000 calls added, one in twenty failing.
    pub(crate) growth: [(u64, i64); 2],
    /// Allocations per call, once warm.
    pub(crate) allocations_per_call: f64,
}

const CALLS: [u64; 2] = [1_000, 100_000];
const COUNTED_CALLS: u64 = 1_000;

/// Weighs a contender's breaker; `None` if it does not offer the setup. Runs on the calling thread alone.
pub(crate) fn weigh(contender: &Contender, setup: Setup) -> Option<Footprint> {
    let traffic = Traffic::Twentieth;
    // What a crate sets up once per process or thread is no breaker's weight.
    contender.prepare(setup, traffic)?.run(0, COUNTED_CALLS);

    let (subject, fresh) = counted(|| contender.prepare(setup, traffic));
    let subject = subject?;
    let inline = i64::try_from(subject.inline_bytes()).ok()?;
    let boxed = i64::try_from(size_of_val(&*subject)).ok()?;
    let (mut done, mut grown) = (0, 0);
    let growth = CALLS.map(|calls| {
        let (rejected, heap) = counted(|| subject.run(done, calls - done));
        if let Err(wrong) = verify(traffic, calls - done, rejected) {
            panic!("{}/{setup}/{traffic} did not stay in its state: {wrong}", contender.name);
        }
        done = calls;
        grown += heap.bytes;
        (calls, grown)
    });
    Some(Footprint {
        fresh: fresh.bytes - boxed + inline,
        inline,
        growth,
        allocations_per_call: allocations_per_call(contender, setup)?,
    })
}

/// Allocations per successful call; what a run itself allocates is taken off.
pub(crate) fn allocations_per_call(contender: &Contender, setup: Setup) -> Option<f64> {
    let subject = contender.prepare(setup, Traffic::Good)?;
    subject.run(0, COUNTED_CALLS);
    let (_, few) = counted(|| subject.run(0, COUNTED_CALLS));
    let (_, many) = counted(|| subject.run(0, 2 * COUNTED_CALLS));
    Some((many.allocations as f64 - few.allocations as f64) / COUNTED_CALLS as f64)
}
