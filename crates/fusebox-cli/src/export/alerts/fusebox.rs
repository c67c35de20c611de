//! Alerts on fusebox itself.

use super::{Alert, Group, minutes};

/// The rules that hold whatever is configured.
pub(super) fn group() -> Group {
    let absent = Alert {
        name: "FuseboxAbsent",
        expr: "absent(fusebox_build_info)".into(),
        lasts: Some(minutes(2)),
        severity: "critical",
        service: None,
        summary: "No fusebox is scraped".into(),
        description: "No process has shown fusebox_build_info for 2m: every other alert on fusebox is blind."
            .into(),
    };
    let capped = Alert {
        name: "FuseboxMetricsCapped",
        expr: "fusebox_metrics_capped > 0".into(),
        lasts: Some(minutes(5)),
        severity: "warning",
        service: None,
        summary: "{{ $value }} circuits have no series of their own".into(),
        description: "The first circuits have series of their own, 1,000 unless told otherwise; the rest is told under circuit_name=\"other\", \
                      the worst one for all."
            .into(),
    };
    Group { name: "fusebox".into(), circuits: None, alerts: vec![absent, capped] }
}
