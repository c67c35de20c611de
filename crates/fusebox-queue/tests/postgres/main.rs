//! What PostgreSQL does beyond what every store must, on a real server.

mod faults;
mod rows;
mod schema;
mod sharing;
mod transactions;

use fusebox_queue::postgres::sqlx::{PgPool, postgres::PgPoolOptions};
use fusebox_queue::postgres::{Options, Postgres};
use fusebox_queue::{Enqueued, NewItem, QueueStore};
use fusebox_testbed::postgres::{Shared, shared};
use std::sync::LazyLock;
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));
static SERVER: LazyLock<Shared> = LazyLock::new(shared);

/// A schema that nobody else has.
fn anew() -> Options {
    Options { schema: SERVER.name(), ..Options::default() }
}

async fn connect(options: &Options) -> Postgres {
    Postgres::connect(&SERVER.url(), options.clone()).await.expect("connects")
}

/// A store in a schema of its own, and the caller's own connections.
async fn begin() -> (Options, Postgres, PgPool) {
    let options = anew();
    let store = connect(&options).await;
    let pool = PgPoolOptions::new().max_connections(64).connect(&SERVER.url()).await.expect("connects");
    (options, store, pool)
}

fn item(key: &str) -> NewItem {
    NewItem::new("q", key, key.as_bytes())
}

async fn put(store: &Postgres, key: &str) -> Enqueued {
    store.enqueue(vec![item(key)]).await.expect("told").remove(0)
}

async fn live(store: &Postgres) -> u64 {
    store.stats("q").await.expect("read").live()
}
