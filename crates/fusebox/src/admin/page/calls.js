// The latest failing calls: their kinds as bars, then one by one. No bodies, no queries.

import { h, table } from "./dom.js";
import { clock, count, took } from "./format.js";

export function renderCalls({ kinds, calls }) {
  if (calls.length === 0 && kinds.length === 0) return [];
  const rows = calls.map((call) => [clock(call.at), call.kind, took(call.duration_seconds), call.what ?? "–", call.endpoint ?? "–", call.trace_id ?? "–"]);
  return [
    kinds.length > 0 && barsOf(kinds),
    rows.length > 0 && table("Latest failing calls", ["when", "kind", "took", "call", "endpoint", "trace"], rows),
  ];
}

function barsOf(kinds) {
  const most = Math.max(1, ...kinds.map((kind) => kind.count));
  return h("ul", { class: "kinds" }, kinds.map((kind) => {
    const bar = h("span", { class: "kind-bar" });
    bar.style.width = `${(kind.count / most) * 100}%`;
    return h("li", null, h("span", { class: "kind" }, kind.kind), h("b", null, count(kind.count)), h("span", { class: "kind-track", "aria-hidden": "true" }, bar));
  }));
}
