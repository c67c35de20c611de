//! The proof: ten thousand payments through an hour-long outage of both providers, in virtual time, with a worker that dies in the middle
//! again and again.
//!
//! Nothing is forgiven here. The providers do **not** honour idempotency keys: whoever charges twice has charged twice. They lose answers
//! after they have charged, hang, and answer questions about a key only sometimes. Time alone is virtual: the policies, the list of
//! fallbacks, the queue's file and its state machine, and the replay are those of production. At the end the books of the shop are
//! compared with those of the providers, to the cent.

mod bank;
mod books;
mod courier;

use bank::Bank;
use books::Books;
use courier::{Parcel, Teller};
use example_stage::table::Table;
use fusebox::breaker::Config;
use fusebox::queue::sqlite::{Options, Sqlite};
use fusebox::queue::{
    Deferrer, Event, Events, Needs, NewItem, Notices, Plan, QueueStore, Replay, StoreClock, Timestamp, gate,
};
use fusebox::{Clock, Error, Fallbacks, Fuse, ManualClock, Rng};
use fusebox_core::SharedRng;
use std::cell::Cell;
use std::error::Error as Failed;
use std::path::Path;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Payments in a run, when nothing else is said.
pub(crate) const PAYMENTS: u64 = 10_000;
/// From the first to the last of them.
const DAY: u64 = 75 * 60;
/// Both providers are down from then on.
const OUTAGE_BEGINS: u64 = 5 * 60;
/// Until then.
const OUTAGE_ENDS: u64 = 65 * 60;
/// Nobody waits longer than this for the rest.
const LONGEST: u64 = 6 * 3_600;
/// One in so many payments waits no longer than the outage lasts.
const IMPATIENT: u64 = 50;
const START: Timestamp = Timestamp(1_700_000_000_000);

/// The world of one run.
struct World {
    seed: u64,
    payments: u64,
    dice: SharedRng,
    hand: ManualClock,
    time: StoreClock,
    banks: [Bank; 2],
    fuses: [Fuse; 2],
    books: Books,
    crashes: u64,
}

/// Runs the proof with each seed, and prints a table for each; whether all of them reconcile.
pub(crate) async fn prove(seeds: impl Iterator<Item = u64>, payments: u64) -> Result<bool, Box<dyn Failed>> {
    let mut summary = Table::new([
        "seed",
        "paid live",
        "by the other",
        "deferred",
        "by replay",
        "found charged",
        "expired",
        "dead",
        "crashes",
        "cents",
        "twice",
        "lost",
    ]);
    let mut all_good = true;
    for seed in seeds {
        let folder = tempfile::tempdir()?;
        let world = World::new(seed, payments)?;
        let row = world.play(&folder.path().join("payments.queue")).await?;
        println!("seed {seed}: {row}");
        all_good &= row.is_good();
        summary.row(row.cells(seed));
    }
    println!("\n{summary}");
    println!(
        "  {payments} payments in each run, through an outage of an hour. \"twice\" are charges beyond one for a payment, \"lost\" are\n  \
         payments that ended neither charged nor visibly dead or expired, and cents that the books and the providers count differently."
    );
    Ok(all_good)
}

impl World {
    fn new(seed: u64, payments: u64) -> Result<Self, Box<dyn Failed>> {
        let mut rng = Rng::seeded(seed);
        let (clock, hand) = Clock::manual();
        hand.advance(Duration::from_secs(1_000));
        let fuse = |name: &str| Fuse::builder(name).breaker(Config::default()).clock(clock.clone()).build();
        Ok(World {
            seed,
            payments,
            hand,
            time: StoreClock::manual(START),
            banks: [Bank::new("north", rng.fork()), Bank::new("south", rng.fork())],
            fuses: [fuse("north")?, fuse("south")?],
            dice: SharedRng::new(rng.fork()),
            books: Books::default(),
            crashes: 0,
        })
    }

    /// Seconds since the beginning.
    fn second(&self) -> u64 {
        self.time.now().since(START).as_secs()
    }

    fn pass(&self, span: Duration) {
        self.hand.advance(span);
        self.time.pass(span);
        let is_down = (OUTAGE_BEGINS..OUTAGE_ENDS).contains(&self.second());
        self.banks.iter().for_each(|bank| bank.turns(is_down));
    }

    fn open(&self, file: &Path) -> Result<Deferrer, Box<dyn Failed>> {
        let options = Options { clock: Some(self.time.clone()), ..Options::default() };
        Ok(Deferrer::new(Sqlite::open_with(file, options)?, &Needs::default())?)
    }

    fn replay(
        &self,
        deferrer: &Deferrer,
    ) -> Replay<impl QueueStore + use<>, Teller, impl fusebox::queue::Gate + use<>> {
        let teller = Teller { banks: self.banks.clone(), fuse: self.fuses[0].clone() };
        let plan = Plan { probes: true, backoff: Duration::from_secs(20), ..Plan::of("payments") };
        let rng = Rng::seeded(self.dice.up_to(u64::MAX - 1));
        Replay::new(
            deferrer.store().clone(),
            teller,
            gate(self.fuses[0].circuit()),
            plan,
            self.time.clone(),
            50.0,
            rng,
        )
    }

    /// Plays the day and what is left of it; answers what came of it.
    async fn play(mut self, file: &Path) -> Result<Row, Box<dyn Failed>> {
        let mut deferrer = self.open(file)?;
        let mut replay = self.replay(&deferrer);
        let mut next = 0;
        loop {
            // As many as have come by now, all at once: their writes share a sync.
            let due = (self.payments * self.second().min(DAY)) / DAY;
            let coming: Vec<_> = (next..due).map(|n| self.pay(&deferrer, n)).collect();
            for paid in futures_util::future::join_all(coming).await {
                self.books.told(paid);
            }
            next = due;
            // One turn in a hundred is the worker's last: it is dropped wherever it stands, and the file is opened anew.
            let crashes = self.dice.up_to(100) == 0;
            if self.turn(&replay, crashes).await?.is_none() {
                self.crashes += 1;
                drop((replay, deferrer));
                deferrer = self.open(file)?;
                replay = self.replay(&deferrer);
            }
            let waiting = deferrer.store().stats("payments").await?.live();
            if next == self.payments && waiting == 0 {
                break;
            }
            if self.second() > LONGEST {
                return Err(
                    format!("seed {}: {waiting} payments still wait after six hours", self.seed).into()
                );
            }
            self.pass(Duration::from_secs(1));
        }
        self.books.close(&deferrer).await?;
        let told = self.books.notices(&deferrer).await?;
        Ok(Row::of(&self, told))
    }

    /// One turn of the worker; `None` if it died in it.
    async fn turn(
        &self,
        replay: &Replay<impl QueueStore, Teller, impl fusebox::queue::Gate>,
        crashes: bool,
    ) -> Result<Option<()>, Box<dyn Failed>> {
        if !crashes {
            replay.turn().await?;
            return Ok(Some(()));
        }
        // It is polled so often, and then never again: a call that has charged may not have been told of.
        let (mut polls, mut turn) = (self.dice.up_to(40) + 1, pin!(replay.turn()));
        std::future::poll_fn(|cx| {
            if polls == 0 {
                return Poll::Ready(Ok(None));
            }
            polls -= 1;
            match turn.as_mut().poll(cx) {
                Poll::Ready(done) => Poll::Ready(done.map(|_| Some(())).map_err(Into::into)),
                Poll::Pending => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// A customer pays: the first provider, the second if the first has surely not charged, and else the queue.
    async fn pay(&self, deferrer: &Deferrer, number: u64) -> books::Paid {
        let (key, cents) = (format!("order-{number}"), 100 + self.dice.up_to(100_000));
        let [first, second] = &self.banks;
        // Who may have charged without saying so.
        let unsure = [Cell::new(false), Cell::new(false)];
        let charge = async |bank: &Bank, at: usize| {
            let charged = bank.charge(&key, cents).await;
            unsure[at].set(charged.as_ref().is_err_and(bank::Refusal::is_unsure));
            charged
        };
        let list = Fallbacks::new()
            .alternative(&self.fuses[1], async || match unsure[0].get() {
                true => Err(bank::Refusal::Unsure),
                false => charge(second, 1).await,
            })
            .queue(
                deferrer,
                |_| Some(self.item(&key, cents, [unsure[0].get(), unsure[1].get()])),
                |deferred| books::Answer::Deferred(deferred.id),
            );
        let answer = self.fuses[0].run_chain(async || charge(first, 0).await, list).await;
        let lost = |error: Error<bank::Refusal>| books::Answer::Refused(error.to_string());
        books::Paid { key, cents, answer: answer.map_or_else(lost, |answer| answer.value) }
    }

    fn item(&self, key: &str, cents: u64, unsure: [bool; 2]) -> NewItem {
        let events = Events::of([Event::Expired, Event::Dead]);
        let parcel = Parcel { cents, unsure };
        let impatient = self.dice.up_to(IMPATIENT) == 0;
        NewItem {
            needs_check: unsure.contains(&true),
            expires_in: Duration::from_secs(if impatient { 20 * 60 } else { 24 * 3_600 }),
            notices: Some(Notices { contact: format!("customer of {key}"), events, delayed_after: None }),
            ..NewItem::new("payments", key, parcel.encode())
        }
    }
}

/// What a run came to.
pub(crate) struct Row {
    live: usize,
    other: usize,
    deferred: usize,
    replayed: usize,
    found: usize,
    expired: usize,
    dead: usize,
    crashes: u64,
    cents: u64,
    twice: usize,
    lost: usize,
    /// Cents by which the books and the providers differ.
    differs: u64,
    refunds: usize,
}

impl Row {
    fn of(world: &World, refunds: usize) -> Row {
        let (books, [north, south]) = (&world.books, &world.banks);
        let charged = |key: &str| north.charges(key) + south.charges(key);
        let settled = books.settled();
        let taken = north.taken() + south.taken();
        let twice = settled.iter().map(|(key, _)| charged(key).saturating_sub(1)).sum();
        let unpaid = |(key, done): &&(String, bool)| (charged(key) == 1) != *done;
        Row {
            live: books.live(north.name()),
            other: books.live(south.name()),
            deferred: books.deferred(),
            replayed: books.replayed(),
            found: books.found(),
            expired: books.ended("expired"),
            dead: books.ended("dead"),
            crashes: world.crashes,
            cents: taken,
            twice,
            lost: settled.iter().filter(unpaid).count() + (world.payments as usize).abs_diff(settled.len()),
            differs: taken.abs_diff(books.owed()),
            refunds,
        }
    }

    /// Whether it reconciles: every payment is charged once, or is visibly dead or expired and its customer told.
    pub(crate) fn is_good(&self) -> bool {
        self.twice == 0 && self.lost == 0 && self.differs == 0 && self.refunds == self.expired + self.dead
    }

    fn cells(&self, seed: u64) -> [String; 12] {
        [
            seed,
            self.live as u64,
            self.other as u64,
            self.deferred as u64,
            self.replayed as u64,
            self.found as u64,
            self.expired as u64,
            self.dead as u64,
            self.crashes,
            self.cents,
            self.twice as u64,
            self.lost as u64 + self.differs,
        ]
        .map(|number| number.to_string())
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verdict = if self.is_good() { "reconciles to the cent" } else { "DOES NOT RECONCILE" };
        let told = self.refunds;
        write!(
            f,
            "{verdict}; {} charged, {told} customers told that they were not",
            self.live + self.other + self.replayed + self.found
        )
    }
}
