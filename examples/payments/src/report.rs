//! What happened, as tables.

use crate::book::{Payment, Status};
use crate::provider::{Ledger, Operation, Provider};
use crate::script::Came;
use example_stage::table::Table;
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

/// What the providers did, and what is left to do.
pub(crate) fn ledgers(providers: &[Provider; 2], payments: &[Payment]) -> String {
    let mut table = Table::new(["provider", "authorise", "capture", "repeated", "held", "taken"]);
    let ledgers = providers.each_ref().map(Provider::ledger);
    for (provider, ledger) in providers.iter().zip(&ledgers) {
        let received = Operation::ALL.map(|operation| received(ledger, operation).to_string());
        let had = Operation::ALL.map(|operation| effects(ledger, operation).count().to_string());
        let row = [
            vec![provider.name().to_owned()],
            received.into(),
            vec![ledger.repeated.to_string()],
            had.into(),
        ];
        table.row(row.concat());
    }
    let taken = |payment: &&Payment| {
        let key = format!("{}/{}", payment.id, Operation::Capture.name());
        ledgers.iter().filter(|ledger| effects(ledger, Operation::Capture).any(|taken| *taken == key)).count()
            > 1
    };
    let left: usize = payments.iter().map(|payment| payment.to_void().count()).sum();
    format!(
        "{table}\n  payments taken twice: {}\n  holds to let go, where a provider was asked and never answered: {left}\n",
        payments.iter().filter(taken).count()
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
