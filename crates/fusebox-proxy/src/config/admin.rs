//! `[admin]`: where operators ask, and who may.

use super::keys::{ADMIN, ADMIN_TLS};
use super::listen::DEFAULT_ADMIN;
use super::reader::{Entry, Table};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

const PLACE: &str =
    "an address and a port, as \"127.0.0.1:9900\", or a socket's path, as \"unix:/run/fusebox.sock\"";
const FILE: &str = "the path of a file";
const NAME: &str = "a host's name, as \"fusebox.internal\"";
const NAMES: &str = "a list of names, as [\"fusebox.internal\"]";
const TLS: &str = "a table, as { cert = \"cert.pem\", key = \"key.pem\" }";
/// The longest path that a socket's address holds everywhere.
const LONGEST_PATH: usize = 100;

/// Where the admin interface is, and who may ask it for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminPlan {
    /// Where it listens.
    pub listen: AdminPlace,
    /// The file of tokens, of which everybody needs one.
    pub tokens: Option<PathBuf>,
    /// Names that it is asked under, beside addresses and `localhost`.
    pub hosts: Vec<String>,
    /// Where it is written down what operators do.
    pub audit: Option<PathBuf>,
    /// Where the histories of circuits are kept over restarts.
    pub history: Option<PathBuf>,
    /// Where open circuits and holds are kept over restarts.
    pub state: Option<PathBuf>,
    /// With what it speaks TLS.
    pub tls: Option<TlsPlan>,
    /// Tokens may go over the network in the clear.
    pub plain: bool,
    /// Who is surely on this machine needs no token.
    pub trust_loopback: bool,
}

/// Where the admin interface listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminPlace {
    /// At an address.
    Address(SocketAddr),
    /// At a socket in the file system, which is its owner's alone.
    Unix(PathBuf),
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsPlan {
    /// The file with the certificate and those that vouch for it, PEM.
    pub cert: PathBuf,
    /// The file with its key, PEM.
    pub key: PathBuf,
}

impl fmt::Display for AdminPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AdminPlace::Address(address) => address.fmt(f),
            AdminPlace::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl std::str::FromStr for AdminPlace {
    type Err = &'static str;

    /// Reads an address with a port, or `unix:` and a path; what is accepted is the error.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("unix:") {
            Some("") => Err(PLACE),
            Some(path) if path.len() > LONGEST_PATH => Err("a socket's path of up to 100 bytes"),
            Some(path) => Ok(AdminPlace::Unix(path.into())),
            None => text.parse().map(AdminPlace::Address).map_err(|_| PLACE),
        }
    }
}

impl AdminPlace {
    /// The address, if it is one.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            AdminPlace::Address(address) => Some(*address),
            AdminPlace::Unix(_) => None,
        }
    }

    /// Whether others than this machine may reach it.
    fn is_exposed(&self) -> bool {
        self.address().is_some_and(|address| !address.ip().is_loopback())
    }
}

impl AdminPlan {
    /// At this place, for whoever is on this machine.
    pub fn at(listen: AdminPlace) -> Self {
        AdminPlan {
            listen,
            tokens: None,
            hosts: Vec::new(),
            audit: None,
            history: None,
            state: None,
            tls: None,
            plain: false,
            trust_loopback: false,
        }
    }

    /// Why it must not listen there as it is; `None` where it may.
    ///
    /// Whoever reaches it could hold every circuit open: an address that others reach takes tokens, and those are no
    /// secret for long where they go over a network in the clear.
    pub fn refusal(&self) -> Option<&'static str> {
        match (self.listen.is_exposed(), &self.tokens, &self.tls) {
            (true, None, _) => Some(
                "a loopback address or a unix: path, unless admin.tokens names a file of tokens: others reach this one",
            ),
            (true, Some(_), None) if !self.plain => Some(
                "a loopback address or a unix: path, unless there is admin.tls, or admin.plain = true: tokens would go \
                 over the network in the clear",
            ),
            _ => None,
        }
    }
}

/// The admin interface; `None` when it is switched off.
pub(super) fn read(top: &Table<'_>) -> Option<AdminPlan> {
    let usual = || AdminPlan::at(AdminPlace::Address(DEFAULT_ADMIN));
    let Some(entry) = top.entry("admin") else { return Some(usual()) };
    if entry.is_off() {
        return None;
    }
    let Some(table) = entry.table(&ADMIN, "a table, as [admin], or false for off") else {
        return Some(usual());
    };
    let listen = table.entry("listen").and_then(|entry| place(&entry));
    let file = |key| table.entry(key).and_then(|entry| path(&entry));
    let switch = |key| table.entry(key).and_then(|entry| entry.boolean()).unwrap_or(false);
    table.exclude("plain", "tls");
    table.only_beside("trust_loopback", "tokens", "without tokens nobody needs one");
    table.only_beside("plain", "tokens", "it lets tokens go in the clear");
    let plan = AdminPlan {
        tokens: file("tokens"),
        hosts: table.entry("hosts").map(|entry| hosts(&entry)).unwrap_or_default(),
        audit: file("audit"),
        history: file("history"),
        state: file("state"),
        tls: table.entry("tls").and_then(|entry| tls(&entry)),
        plain: switch("plain"),
        trust_loopback: switch("trust_loopback"),
        ..listen.clone().map_or_else(usual, AdminPlan::at)
    };
    if let (Some(entry), AdminPlace::Unix(_)) = (table.entry("tls"), &plan.listen) {
        entry.fault(
            "found tls beside a unix: path, accepted: tls beside an address: nobody else reads a socket",
        );
    }
    // What is wrong with the files has been said; without it the place would be refused for want of them.
    let is_whole = |key: &str, read: bool| table.entry(key).is_none() || read;
    if is_whole("tokens", plan.tokens.is_some())
        && is_whole("tls", plan.tls.is_some())
        && let (Some(accepted), Some(entry)) = (plan.refusal(), table.entry("listen"))
    {
        entry.refuse(accepted);
    }
    Some(plan)
}

fn place(entry: &Entry<'_>) -> Option<AdminPlace> {
    let read = entry.text(PLACE)?.parse();
    read.map_err(|accepted| entry.refuse(accepted)).ok()
}

fn path(entry: &Entry<'_>) -> Option<PathBuf> {
    entry.parsed(FILE, |text| (!text.is_empty()).then(|| Path::new(text).to_owned()))
}

fn hosts(entry: &Entry<'_>) -> Vec<String> {
    let is_name = |text: &str| {
        let (name, port) = text.split_once(':').unwrap_or((text, "1"));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        !name.is_empty() && name.chars().all(plain) && port.parse::<u16>().is_ok()
    };
    let name = |entry: Entry<'_>| entry.parsed(NAME, |text| is_name(text).then(|| text.to_owned()));
    entry.list(NAMES).unwrap_or_default().into_iter().filter_map(name).collect()
}

fn tls(entry: &Entry<'_>) -> Option<TlsPlan> {
    let table = entry.table(&ADMIN_TLS, TLS)?;
    let file = |key: &str| match table.entry(key) {
        Some(entry) => path(&entry),
        None => {
            table.missing(key, FILE);
            None
        }
    };
    let (cert, key) = (file("cert"), file("key"));
    Some(TlsPlan { cert: cert?, key: key? })
}
