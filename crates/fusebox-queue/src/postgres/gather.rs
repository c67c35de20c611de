//! Many calls, one transaction.
//!
//! A queue takes one transaction at a time, and each waits for a disk. What callers of this process enqueue in a queue while one is on
//! its way is therefore in the next, all of it; who comes first carries it out for those who have come meanwhile.

use super::Inner;
use super::enqueue::check;
use crate::error::StoreError;
use crate::item::NewItem;
use crate::store::Enqueued;
use futures_channel::oneshot;
use futures_util::future::{Either, select};
use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What one transaction takes at most, of items and of bytes of their payloads; one call it takes whatever its size.
const MOST: usize = 1_000;
const MOST_BYTES: usize = 16 << 20;

type Told = Result<Vec<Enqueued>, StoreError>;

struct Call {
    items: Vec<NewItem>,
    answer: oneshot::Sender<Told>,
}

/// What waits to be enqueued in one queue, and whose turn it is.
#[derive(Default)]
pub(super) struct Gather {
    waiting: Mutex<Vec<Call>>,
    turn: tokio::sync::Mutex<()>,
}

impl Gather {
    fn waiting(&self) -> MutexGuard<'_, Vec<Call>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first calls that fit into a transaction; at least one, if there is one.
    fn take(&self) -> Vec<Call> {
        let (mut items, mut bytes) = (0, 0);
        let mut fits = |call: &Call| {
            items += call.items.len();
            bytes += call.items.iter().map(|item| item.payload.len()).sum::<usize>();
            items <= MOST && bytes <= MOST_BYTES
        };
        let mut waiting = self.waiting();
        let fit = waiting.iter().take_while(|call| fits(call)).count();
        let fit = fit.max(1).min(waiting.len());
        waiting.drain(..fit).collect()
    }
}

/// A gathering for each queue.
#[derive(Default)]
pub(super) struct Gathers(Mutex<HashMap<String, Arc<Gather>>>);

impl Gathers {
    fn of(&self, queue: &str) -> Arc<Gather> {
        let mut gathers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gathers.entry(queue.into()).or_default())
    }
}

impl Inner {
    pub(super) async fn enqueue(&self, items: Vec<NewItem>) -> Told {
        check(&items, &self.house.limits)?;
        let queue = items.first().map(|item| item.queue.clone()).unwrap_or_default();
        // Calls for several queues would make each wait for the others.
        if items.iter().any(|item| item.queue != queue) {
            return self.store(&items).await;
        }
        let gather = self.gathers.of(&queue);
        let (answer, mut answered) = oneshot::channel();
        gather.waiting().push(Call { items, answer });
        loop {
            let turn = match select(answered, pin!(gather.turn.lock())).await {
                Either::Left((told, _)) => return told.unwrap_or(Err(StoreError::Stopped)),
                Either::Right((turn, not_yet)) => {
                    answered = not_yet;
                    turn
                }
            };
            // What waits has a caller that waits for its turn: nothing is left over.
            self.carry_out(gather.take()).await;
            drop(turn);
        }
    }

    async fn carry_out(&self, calls: Vec<Call>) {
        if calls.is_empty() {
            return;
        }
        let (mut items, mut answers) = (Vec::new(), Vec::new());
        for mut call in calls {
            answers.push((call.items.len(), call.answer));
            items.append(&mut call.items);
        }
        let told = self.store(&items).await;
        let mut rest = told.clone().unwrap_or_default().into_iter();
        for (many, answer) in answers {
            // Whoever asked may have gone away.
            let _ =
                answer.send(told.as_ref().map(|_| rest.by_ref().take(many).collect()).map_err(Clone::clone));
        }
    }

    async fn store(&self, items: &Vec<NewItem>) -> Told {
        self.in_time(items, |desk, items| Box::pin(desk.enqueue(items))).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(gather: &Gather, items: usize, bytes: usize) {
        let item = NewItem::new("q", "k", vec![0; bytes]);
        gather.waiting().push(Call { items: vec![item; items], answer: oneshot::channel().0 });
    }

    #[test]
    fn a_transaction_takes_what_fits_in_its_order_and_one_call_at_least() {
        let gather = Gather::default();
        assert!(gather.take().is_empty());
        for items in [600, 400, 1, 2_000, 5] {
            wait(&gather, items, 0);
        }
        wait(&gather, 1, MOST_BYTES + 1);
        wait(&gather, 1, MOST_BYTES);
        let taken = || gather.take().iter().map(|call| call.items.len()).collect::<Vec<_>>();
        assert_eq!(
            [taken(), taken(), taken(), taken(), taken()],
            [vec![600, 400], vec![1], vec![2_000], vec![5], vec![1]]
        );
        assert_eq!((taken(), taken()), (vec![1], vec![]));
    }
}
