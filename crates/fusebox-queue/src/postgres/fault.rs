//! What PostgreSQL says, in our words.

use crate::error::StoreError;
use std::io;

/// Where the items are, in errors that name a place.
const PLACE: &str = "the database";

/// Why a transaction did not come to be.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) error: StoreError,
    /// The database has ended it for another's sake: done again, it may well succeed.
    pub(super) again: bool,
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Fault { error, again: false }
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        let why = error.to_string();
        let unreachable = |why| Fault::from(StoreError::Unreachable { why });
        match error {
            sqlx::Error::Database(said) => said.code().map_or_else(
                || Fault::from(StoreError::Other(why.clone())),
                |code| Fault { error: coded(&code, why.clone()), again: is_passing(&code) },
            ),
            sqlx::Error::PoolTimedOut => unreachable("no connection was to be had in time".into()),
            sqlx::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                unreachable("the connection was closed".into())
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => unreachable(why),
            _ => Fault::from(StoreError::Other(why)),
        }
    }
}

/// An error by its SQLSTATE, <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn coded(code: &str, why: String) -> StoreError {
    match code {
        "53100" => StoreError::DiskFull(PLACE.into()),
        "25006" => StoreError::ReadOnly { path: PLACE.into(), why },
        // Shutting down, starting up, or out of connections.
        "57P01" | "57P02" | "57P03" | "57P05" | "53300" => StoreError::Unreachable { why },
        _ if code.starts_with("08") => StoreError::Unreachable { why },
        _ => StoreError::Other(why),
    }
}

/// Whether two transactions were in each other's way, and this one was ended.
fn is_passing(code: &str) -> bool {
    matches!(code, "40001" | "40P01")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_what_has_happened() {
        let said = |code| coded(code, "why".into());
        assert_eq!(said("53100"), StoreError::DiskFull(PLACE.into()));
        for gone in ["57P01", "57P03", "53300", "08006"] {
            assert!(matches!(said(gone), StoreError::Unreachable { .. }), "{gone}");
        }
        assert!(matches!(said("25006"), StoreError::ReadOnly { .. }));
        assert_eq!(said("42P01"), StoreError::Other("why".into()));
        assert!(is_passing("40P01") && !is_passing("53100"));
    }

    #[test]
    fn a_connection_that_breaks_is_a_database_out_of_reach() {
        let broken = sqlx::Error::Io(io::ErrorKind::UnexpectedEof.into());
        let error = Fault::from(broken).error;
        assert!(matches!(&error, StoreError::Unreachable { why } if why.contains("closed")), "{error}");
    }
}
