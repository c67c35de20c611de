//! Items on a NATS server, for many processes at once.
//!
//! # Design
//!
//! The **row** decides, and the **carrier** finds a worker. An item's row stands in a key-value bucket under a digest of its queue
//! and key; creating it is a compare-and-set, and so is every change, which the [state machine](crate::record) makes. Its carrier
//! is a message with the payload, in a work-queue stream for each queue and a subject for each item; a worker pulls carriers class
//! by class.
//!
//! The server's own counts and timers are hints. Its consumers forget deliveries when it is killed, and count redeliveries that
//! were no attempts; with a limit on them, it would leave an item where nobody gets it. So nothing is decided by them: a carrier is
//! delivered, the row says whether the item is due, leased by another or over, and the carrier is leased, put off or acknowledged.
//!
//! Whatever a crash leaves between two writes, the next delivery finishes. An attempt is in the row before the call leaves, and a
//! dead item's call is acknowledged by the stream of the dead before its carrier goes.
//!
//! A lease's number is the revision that it was written over, so no two are alike; its time is the store's clock, which counts on
//! from the server's date. `ack_wait` brings back what a vanished worker had, if nobody sweeps before.
//!
//! # What it does not do
//!
//! | | why |
//! |---|---|
//! | durable by default | a server acknowledges before it syncs, see [`Options::accept_async_durability`] |
//! | keys for ever | a row is kept for [`Options::key_ttl`] after it was last written |
//! | exact limits | the stream counts an ended item until its carrier is acknowledged, and each message's envelope |
//! | order | the server brings retries back before what is new, whenever they were due; numbers are digests, so lists have no order |
//! | batches as a whole | items are stored one by one: after an error some may be there, and are found by their keys |
//! | notices, operators' orders | two writes are no transaction |
//! | the call of what has ended well | it goes with the carrier |
//!
//! Lists and [`stats`](QueueStore::stats) read every row. All futures run on Tokio.

mod carriers;
mod desk;
mod ledger;
mod row;
mod settle;
mod source;

pub use source::{JetStream, Receipt, Subscription};

use crate::capabilities::{Capabilities, Unique};
use crate::clock::StoreClock;
use crate::error::StoreError;
use crate::item::{Entry, ItemId, Limits, NewItem, Token, View};
use crate::order::{Audited, Order};
use crate::store::{
    Answer, Cancelled, Enqueued, Filter, LeaseRequest, Leased, QueueStore, Settled, Settlement, Swept,
};
use crate::tally::Stats;
use async_nats::jetstream::kv::Store;
use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
use async_nats::jetstream::{Context, ContextBuilder};
use carriers::{Carriers, Make};
use desk::Desk;
use ledger::Ledger;
use std::sync::Arc;
use std::time::Duration;

/// How long the server has for an answer that it has at hand.
const PATIENCE: Duration = Duration::from_secs(5);
/// And for the word that there are no messages.
const A_WORD: Duration = Duration::from_secs(2);
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// The first server that can sync every write before it acknowledges.
const SYNCS_SINCE: (u64, u64) = (2, 10);
/// What a message has beside its payload, at most.
const ENVELOPE: u64 = 8 << 10;

/// How a store on a server is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The first part of the names of its streams and its bucket: letters, digits, `-` and `_`. Default: `fusebox`.
    pub name: String,
    /// How much it holds.
    pub limits: Limits,
    /// How long a key is known after its item was last written: no item lives longer, less a day. Default: 8 days.
    pub key_ttl: Duration,
    /// After so long without a word, the server gives a carrier to another worker: longer than leases. Default: 60 s.
    pub ack_wait: Duration,
    /// How long a carrier that is not due sleeps at most, until it is looked at again. Default: 5 min.
    pub longest_nap: Duration,
    /// Servers that keep every write. From 3 on, with machines that fail apart, that is durable. Default: 1.
    pub replicas: usize,
    /// The server runs with `sync_interval: always`. It tells its operators, and no client, so this is your word. Default: no.
    pub server_syncs_always: bool,
    /// A power cut may take what was acknowledged since the server's last sync: minutes, by default. Default: no, and a server
    /// that may do so is refused.
    pub accept_async_durability: bool,
    /// Where its time comes from. Default: the server's date, counted on from when it was asked.
    pub clock: Option<StoreClock>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            name: "fusebox".into(),
            limits: Limits::default(),
            key_ttl: DAY * 8,
            ack_wait: Duration::from_secs(60),
            longest_nap: Duration::from_secs(300),
            replicas: 1,
            server_syncs_always: false,
            accept_async_durability: false,
            clock: None,
        }
    }
}

/// Items on a NATS server. A cheap handle; any number of them, in any number of processes, share the items.
#[derive(Clone, Debug)]
pub struct Nats {
    desk: Arc<Desk>,
    capabilities: Capabilities,
}

impl Nats {
    /// Connects to the server at `address`.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotDurable`] if the server may lose what it acknowledges and nobody has accepted that,
    /// [`StoreError::Invalid`] for options that fit no store, [`StoreError::Server`] if there is none.
    ///
    /// ```no_run
    /// use fusebox_queue::nats::{Nats, Options};
    /// use fusebox_queue::{NewItem, QueueStore};
    ///
    /// # async fn example() -> Result<(), fusebox_queue::StoreError> {
    /// let options = Options { replicas: 3, ..Options::default() };
    /// let store = Nats::connect("nats://queue.internal:4222", options).await?;
    /// store.enqueue(vec![NewItem::new("payments", "order-17", b"capture 20 EUR")]).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(address: &str, options: Options) -> Result<Self, StoreError> {
        let client = async_nats::connect(address).await.map_err(server)?;
        Nats::with_client(client, options).await
    }

    /// As [`connect`](Self::connect), over a connection of the caller's: with its credentials and its TLS.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn with_client(client: async_nats::Client, options: Options) -> Result<Self, StoreError> {
        let told = client.server_info();
        let durable = is_durable(&options, &told.version)?;
        check(&options)?;
        let context = context(client);
        let rows = bucket(&context, &options).await?;
        let make = Make {
            name: options.name.clone(),
            replicas: options.replicas,
            max_items: options.limits.max_items,
            max_bytes: options.limits.max_bytes,
            ack_wait: options.ack_wait,
        };
        let clock = match options.clock {
            Some(clock) => clock,
            None => server_clock(&rows).await?,
        };
        let max_payload = options.limits.max_payload.min((told.max_payload as u64).saturating_sub(ENVELOPE));
        let limits = Limits { max_payload, ..options.limits };
        let carriers = Carriers::open(context, make).await?;
        let desk =
            Desk::new(Ledger { rows }, carriers, clock, limits, (options.key_ttl, options.longest_nap));
        Ok(Nats { desk: Arc::new(desk), capabilities: capabilities(durable, options.key_ttl) })
    }
}

const fn capabilities(durable: bool, key_ttl: Duration) -> Capabilities {
    Capabilities {
        durable_on_ack: durable,
        transactional_enqueue: false,
        unique: Unique::Window(key_ttl),
        priorities: 4,
        delay: true,
        exact_cap: false,
        cancel: true,
        redrive: false,
        oldest_age: true,
        order: false,
        notices: false,
        operators: false,
    }
}

/// Whether what a server of this version acknowledges survives a power cut; an error if not, and nobody has accepted that.
fn is_durable(options: &Options, version: &str) -> Result<bool, StoreError> {
    let mut numbers = version.split('.').map(|number| number.parse::<u64>().unwrap_or(0));
    let can_sync = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= SYNCS_SINCE;
    if options.replicas >= 3 || (options.server_syncs_always && can_sync) {
        return Ok(true);
    }
    if options.accept_async_durability {
        return Ok(false);
    }
    let found = match (options.server_syncs_always, can_sync) {
        (true, _) => format!("its version is {version}, which cannot sync every write"),
        (false, _) => format!(
            "version {version} with {} keeping each write acknowledges before it syncs",
            match options.replicas {
                0 | 1 => "one server".into(),
                many => format!("{many} servers"),
            }
        ),
    };
    Err(StoreError::NotDurable { found })
}

fn check(options: &Options) -> Result<(), StoreError> {
    let refuse = |field, found: String, accepted| Err(StoreError::Invalid { field, found, accepted });
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if options.name.is_empty() || options.name.len() > 64 || !options.name.bytes().all(fits) {
        return refuse("name", format!("{:?}", options.name), "1 to 64 letters, digits, - and _");
    }
    if options.key_ttl < options.limits.provider_window + DAY {
        return refuse(
            "key_ttl",
            format!("{:?}", options.key_ttl),
            "limits.provider_window and a day, or more",
        );
    }
    if options.ack_wait.is_zero() {
        return refuse("ack_wait", "0".into(), "longer than leases");
    }
    Ok(())
}

async fn bucket(context: &Context, options: &Options) -> Result<Store, StoreError> {
    let rows = Config {
        name: format!("KV_{}", options.name),
        subjects: vec![format!("$KV.{}.>", options.name)],
        max_messages_per_subject: 1,
        max_age: options.key_ttl,
        discard: DiscardPolicy::New,
        allow_rollup: true,
        // Another server than the leader may be behind.
        allow_direct: false,
        num_replicas: options.replicas,
        storage: StorageType::File,
        ..Config::default()
    };
    carriers::stream(context, rows).await?;
    context.get_key_value(&options.name).await.map_err(server)
}

async fn server_clock(rows: &Store) -> Result<StoreClock, StoreError> {
    rows.put("clock", "".into()).await.map_err(server)?;
    let told = rows.entry("clock").await.map_err(server)?;
    let told = told.ok_or_else(|| StoreError::Server("it does not tell its time".into()))?;
    Ok(StoreClock::counting_from(ledger::millis(told.created)))
}

fn context(client: async_nats::Client) -> Context {
    ContextBuilder::new().timeout(PATIENCE).ack_timeout(PATIENCE).build(client)
}

/// What the server's library says, with its causes.
fn server(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    let error = error.into();
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(why) = cause {
        let why_said = why.to_string();
        if !said.contains(&why_said) {
            said = format!("{said}: {why_said}");
        }
        cause = why.source();
    }
    StoreError::Server(said)
}

impl QueueStore for Nats {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn enqueue(&self, items: Vec<NewItem>) -> Answer<'_, Vec<Enqueued>> {
        Box::pin(self.desk.enqueue(items))
    }

    fn lease(&self, request: LeaseRequest) -> Answer<'_, Vec<Leased>> {
        Box::pin(self.desk.lease(request))
    }

    fn extend(&self, leases: Vec<Token>, ttl: Duration) -> Answer<'_, Vec<Settled>> {
        Box::pin(self.desk.extend(leases, ttl))
    }

    fn settle(&self, settlements: Vec<(Token, Settlement)>) -> Answer<'_, Vec<Settled>> {
        Box::pin(self.desk.settle(settlements))
    }

    fn sweep(&self, limit: usize) -> Answer<'_, Swept> {
        Box::pin(self.desk.sweep(limit))
    }

    fn find(&self, queue: &str, key: &str) -> Answer<'_, Option<View>> {
        let (queue, key) = (queue.to_owned(), key.to_owned());
        Box::pin(async move { self.desk.find(&queue, &key).await })
    }

    fn show(&self, id: ItemId) -> Answer<'_, Option<Entry>> {
        Box::pin(self.desk.show(id))
    }

    fn list(&self, filter: Filter, limit: usize) -> Answer<'_, Vec<View>> {
        Box::pin(self.desk.list(filter, limit))
    }

    fn cancel(&self, id: ItemId) -> Answer<'_, Cancelled> {
        Box::pin(self.desk.cancel(id))
    }

    fn operate(&self, _: Order) -> Answer<'_, Vec<ItemId>> {
        Box::pin(async { Err(StoreError::Unsupported { what: "an operator's order" }) })
    }

    fn audit(&self, _: usize) -> Answer<'_, Vec<Audited>> {
        Box::pin(async { Err(StoreError::Unsupported { what: "an audit trail" }) })
    }

    fn queues(&self) -> Answer<'_, Vec<String>> {
        Box::pin(self.desk.queues())
    }

    fn stats(&self, queue: &str) -> Answer<'_, Stats> {
        let queue = queue.to_owned();
        Box::pin(async move { self.desk.stats(&queue).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_may_forget_is_refused_until_somebody_accepts_it() {
        let refused =
            |options: &Options, version| is_durable(options, version).expect_err("refused").to_string();
        let plain = Options::default();
        let text = refused(&plain, "2.9.10");
        for part in ["2.9.10", "one server", "power cut", "replicas", "sync_interval: always", "accept_async"]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
        let word = Options { server_syncs_always: true, ..Options::default() };
        assert!(refused(&word, "2.9.10").contains("cannot sync"));
        assert_eq!(is_durable(&word, "2.10.0"), Ok(true));
        assert_eq!(is_durable(&Options { accept_async_durability: true, ..word }, "2.9.10"), Ok(false));
        assert_eq!(is_durable(&Options { replicas: 3, ..plain.clone() }, "2.9.10"), Ok(true));
        assert!(refused(&Options { replicas: 2, ..plain }, "2.11.1").contains("2 servers"));
    }

    #[test]
    fn options_that_fit_no_store_are_refused() {
        let wrong = [
            ("name", Options { name: "a.b".into(), ..Options::default() }),
            ("key_ttl", Options { key_ttl: DAY, ..Options::default() }),
            ("ack_wait", Options { ack_wait: Duration::ZERO, ..Options::default() }),
        ];
        for (part, options) in wrong {
            assert!(matches!(check(&options), Err(StoreError::Invalid { field, .. }) if field == part));
        }
        assert_eq!(check(&Options::default()), Ok(()));
    }
}
