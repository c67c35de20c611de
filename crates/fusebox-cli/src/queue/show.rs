//! Tables for people.

use crate::look;
use crate::table::table;
use fusebox::queue::report::{AuditReport, ItemReport, QueueReport};
use fusebox::queue::{Act, StoreClock, Timestamp};
use std::time::Duration;

fn now() -> Timestamp {
    StoreClock::real(Timestamp(0)).now()
}

/// How long ago, or how far ahead, in the largest unit that says enough.
fn span(span: Duration) -> String {
    match span.as_secs() {
        secs @ 0..60 => format!("{secs}s"),
        secs @ 60..3_600 => format!("{}m", secs / 60),
        secs @ 3_600..172_800 => format!("{}h{:02}m", secs / 3_600, secs / 60 % 60),
        secs => format!("{}d", secs / 86_400),
    }
}

fn ago(at: u64) -> String {
    span(now().since(Timestamp(at)))
}

fn until(at: u64) -> String {
    let left = Timestamp(at).since(now());
    if left.is_zero() { "now".into() } else { format!("in {}", span(left)) }
}

pub(super) fn queues(queues: &[QueueReport]) -> String {
    if queues.is_empty() {
        return "no call was ever deferred\n".into();
    }
    let row = |queue: &QueueReport| {
        let [low, normal, high, critical] = queue.depth;
        vec![
            queue.queue.clone(),
            queue.depth.iter().sum::<u64>().to_string(),
            format!("{critical}/{high}/{normal}/{low}"),
            queue.leased.to_string(),
            queue.needs_check.to_string(),
            queue.dead.iter().sum::<u64>().to_string(),
            queue.oldest_created_at.map_or_else(|| "-".into(), ago),
            queue.bytes.to_string(),
            if queue.paused { "PAUSED".into() } else { String::new() },
        ]
    };
    let head = ["QUEUE", "WAITING", "CRIT/HIGH/NORM/LOW", "LEASED", "CHECK", "DEAD", "OLDEST", "BYTES", ""];
    table(&head, &queues.iter().map(row).collect::<Vec<_>>())
}

pub(super) fn items(items: &[ItemReport], page: usize) -> String {
    if items.is_empty() {
        return "no such call\n".into();
    }
    let row = |item: &ItemReport| {
        vec![
            item.id.to_string(),
            item.queue.clone(),
            item.key.clone(),
            state(item),
            item.class.clone(),
            format!("{}/{}", item.attempts, item.max_attempts),
            ago(item.created_at),
            if item.state == "ready" { until(item.due_at) } else { "-".into() },
            item.reason.clone().unwrap_or_default(),
        ]
    };
    let head = ["ID", "QUEUE", "KEY", "STATE", "CLASS", "TRIES", "AGE", "NEXT", "WHY"];
    let mut text = table(&head, &items.iter().map(row).collect::<Vec<_>>());
    if items.len() == page {
        text += &look::QUIET.paint(format!("the first {page}; --limit shows more\n"));
    }
    text
}

fn state(item: &ItemReport) -> String {
    match &item.death {
        Some(death) => format!("dead: {death}"),
        None if item.needs_check && item.state == "ready" => "ready, check first".into(),
        None => item.state.clone(),
    }
}

pub(super) fn item(item: &ItemReport) -> String {
    let mut lines = vec![
        ("call", item.id.to_string()),
        ("queue", item.queue.clone()),
        ("key", item.key.clone()),
        ("state", state(item)),
        ("class", item.class.clone()),
        (
            "tries",
            format!(
                "{} of {}, {} of {} crashes",
                item.attempts, item.max_attempts, item.crashes, item.max_crashes
            ),
        ),
        ("came", format!("{} ago", ago(item.created_at))),
    ];
    if item.state == "ready" {
        lines.push(("next try", until(item.due_at)));
    }
    if item.ended_at.is_none() {
        lines.push(("expires", until(item.expires_at)));
    }
    let mut maybe = |name, text: Option<String>| lines.extend(text.map(|text| (name, text)));
    maybe("first try", item.first_attempt_at.map(|at| format!("{} ago", ago(at))));
    maybe("ended", item.ended_at.map(|at| format!("{} ago", ago(at))));
    maybe("why", item.reason.clone());
    maybe("contact", item.contact.clone().filter(|contact| !contact.is_empty()));
    maybe("payload", item.payload_bytes.map(|bytes| format!("{bytes} bytes")));
    maybe("result", item.result.as_ref().map(|result| result.chars().filter(|c| !c.is_control()).collect()));
    if item.state == "dead" {
        lines.push(("now", format!("`fusebox queue redrive {} --reason ...` has it made again", item.id)));
    }
    lines.iter().fold(String::new(), |text, (name, value)| text + &format!("{name:10}  {value}\n"))
}

pub(super) fn audit(rows: &[AuditReport]) -> String {
    if rows.is_empty() {
        return "no operator has done anything\n".into();
    }
    let row = |row: &AuditReport| {
        vec![
            format!("{} ago", ago(row.at)),
            row.actor.clone(),
            row.act.clone(),
            row.items.to_string(),
            row.filter.clone(),
            row.reason.clone(),
        ]
    };
    table(&["WHEN", "WHO", "DID", "CALLS", "TO", "WHY"], &rows.iter().map(row).collect::<Vec<_>>())
}

pub(super) fn moved(act: Act, moved: &[u64], untouched: &[u64], dry_run: bool) -> String {
    let name = act.as_str();
    let would = if dry_run { format!("would {name}") } else { format!("{name}:") };
    let ids = |ids: &[u64]| ids.iter().take(20).map(u64::to_string).collect::<Vec<_>>().join(", ");
    let more = if moved.len() > 20 { ", ..." } else { "" };
    let mut text = match moved {
        [] => format!("{would} no call\n"),
        _ => format!("{would} {} ({}{more})\n", look::count(moved.len(), "call"), ids(moved)),
    };
    if !untouched.is_empty() {
        text += &format!("left as they are: {}\n", ids(untouched));
    }
    text
}

/// Why an act leaves a call as it is.
pub(super) fn why_not(act: Act, item: &ItemReport) -> String {
    let needs = act.states().join(", ");
    let hint = match (act, &*item.state) {
        (Act::Retry, "ready") => "; it is due already".into(),
        (Act::Purge, "dead" | "expired" | "cancelled") => {
            "; it may have reached its dependency, and its key matters still".into()
        }
        _ => format!("; {} is for calls that are: {needs}", act.as_str()),
    };
    format!("call {} is {}{hint}", item.id, state(item))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        let spans = [5, 65, 3_700, 200_000].map(|secs| span(Duration::from_secs(secs)));
        assert_eq!(spans, ["5s", "1m", "1h01m", "2d"]);
    }
}
