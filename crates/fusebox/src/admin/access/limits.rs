//! How often somebody may ask: fusebox's own rate limiter, with a quota for each peer and a bound on how many are told apart.

use crate::Time;
use crate::admin::answer::Problem;
use crate::admin::asked::Peer;
use fusebox_core::limiter::{Config, Grant, RateLimiter};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::time::Duration;

/// Requests of one peer in a second, and at once after a pause.
const REQUESTS: (u32, u32) = (100, 400);
/// Changes of one peer, likewise.
const CHANGES: (u32, u32) = (20, 100);
/// Wrong tokens of one peer in a minute, and at once.
const WRONG: (u32, u32) = (30, 10);
/// Peers that are told apart; the others share one quota.
const PEERS: usize = 1_024;

#[derive(Debug)]
pub(crate) struct Limits {
    requests: RateLimiter,
    changes: RateLimiter,
    wrong: RateLimiter,
    keys: RandomState,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            requests: limiter(REQUESTS, Duration::from_secs(1)),
            changes: limiter(CHANGES, Duration::from_secs(1)),
            wrong: limiter(WRONG, Duration::from_secs(60)),
            keys: RandomState::new(),
        }
    }
}

fn limiter((permits, burst): (u32, u32), per: Duration) -> RateLimiter {
    let config = Config { permits, per, burst, keyed: true, max_keys: PEERS, ..Config::default() };
    RateLimiter::new(config.check().expect("the limits above can work"))
}

impl Limits {
    /// Counts a request of `peer`.
    pub(crate) fn request(&self, peer: Peer, is_change: bool, now: Time) -> Result<(), Problem> {
        let key = self.key(peer);
        let _ = take(&self.requests, key, now, "requests")?;
        if is_change {
            let _ = take(&self.changes, key, now, "changes")?;
        }
        Ok(())
    }

    /// Asks whether `peer` may present a token, and takes the try; [`right`](Self::right) gives it back.
    pub(crate) fn attempt(&self, peer: Peer, now: Time) -> Result<Grant, Problem> {
        take(&self.wrong, self.key(peer), now, "wrong tokens")
    }

    /// The token was right.
    pub(crate) fn right(&self, peer: Peer, attempt: Grant, now: Time) {
        self.wrong.refund(attempt, self.key(peer), now);
    }

    /// Addresses of IPv6 count by their network: who has one address of it has all.
    fn key(&self, peer: Peer) -> u64 {
        let network = match peer {
            Peer::Address(address) => match address.to_canonical() {
                IpAddr::V6(address) => Peer::Address((address.to_bits() >> 64 << 64).to_be_bytes().into()),
                v4 => Peer::Address(v4),
            },
            other => other,
        };
        self.keys.hash_one(network).max(1)
    }
}

fn take(limiter: &RateLimiter, key: u64, now: Time, what: &str) -> Result<Grant, Problem> {
    limiter.admit(key, now, Time::NEVER).map_err(|refused| {
        let wait = refused.retry_at.since(now);
        let seconds = wait.as_nanos().div_ceil(1_000_000_000).max(1);
        Problem::too_often(
            format!("too many {what} from this peer"),
            u64::try_from(seconds).unwrap_or(u64::MAX),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> Peer {
        Peer::Address(address.parse().expect("an address"))
    }

    #[test]
    fn each_peer_has_a_quota_and_a_network_is_one_peer() {
        let (limits, now) = (Limits::default(), Time::from_secs(9));
        for _ in 0..REQUESTS.1 {
            limits.request(peer("2001:db8::1"), false, now).expect("within the burst");
        }
        assert_eq!(limits.request(peer("2001:db8::2"), false, now).expect_err("spent").status(), 429);
        for other in [peer("2001:db8:0:1::1"), peer("10.0.0.1"), Peer::Unix, Peer::Unknown] {
            assert!(limits.request(other, false, now).is_ok(), "{other}");
        }
        assert!(limits.request(peer("2001:db8::2"), false, now + Duration::from_secs(1)).is_ok());
    }

    #[test]
    fn right_tokens_are_free_and_wrong_ones_run_out() {
        let (limits, now) = (Limits::default(), Time::from_secs(9));
        for _ in 0..100 {
            let attempt = limits.attempt(Peer::Unix, now).expect("free");
            limits.right(Peer::Unix, attempt, now);
        }
        for _ in 0..WRONG.1 {
            let _ = limits.attempt(Peer::Unix, now).expect("within the burst");
        }
        assert!(limits.attempt(Peer::Unix, now).is_err());
        assert!(limits.attempt(Peer::Unix, now + Duration::from_secs(2)).is_ok());
    }
}
