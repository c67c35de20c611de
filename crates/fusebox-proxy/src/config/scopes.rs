//! `[service.scopes]`: circuits of the whole service and of tenants before those of endpoints.

use super::chain::ScopesPlan;
use super::header;
use super::keys::SCOPES;
use super::reader::Entry;
use fusebox_core::scope::Config;

const MOST: &str = "a whole number from 1 to 1000000";

/// The scopes that `entry` describes.
pub(super) fn read(entry: &Entry<'_>) -> Option<ScopesPlan> {
    let t = entry.table(&SCOPES, "a table, as { tenant = \"header:x-tenant\" }, or false for off")?;
    let usual = Config::default();
    let tenant = t.or("tenant", None, |e| header::key(e).map(Some));
    let max_tenants = t.or("max_tenants", 1_000, |e| e.within(1, 1_000_000, MOST));
    let breadth = t.or("breadth", usual.breadth, |e| e.number("a share above 0, up to 1"));
    let memory = t.or("memory", usual.memory, Entry::duration);
    t.only_beside("max_tenants", "tenant", "without tenants there is nobody to count");
    let (tenant, max_tenants, breadth, memory) = (tenant?, max_tenants?, breadth?, memory?);
    let settings = t.checked(Config { breadth, memory }.check(), &[])?;
    Some(ScopesPlan { settings, tenant, max_tenants })
}
