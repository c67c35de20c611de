//! How the queues of deferred calls stand, and what was asked of them.

use super::family::Join::{Max, Sum};
use super::family::{Family, Rows, counter, gauge, gauge_by};
use super::{QueueReplay, QueueStanding, Subjects, Tell};

pub(super) fn tell(subjects: &Subjects, out: &mut impl Tell) {
    let (mut standing, mut items) = (Rows::default(), Rows::default());
    let mut replays = Rows::default();
    let (mut calls, mut refused) = (Rows::default(), Rows::default());
    for read in &subjects.queues {
        let seen = read();
        for queue in seen.queues {
            if let Some(replay) = queue.replay {
                replays.add(vec![("queue", queue.name.to_string())], replay);
            }
            standing.add(vec![("queue", queue.name.to_string())], queue);
        }
        for (of, rows) in [(seen.items, &mut items), (seen.calls, &mut calls), (seen.refused, &mut refused)] {
            of.into_iter().for_each(|(name, count)| rows.add(vec![("result", name.to_owned())], count));
        }
    }
    standing.tell(out, QUEUE);
    replays.tell(out, REPLAY);
    items.tell(out, ITEMS);
    calls.tell(out, CALLS);
    refused.tell(out, REFUSED);
}

const QUEUE: &[Family<QueueStanding>] = &[
    gauge_by(
        "deferred_queue_depth",
        "Deferred calls that have not ended.",
        "class",
        &[
            ("low", |q| q.depth[0] as f64),
            ("normal", |q| q.depth[1] as f64),
            ("high", |q| q.depth[2] as f64),
            ("critical", |q| q.depth[3] as f64),
        ],
    ),
    gauge("deferred_queue_bytes", "Bytes of their payloads.", Sum, |q| q.bytes as f64),
    gauge("deferred_queue_fill", "The fuller of the two limits, as a part of it: 1 is full.", Max, |q| {
        q.fill
    }),
    gauge("deferred_queue_leased", "Deferred calls that are being made.", Sum, |q| q.leased as f64),
    gauge(
        "deferred_queue_needs_check",
        "Deferred calls that may have been done already, and are asked for before they are sent.",
        Sum,
        |q| q.needs_check as f64,
    ),
    gauge("deferred_queue_dead", "Deferred calls that nobody makes until an operator decides.", Sum, |q| {
        q.dead as f64
    }),
    gauge(
        "deferred_queue_oldest_age_seconds",
        "How long the oldest of them has waited; 0 without any.",
        Max,
        |q| q.oldest_age.as_secs_f64(),
    ),
    gauge("deferred_queue_paused", "1 while an operator lets nothing of it be made.", Max, |q| {
        f64::from(u8::from(q.paused))
    }),
];

const REPLAY: &[Family<QueueReplay>] = &[gauge(
    "deferred_queue_replay_rate",
    "Deferred calls a second that may be made now; 0 while their circuit is open.",
    Sum,
    |replay| replay.rate,
)];

const ITEMS: &[Family<u64>] =
    &[counter("deferred_queue_enqueued_total", "Calls that were to be kept, by what came of it.", |n| {
        *n as f64
    })];

const CALLS: &[Family<u64>] =
    &[counter("deferred_queue_calls_total", "Deferred calls, by what came of making them.", |n| *n as f64)];

const REFUSED: &[Family<u64>] =
    &[counter("deferred_queue_refused_total", "Calls that were not kept, by why.", |n| *n as f64)];
