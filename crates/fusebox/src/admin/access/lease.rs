//! A stream of events goes on only while its reader would still be let in: a token that is taken out of the file ends it.

use super::{Access, Caller};
use crate::admin::asked::{Asked, Peer};
use crate::{Clock, Time};
use std::time::Duration;

/// How long a reader is taken at its word.
const TRUSTED: Duration = Duration::from_secs(1);

/// What a reader was let in by.
#[derive(Debug)]
pub(crate) struct Lease {
    access: Access,
    caller: Caller,
    authorization: String,
    peer: Peer,
    clock: Clock,
    checked: Time,
}

impl Lease {
    /// `None` where no token was asked for.
    pub(crate) fn new(access: &Access, asked: &Asked<'_>, caller: Caller, clock: &Clock) -> Option<Lease> {
        let authorization = asked.authorization.filter(|_| access.reads_token(asked))?.to_owned();
        let (access, clock, checked) = (access.clone(), clock.clone(), clock.now());
        Some(Lease { access, caller, authorization, peer: asked.peer, clock, checked })
    }

    /// Whether the reader may read on.
    pub(crate) fn holds(&mut self) -> bool {
        let now = self.clock.now();
        if now.since(self.checked) < TRUSTED {
            return true;
        }
        self.checked = now;
        let asked = Asked { authorization: Some(&self.authorization), peer: self.peer, ..Asked::default() };
        self.access.caller(&asked).is_ok_and(|caller| caller.name == self.caller.name)
    }
}
