//! What happened, as a table.

use crate::region::Region;
use crate::script::Noticed;
use example_stage::table::Table;

/// A row for each scene.
pub(crate) struct Scenes {
    table: Table,
    before: Vec<u64>,
}

impl Scenes {
    /// Before the first scene.
    pub(crate) fn new(regions: &[Region]) -> Self {
        let mut head = vec!["scene"];
        head.extend(regions.iter().map(Region::name));
        head.extend(["by fallback", "cached", "default", "failed", "slowest", "asked ours", "next", "last"]);
        Scenes { table: Table::new(head), before: vec![0; regions.len()] }
    }

    /// A scene is over.
    pub(crate) fn add(&mut self, name: &str, noticed: &[Noticed], regions: &[Region]) {
        let count =
            |fits: &dyn Fn(&Noticed) -> bool| noticed.iter().filter(|call| fits(call)).count().to_string();
        let is =
            |call: &Noticed, sources: &[&str]| call.source.as_deref().is_some_and(|s| sources.contains(&s));
        let mut row = vec![name.to_owned()];
        for region in regions {
            let fresh = |call: &Noticed| is(call, &["live", "other_region"]);
            row.push(count(&|call| fresh(call) && call.region.as_deref() == Some(region.name())));
        }
        row.push(count(&|call| is(call, &["other_region"])));
        row.push(count(&|call| is(call, &["cached", "stale"])));
        row.push(count(&|call| is(call, &["default"])));
        row.push(count(&|call| call.source.is_none()));
        let slowest = noticed.iter().map(|call| call.took).max().unwrap_or_default();
        row.push(format!("{} ms", slowest.as_millis()));
        for (region, before) in regions.iter().zip(&mut self.before) {
            row.push((region.asked() - *before).to_string());
            *before = region.asked();
        }
        self.table.row(row);
    }

    /// What the columns mean, and the rows.
    pub(crate) fn told(&self) -> String {
        format!(
            "Calls answered by each region, and how many of those as a fallback; by the cache; by the default; by nobody.\n\
             Then the slowest answer, and how often each region was asked.\n\n{}",
            self.table
        )
    }
}
