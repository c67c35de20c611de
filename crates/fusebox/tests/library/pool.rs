//! Blocking work on threads of its own.

use fusebox::bulkhead::Bulkhead;
use fusebox::hedge::{self, After};
use fusebox::{Error, Fuse, PoolConfig, PooledFuse, Reason, ThreadPool, retry};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn pool(threads: u32) -> ThreadPool {
    let config = PoolConfig { threads, max_queue: 0, max_wait: ms(0) };
    ThreadPool::new("a", config).expect("threads are to be had")
}

fn fuse(threads: u32, timeout: u64) -> PooledFuse {
    Fuse::builder("a").timeout(ms(timeout)).build_pooled(pool(threads)).expect("the settings work")
}

fn in_use(places: &Bulkhead) -> u64 {
    places.snapshot(fusebox::Time::ZERO).in_use
}

/// Waits for what another thread is about to do; a test that waits in vain is killed by the runner.
fn until(done: impl Fn() -> bool) {
    while !done() {
        std::thread::yield_now();
    }
}

#[test]
fn values_and_errors_come_through() {
    let fuse = fuse(2, 10_000);
    assert_eq!(fuse.call(|| Ok::<_, String>(7)), Ok(7));
    assert_eq!(fuse.call(|| Err::<(), _>("down".to_string())), Err(Error::Failed("down".into())));
    until(|| in_use(fuse.pool().places()) == 0);
}

#[test]
fn a_timed_out_call_keeps_its_thread_until_the_work_really_ends() {
    let fuse = fuse(1, 20);
    let gate = Arc::new(Barrier::new(2));
    let hung = gate.clone();
    let result = fuse.call(move || {
        hung.wait();
        Ok::<_, String>(())
    });
    assert_eq!(result, Err(Error::TimedOut));
    assert_eq!(in_use(fuse.pool().places()), 1, "its caller has left, its thread has not");
    let Err(Error::Rejected(refused)) = fuse.call(|| Ok::<_, String>(())) else {
        panic!("the only thread hangs")
    };
    assert_eq!(refused.reason, Reason::BulkheadFull);
    gate.wait();
    until(|| in_use(fuse.pool().places()) == 0);
    assert_eq!(fuse.call(|| Ok::<_, String>(7)), Ok(7));
    assert_eq!(
        fuse.circuit().snapshot().totals.failure,
        1,
        "the timeout; a full pool says nothing of the dependency"
    );
}

#[test]
fn all_of_one_dependencys_threads_may_hang_and_the_other_does_not_notice() {
    let (a, b) = (fuse(4, 20), fuse(4, 10_000));
    let gate = Arc::new(Barrier::new(5));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let gate = gate.clone();
            let a = &a;
            scope.spawn(move || {
                let hung = a.call(move || {
                    gate.wait();
                    Ok::<_, String>(())
                });
                assert_eq!(hung, Err(Error::TimedOut));
            });
        }
    });
    assert_eq!(in_use(a.pool().places()), 4);
    for i in 0..1_000 {
        assert_eq!(b.call(move || Ok::<_, String>(i)), Ok(i));
    }
    gate.wait();
    until(|| in_use(a.pool().places()) == 0);
}

#[test]
fn a_retry_after_a_timeout_runs_on_another_thread() {
    let retry = retry::Config {
        backoff: retry::Backoff { base: ms(1), ..retry::Backoff::default() },
        ..retry::Config::default()
    };
    let fuse = Fuse::builder("a").timeout(ms(50)).retry(retry).build_pooled(pool(2)).expect("works");
    let gate = Arc::new(Barrier::new(2));
    let (attempts, hung) = (Arc::new(AtomicU64::new(0)), gate.clone());
    let result = fuse.call(move || {
        if attempts.fetch_add(1, SeqCst) == 0 {
            hung.wait();
        }
        Ok::<_, String>(attempts.load(SeqCst))
    });
    assert_eq!(result, Ok(2));
    gate.wait();
}

#[test]
fn blocking_work_is_hedged_on_a_second_thread() {
    let hedge = hedge::Config { after: After::Fixed(ms(10)), ..hedge::Config::default() };
    let fuse = Fuse::builder("a").hedge(hedge).build_pooled(pool(2)).expect("works");
    let gate = Arc::new(Barrier::new(2));
    let (attempts, hung) = (Arc::new(AtomicU64::new(0)), gate.clone());
    let result = fuse.call(move || {
        let attempt = attempts.fetch_add(1, SeqCst) + 1;
        if attempt == 1 {
            hung.wait();
        }
        Ok::<_, String>(attempt)
    });
    assert_eq!(result, Ok(2));
    gate.wait();
    until(|| in_use(fuse.pool().places()) == 0);
}

#[test]
fn a_panic_is_one_failure_goes_on_in_the_caller_and_costs_no_thread() {
    let fuse = fuse(1, 10_000);
    for failed in 1..=3 {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            fuse.call(|| -> Result<(), String> { panic!("a bug") })
        }));
        assert!(caught.is_err());
        assert_eq!(fuse.circuit().snapshot().totals.failure, failed);
        until(|| in_use(fuse.pool().places()) == 0);
    }
    assert_eq!(fuse.call(|| Ok::<_, String>(7)), Ok(7));
}

#[test]
fn the_caller_of_a_blocking_call_with_a_timeout_is_told_where_it_can_run() {
    let refused = Fuse::builder("a").timeout(ms(10)).build_blocking().expect_err("nothing can interrupt it");
    assert!(refused.to_string().contains("thread pool"), "{refused}");
    let wrong = ThreadPool::new("a", PoolConfig { threads: 0, ..PoolConfig::default() }).expect_err("none");
    assert!(wrong.to_string().starts_with("use threads = 0"), "{wrong}");
}

#[test]
fn the_threads_are_named_and_end_with_the_pool() {
    let fuse = fuse(1, 10_000);
    let seen = Arc::new(Mutex::new(None));
    let name = seen.clone();
    let told = fuse.call(move || {
        *name.lock().expect("unpoisoned") = std::thread::current().name().map(String::from);
        Ok::<_, String>(())
    });
    assert_eq!((told, seen.lock().expect("unpoisoned").as_deref()), (Ok(()), Some("a-1")));
}

#[test]
fn what_panics_as_it_is_dropped_takes_no_thread_along() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let config = PoolConfig { threads: 1, ..PoolConfig::default() };
    let pool = ThreadPool::new("a", config).expect("starts");
    let patience = Duration::from_millis(20);
    let fuse = Fuse::builder("a").timeout(patience).build_pooled(pool.clone()).expect("works");
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let (bomb, gate) = (Bomb, Mutex::new(gate));
    let left = fuse.call(move || {
        let _armed = &bomb;
        let _ = gate.lock().map(|gate| gate.recv());
        Ok::<_, &str>(())
    });
    assert!(matches!(left, Err(Error::TimedOut)), "the caller has gone, the job holds the last handle");
    drop(open);
    let unhurried = Fuse::builder("b").build_pooled(pool).expect("works");
    unhurried.call(|| Ok::<_, &str>(())).expect("the thread is there");
}
