//! `fusebox queue`: the deferred calls, in a file or behind a proxy's admin interface.

mod desk;
mod show;

use crate::args::queue::{Orders, Queue, QueueCommand, Which, Whole};
use crate::failure::Failure;
use crate::output::Output;
use desk::Desk;
use fusebox::queue::Act;
use fusebox::queue::report::{FilterReport, OrderReport};
use serde::Serialize;

/// Items that are read at a time.
const PAGE: usize = 1_000;

/// Does what was asked.
pub(crate) fn run(queue: &Queue, output: Output) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Run(format!("cannot start: {error}")))?;
    runtime.block_on(obey(queue, output))
}

async fn obey(queue: &Queue, output: Output) -> Result<(), Failure> {
    let changes = queue.command.changes();
    let desk = Desk::open(&queue.at, changes, output).await?;
    let json = queue.json;
    match &queue.command {
        QueueCommand::Stats => {
            let queues = desk.queues().await?;
            print(output, json, &queues, || show::queues(&queues))
        }
        QueueCommand::List { filter } => {
            let filter = checked(filter)?;
            let items = desk.items(&filter).await?;
            print(output, json, &items, || show::items(&items, filter.page()))
        }
        QueueCommand::Show { id } => {
            let item = desk.item(*id).await?;
            print(output, json, &item, || show::item(&item))
        }
        QueueCommand::Audit => {
            let rows = desk.audit().await?;
            print(output, json, &rows, || show::audit(&rows))
        }
        QueueCommand::Export { filter, payloads } => export(&desk, filter, *payloads, output).await,
        QueueCommand::Retry(orders) => order(&desk, Act::Retry, orders, (output, json)).await,
        QueueCommand::Redrive(orders) => order(&desk, Act::Redrive, orders, (output, json)).await,
        QueueCommand::Bury(orders) => order(&desk, Act::Bury, orders, (output, json)).await,
        QueueCommand::Cancel(orders) => order(&desk, Act::Cancel, orders, (output, json)).await,
        QueueCommand::Purge(orders) => order(&desk, Act::Purge, orders, (output, json)).await,
        QueueCommand::Pause(whole) => whole_queue(&desk, Act::Pause, whole, (output, json)).await,
        QueueCommand::Resume(whole) => whole_queue(&desk, Act::Resume, whole, (output, json)).await,
    }
}

impl QueueCommand {
    /// Whether it changes anything.
    fn changes(&self) -> bool {
        match self {
            QueueCommand::Stats
            | QueueCommand::List { .. }
            | QueueCommand::Show { .. }
            | QueueCommand::Audit
            | QueueCommand::Export { .. } => false,
            QueueCommand::Retry(orders)
            | QueueCommand::Redrive(orders)
            | QueueCommand::Bury(orders)
            | QueueCommand::Cancel(orders)
            | QueueCommand::Purge(orders) => !orders.dry_run,
            QueueCommand::Pause(_) | QueueCommand::Resume(_) => true,
        }
    }
}

fn print<T: Serialize>(
    output: Output,
    json: bool,
    value: &T,
    table: impl FnOnce() -> String,
) -> Result<(), Failure> {
    let text =
        if json { format!("{}\n", serde_json::to_string_pretty(value).unwrap_or_default()) } else { table() };
    if output.write(&text) { Ok(()) } else { Err(Failure::Unheard) }
}

/// What the options choose, if every word of it is known.
fn checked(which: &Which) -> Result<FilterReport, Failure> {
    let Which { queue, state, class, death, key, limit } = which.clone();
    let filter = FilterReport { queue, state, class, death, key, limit, ..FilterReport::default() };
    filter.check().map_err(|why| Failure::Usage(format!("--{why}")))?;
    Ok(filter)
}

async fn export(desk: &Desk, which: &Which, payloads: bool, output: Output) -> Result<(), Failure> {
    let mut filter = checked(which)?;
    let mut left = filter.limit.unwrap_or(usize::MAX);
    while left > 0 {
        filter.limit = Some(left.min(PAGE));
        let items = desk.items(&filter).await?;
        let Some(last) = items.last().map(|item| item.id) else { break };
        left -= items.len();
        for item in &items {
            let line = desk.line(item, payloads).await?;
            if !output.say(line) {
                return Err(Failure::Unheard);
            }
        }
        filter.after = Some(last);
    }
    Ok(())
}

async fn order(
    desk: &Desk,
    act: Act,
    orders: &Orders,
    (output, json): (Output, bool),
) -> Result<(), Failure> {
    let filter = checked(&orders.filter)?;
    if orders.ids.is_empty() && !orders.all && filter.is_empty() {
        let name = act.as_str();
        let how = format!(
            "choose calls by number, by --queue, --state, --class, --death or --key, or say --all: fusebox queue {name} 17"
        );
        return Err(Failure::Usage(format!("which calls to {name}? {how}")));
    }
    let filters: Vec<_> = match orders.ids.as_slice() {
        [] => vec![filter],
        ids => ids.iter().map(|id| FilterReport { id: Some(*id), ..FilterReport::default() }).collect(),
    };
    let mut moved = Vec::new();
    for filter in filters {
        let order = OrderReport {
            act: act.as_str().into(),
            filter,
            dry_run: orders.dry_run,
            actor: orders.why.actor(),
            reason: orders.why.reason.clone(),
        };
        moved.extend(desk.order(&order).await?.items);
    }
    let untouched: Vec<_> = orders.ids.iter().filter(|id| !moved.contains(id)).copied().collect();
    print(output, json, &moved, || show::moved(act, &moved, &untouched, orders.dry_run))?;
    match untouched.first() {
        Some(id) => Err(Failure::Run(show::why_not(act, &desk.item(*id).await?))),
        None => Ok(()),
    }
}

async fn whole_queue(
    desk: &Desk,
    act: Act,
    whole: &Whole,
    (output, json): (Output, bool),
) -> Result<(), Failure> {
    let known = desk.queues().await?;
    if !known.iter().any(|queue| queue.queue == whole.queue) {
        let names: Vec<_> = known.iter().map(|queue| queue.queue.as_str()).collect();
        return Err(Failure::Usage(format!(
            "there is no queue {:?}; there are: {}",
            whole.queue,
            names.join(", ")
        )));
    }
    let order = OrderReport {
        act: act.as_str().into(),
        filter: FilterReport { queue: Some(whole.queue.clone()), ..FilterReport::default() },
        dry_run: false,
        actor: whole.why.actor(),
        reason: whole.why.reason.clone(),
    };
    let carried = desk.order(&order).await?;
    let done = if act == Act::Pause { "paused" } else { "resumed" };
    print(output, json, &carried, || format!("{done} {}\n", whole.queue))
}
