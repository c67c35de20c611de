//! Where an admin interface is: a host, a URL, or a socket in the file system.

use fusebox_proxy::config::DEFAULT_ADMIN;
use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// An address as `--admin` takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(super) place: Place,
    /// What the request is sent to: `Host`, and the name that a certificate must have.
    pub(super) host: String,
    /// What stands before every path, without a slash at its end.
    pub(super) prefix: String,
}

/// What to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Tcp { host: String, port: u16, tls: bool },
    Unix(PathBuf),
}

const ACCEPTED: &str = "accepted: 127.0.0.1:9900, http://host:port, https://host:port, unix:/path/to.sock";

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = |why: &str| format!("{why}; {ACCEPTED}");
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(refused("a path is missing after unix:"));
            }
            return Ok(Address {
                place: Place::Unix(path.into()),
                host: "localhost".into(),
                prefix: String::new(),
            });
        }
        let (tls, rest) = match text.split_once("://") {
            None => (false, text),
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            Some((scheme, _)) => return Err(refused(&format!("{scheme}:// is not spoken here"))),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(refused("a name or password does not belong into an address: --token-file"));
        }
        if path.contains(['?', '#']) {
            return Err(refused("found a query"));
        }
        let usual = if tls { 443 } else { DEFAULT_ADMIN.port() };
        let (host, port) = host_and_port(authority, usual).map_err(|why| refused(&why))?;
        Ok(Address {
            place: Place::Tcp { host, port, tls },
            host: authority.into(),
            prefix: path.trim_end_matches('/').into(),
        })
    }
}

fn host_and_port(authority: &str, usual: u16) -> Result<(String, u16), String> {
    if let Ok(bare) = authority.parse::<Ipv6Addr>() {
        return Err(format!("an IPv6 address stands in brackets: [{bare}]:{usual}"));
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let port = port.parse().ok().filter(|port| *port != 0);
            (host, port.ok_or_else(|| format!("the port is not a number from 1 to 65535 in {authority:?}"))?)
        }
        _ => (authority, usual),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let known = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
    match host.is_empty() || !host.chars().all(known) {
        true => Err(format!("{authority:?} is no host")),
        false => Ok((host.into(), port)),
    }
}

impl Default for Address {
    fn default() -> Self {
        Address::from(DEFAULT_ADMIN)
    }
}

impl From<SocketAddr> for Address {
    fn from(at: SocketAddr) -> Self {
        let place = Place::Tcp { host: at.ip().to_string(), port: at.port(), tls: false };
        Address { place, host: at.to_string(), prefix: String::new() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Unix(path) => write!(f, "unix:{}", path.display()),
            Place::Tcp { tls: true, .. } => write!(f, "https://{}{}", self.host, self.prefix),
            Place::Tcp { .. } if self.prefix.is_empty() => f.write_str(&self.host),
            Place::Tcp { .. } => write!(f, "http://{}{}", self.host, self.prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(text: &str) -> (String, u16, bool, String) {
        let address: Address = text.parse().expect(text);
        let Place::Tcp { host, port, tls } = address.place else { panic!("{text}") };
        (host, port, tls, address.prefix)
    }

    #[test]
    fn hosts_urls_and_sockets_are_addresses() {
        assert_eq!(tcp("127.0.0.1:9900"), ("127.0.0.1".into(), 9900, false, String::new()));
        assert_eq!(tcp("db-1"), ("db-1".into(), 9900, false, String::new()));
        assert_eq!(tcp("http://[::1]:80/"), ("::1".into(), 80, false, String::new()));
        assert_eq!(tcp("[::1]"), ("::1".into(), 9900, false, String::new()));
        assert_eq!(tcp("https://ops.example/fusebox/"), ("ops.example".into(), 443, true, "/fusebox".into()));
        for path in ["unix:/run/f.sock", "unix:///run/f.sock"] {
            let address: Address = path.parse().expect(path);
            assert_eq!(address.place, Place::Unix("/run/f.sock".into()));
            assert_eq!(address.to_string(), "unix:/run/f.sock");
        }
    }

    #[test]
    fn what_is_no_address_says_what_was_found() {
        for (text, words) in [
            ("", "\"\" is no host"),
            ("a b:1", "is no host"),
            ("host:0", "port is not a number from 1 to 65535"),
            ("host:x", "port is not a number"),
            ("ftp://host", "ftp:// is not spoken"),
            ("::1", "[::1]:9900"),
            ("unix:", "a path is missing"),
            ("http://ann:secret@host", "does not belong into an address"),
            ("http://host/?a", "found a query"),
        ] {
            let why = text.parse::<Address>().expect_err(text);
            assert!(why.contains(words) && why.contains("accepted: "), "{text}: {why}");
        }
    }
}
