//! Which pool a connection belongs to, in every worker alike, and how many connections each may have.
//!
//! Calls that began before a change of the configuration end after it, with the pools that they began with. So a pool's
//! place in the list is given to another pool under a new number only, and who comes back to one that is gone finds none:
//! a connection to one endpoint is never kept for another.

use crate::berth::Berths;
use crate::config::{ConnectionLimit, Endpoint};
use fusebox::Clock;
use fusebox::telemetry::Connections;
use std::sync::Arc;
use tokio::sync::watch;

/// A pool of connections to one authority, under one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolId {
    place: u32,
    number: u32,
}

impl PoolId {
    /// Where it stands in the list.
    pub(crate) fn place(self) -> usize {
        self.place as usize
    }
}

/// One place of the list.
#[derive(Clone, Debug)]
struct Mooring {
    number: u32,
    /// Whose it is, if it is somebody's.
    pool: Option<Wanted>,
    berths: Option<Arc<Berths>>,
}

/// What tells one pool from another.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    authority: String,
    limit: Option<ConnectionLimit>,
    /// Who asked for it first.
    service: String,
}

impl Wanted {
    /// The pool for connections to `endpoint` of `service`.
    pub(crate) fn new(service: &str, endpoint: &Endpoint, limit: Option<ConnectionLimit>) -> Self {
        Wanted { authority: endpoint.authority.clone(), limit, service: service.to_owned() }
    }

    fn is(&self, other: &Wanted) -> bool {
        self.authority == other.authority && self.limit == other.limit
    }
}

/// The pools of the configuration in force.
#[derive(Clone, Debug)]
pub(crate) struct Harbour {
    moorings: Vec<Mooring>,
    /// Numbers given so far.
    numbers: u32,
    /// Rung when a call begins to wait for a connection.
    bell: watch::Sender<()>,
    clock: Clock,
}

impl Harbour {
    /// Without a pool.
    pub(crate) fn new(clock: &Clock) -> Self {
        Harbour { moorings: Vec::new(), numbers: 0, bell: watch::channel(()).0, clock: clock.clone() }
    }

    /// What is rung when a call begins to wait for a connection.
    pub(crate) fn bell(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }

    /// Has exactly the pools in `wanted`. Those that it has stay; where nothing but a limit has changed, the pool goes on
    /// under the new one, with the connections that it has.
    pub(crate) fn arrange(&mut self, wanted: &[Wanted]) {
        let stays = |mooring: &Mooring| {
            mooring.pool.as_ref().is_some_and(|pool| wanted.iter().any(|wanted| wanted.is(pool)))
        };
        let mut free: Vec<usize> =
            (0..self.moorings.len()).filter(|place| !stays(&self.moorings[*place])).collect();
        for pool in wanted {
            if self.find(pool).is_none() && !self.limited_anew(pool, &mut free) {
                self.moor(pool, &mut free);
            }
        }
        for place in free {
            self.numbers += 1;
            self.moorings[place] = Mooring { number: self.numbers, pool: None, berths: None };
        }
    }

    /// Gives a pool of `free` that has another limit this one.
    fn limited_anew(&mut self, pool: &Wanted, free: &mut Vec<usize>) -> bool {
        let Some(limit) = &pool.limit else { return false };
        let before = |place: &usize| {
            let known = self.moorings[*place].pool.as_ref();
            known.is_some_and(|known| known.authority == pool.authority && known.limit.is_some())
        };
        let Some(at) = free.iter().position(before) else { return false };
        let mooring = &mut self.moorings[free.swap_remove(at)];
        mooring.pool = Some(pool.clone());
        mooring.berths.iter().for_each(|berths| berths.limit_to(limit));
        true
    }

    fn moor(&mut self, pool: &Wanted, free: &mut Vec<usize>) {
        let berths = pool.limit.as_ref();
        let berths = berths.map(|limit| Arc::new(Berths::new(limit, &self.clock, &self.bell)));
        self.numbers += 1;
        let mooring = Mooring { number: self.numbers, pool: Some(pool.clone()), berths };
        match free.pop() {
            Some(place) => self.moorings[place] = mooring,
            None => self.moorings.push(mooring),
        }
    }

    /// The pool that was asked for so.
    pub(crate) fn find(&self, wanted: &Wanted) -> Option<PoolId> {
        let is = |mooring: &Mooring| mooring.pool.as_ref().is_some_and(|pool| pool.is(wanted));
        self.moorings.iter().position(is).map(|place| self.id(place))
    }

    /// Whether there is a pool for connections to this authority.
    pub(crate) fn is_at(&self, authority: &str) -> bool {
        self.moorings.iter().flat_map(|mooring| &mooring.pool).any(|pool| pool.authority == authority)
    }

    fn id(&self, place: usize) -> PoolId {
        PoolId { place: place as u32, number: self.moorings[place].number }
    }

    /// Every place in order, those that are nobody's too.
    pub(crate) fn pools(&self) -> impl Iterator<Item = (PoolId, Option<Arc<Berths>>)> {
        self.moorings.iter().enumerate().map(|(place, mooring)| (self.id(place), mooring.berths.clone()))
    }

    /// The limits on connections, for operators to look at.
    pub(crate) fn limited(&self) -> Vec<Connections> {
        let limited = |mooring: &Mooring| {
            let (pool, berths) = (mooring.pool.as_ref()?, mooring.berths.as_ref()?);
            Some((pool.service.clone(), pool.authority.clone(), berths.places().clone()))
        };
        self.moorings.iter().filter_map(limited).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn wanted(authority: &str, most: Option<u64>) -> Wanted {
        let limit = most.map(|per_endpoint| ConnectionLimit {
            per_endpoint,
            max_wait: Duration::from_secs(1),
            max_queue: 1,
        });
        Wanted { authority: authority.into(), limit, service: "s".into() }
    }

    #[test]
    fn a_place_that_is_anothers_is_another_pool() {
        let mut harbour = Harbour::new(&Clock::default());
        harbour.arrange(&[wanted("a", None), wanted("b", None)]);
        let (a, b) = (harbour.find(&wanted("a", None)), harbour.find(&wanted("b", None)));
        harbour.arrange(&[wanted("c", None), wanted("b", None)]);
        let c = harbour.find(&wanted("c", None)).expect("it is wanted");
        assert_eq!(harbour.find(&wanted("b", None)), b);
        assert_eq!((Some(c.place()), harbour.pools().count()), (a.map(PoolId::place), 2));
        assert_ne!(Some(c), a);
    }

    #[test]
    fn a_limit_that_changes_keeps_its_pool_and_counts_its_connections() {
        let mut harbour = Harbour::new(&Clock::default());
        harbour.arrange(&[wanted("a", Some(3))]);
        let before = harbour.find(&wanted("a", Some(3)));
        harbour.arrange(&[wanted("a", Some(7))]);
        assert_eq!(harbour.find(&wanted("a", Some(7))), before);
        assert_eq!(harbour.limited()[0].2.capacity(), 7);
    }
}
