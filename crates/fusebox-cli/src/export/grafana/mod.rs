//! `fusebox export grafana`: a dashboard, with rows for what the configuration has.

mod panel;
mod rows;

use fusebox_proxy::config::{FallbackItem, Plan, Policies};
use panel::{Panel, datasource};
use serde_json::{Value, json};

/// Panels that belong together, under one heading.
pub(super) struct Row {
    title: &'static str,
    panels: Vec<Panel>,
}

/// Which policies there are, and so which metrics.
#[derive(Debug, Default)]
pub(super) struct Has {
    pub(super) retry_budget: bool,
    pub(super) hedge: bool,
    pub(super) bulkhead: bool,
    pub(super) limiter: bool,
    pub(super) throttle: bool,
    pub(super) fallback: bool,
    pub(super) cached: bool,
    pub(super) queue: bool,
    pub(super) balancer: bool,
    pub(super) connections: bool,
    pub(super) scopes: bool,
}

impl Has {
    fn everything() -> Has {
        Has {
            retry_budget: true,
            hedge: true,
            bulkhead: true,
            limiter: true,
            throttle: true,
            fallback: true,
            cached: true,
            queue: true,
            balancer: true,
            connections: true,
            scopes: true,
        }
    }

    fn of(plan: &Plan) -> Has {
        let all: Vec<(usize, &Policies)> = plan
            .services
            .iter()
            .flat_map(|service| service.routes.iter().map(|route| (service.endpoints.len(), &route.policies)))
            .collect();
        let some = |is: fn(&Policies) -> bool| all.iter().any(|(_, policies)| is(policies));
        Has {
            retry_budget: some(|p| p.retry.as_ref().is_some_and(|retry| retry.config().budget.is_some())),
            hedge: some(|p| p.hedge.is_some()),
            bulkhead: some(|p| p.bulkhead.is_some()),
            limiter: some(|p| p.rate_limiter.is_some()),
            throttle: some(|p| p.throttle.is_some()),
            fallback: some(|p| p.fallback.is_some()),
            cached: some(keeps),
            queue: plan.queue.is_some(),
            balancer: all.iter().any(|(endpoints, p)| *endpoints > 1 || p.health.is_some()),
            connections: some(|p| p.max_connections.is_some()),
            scopes: some(|p| p.scopes.is_some()),
        }
    }
}

fn keeps(policies: &Policies) -> bool {
    let items = policies.fallback.iter().flat_map(|fallback| &fallback.list);
    items.into_iter().any(|item| matches!(item, FallbackItem::Cached { .. }))
}

/// The dashboard for `plan`; `anything` if it stands for any.
pub(crate) fn dashboard(plan: &Plan, anything: bool) -> String {
    let has = if anything { Has::everything() } else { Has::of(plan) };
    let thresholds = super::circuits::Circuits::of(plan);
    let rows = rows::all(&has, &thresholds);
    let dashboard = json!({
        "uid": "fusebox",
        "title": "fusebox",
        "description": "Circuits and what stands around them. Written by `fusebox export grafana`.",
        "tags": ["fusebox"],
        "schemaVersion": 41,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": { "from": "now-1h", "to": "now" },
        "timezone": "browser",
        "templating": { "list": variables() },
        "annotations": { "list": [trips()] },
        "panels": placed(rows),
    });
    format!("{dashboard:#}\n")
}

fn variables() -> Value {
    let choice = |name: &str, label: &str, query: &str| {
        json!({
            "name": name, "label": label, "type": "query", "datasource": datasource(),
            "query": { "query": query, "refId": name }, "definition": query,
            "refresh": 2, "sort": 1, "multi": true, "includeAll": true,
            "current": { "text": ["All"], "value": ["$__all"] },
        })
    };
    json!([
        { "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {} },
        choice("service", "Service", "label_values(circuit_breaker_state, service)"),
        choice("circuit", "Circuit", "label_values(circuit_breaker_state{service=~\"$service\"}, circuit_name)"),
    ])
}

/// Trips as marks on every graph.
fn trips() -> Value {
    let changes = "circuit_breaker_state_changes_total{circuit_name=~\"$circuit\",from_state=\"closed\",to_state=\"open\"}";
    json!({
        "name": "Trips", "datasource": datasource(), "enable": true, "iconColor": "red",
        "expr": format!("sum by (circuit_name) (increase({changes}[$__rate_interval])) > 0"),
        "titleFormat": "{{circuit_name}} opened",
    })
}

/// The panels with their places: rows from top to bottom, panels from left to right.
fn placed(rows: Vec<Row>) -> Vec<Value> {
    const WIDTH: u64 = 24;
    let (mut all, mut y) = (Vec::new(), 0);
    for row in rows {
        let id = all.len() + 1;
        let place = json!({ "x": 0, "y": y, "w": WIDTH, "h": 1 });
        all.push(json!({ "id": id, "type": "row", "title": row.title, "collapsed": false, "gridPos": place, "panels": [] }));
        y += 1;
        let (mut x, mut height) = (0, 0);
        for panel in row.panels {
            if x + panel.width > WIDTH {
                (x, y, height) = (0, y + height, 0);
            }
            let place = json!({ "x": x, "y": y, "w": panel.width, "h": panel.height });
            (x, height) = (x + panel.width, height.max(panel.height));
            all.push(panel.json(all.len() + 1, place));
        }
        y += height;
    }
    all
}
