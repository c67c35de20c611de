//! What is kept for later, and how it is made: ask first, then send with the same key through the policies of live traffic.
//!
//! Each provider's operation has a queue, and its circuit is the gate. What becomes of an authorisation that nobody makes is
//! told through one more, the queue of notices, which is as durable.

use crate::book::{Payment, Status};
use crate::calls::{Decision, Parcel};
use crate::desk::Desk;
use crate::policies::Account;
use crate::provider::Operation;
use fusebox::queue::notice::NOTICES;
use fusebox::queue::{
    Checked, Courier, Event, Events, GateState, Leased, NewItem, Notice, Notices, Pace, Plan, Replay, Rules,
    Sent, Stop, StoreError, Told, gate, send, work,
};
use fusebox::{Error, Rng};
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
const BASELINE: f64 = 50.0;

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
    let (store, clock) = (desk.store(), desk.clock());
    let trouble = |error: &StoreError| eprintln!("error: failed to {error}");
    let mut rng = Rng::seeded(1);
    let mut workers = Vec::new();
    for (at, account) in desk.accounts.iter().enumerate() {
        for operation in [Operation::Authorise, Operation::Capture] {
            let teller = Teller { desk: desk.clone(), at, operation };
            let gate = gate(account.fuse(operation).circuit());
            let plan = plan(account.queue(operation));
            let replay = Replay::new(store.clone(), teller, gate, plan, clock.clone(), BASELINE, rng.fork());
            workers.push(tokio::spawn(work(replay, stop.clone(), trouble)));
        }
    }
    let (messenger, open) = (Messenger { desk: desk.clone() }, || GateState::Closed);
    let replay =
        Replay::new(store.clone(), messenger, open, plan(NOTICES.into()), clock.clone(), BASELINE, rng);
    workers.push(tokio::spawn(work(replay, stop.clone(), trouble)));
    workers
}

fn plan(queue: String) -> Plan {
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

/// Tells customers, and does what they are told.
struct Messenger {
    desk: Arc<Desk>,
}

impl Courier for Messenger {
    fn check<'a>(&'a self, _: &'a Leased) -> Told<'a, Checked> {
        // Letting go twice is letting go.
        Box::pin(async { Checked::NotFound })
    }

    fn send<'a>(&'a self, item: &'a Leased) -> Told<'a, Sent> {
        Box::pin(async move {
            let Ok(notice) = serde_json::from_slice::<Notice>(&item.payload) else {
                return Sent::Undecodable("no notice".into());
            };
            match hear(&self.desk, &notice).await {
                Ok(()) => Sent::Done(Vec::new()),
                Err(error) => Sent::Failed(format!("failed to {error}")),
            }
        })
    }
}

/// What a notice brings about: a trusted order goes out, and what nobody has authorised is let go wherever it may be held.
async fn hear(desk: &Desk, notice: &Notice) -> Result<(), Error<crate::policies::ProviderError>> {
    let id = &notice.contact;
    if notice.event == Event::Deferred {
        desk.book().change(id, |payment| payment.fulfilled = true);
        return Ok(());
    }
    let Some(payment) = desk.book().change(id, |_| ()) else { return Ok(()) };
    let mut held = false;
    for account in &desk.accounts {
        if notice.queue == account.queue(Operation::Authorise)
            || payment.asked.iter().any(|name| name == account.name)
        {
            held |= account.let_go(id, payment.cents).await?;
        }
    }
    let status = if held { Status::Refunded } else { Status::Expired };
    desk.book().change(id, |payment| payment.status = status);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::Opened;
    use crate::desk::Order;
    use crate::provider::{Asked, Provider};
    use std::sync::mpsc;

    fn notice(event: Event, payment: &str) -> Notice {
        Notice {
            event,
            at: 0,
            contact: payment.into(),
            id: 1,
            queue: "north/authorise".into(),
            key: format!("{payment}/authorise"),
            class: "normal".into(),
            attempts: 1,
            age: 0,
            reason: None,
            result: None,
        }
    }

    #[tokio::test]
    async fn what_nobody_authorised_is_let_go_where_it_is_held_and_expires_where_it_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let (north, _north) = Provider::start("north").await.expect("a free port");
        let (south, _south) = Provider::start("south").await.expect("a free port");
        let (tell, _turns) = mpsc::channel();
        let account = |provider| Account::with(provider, &tell).expect("valid");
        let desk =
            Desk::open([account(&north), account(&south)], &folder.path().join("queue")).expect("opens");
        let open = |key| {
            let order = Order { cents: 100, card: "4242".into(), trusted: true };
            let Opened::New(payment) = desk.book().open(key, &order) else { panic!("new") };
            payment.id
        };
        let (held, not_held) = (open("order-1"), open("order-2"));
        north.effect(format!("{held}/authorise"), &Asked { of: "4242".into(), cents: 100 });

        hear(&desk, &notice(Event::Deferred, &held)).await.expect("heard");
        for id in [&held, &not_held, &held] {
            hear(&desk, &notice(Event::Dead, id)).await.expect("heard");
        }
        let payments = desk.book().payments();
        let told: Vec<_> = payments.iter().map(|payment| (payment.status, payment.fulfilled)).collect();
        assert_eq!(told, [(Status::Refunded, true), (Status::Expired, false)]);
        let ledger = north.ledger();
        assert!(ledger.effects.contains_key(&format!("{held}/void")));
        assert_eq!((ledger.effects.len(), ledger.repeated), (2, 1), "told twice, let go once");
    }
}
