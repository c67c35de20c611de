//! Families as data: what each is called, what it reads from a snapshot, and how several snapshots become one value.

use super::{Kind, Tell};
use fusebox_core::registry::OTHER;
use std::collections::BTreeMap;

/// Label sets with series of their own; the rest is told under one name. Which ones these are does not change from scrape
/// to scrape: pipelines are given once.
const MOST: usize = 1_000;

/// A family of a policy whose snapshot is `S`.
pub(super) struct Family<S: 'static> {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
    pub(super) join: Join,
    pub(super) parts: Parts<S>,
}

/// The samples of a family for each label set.
pub(super) enum Parts<S: 'static> {
    /// One.
    One(fn(&S) -> f64),
    /// One for each value of a further label.
    By(&'static str, Values<S>),
}

/// A label's values, and what is read for each.
pub(super) type Values<S> = &'static [(&'static str, fn(&S) -> f64)];

/// How the values of several policies under one label set become one.
#[derive(Clone, Copy, Debug)]
pub(super) enum Join {
    Sum,
    Max,
    Min,
}

impl Join {
    fn of(self, values: impl Iterator<Item = f64>) -> f64 {
        let join = match self {
            Join::Sum => |a: f64, b: f64| a + b,
            Join::Max => f64::max,
            Join::Min => f64::min,
        };
        values.reduce(join).unwrap_or_default()
    }
}

pub(super) type Labels = Vec<(&'static str, String)>;

/// Snapshots of one kind of policy, by label set.
pub(super) struct Rows<S>(BTreeMap<Labels, Vec<S>>);

impl<S> Default for Rows<S> {
    fn default() -> Self {
        Rows(BTreeMap::new())
    }
}

impl<S> Rows<S> {
    /// Adds a snapshot under `labels`, or under the shared name once there are too many.
    pub(super) fn add(&mut self, mut labels: Labels, snapshot: S) {
        if self.0.len() >= MOST && !self.0.contains_key(&labels) {
            labels.iter_mut().for_each(|(_, value)| *value = OTHER.into());
        }
        self.0.entry(labels).or_default().push(snapshot);
    }

    /// Tells every family; none where no such policy stands in any pipeline.
    pub(super) fn tell(&self, out: &mut impl Tell, families: &[Family<S>]) {
        for family in families.iter().filter(|_| !self.0.is_empty()) {
            out.family(family.name, family.kind, family.help);
            for (labels, snapshots) in &self.0 {
                let joined = |value: fn(&S) -> f64| family.join.of(snapshots.iter().map(value));
                let mut labels: Vec<_> =
                    labels.iter().map(|(label, value)| (*label, value.as_str())).collect();
                match family.parts {
                    Parts::One(value) => out.sample(&labels, joined(value)),
                    Parts::By(label, parts) => {
                        for (part, value) in parts {
                            labels.push((label, part));
                            out.sample(&labels, joined(*value));
                            labels.pop();
                        }
                    }
                }
            }
        }
    }
}

/// A counter with one sample.
pub(super) const fn counter<S>(name: &'static str, help: &'static str, value: fn(&S) -> f64) -> Family<S> {
    Family { name, kind: Kind::Counter, help, join: Join::Sum, parts: Parts::One(value) }
}

/// A counter with a sample for each value of `label`.
pub(super) const fn counter_by<S>(
    name: &'static str,
    help: &'static str,
    label: &'static str,
    parts: Values<S>,
) -> Family<S> {
    Family { name, kind: Kind::Counter, help, join: Join::Sum, parts: Parts::By(label, parts) }
}

/// A gauge with one sample.
pub(super) const fn gauge<S>(
    name: &'static str,
    help: &'static str,
    join: Join,
    value: fn(&S) -> f64,
) -> Family<S> {
    Family { name, kind: Kind::Gauge, help, join, parts: Parts::One(value) }
}

/// A gauge with one value for each value of a further label.
pub(super) const fn gauge_by<S>(
    name: &'static str,
    help: &'static str,
    label: &'static str,
    values: Values<S>,
) -> Family<S> {
    Family { name, kind: Kind::Gauge, help, join: Join::Sum, parts: Parts::By(label, values) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Told(BTreeMap<String, f64>);

    impl Tell for Told {
        fn family(&mut self, _: &'static str, _: Kind, _: &'static str) {}

        fn sample(&mut self, labels: &[(&'static str, &str)], value: f64) {
            self.0.insert(labels[0].1.into(), value);
        }
    }

    #[test]
    fn label_sets_beyond_a_thousand_share_one_series_and_lose_no_count() {
        let mut rows = Rows::default();
        (0..1_100).for_each(|i| rows.add(vec![("service", format!("s{i:04}"))], 2.0));
        rows.add(vec![("service", "s0000".into())], 3.0);
        let mut told = Told::default();
        let value: fn(&f64) -> f64 = |value| *value;
        rows.tell(&mut told, &[counter("things_total", "Things.", value)]);
        assert_eq!(told.0.len(), 1_001);
        assert_eq!((told.0["s0000"], told.0["other"]), (5.0, 200.0));
    }

    #[test]
    fn of_several_policies_the_telling_value_is_kept() {
        let joined = [Join::Sum, Join::Max, Join::Min].map(|join| join.of([2.0, 5.0, 1.0].into_iter()));
        assert_eq!(joined, [8.0, 5.0, 1.0]);
    }
}
