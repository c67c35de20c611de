//! Producers: each hands one call over, waits until it is kept, and hands over the next.

use crate::Trio;
use crate::ours;
use crate::raw::Raw;
use crate::tables::{EQUAL, KEYS};
use fusebox_queue::sqlite::Sqlite;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

const PRODUCERS: [usize; 3] = [1, 8, 64];
/// Of a payload.
pub(crate) const BYTES: usize = 200;
pub(crate) const QUEUE: &str = "payments";

/// Items a second that are acknowledged, with few producers and with many.
pub(crate) fn measure(folder: &Path, rounds: usize, span: Duration) -> Result<Vec<Trio>, String> {
    let mut trios = Vec::new();
    for producers in PRODUCERS {
        let open = |name, table| Raw::open(&folder.join(format!("{name}-{producers}")), table);
        let (least, equal) = (open("least", &KEYS)?, open("equal", &EQUAL)?);
        let store = ours::open(&folder.join(format!("ours-{producers}")))?;
        let raw = |raw: &Raw| {
            rate(producers, span, || {
                let mut desk = raw.producer();
                move |number| desk.enqueue(key(number))
            })
        };
        let mut figures = Vec::new();
        for _ in 0..rounds {
            let (least, equal) = (raw(&least), raw(&equal));
            figures.push([least, equal, rate(producers, span, || one_by_one(store.clone()))]);
        }
        let title = format!("enqueue, {producers} producer{}", if producers == 1 { "" } else { "s" });
        println!("{title}: {figures:.0?}");
        trios.push(Trio::of(title, &figures));
    }
    Ok(trios)
}

fn one_by_one(store: Sqlite) -> impl FnMut(u64) -> Result<(), String> + Send {
    move |number| ours::enqueue(&store, vec![ours::item(number)])
}

/// A key as callers make them: nothing says which comes next.
pub(crate) fn key(number: u64) -> String {
    // SplitMix64.
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let first = mix(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    format!("{first:016x}{:016x}", mix(!first))
}

/// No two items of a run have the same.
pub(crate) fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Relaxed)
}

fn rate<P>(producers: usize, span: Duration, producer: impl Fn() -> P) -> f64
where
    P: FnMut(u64) -> Result<(), String> + Send,
{
    let begin = Instant::now();
    let done: u64 = thread::scope(|scope| {
        let one = |mut enqueue: P| {
            move || {
                let mut done = 0;
                while begin.elapsed() < span {
                    enqueue(next_number()).expect("every item is kept");
                    done += 1;
                }
                done
            }
        };
        let all: Vec<_> = (0..producers).map(|_| scope.spawn(one(producer()))).collect();
        all.into_iter().map(|producer| producer.join().expect("no producer fails")).sum::<u64>()
    });
    done as f64 / begin.elapsed().as_secs_f64()
}
