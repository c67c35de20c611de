//! Who may ask for what.
//!
//! Three questions, each answered before anything is read or done: whether a page of another site may have sent this
//! ([`origin`]), whether it comes too often ([`limits`]), and whose it is ([`tokens`]). None of them costs the data path anything: they are
//! asked where the interface is served.

pub(super) mod lease;
pub(super) mod limits;
mod origin;
mod tokens;

pub use tokens::TokenFileError;

use super::answer::Problem;
use super::asked::Asked;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use tokens::TokenFile;

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Look.
    Read,
    /// Look and change.
    Operate,
}

impl Scope {
    /// The scope as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Operate => "operate",
        }
    }

    fn named(name: &str) -> Option<Scope> {
        [Scope::Read, Scope::Operate].into_iter().find(|scope| scope.as_str() == name)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who may ask for what. A cheap handle.
///
/// The default: whoever reaches the interface may look, and who is surely on this machine may change things. With
/// [`tokens`](Self::tokens), everybody needs one.
#[derive(Clone, Debug, Default)]
pub struct Access {
    tokens: Option<Arc<TokenFile>>,
    names: Vec<String>,
    local_is_trusted: bool,
}

impl Access {
    /// Asks everybody for a token of the file at `path`, but for `/`, the page's own files, `/openapi.json`, `/healthz` and `/readyz`. The
    /// file is read again whenever it changes; while it cannot be used, nobody is let in.
    ///
    /// It is TOML, its owner's alone, with a table for each token:
    ///
    /// ```toml
    /// [[token]]
    /// name = "ann"                                # who it is in the audit trail
    /// scope = "operate"                           # or "read"
    /// secret = "a-long-text-nobody-guesses"       # 16 characters or more; or sha256 = "…", its digest in hexadecimal
    /// ```
    ///
    /// # Errors
    ///
    /// What is wrong with the file, and where.
    pub fn tokens(self, path: impl AsRef<Path>) -> Result<Access, TokenFileError> {
        Ok(Access { tokens: Some(Arc::new(TokenFile::open(path.as_ref())?)), ..self })
    }

    /// Is also asked under this name, with any port unless it has one. Addresses and `localhost` need not be named.
    #[must_use]
    pub fn host(mut self, name: impl Into<String>) -> Access {
        self.names.push(name.into());
        self
    }

    /// Whether who is surely on this machine needs no token although there is a file of them. Default: no.
    #[must_use]
    pub fn local_is_trusted(self, trusted: bool) -> Access {
        Access { local_is_trusted: trusted, ..self }
    }

    /// Refuses what a page of another site may have sent.
    pub(super) fn check_origin(&self, asked: &Asked<'_>) -> Result<(), Problem> {
        origin::check(asked, &self.names)
    }

    /// Who asks.
    pub(super) fn caller(&self, asked: &Asked<'_>) -> Result<Caller, Denied> {
        let local = asked.is_local();
        let Some(file) = &self.tokens else {
            return Ok(Caller::unnamed(if local { Scope::Operate } else { Scope::Read }));
        };
        match asked.authorization {
            None if local && self.local_is_trusted => Ok(Caller::unnamed(Scope::Operate)),
            None => Err(Denied::NoToken),
            Some(given) => match file.find(bearer(given).ok_or(Denied::WrongToken)?) {
                Ok(Some(caller)) => Ok(caller),
                Ok(None) => Err(Denied::WrongToken),
                Err(unusable) => Err(Denied::Unusable(unusable)),
            },
        }
    }

    /// Whether a token decides who asks.
    pub(super) fn reads_token(&self, asked: &Asked<'_>) -> bool {
        self.tokens.is_some() && asked.authorization.is_some()
    }

    /// The refusal of a caller whose scope is too small.
    pub(super) fn too_small(&self, caller: &Caller, needed: Scope) -> Problem {
        if self.tokens.is_none() {
            return Problem::forbidden(
                "without a file of tokens this takes somebody who is surely on this machine: ask over a loopback address or a Unix socket, or set up tokens",
            );
        }
        let scope = caller.scope;
        let detail = format!("the token's scope: found {scope}, accepted: {needed}");
        let challenge = format!("Bearer realm=\"fusebox\", error=\"insufficient_scope\", scope=\"{needed}\"");
        Problem::forbidden(detail).with("www-authenticate", challenge)
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// The token's name.
    pub(super) name: Option<String>,
    pub(super) scope: Scope,
}

impl Caller {
    pub(super) fn unnamed(scope: Scope) -> Caller {
        Caller { name: None, scope }
    }
}

/// Why nobody is let in.
pub(super) enum Denied {
    NoToken,
    WrongToken,
    Unusable(TokenFileError),
}

impl Denied {
    /// Why a file cannot be used is told to `local` peers only: what stands at a wrong place in it may be a secret.
    pub(super) fn problem(self, local: bool) -> Problem {
        match self {
            Denied::NoToken => {
                let detail = "this takes a token: send it as Authorization: Bearer …";
                Problem::unauthorized(detail).with("www-authenticate", "Bearer realm=\"fusebox\"")
            }
            Denied::WrongToken => {
                let challenge = "Bearer realm=\"fusebox\", error=\"invalid_token\"";
                let detail = "Authorization: accepted: Bearer and a secret of the file of tokens";
                Problem::unauthorized(detail).with("www-authenticate", challenge)
            }
            Denied::Unusable(error) => {
                let why = if local { error.why() } else { "ask on the machine itself to hear why" };
                let detail = format!("nobody is let in: failed to read the file of tokens: {why}");
                Problem::unavailable("tokens-unusable", detail)
            }
        }
    }
}

/// The secret in an `Authorization` header.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, secret) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}
