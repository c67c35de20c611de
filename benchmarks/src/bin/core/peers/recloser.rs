//! recloser: a ring of the last calls, read under an epoch guard. It has no consecutive rule and no time window.

use crate::subject::{Direct, Setup, Subject, Traffic};
use recloser::{Error, Recloser};
use std::time::Duration;

pub(crate) fn build(setup: Setup, traffic: Traffic) -> Option<Box<dyn Subject>> {
    let breaker = match setup {
        Setup::Count => Recloser::custom().closed_len(100).open_wait(Duration::from_secs(600)).build(),
        Setup::Precise => Recloser::custom().build(),
        Setup::Consecutive
        | Setup::Time
        | Setup::Coarse
        | Setup::Handle
        | Setup::Layer
        | Setup::StaticLayer => return None,
    };
    Direct::boxed(traffic, breaker, |breaker: &Recloser, _, good| {
        let result = breaker.call(|| if good { Ok(()) } else { Err(()) });
        !matches!(result, Err(Error::Rejected))
    })
}
