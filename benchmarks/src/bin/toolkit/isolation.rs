//! Two dependencies on threads of their own: what one's hung calls do to the other's.

use fusebox::{Fuse, PoolConfig, PooledFuse, ThreadPool};
use fusebox_benchmarks::stats::Spread;
use std::hint::black_box;
use std::io::Error;
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

const THREADS: u32 = 4;
const CALLS: usize = 5_000;

/// The 99th percentile of B's calls, in microseconds.
pub(crate) struct Isolated {
    pub(crate) well: Spread,
    /// While every thread of A hangs.
    pub(crate) hung: Spread,
    /// The second over the first, round by round.
    pub(crate) ratio: Spread,
}

/// Measures so many rounds, one way and the other by turns.
pub(crate) fn measure(rounds: usize) -> Isolated {
    let (a, b) = (fuse("a"), fuse("b"));
    p99(&b);
    let (mut well, mut hung, mut ratio) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let good = p99(&b);
        let bad = while_all_hang(&a, || p99(&b));
        well.push(good);
        hung.push(bad);
        ratio.push(bad / good);
    }
    let spread = |figures: &[f64]| Spread::of(figures).expect("a round or more");
    Isolated { well: spread(&well), hung: spread(&hung), ratio: spread(&ratio) }
}

fn fuse(name: &'static str) -> PooledFuse {
    let pool = ThreadPool::new(name, PoolConfig { threads: THREADS, ..PoolConfig::default() });
    let fuse = Fuse::builder(name).timeout(Duration::from_secs(60));
    fuse.build_pooled(pool.expect("threads")).expect("it works")
}

/// Looks while every thread of `a` hangs.
fn while_all_hang<T>(a: &PooledFuse, look: impl FnOnce() -> T) -> T {
    let (release, gate) = channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    let hanging = Arc::new(Barrier::new(THREADS as usize + 1));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let (gate, hanging) = (gate.clone(), hanging.clone());
            let hang = move || {
                hanging.wait();
                let _ = gate.lock().map(|gate| gate.recv());
                Ok::<_, Error>(())
            };
            scope.spawn(|| drop(a.call(hang)));
        }
        hanging.wait();
        let seen = look();
        drop(release);
        seen
    })
}

fn p99(b: &PooledFuse) -> f64 {
    let timed = |i| {
        let begin = Instant::now();
        let _ = black_box(b.call(move || Ok::<_, Error>(i)));
        begin.elapsed().as_secs_f64() * 1e6
    };
    let mut took: Vec<f64> = (0..CALLS).map(timed).collect();
    took.sort_by(f64::total_cmp);
    took[CALLS * 99 / 100]
}
