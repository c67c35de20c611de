//! What is kept for later, and how it is made: ask first, then send with the same key through the policies of live traffic.
//!
//! Each provider's operation has a queue, and its circuit is the gate.

use crate::book::Payment;
use crate::calls::{Decision, Parcel};
use crate::desk::Desk;
use crate::notices;
use crate::policies::Account;
use crate::provider::Operation;
use fusebox::Rng;
use fusebox::queue::{
    Act, Checked, Courier, Event, Events, Filter, Gate, ItemId, Leased, NewItem, Notices, Order, Pace, Plan,
    QueueStore, Replay, Rules, Sent, Stop, StoreError, Told, gate, send, work,
};
use fusebox_core::Priority;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long a customer waits for an authorisation.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// How long a call that failed waits at most. Short, so that it is seen; a minute is the default.
const BACKOFF: Duration = Duration::from_millis(200);
/// Calls a second that a provider takes.
pub(crate) const BASELINE: f64 = 50.0;

/// What a deferred call came to: its item's result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Came {
    pub(crate) decision: Decision,
    /// It had been done before it was sent again.
    pub(crate) found: bool,
}

/// What is kept of a call.
pub(crate) fn item(parcel: &Parcel, account: &Account, payment: &Payment) -> Option<NewItem> {
    let mut events = vec![Event::Expired, Event::Dead];
    events.extend(payment.trusted.then_some(Event::Deferred));
    let notices =
        Notices { contact: parcel.payment.clone(), events: Events::of(events), delayed_after: None };
    let item = NewItem::new(account.queue(parcel.operation), parcel.key(), serde_json::to_vec(parcel).ok()?);
    let item = NewItem {
        fingerprint: format!("{} {}", parcel.of, parcel.cents).into_bytes(),
        needs_check: !parcel.unsure.is_empty(),
        ..item
    };
    Some(match parcel.operation {
        Operation::Authorise => NewItem { expires_in: PATIENCE, notices: Some(notices), ..item },
        // What is authorised is ours to take: it comes first, and a person looks at what cannot be taken.
        Operation::Capture | Operation::Void => NewItem { class: Priority::Critical, ..item },
    })
}

/// Has everything made that is deferred, until told to stop.
pub(crate) fn start(desk: &Arc<Desk>, stop: &Stop) -> Vec<JoinHandle<()>> {
    let trouble = |error: &StoreError| eprintln!("error: failed to {error}");
    let mut rng = Rng::seeded(1);
    let mut workers = Vec::new();
    for at in 0..desk.accounts.len() {
        for operation in [Operation::Authorise, Operation::Capture] {
            let replay = replay(desk, at, operation, rng.fork());
            workers.push(tokio::spawn(work(replay, stop.clone(), trouble)));
        }
    }
    workers.push(tokio::spawn(work(notices::replay(desk, rng), stop.clone(), trouble)));
    workers
}

/// Makes what is deferred to one provider's operation.
fn replay(
    desk: &Arc<Desk>,
    at: usize,
    operation: Operation,
    rng: Rng,
) -> Replay<impl QueueStore + use<>, impl Courier + use<>, impl Gate + use<>> {
    let teller = Teller { desk: desk.clone(), at, operation };
    let gate = gate(teller.account().fuse(operation).circuit());
    let plan = plan(teller.account().queue(operation));
    Replay::new(desk.store().clone(), teller, gate, plan, desk.clock().clone(), BASELINE, rng)
}

/// Gives an item up, as an operator does: nobody makes it any more. Whether it waited: while somebody is at it, it is theirs.
pub(crate) async fn give_up(desk: &Desk, item: u64) -> Result<bool, StoreError> {
    let filter = Filter { id: Some(ItemId(item)), ..Filter::default() };
    let order = Order::new(Act::Bury, filter, "the shop", "the customer has gone elsewhere");
    Ok(!desk.store().operate(order).await?.is_empty())
}

/// How the calls of a queue are made.
pub(crate) fn plan(queue: String) -> Plan {
    Plan {
        backoff: BACKOFF,
        // Safe to send twice: the key is the same, and is asked for first.
        probes: true,
        pace: Pace { start: 0.3, ceiling: 0.6, ..Pace::default() },
        rules: Rules { call_timeout: Duration::from_secs(2), ..Rules::default() },
        ..Plan::of(queue)
    }
}

/// Makes one provider's calls of one operation.
struct Teller {
    desk: Arc<Desk>,
    /// Which provider.
    at: usize,
    operation: Operation,
}

impl Teller {
    fn account(&self) -> &Account {
        &self.desk.accounts[self.at]
    }

    /// Writes down what a call came to, in the book and for the store.
    fn came(&self, parcel: &Parcel, decision: Decision, found: bool) -> Vec<u8> {
        self.desk.book().change(&parcel.payment, |payment| payment.came_to(decision.clone(), "deferred"));
        serde_json::to_vec(&Came { decision, found }).unwrap_or_default()
    }
}

impl Courier for Teller {
    fn check<'a>(&'a self, item: &'a Leased) -> Told<'a, Checked> {
        Box::pin(async move {
            let Some(parcel) = parcel(item) else { return Checked::NotFound };
            // An earlier attempt was made here; before it was kept, the others may have been asked.
            let may_have = |account: &&Account| {
                account.name == self.account().name || parcel.unsure.iter().any(|name| name == account.name)
            };
            for account in self.desk.accounts.iter().filter(may_have) {
                match account.became(&parcel).await {
                    Ok(Some(decision)) => return Checked::Completed(self.came(&parcel, decision, true)),
                    Ok(None) => {}
                    Err(error) => return Checked::Unknown(format!("failed to {error}")),
                }
            }
            Checked::NotFound
        })
    }

    fn send<'a>(&'a self, item: &'a Leased) -> Told<'a, Sent> {
        Box::pin(async move {
            let Some(parcel) = parcel(item) else { return Sent::Undecodable("no call".into()) };
            let account = self.account();
            let make =
                || async { account.make(&parcel).await.map(|decision| self.came(&parcel, decision, false)) };
            send(account.fuse(self.operation), make).await
        })
    }
}

fn parcel(item: &Leased) -> Option<Parcel> {
    serde_json::from_slice(&item.payload).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::Opened;
    use crate::desk;
    use crate::provider::{Asked, Provider};
    use std::sync::mpsc;

    #[tokio::test]
    async fn what_was_kept_is_asked_for_and_made_by_whoever_opens_the_file_next() {
        let folder = tempfile::tempdir().expect("a folder");
        let (north, _north) = Provider::start("north").await.expect("a free port");
        let (south, _south) = Provider::start("south").await.expect("a free port");
        let (tell, _turns) = mpsc::channel();
        let account = |provider| Account::with(provider, &tell).expect("valid");
        let open =
            || Desk::open([account(&north), account(&south)], &folder.path().join("queue")).expect("opens");
        let first = open();
        for (key, unsure) in [("order-1", vec!["north".to_owned()]), ("order-2", Vec::new())] {
            let order = desk::Order { cents: 100, card: "4242".into(), trusted: false };
            let Opened::New(payment) = first.book().open(key, &order) else { panic!("new") };
            let is_held = !unsure.is_empty();
            let (operation, payment_id) = (Operation::Authorise, payment.id.clone());
            let parcel = Parcel { operation, payment: payment_id, of: order.card, cents: 100, unsure };
            if is_held {
                north.effect(parcel.key(), &Asked { of: parcel.of.clone(), cents: 100 });
            }
            let item = item(&parcel, &first.accounts[0], &payment).expect("an item");
            first.store().enqueue(vec![item]).await.expect("kept");
        }
        drop(first);

        let next = open();
        let mut turns = Vec::new();
        for seed in 0..2 {
            // A worker of its own for each: one makes no more than its pace allows.
            let turn = replay(&next, 0, Operation::Authorise, Rng::seeded(seed)).turn().await.expect("made");
            turns.push((turn.found, turn.sent, turn.done));
        }
        turns.sort_unstable();
        assert_eq!(turns, [(0, 1, 1), (1, 0, 1)], "one is found, and one is sent");
        assert_eq!((north.ledger().effects.len(), north.ledger().repeated), (2, 0));
    }
}
