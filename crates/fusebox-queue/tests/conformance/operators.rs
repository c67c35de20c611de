//! What operators do.

use crate::{Make, block_on, item, on_every_store, secs};
use fusebox_queue::record::{Death, State};
use fusebox_queue::{Act, Cancelled, Filter, ItemId, Limits, NewItem, Order, Settlement};

on_every_store!(
    what_is_being_sent_cannot_be_called_off,
    a_second_redrive_moves_nothing: operators,
    what_is_taken_back_from_the_dead_begins_anew_and_is_checked_first: operators,
    the_dead_are_listed_with_their_reason_and_never_forgotten,
    what_an_operator_does_is_written_down_and_a_dry_run_does_nothing: operators,
    what_waits_can_be_hastened_or_buried_and_what_is_being_sent_cannot: operators,
    a_purge_leaves_what_may_have_been_sent: operators,
    a_pause_without_a_queue_and_an_order_without_a_name_are_refused: operators,
    an_item_is_shown_with_its_call_and_queues_are_known_by_name,
    a_list_goes_on_where_it_ended: order,
);

fn order(act: Act) -> Order {
    Order::new(act, Filter { queue: Some("q".into()), ..Filter::default() }, "ann", "a test")
}

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
    let redrive = |limit| stand.operate(Order { limit, ..order(Act::Redrive) }).len();
    assert_eq!((redrive(2), redrive(100), redrive(100)), (2, 3, 0));
    assert_eq!((stand.stats().live(), stand.stats().dead()), (5, 0));
}

fn what_is_taken_back_from_the_dead_begins_anew_and_is_checked_first(make: Make) {
    let stand = make(Limits::default());
    stand.put([NewItem { max_attempts: 1, expires_in: secs(60), ..item("a") }]);
    let leased = stand.one();
    stand.settle(&leased, bury("never"));
    stand.clock.pass(secs(3_600));
    stand.operate(order(Act::Redrive));
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

fn what_an_operator_does_is_written_down_and_a_dry_run_does_nothing(make: Make) {
    let stand = make(Limits::default());
    stand.put([item("a"), item("b")]);
    let dry = stand.operate(Order { dry_run: true, ..order(Act::Cancel) });
    assert_eq!((dry.len(), stand.stats().live()), (2, 2));
    stand.clock.pass(secs(5));
    let one = Filter { key: Some("a".into()), ..Filter::default() };
    assert_eq!(stand.operate(Order::new(Act::Cancel, one, "ann", "typed twice")).len(), 1);
    stand.pause(true);
    let audit = block_on(stand.store.audit(10)).expect("read");
    let told: Vec<_> =
        audit.iter().map(|row| (&*row.act, &*row.filter, row.items, &*row.actor, &*row.reason)).collect();
    assert_eq!(told, [("pause", "queue=q", 0, "ann", ""), ("cancel", "key=a", 1, "ann", "typed twice")]);
    assert_eq!(audit[1].at, crate::BEGIN.after(secs(5)));
}

fn what_waits_can_be_hastened_or_buried_and_what_is_being_sent_cannot(make: Make) {
    let stand = make(Limits::default());
    let later = |key| NewItem { delay: secs(600), ..item(key) };
    stand.put([item("sent"), later("a"), later("b")]);
    let sent = stand.one();
    let one = |act, key: &str| {
        let filter = Filter { key: Some(key.into()), ..Filter::default() };
        stand.operate(Order::new(act, filter, "ann", "card stolen")).len()
    };
    assert_eq!((one(Act::Retry, "sent"), one(Act::Bury, "sent"), one(Act::Retry, "a")), (0, 0, 1));
    assert_eq!(stand.one().view.key, "a");
    assert_eq!(one(Act::Bury, "b"), 1);
    let dead = stand.find("b").record;
    assert_eq!((dead.state, dead.reason.as_deref()), (State::Dead(Death::Buried), Some("card stolen")));
    assert_eq!(stand.settle(&sent, Settlement::Release), fusebox_queue::Settled::Applied);
}

fn a_purge_leaves_what_may_have_been_sent(make: Make) {
    let stand = make(Limits::default());
    stand.put([item("sent"), item("never"), item("lives")]);
    let sent = stand.one();
    stand.settle(&sent, bury("never"));
    let never = Filter { key: Some("never".into()), ..Filter::default() };
    stand.operate(Order::new(Act::Bury, never, "ann", ""));
    let moved = stand.operate(order(Act::Purge));
    assert_eq!((moved.len(), stand.stats().dead()), (1, 1));
    assert!(block_on(stand.store.find("q", "never")).expect("read").is_none());
    assert_eq!(stand.find("sent").id, sent.view.id, "its key matters still");
    stand.clock.pass(secs(3 * 24 * 3_600));
    assert_eq!((stand.operate(order(Act::Purge)).len(), stand.stats().dead()), (1, 0));
}

fn a_pause_without_a_queue_and_an_order_without_a_name_are_refused(make: Make) {
    let stand = make(Limits::default());
    let refused = |order| block_on(stand.store.operate(order)).expect_err("refused").to_string();
    assert!(refused(Order::new(Act::Pause, Filter::default(), "ann", "")).contains("queue"));
    assert!(refused(Order { actor: String::new(), ..order(Act::Redrive) }).contains("actor"));
}

fn an_item_is_shown_with_its_call_and_queues_are_known_by_name(make: Make) {
    let stand = make(Limits::default());
    stand.put([item("a"), NewItem { format: 7, ..NewItem::new("other", "b", "the call") }]);
    let id = block_on(stand.store.find("other", "b")).expect("read").expect("there").id;
    let entry = block_on(stand.store.show(id)).expect("read").expect("there");
    assert_eq!((&*entry.view.key, &*entry.payload, entry.format), ("b", &b"the call"[..], 7));
    assert!(block_on(stand.store.show(ItemId(999))).expect("read").is_none());
    assert_eq!(block_on(stand.store.queues()).expect("read"), ["other", "q"]);
}

fn a_list_goes_on_where_it_ended(make: Make) {
    let stand = make(Limits::default());
    stand.put((0..5).map(|i| item(&format!("{i}"))));
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = block_on(stand.store.list(Filter { after, ..Filter::default() }, 2)).expect("read");
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page.into_iter().map(|view| view.key));
    }
    assert_eq!(seen, ["0", "1", "2", "3", "4"]);
}
