//! PostgreSQL under test: a schema of its own on a server that all tests share.

use crate::{BEGIN, Stand};
use fusebox_queue::postgres::{Options, Postgres};
use fusebox_queue::{Limits, StoreClock};
use fusebox_testbed::postgres::{Shared, shared};
use std::sync::LazyLock;
use tokio::runtime::Runtime;

pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));
pub(crate) static SERVER: LazyLock<Shared> = LazyLock::new(shared);

pub(crate) fn postgres(limits: Limits) -> Stand {
    let clock = StoreClock::manual(BEGIN);
    let options = Options { limits, schema: SERVER.name(), clock: Some(clock.clone()), ..Options::default() };
    let store = RUNTIME.block_on(Postgres::connect(&SERVER.url(), options)).expect("connects");
    Stand { store: Box::new(store), clock, _ground: Box::new(()) }
}
