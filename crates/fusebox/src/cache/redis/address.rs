//! Where a Redis is, with the credentials that nobody is shown.

use redis::{ConnectionInfo, IntoConnectionInfo};
use std::fmt;
use std::str::FromStr;

const ACCEPTED: &str = "redis://[user:password@]host[:port][/database] or unix:///path/of/its/socket";

/// Where a Redis is. Shows itself without its credentials.
#[derive(Clone)]
pub struct RedisAddress {
    pub(super) info: ConnectionInfo,
    text: String,
}

impl FromStr for RedisAddress {
    type Err = String;

    /// From a URL.
    ///
    /// # Errors
    ///
    /// What is accepted. It says nothing of what was found, which may have a password in it.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("rediss://") {
            return Err("redis:// (TLS to Redis is not available in this version)".into());
        }
        let known = ["redis://", "unix://"].iter().any(|scheme| text.starts_with(scheme));
        let info = known.then(|| text.into_connection_info().ok()).flatten();
        info.map(|info| RedisAddress { info, text: text.into() }).ok_or_else(|| ACCEPTED.into())
    }
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.text.split_once("://").unwrap_or(("redis", ""));
        // What a query says may be a password, too.
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        match rest.rsplit_once('@') {
            Some((_, place)) => write!(f, "{scheme}://***@{place}"),
            None => write!(f, "{scheme}://{rest}"),
        }
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisAddress({self})")
    }
}

impl PartialEq for RedisAddress {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for RedisAddress {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_credentials_are_shown() {
        for (url, shown) in [
            ("redis://127.0.0.1:6379/2", "redis://127.0.0.1:6379/2"),
            ("redis://ann:s3cret@cache.example", "redis://***@cache.example"),
            ("redis://:s3cret@cache.example:1/0", "redis://***@cache.example:1/0"),
            ("redis://ann:s3%40cret@cache.example", "redis://***@cache.example"),
            ("unix:///run/redis.sock?pass=s3cret", "unix:///run/redis.sock"),
        ] {
            let address: RedisAddress = url.parse().expect(url);
            assert_eq!(address.to_string(), shown);
            let debug = format!("{address:?} {:?}", crate::cache::Redis::at(address.clone()).ok());
            assert!(!debug.contains("cret"), "{debug}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        for url in
            ["", "http://ann:s3cret@a", "redis://", "redis://a:s3cret", "rediss://ann:s3cret@a", "s3cret"]
        {
            let error = url.parse::<RedisAddress>().expect_err(url);
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
