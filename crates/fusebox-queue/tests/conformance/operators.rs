//! What operators do.

use crate::{Make, item, on_every_store, secs};
use fusebox_queue::record::{Death, State};
use fusebox_queue::{Cancelled, Filter, ItemId, Limits, NewItem, Settlement};
use futures_executor::block_on;

on_every_store!(
    what_is_being_sent_cannot_be_called_off,
    a_second_redrive_moves_nothing,
    what_is_taken_back_from_the_dead_begins_anew_and_is_checked_first,
    the_dead_are_listed_with_their_reason_and_never_forgotten,
);

fn bury(reason: &str) -> Settlement {
    Settlement::Bury { death: Death::Refused, reason: reason.into() }
}

fn what_is_being_sent_cannot_be_called_off(make: Make) {
    let stand = make(Limits::default());
    stand.put([item("a"), NewItem { delay: secs(60), ..item("b") }]);
    let leased = stand.one();
    let cancel = |id| block_on(stand.store.cancel(id)).expect("told");
    assert_eq!(cancel(leased.view.id), Cancelled::TooLate(State::Leased));
    let waiting = stand.find("b").id;
    assert_eq!(
        (cancel(waiting), cancel(waiting)),
        (Cancelled::Cancelled, Cancelled::TooLate(State::Cancelled))
    );
    assert_eq!(cancel(ItemId(999)), Cancelled::Unknown);
    stand.clock.pass(secs(60));
    assert!(stand.lease(1).is_empty());
}

fn a_second_redrive_moves_nothing(make: Make) {
    let stand = make(Limits::default());
    stand.put((0..5).map(|i| item(&format!("{i}"))));
    for leased in stand.lease(5) {
        stand.settle(&leased, bury("never"));
    }
    let redrive = |limit| block_on(stand.store.redrive(Filter::default(), limit)).expect("told");
    assert_eq!((redrive(2), redrive(100), redrive(100)), (2, 3, 0));
    assert_eq!((stand.stats().live(), stand.stats().dead()), (5, 0));
}

fn what_is_taken_back_from_the_dead_begins_anew_and_is_checked_first(make: Make) {
    let stand = make(Limits::default());
    stand.put([NewItem { max_attempts: 1, expires_in: secs(60), ..item("a") }]);
    let leased = stand.one();
    stand.settle(&leased, bury("never"));
    stand.clock.pass(secs(3_600));
    block_on(stand.store.redrive(Filter::default(), 10)).expect("told");
    let again = stand.one().view.record;
    assert_eq!((again.attempts, again.needs_check), (1, true));
    assert_eq!(again.first_attempt_at, leased.view.record.first_attempt_at, "the provider's window goes on");
}

fn the_dead_are_listed_with_their_reason_and_never_forgotten(make: Make) {
    let stand = make(Limits::default());
    stand.put([item("a"), item("b")]);
    stand.settle(&stand.one(), bury("card expired"));
    stand.clock.pass(secs(365 * 24 * 3_600));
    stand.sweep();
    let dead = Filter { queue: Some("q".into()), death: Some(Death::Refused), ..Filter::default() };
    let dead = block_on(stand.store.list(dead, 10)).expect("read");
    let told: Vec<_> = dead.iter().map(|view| (&*view.key, view.record.reason.as_deref())).collect();
    assert_eq!(told, [("a", Some("card expired"))]);
    let ready = Filter { state: Some("ready"), ..Filter::default() };
    assert!(block_on(stand.store.list(ready, 10)).expect("read").is_empty(), "the other has expired");
}
