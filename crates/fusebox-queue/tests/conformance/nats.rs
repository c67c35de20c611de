//! NATS: which tests it is spared, and why.

use crate::nats_server::{Server, block_on};
use crate::{BEGIN, Stand};
use fusebox_queue::nats::{Nats, Options};
use fusebox_queue::{Capabilities, Limits, StoreClock};
use std::time::Duration;

/// A test that needs what NATS does not promise is listed with the reason, and does not run.
macro_rules! on_nats {
    ($test:ident) => {
        #[test]
        fn $test() {
            super::$test(crate::nats::stand);
        }
    };
    ($test:ident: exact_cap) => {
        crate::nats::on_nats!(@without $test, "exact_cap: bytes are counted with each message's envelope");
    };
    ($test:ident: order) => {
        crate::nats::on_nats!(@without $test, "order: retries come back before what is new, and numbers are digests");
    };
    ($test:ident: notices) => {
        crate::nats::on_nats!(@without $test, "notices: an item and its notice are two writes, and no transaction");
    };
    ($test:ident: operators) => {
        crate::nats::on_nats!(@without $test, "operators: an order and its trail are two writes, and no transaction");
    };
    (@without $test:ident, $why:literal) => {
        #[test]
        #[ignore = $why]
        fn $test() {
            super::$test(crate::nats::stand);
        }
    };
}
pub(crate) use on_nats;

/// A store that looks again at once at what was not due: its clock is in our hand, and the server's is not.
pub(crate) fn stand(limits: Limits) -> Stand {
    let (server, clock) = (Server::start(), StoreClock::manual(BEGIN));
    let options = Options {
        limits,
        clock: Some(clock.clone()),
        longest_nap: Duration::ZERO,
        accept_async_durability: true,
        ..Options::default()
    };
    let store = block_on(Nats::connect(&server.address(), options)).expect("connects");
    Stand { store: Box::new(store), clock, _ground: Box::new(server) }
}

#[test]
fn what_it_is_spared_it_does_not_promise() {
    let promised: Capabilities = stand(Limits::default()).store.capabilities();
    let Capabilities { exact_cap, order, notices, operators, .. } = promised;
    assert_eq!((exact_cap, order, notices, operators), (false, false, false, false));
    assert!(promised.cancel && promised.delay && promised.oldest_age, "and the rest is tested");
}
