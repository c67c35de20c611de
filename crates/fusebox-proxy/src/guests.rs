//! Who is being served: so that a worker can tell everybody that it closes, and wait until they have left.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// The connections a worker serves.
#[derive(Debug, Default)]
pub(crate) struct Guests {
    places: RefCell<Vec<Option<Waker>>>,
    free: RefCell<Vec<usize>>,
    present: Cell<usize>,
    closing: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

/// One of them; leaves when dropped.
pub(crate) struct Guest<'a> {
    guests: &'a Guests,
    place: usize,
}

impl Guests {
    pub(crate) fn enter(&self) -> Guest<'_> {
        self.present.set(self.present.get() + 1);
        let free = self.free.borrow_mut().pop();
        let place = free.unwrap_or_else(|| {
            let mut places = self.places.borrow_mut();
            places.push(None);
            places.len() - 1
        });
        Guest { guests: self, place }
    }

    /// How many there are.
    pub(crate) fn present(&self) -> usize {
        self.present.get()
    }

    /// Whether they are to leave as soon as they can.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// Tells everybody.
    pub(crate) fn close(&self) {
        self.closing.set(true);
        self.places.borrow().iter().flatten().for_each(Waker::wake_by_ref);
    }

    /// Waits until nobody is left.
    pub(crate) async fn all_gone(&self) {
        poll_fn(|cx| {
            *self.waiting.borrow_mut() = Some(cx.waker().clone());
            if self.present.get() == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl Guest<'_> {
    /// Whom to wake when the worker closes.
    pub(crate) fn wake_with(&self, waker: &Waker) {
        let place = &mut self.guests.places.borrow_mut()[self.place];
        match place {
            Some(known) if known.will_wake(waker) => {}
            place => *place = Some(waker.clone()),
        }
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        let guests = self.guests;
        guests.places.borrow_mut()[self.place] = None;
        guests.free.borrow_mut().push(self.place);
        guests.present.set(guests.present.get() - 1);
        if guests.present.get() == 0
            && let Some(waiting) = guests.waiting.borrow_mut().take()
        {
            waiting.wake();
        }
    }
}
