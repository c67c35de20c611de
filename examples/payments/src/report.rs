//! What happened, as tables.

use crate::book::{Payment, Status};
use crate::calls::key;
use crate::later::Came as Decided;
use crate::provider::{Ledger, Operation, Provider};
use crate::script::Came;
use example_stage::table::Table;
use fusebox::queue::View;
use hyper::StatusCode;

/// A row for each scene.
pub(crate) struct Scenes {
    table: Table,
    before: [u64; 2],
}

impl Scenes {
    /// Before the first scene.
    pub(crate) fn new() -> Self {
        let head = [
            "scene",
            "north",
            "south",
            "declined",
            "later",
            "slowest",
            "captured",
            "later",
            "asked north",
            "asked south",
        ];
        Scenes { table: Table::new(head), before: [0; 2] }
    }

    /// A scene is over.
    pub(crate) fn add(&mut self, name: &str, came: &Came, providers: &[Provider; 2]) {
        let asked = providers.each_ref().map(|provider| received(&provider.ledger(), Operation::Authorise));
        let slowest = came.paid.iter().map(|told| told.took).max().unwrap_or_default();
        let by = |provider: &Provider| came.paid(Status::Authorised, Some(provider.name())).to_string();
        self.table.row([
            name.to_owned(),
            by(&providers[0]),
            by(&providers[1]),
            came.paid(Status::Declined, None).to_string(),
            came.paid(Status::WillBeProcessed, None).to_string(),
            format!("{} ms", slowest.as_millis()),
            came.captured(Status::Captured).to_string(),
            came.captured(Status::WillBeProcessed).to_string(),
            (asked[0] - self.before[0]).to_string(),
            (asked[1] - self.before[1]).to_string(),
        ]);
        self.before = asked;
    }

    /// What the columns mean, and the rows.
    pub(crate) fn told(&self) -> String {
        format!(
            "New payments: authorised by north or south, declined, or 202 \"will be processed\". Captures of earlier ones:\n\
             captured, or 202. Then how often each provider was asked to authorise.\n\n{}",
            self.table
        )
    }
}

/// What became of what was deferred.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Later {
    deferred: usize,
    sent: usize,
    found: usize,
    given_up: usize,
    /// What is neither yet.
    pub(crate) waiting: usize,
}

impl Later {
    /// What became of these items of the queue.
    fn of<'a>(items: impl Iterator<Item = &'a View>) -> Later {
        let mut later = Later::default();
        for View { record, .. } in items {
            later.deferred += 1;
            let came =
                record.result.as_ref().and_then(|result| serde_json::from_slice::<Decided>(result).ok());
            let count = match (record.state.is_live(), came) {
                (true, _) => &mut later.waiting,
                (false, Some(Decided { found: true, .. })) => &mut later.found,
                (false, Some(Decided { found: false, .. })) => &mut later.sent,
                (false, None) => &mut later.given_up,
            };
            *count += 1;
        }
        later
    }
}

/// A row for each operation, of all that was deferred.
pub(crate) fn deferred(items: &[View]) -> String {
    let mut table = Table::new(["later", "deferred", "processed later", "found done", "given up", "waiting"]);
    let named = [Operation::Authorise, Operation::Capture].map(Operation::name);
    for name in named {
        let Later { deferred, sent, found, given_up, waiting } =
            Later::of(items.iter().filter(|view| view.key.ends_with(name)));
        let counts = [deferred, sent, found, given_up, waiting].map(|count| count.to_string());
        table.row([vec![name.to_owned()], counts.into()].concat());
    }
    table.to_string()
}

/// What the providers did, and what is left to do.
pub(crate) fn ledgers(providers: &[Provider; 2], payments: &[Payment]) -> String {
    let mut table = Table::new([
        "provider",
        "authorise",
        "capture",
        "void",
        "told",
        "repeated",
        "held",
        "taken",
        "let go",
    ]);
    let ledgers = providers.each_ref().map(Provider::ledger);
    for (provider, ledger) in providers.iter().zip(&ledgers) {
        let received = Operation::ALL.map(|operation| received(ledger, operation).to_string());
        let had = Operation::ALL.map(|operation| effects(ledger, operation).count().to_string());
        let row = [
            vec![provider.name().to_owned()],
            received.into(),
            vec![ledger.told.to_string(), ledger.repeated.to_string()],
            had.into(),
        ];
        table.row(row.concat());
    }
    let (mut twice, mut to_let_go) = (0, 0);
    for payment in payments {
        let has = |ledger: &Ledger, operation| {
            let key = key(&payment.id, operation);
            effects(ledger, operation).any(|had| *had == key)
        };
        let taken = ledgers.iter().filter(|ledger| has(ledger, Operation::Capture)).count();
        twice += usize::from(taken > 1);
        let is_unwanted = |(provider, ledger): &(&Provider, &Ledger)| {
            payment.provider.as_deref() != Some(provider.name())
                && has(ledger, Operation::Authorise)
                && !has(ledger, Operation::Void)
        };
        to_let_go += providers.iter().zip(&ledgers).filter(is_unwanted).count();
    }
    let early = payments.iter().filter(|payment| payment.fulfilled && payment.status != Status::Captured);
    format!(
        "{table}\n  payments captured twice: {twice}\n  holds to let go: {to_let_go}\n  \
         orders of trusted customers that went out before the money was there: {}\n",
        early.count()
    )
}

fn received(ledger: &Ledger, operation: Operation) -> u64 {
    ledger.received.get(&operation).copied().unwrap_or(0)
}

/// The keys under which an operation has had its effect.
fn effects(ledger: &Ledger, operation: Operation) -> impl Iterator<Item = &String> {
    let of = move |key: &str| key.ends_with(operation.name());
    ledger
        .effects
        .iter()
        .filter(move |(key, (status, _))| of(key) && *status == StatusCode::OK)
        .map(|(key, _)| key)
}
