//! A line of the trail, and how lines hang together.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What stands before the hash in a line.
const SEAL: &str = ",\"hash\":\"";
/// What the first line follows.
const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A line of the trail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its number; the first is 1.
    pub seq: u64,
    /// When, RFC 3339 in UTC.
    pub at: Option<String>,
    /// Who, as they said; with the name of their token where that is another.
    pub actor: Option<String>,
    /// From where: an address, `unix` or `unknown`; `null` where nobody asked over the interface.
    pub peer: Option<String>,
    /// What they may do.
    pub scope: Option<String>,
    /// What they wanted.
    pub action: String,
    /// With what.
    pub target: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// How it stood.
    pub before: Option<Value>,
    /// How it stands then.
    pub after: Option<Value>,
    /// When it ends by itself.
    pub expires_at: Option<String>,
    /// The request.
    pub request_id: Option<String>,
    /// The status of the answer.
    pub status: u16,
    /// `done`, `dry_run` or `refused`.
    pub result: String,
    /// What else there is to say; why it was refused.
    pub detail: Option<String>,
    /// The hash of the line before; 64 zeros in the first.
    pub previous: String,
    /// SHA-256 over `previous` and the line without this field, in hexadecimal.
    pub hash: String,
}

/// A line before it has its place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) at: Option<String>,
    pub(crate) actor: Option<String>,
    pub(crate) peer: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) action: String,
    pub(crate) target: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
    pub(crate) expires_at: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) status: u16,
    pub(crate) result: &'static str,
    pub(crate) detail: Option<String>,
}

impl Draft {
    /// So many attempts were refused that nothing was written of.
    pub(super) fn unwritten(count: u64, at: Option<String>) -> Draft {
        let detail =
            format!("{count} more refused attempts since the line before, too many to write down one by one");
        Draft { at, action: "many".into(), result: "refused", detail: Some(detail), ..Draft::default() }
    }
}

/// Where the trail has come to.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    newest: u64,
    head: String,
}

impl Default for Chain {
    fn default() -> Self {
        Chain { newest: 0, head: NOTHING.into() }
    }
}

impl Chain {
    /// After this line.
    pub(super) fn after(entry: &AuditEntry) -> Chain {
        Chain { newest: entry.seq, head: entry.hash.clone() }
    }

    pub(super) fn head(&self) -> &str {
        &self.head
    }

    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// The line that would follow, as an entry and as text with its end.
    pub(super) fn seal(&self, draft: Draft) -> (AuditEntry, String) {
        let mut entry = AuditEntry {
            seq: self.newest + 1,
            at: draft.at,
            actor: draft.actor,
            peer: draft.peer,
            scope: draft.scope,
            action: draft.action,
            target: draft.target,
            reason: draft.reason,
            before: draft.before,
            after: draft.after,
            expires_at: draft.expires_at,
            request_id: draft.request_id,
            status: draft.status,
            result: draft.result.into(),
            detail: draft.detail,
            previous: self.head.clone(),
            hash: String::new(),
        };
        // Plain structs: see `answer::encoded`.
        let text = serde_json::to_string(&entry).expect("plain structs serialize");
        let canonical =
            text.strip_suffix(",\"hash\":\"\"}").expect("the hash is the last field").to_owned() + "}";
        entry.hash = hash(&self.head, &canonical);
        let line = format!("{}{SEAL}{}\"}}\n", &canonical[..canonical.len() - 1], entry.hash);
        (entry, line)
    }

    pub(super) fn add(&mut self, entry: &AuditEntry) {
        *self = Chain::after(entry);
    }
}

/// A line without its end, read; and whether its text is what its hash was taken over.
pub(super) fn read(line: &str) -> Option<(AuditEntry, bool)> {
    let entry: AuditEntry = serde_json::from_str(line).ok()?;
    let (canonical, _) = line.rsplit_once(SEAL)?;
    let sealed = format!("{canonical}{SEAL}{}\"}}", entry.hash) == line;
    let is_intact = sealed && hash(&entry.previous, &format!("{canonical}}}")) == entry.hash;
    Some((entry, is_intact))
}

fn hash(previous: &str, canonical: &str) -> String {
    let digest = Sha256::new().chain_update(previous).chain_update(canonical).finalize();
    hex(&digest)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
