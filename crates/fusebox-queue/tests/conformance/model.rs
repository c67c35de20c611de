//! Random work comes to the same in a store and in memory.

use crate::{Make, Stand, block_on, memory, secs, sqlite};
use fusebox_core::Priority;
use fusebox_queue::record::Death;
use fusebox_queue::{Act, Events, Filter, LeaseRequest, Limits, NewItem, Notices, Order, Settlement, Token};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    Put { key: u8, class: usize, delay: u64, expires: u64, size: usize },
    Lease { most: usize, ttl: u64 },
    Settle { which: usize, how: u8, delay: u64 },
    Extend { which: usize },
    Pass(u64),
    Sweep(usize),
    Cancel(u8),
    Operate(Act, usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..12u8, 0..4usize, 0..20u64, 21..200u64, 0..40usize)
            .prop_map(|(key, class, delay, expires, size)| Op::Put { key, class, delay, expires, size }),
        5 => (1..5usize, 1..40u64).prop_map(|(most, ttl)| Op::Lease { most, ttl }),
        6 => (any::<usize>(), 0..5u8, 0..10u64).prop_map(|(which, how, delay)| Op::Settle { which, how, delay }),
        1 => any::<usize>().prop_map(|which| Op::Extend { which }),
        4 => (1..60u64).prop_map(Op::Pass),
        2 => (1..10usize).prop_map(Op::Sweep),
        1 => (0..12u8).prop_map(Op::Cancel),
        3 => (prop::sample::select(&Act::ALL[..]), 1..4usize).prop_map(|(act, limit)| Op::Operate(act, limit)),
    ]
}

/// What an operation came to, without the numbers that are a store's own.
fn apply(stand: &Stand, op: &Op, leases: &mut Vec<Token>) -> String {
    let store = &stand.store;
    match op {
        Op::Put { key, class, delay, expires, size } => {
            let (class, payload) = (Priority::ALL[*class].1, vec![*key; *size]);
            let new = NewItem::new("q", format!("k{key}"), payload);
            let told =
                |events| Notices { contact: "c".into(), events, delayed_after: Some(secs(expires / 2)) };
            let notices = (key % 3 == 0).then(|| told(Events::ALL));
            let new = NewItem {
                notices,
                class,
                delay: secs(*delay),
                expires_in: secs(*expires),
                max_attempts: 3,
                ..new
            };
            format!("{:?}", block_on(store.enqueue(vec![new])))
        }
        Op::Lease { most, ttl } => {
            let leased = block_on(store.lease(LeaseRequest::of("q", *most, secs(*ttl)))).expect("leased");
            leases.extend(leased.iter().map(|leased| leased.token));
            let told = leased.into_iter().map(|leased| {
                let mut record = leased.view.record;
                record.lease.as_mut().expect("leased").number = 0;
                record.last_lease = 0;
                (leased.view.id, record, leased.payload)
            });
            format!("{:?}", told.collect::<Vec<_>>())
        }
        Op::Settle { which, how, delay } if !leases.is_empty() => {
            let token = leases[which % leases.len()];
            let retry = |counted| Settlement::Retry { delay: secs(*delay), reason: "r".into(), counted };
            let settlement = match how {
                0 => Settlement::Complete { result: vec![1] },
                1 => retry(true),
                2 => retry(false),
                3 => Settlement::Release,
                _ => Settlement::Bury { death: Death::Refused, reason: "b".into() },
            };
            format!("{:?}", block_on(store.settle(vec![(token, settlement)])))
        }
        Op::Extend { which } if !leases.is_empty() => {
            format!("{:?}", block_on(store.extend(vec![leases[which % leases.len()]], secs(30))))
        }
        Op::Settle { .. } | Op::Extend { .. } => String::new(),
        Op::Pass(span) => {
            stand.clock.pass(secs(*span));
            String::new()
        }
        Op::Sweep(limit) => format!("{:?}", block_on(store.sweep(limit * 100))),
        Op::Cancel(key) => match block_on(store.find("q", &format!("k{key}"))).expect("read") {
            Some(view) => format!("{:?}", block_on(store.cancel(view.id))),
            None => "none".into(),
        },
        Op::Operate(act, limit) => {
            let filter = Filter { queue: Some("q".into()), ..Filter::default() };
            format!(
                "{:?}",
                stand.operate(Order { limit: *limit, ..Order::new(*act, filter, "ann", "why") }).len()
            )
        }
    }
}

fn everything(stand: &Stand) -> String {
    let mut views = block_on(stand.store.list(Filter::default(), 1_000)).expect("read");
    for view in &mut views {
        view.record.last_lease = 0;
        if let Some(lease) = &mut view.record.lease {
            lease.number = 0;
        }
    }
    format!("{views:#?} {:#?}", stand.stats())
}

/// What random work comes to in memory, it comes to in a store that `make` has made.
fn compare(ops: &[Op], make: Make) -> Result<(), TestCaseError> {
    let limits = Limits { max_items: 8, max_bytes: 120, provider_window: secs(300), ..Limits::default() };
    let (model, real) = (memory(limits), make(limits));
    let (mut model_leases, mut real_leases) = (Vec::new(), Vec::new());
    for op in ops {
        let expected = apply(&model, op, &mut model_leases);
        prop_assert_eq!(expected, apply(&real, op, &mut real_leases), "{:?}", op);
    }
    prop_assert_eq!(everything(&model), everything(&real));
    Ok(())
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn random_work_comes_to_the_same_in_every_store(ops in prop::collection::vec(op(), 1..120)) {
        compare(&ops, sqlite)?;
    }
}

#[cfg(feature = "postgres")]
proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn random_work_comes_to_the_same_in_postgres(ops in prop::collection::vec(op(), 1..120)) {
        compare(&ops, crate::server::postgres)?;
    }
}
