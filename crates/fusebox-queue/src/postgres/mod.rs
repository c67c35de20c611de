//! Items in a PostgreSQL database that several processes share.
//!
//! # Design
//!
//! Items are moved by the [state machine](crate::record) in Rust; SQL locks rows, reads them and writes them back, a whole batch at a
//! time. An item can be stored in the transaction that says why it must be made, with [`Postgres::enqueue_in`]: there is no moment
//! at which one is there without the other.
//!
//! Workers that race skip what another one has locked. Who enqueues locks its queue against others that enqueue until its
//! transaction ends: limits and keys are exact, and a queue takes one transaction at a time, in which is whatever this process has to
//! enqueue in it by then.
//!
//! Time is the server's. Nobody takes over what another process had leased: leases end by that time and by nothing else.
//!
//! Every transaction is a task of the runtime that the store was [connected](Postgres::connect) on. Its future can be polled
//! anywhere, and dropping it leaves no transaction half done.

mod bell;
mod desk;
mod enqueue;
mod fault;
mod gather;
mod health;
mod look;
mod rows;
mod schema;
mod work;

pub use bell::Bell;
pub use health::Health;
pub use sqlx;

use crate::capabilities::Capabilities;
use crate::clock::StoreClock;
use crate::error::StoreError;
use crate::item::{Entry, ItemId, Limits, NewItem, Token, View};
use crate::order::{Audited, Order};
use crate::store::{
    Answer, Cancelled, Enqueued, Filter, LeaseRequest, Leased, QueueStore, Settled, Settlement, Swept,
};
use crate::tally::Stats;
use desk::{Desk, Done, House};
use fault::Fault;
use gather::Gathers;
use schema::Schema;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool, Transaction};
use std::fmt;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// How often a transaction is done again that was in another's way.
const AGAIN: usize = 5;

/// How a database is used.
#[derive(Clone, Debug)]
pub struct Options {
    /// How much it holds. Processes that share a schema should agree on it.
    pub limits: Limits,
    /// The schema of its tables, which is made where it is missing: at most 48 small letters, digits and underscores. Default:
    /// `fusebox`.
    pub schema: String,
    /// Connections at most. Default: 10.
    pub max_connections: u32,
    /// How long anything may take, waiting for a connection included; then it is [`StoreError::Unreachable`]. Default: 10 s.
    pub patience: Duration,
    /// Tells every [`Bell`] when something is enqueued. A server commits transactions that tell one after the other, whatever they
    /// are about. Default: yes.
    pub notify: bool,
    /// Where its time comes from. Default: the server's clock, the only one that all processes see alike.
    pub clock: Option<StoreClock>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            limits: Limits::default(),
            schema: "fusebox".into(),
            max_connections: 10,
            patience: Duration::from_secs(10),
            notify: true,
            clock: None,
        }
    }
}

/// Items in a PostgreSQL database. A cheap handle.
#[derive(Clone)]
pub struct Postgres(Arc<Inner>);

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("house", &self.0.house).finish_non_exhaustive()
    }
}

struct Inner {
    pool: PgPool,
    gathers: Gathers,
    address: PgConnectOptions,
    house: House,
    patience: Duration,
    durable: bool,
    runtime: Handle,
}

/// What is done within a transaction, with what was asked for. A function, so that it can be done again.
type Work<A, T> = for<'d, 'c> fn(&'d mut Desk<'c>, &'d A) -> Doing<'d, T>;
type Doing<'d, T> = Pin<Box<dyn Future<Output = Done<T>> + Send + 'd>>;

impl Postgres {
    /// Connects to a database, and makes or upgrades its schema. Needs a Tokio runtime, which must run as long as the store is used.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unreachable`]; [`StoreError::TooNew`], and the schema is left as it is; [`StoreError::Invalid`] for a schema
    /// with a name that would need quoting; [`StoreError::Other`] with what the server says, or where there is no runtime.
    ///
    /// ```no_run
    /// use fusebox_queue::postgres::{Options, Postgres, sqlx};
    /// use fusebox_queue::NewItem;
    ///
    /// # async fn pay() -> Result<(), Box<dyn std::error::Error>> {
    /// let url = "postgres://shop@localhost/shop";
    /// let (store, shop) = (Postgres::connect(url, Options::default()).await?, sqlx::PgPool::connect(url).await?);
    ///
    /// let mut order = shop.begin().await?;
    /// sqlx::query("INSERT INTO payment (id, state) VALUES (17, 'pending')").execute(&mut *order).await?;
    /// store.enqueue_in(&mut order, vec![NewItem::new("payments", "order-17", b"capture 20 EUR")]).await?;
    /// order.commit().await?; // both, or neither
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(url: &str, options: Options) -> Result<Self, StoreError> {
        let no_runtime = |_| StoreError::Other("PostgreSQL is reached from within a Tokio runtime".into());
        let runtime = Handle::try_current().map_err(no_runtime)?;
        let address = PgConnectOptions::from_str(url).map_err(|error| Fault::from(error).error)?;
        let address = address.application_name("fusebox");
        let Options { limits, schema, max_connections, patience, notify, clock } = options;
        let house = House { schema: Schema::named(&schema)?, limits, clock, notify };
        let durable = prepare(&address, &house.schema).await.map_err(|fault| fault.error)?;
        let pool = PgPoolOptions::new().max_connections(max_connections).acquire_timeout(patience);
        let pool = pool.connect_lazy_with(address.clone());
        Ok(Postgres(Arc::new(Inner {
            pool,
            gathers: Gathers::default(),
            address,
            house,
            patience,
            durable,
            runtime,
        })))
    }

    /// Takes items as part of the caller's own transaction: they are kept if it is committed, and otherwise have never been there.
    /// All that [`enqueue`](QueueStore::enqueue) says holds.
    ///
    /// Nobody else enqueues in its queues until the transaction ends, so it should end soon. One that enqueues several times can be ended
    /// by the server for the sake of another that has the same queues in another order: enqueue all at once.
    ///
    /// # Errors
    ///
    /// As of any store. After any but [`StoreError::Invalid`] the transaction can only be rolled back; so it may have to be at a
    /// stricter isolation than read committed, when another one has enqueued since it began.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: roll the transaction back.
    pub async fn enqueue_in(
        &self,
        transaction: &mut Transaction<'_, sqlx::Postgres>,
        items: Vec<NewItem>,
    ) -> Result<Vec<Enqueued>, StoreError> {
        enqueue::check(&items, &self.0.house.limits)?;
        let mut desk = Desk::new(transaction, &self.0.house);
        let told = desk.enqueue(&items).await.map_err(|fault| fault.error)?;
        desk.end().await.map_err(|fault| fault.error)?;
        Ok(told)
    }

    /// Listens for what is enqueued in a queue, on a connection of its own. A hint: who is told leases, and who is not leases too,
    /// only later.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unreachable`].
    pub async fn bell(&self, queue: &str) -> Result<Bell, StoreError> {
        Bell::hang(&self.0, queue).await.map_err(|fault| fault.error)
    }

    /// How the server does, as far as the queue feels it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unreachable`].
    pub async fn health(&self) -> Result<Health, StoreError> {
        self.ask((), |desk, ()| Box::pin(desk.health())).await
    }

    /// Does `work` in a transaction of its own; answers once that is committed.
    fn ask<A, T>(&self, asked: A, work: Work<A, T>) -> Answer<'static, T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.spawn(|inner| async move { inner.in_time(&asked, work).await })
    }

    /// Has the runtime do something, to its end; answers with what it comes to.
    fn spawn<T, F>(&self, task: impl FnOnce(Arc<Inner>) -> F) -> Answer<'static, T>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
        T: Send + 'static,
    {
        let task = self.0.runtime.spawn(task(Arc::clone(&self.0)));
        Box::pin(async move { task.await.unwrap_or(Err(StoreError::Stopped)) })
    }
}

/// Makes a schema what this version knows; whether what is committed there is durable.
async fn prepare(address: &PgConnectOptions, schema: &Schema) -> Done<bool> {
    let mut connection = PgConnection::connect_with(address).await?;
    schema.migrate(&mut connection).await?;
    let durable = health::is_durable(&mut connection).await?;
    connection.close().await?;
    Ok(durable)
}

impl Inner {
    async fn in_time<A, T>(&self, asked: &A, work: Work<A, T>) -> Result<T, StoreError> {
        let late = || StoreError::Unreachable { why: format!("no answer within {:?}", self.patience) };
        let done = tokio::time::timeout(self.patience, self.transact(asked, work)).await;
        done.unwrap_or_else(|_| Err(late()))
    }

    async fn transact<A, T>(&self, asked: &A, work: Work<A, T>) -> Result<T, StoreError> {
        let mut left = AGAIN;
        loop {
            match self.attempt(asked, work).await {
                Err(fault) if fault.again && left > 0 => left -= 1,
                done => return done.map_err(|fault| fault.error),
            }
        }
    }

    async fn attempt<A, T>(&self, asked: &A, work: Work<A, T>) -> Done<T> {
        let mut transaction = self.pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        let mut desk = Desk::new(&mut transaction, &self.house);
        let told = work(&mut desk, asked).await?;
        desk.end().await?;
        transaction.commit().await?;
        Ok(told)
    }
}

impl QueueStore for Postgres {
    /// Durable on acknowledgement unless the server had `fsync` or `synchronous_commit` off when it was connected to.
    fn capabilities(&self) -> Capabilities {
        Capabilities { transactional_enqueue: true, ..Capabilities::of_own_rows(self.0.durable) }
    }

    fn enqueue(&self, items: Vec<NewItem>) -> Answer<'_, Vec<Enqueued>> {
        self.spawn(|inner| async move { inner.enqueue(items).await })
    }

    fn lease(&self, request: LeaseRequest) -> Answer<'_, Vec<Leased>> {
        self.ask(request, |desk, request| Box::pin(desk.lease(request)))
    }

    fn extend(&self, leases: Vec<Token>, ttl: Duration) -> Answer<'_, Vec<Settled>> {
        self.ask((leases, ttl), |desk, (leases, ttl)| Box::pin(desk.extend(leases, *ttl)))
    }

    fn settle(&self, settlements: Vec<(Token, Settlement)>) -> Answer<'_, Vec<Settled>> {
        self.ask(settlements, |desk, settlements| Box::pin(desk.settle(settlements)))
    }

    fn sweep(&self, limit: usize) -> Answer<'_, Swept> {
        self.ask(limit, |desk, limit| Box::pin(desk.sweep(*limit)))
    }

    fn find(&self, queue: &str, key: &str) -> Answer<'_, Option<View>> {
        let name = (queue.to_owned(), key.to_owned());
        self.ask(name, |desk, (queue, key)| Box::pin(desk.find(queue, key)))
    }

    fn show(&self, id: ItemId) -> Answer<'_, Option<Entry>> {
        self.ask(id, |desk, id| Box::pin(desk.show(*id)))
    }

    fn list(&self, filter: Filter, limit: usize) -> Answer<'_, Vec<View>> {
        self.ask((filter, limit), |desk, (filter, limit)| Box::pin(desk.list(filter, *limit)))
    }

    fn cancel(&self, id: ItemId) -> Answer<'_, Cancelled> {
        self.ask(id, |desk, id| Box::pin(desk.cancel(*id)))
    }

    fn operate(&self, order: Order) -> Answer<'_, Vec<ItemId>> {
        self.ask(order, |desk, order| Box::pin(desk.operate(order)))
    }

    fn audit(&self, limit: usize) -> Answer<'_, Vec<Audited>> {
        self.ask(limit, |desk, limit| Box::pin(desk.audit(*limit)))
    }

    fn queues(&self) -> Answer<'_, Vec<String>> {
        self.ask((), |desk, ()| Box::pin(desk.queues()))
    }

    fn stats(&self, queue: &str) -> Answer<'_, Stats> {
        self.ask(queue.to_owned(), |desk, queue| Box::pin(desk.stats(queue)))
    }
}
