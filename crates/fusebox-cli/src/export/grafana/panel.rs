//! One panel: what it shows, and how.

use serde_json::{Value, json};

/// The data source that the dashboard's variable names.
pub(super) fn datasource() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

/// A panel without its place.
pub(super) struct Panel {
    kind: &'static str,
    title: &'static str,
    description: &'static str,
    pub(super) width: u64,
    pub(super) height: u64,
    targets: Vec<Value>,
    defaults: Value,
    options: Value,
}

impl Panel {
    fn new(kind: &'static str, title: &'static str, description: &'static str) -> Panel {
        let (targets, defaults, options) = (Vec::new(), json!({}), json!({}));
        Panel { kind, title, description, width: 8, height: 8, targets, defaults, options }
    }

    /// Lines over time.
    pub(super) fn lines(title: &'static str, unit: &'static str, description: &'static str) -> Panel {
        let custom = json!({ "lineWidth": 1, "fillOpacity": 8, "showPoints": "never" });
        Panel {
            defaults: json!({ "unit": unit, "min": 0, "custom": custom }),
            options: json!({
                "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true },
                "tooltip": { "mode": "multi", "sort": "desc" },
            }),
            ..Panel::new("timeseries", title, description)
        }
    }

    /// One number; red from `bad` on.
    pub(super) fn number(title: &'static str, bad: f64, description: &'static str) -> Panel {
        let steps = json!([{ "color": "green", "value": null }, { "color": "red", "value": bad }]);
        Panel {
            width: 6,
            height: 4,
            defaults: json!({ "unit": "short", "decimals": 0, "thresholds": { "mode": "absolute", "steps": steps } }),
            options: json!({
                "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
                "colorMode": "background", "graphMode": "area", "textMode": "auto",
            }),
            ..Panel::new("stat", title, description)
        }
    }

    /// A bar for each series, as it is now.
    pub(super) fn bars(title: &'static str, unit: &'static str, description: &'static str) -> Panel {
        let steps = json!([{ "color": "orange", "value": null }]);
        Panel {
            defaults: json!({ "unit": unit, "thresholds": { "mode": "absolute", "steps": steps } }),
            options: json!({
                "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
                "displayMode": "basic", "orientation": "horizontal", "valueMode": "color",
            }),
            ..Panel::new("bargauge", title, description)
        }
    }

    /// A moment for each series, as it is now.
    pub(super) fn moments(title: &'static str, description: &'static str) -> Panel {
        Panel {
            defaults: json!({ "unit": "dateTimeFromNow" }),
            options: json!({
                "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
                "colorMode": "none", "graphMode": "none", "textMode": "value_and_name", "orientation": "horizontal",
            }),
            ..Panel::new("stat", title, description)
        }
    }

    /// The state of each circuit over time, a word and a colour for each.
    pub(super) fn states(title: &'static str, description: &'static str) -> Panel {
        let word =
            |text: &str, color: &str, index: u32| json!({ "text": text, "color": color, "index": index });
        let words = json!({
            "0": word("closed", "green", 0), "1": word("OPEN", "red", 1), "2": word("half-open", "yellow", 2),
        });
        Panel {
            width: 24,
            defaults: json!({ "mappings": [{ "type": "value", "options": words }], "custom": { "fillOpacity": 80 } }),
            options: json!({ "showValue": "auto", "mergeValues": true, "rowHeight": 0.8 }),
            ..Panel::new("state-timeline", title, description)
        }
    }

    /// Words.
    pub(super) fn words(title: &'static str, text: &str) -> Panel {
        let options = json!({ "mode": "markdown", "content": text });
        Panel { options, ..Panel::new("text", title, "") }
    }

    /// With the result of `expr`, its series named by `legend`.
    pub(super) fn with(mut self, expr: impl Into<String>, legend: impl Into<String>) -> Panel {
        let at = u8::try_from(self.targets.len() % 26).unwrap_or(0);
        let again = "A".repeat(self.targets.len() / 26);
        let name = format!("{again}{}", char::from(b'A' + at));
        let (expr, legend) = (expr.into(), legend.into());
        let instant = matches!(self.kind, "bargauge");
        self.targets.push(json!({
            "refId": name, "datasource": datasource(), "expr": expr, "legendFormat": legend,
            "instant": instant, "range": !instant, "editorMode": "code",
        }));
        self
    }

    /// So wide, of 24.
    pub(super) fn wide(mut self, width: u64) -> Panel {
        self.width = width;
        self
    }

    /// The panel in Grafana's words.
    pub(super) fn json(self, id: usize, place: Value) -> Value {
        json!({
            "id": id, "type": self.kind, "title": self.title, "description": self.description,
            "gridPos": place, "datasource": datasource(), "targets": self.targets,
            "fieldConfig": { "defaults": self.defaults, "overrides": [] }, "options": self.options,
        })
    }
}
