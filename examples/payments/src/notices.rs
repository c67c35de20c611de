//! What customers are told of what was deferred, and what that brings about.
//!
//! A notice is kept in the same transaction as the change that it tells of, in a queue of its own: it is told if and only if
//! that has happened, and again until it is heard.

use crate::book::Status;
use crate::desk::Desk;
use crate::later::{BASELINE, plan};
use crate::policies::ProviderError;
use crate::provider::Operation;
use fusebox::queue::notice::NOTICES;
use fusebox::queue::{
    Checked, Courier, Event, Gate, GateState, Leased, Notice, QueueStore, Replay, Sent, Told,
};
use fusebox::{Error, Rng};
use std::sync::Arc;

/// Tells of everything that there is to tell of.
pub(crate) fn replay(
    desk: &Arc<Desk>,
    rng: Rng,
) -> Replay<impl QueueStore + use<>, impl Courier + use<>, impl Gate + use<>> {
    let (messenger, open) = (Messenger { desk: desk.clone() }, || GateState::Closed);
    let (store, clock) = (desk.store().clone(), desk.clock().clone());
    Replay::new(store, messenger, open, plan(NOTICES.into()), clock, BASELINE, rng)
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
async fn hear(desk: &Desk, notice: &Notice) -> Result<(), Error<ProviderError>> {
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
    use crate::calls::Parcel;
    use crate::desk::Order;
    use crate::later;
    use crate::policies::Account;
    use crate::provider::{Asked, Provider};
    use fusebox::queue::Filter;
    use std::sync::mpsc;

    #[tokio::test]
    async fn what_is_given_up_is_let_go_where_it_is_held_and_expires_where_it_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let (north, _north) = Provider::start("north").await.expect("a free port");
        let (south, _south) = Provider::start("south").await.expect("a free port");
        let (tell, _turns) = mpsc::channel();
        let account = |provider| Account::with(provider, &tell).expect("valid");
        let desk =
            Desk::open([account(&north), account(&south)], &folder.path().join("queue")).expect("opens");
        for (key, is_held) in [("order-1", true), ("order-2", false)] {
            let order = Order { cents: 100, card: "4242".into(), trusted: is_held };
            let Opened::New(payment) = desk.book().open(key, &order) else { panic!("new") };
            let parcel = Parcel {
                operation: Operation::Authorise,
                payment: payment.id.clone(),
                of: order.card.clone(),
                cents: 100,
                unsure: Vec::new(),
            };
            if is_held {
                south.effect(parcel.key(), &Asked { of: order.card, cents: 100 });
                desk.book().change(&payment.id, |payment| payment.asked.push("south".into()));
            }
            let item = later::item(&parcel, &desk.accounts[0], &payment).expect("an item");
            desk.store().enqueue(vec![item]).await.expect("kept");
        }
        let kept = desk.store().list(Filter::default(), 10).await.expect("listed");
        for view in kept.iter().filter(|view| view.queue != NOTICES) {
            assert!(later::give_up(&desk, view.id.0).await.expect("heard"), "it waited");
            assert!(!later::give_up(&desk, view.id.0).await.expect("heard"), "it is dead");
        }
        let deferred =
            desk.store().list(Filter { queue: Some(NOTICES.into()), ..Filter::default() }, 10).await;
        assert_eq!(deferred.expect("listed").len(), 3, "a trusted order goes out, and two are told of");

        for notice in 0..3 {
            // A worker of its own for each: one makes no more than its pace allows.
            let turn = replay(&desk, Rng::seeded(notice)).turn().await.expect("made");
            assert_eq!(turn.done, 1);
        }
        let payments = desk.book().payments();
        let told: Vec<_> = payments.iter().map(|payment| (payment.status, payment.fulfilled)).collect();
        assert_eq!(told, [(Status::Refunded, true), (Status::Expired, false)]);
        let voided = |provider: &Provider| provider.ledger().effects.contains_key("p1/void");
        assert_eq!((voided(&north), voided(&south)), (false, true));
    }
}
