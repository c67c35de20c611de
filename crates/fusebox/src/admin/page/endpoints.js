// The circuits of one service beside each other, with what the balancer knows of their endpoints.

import { h, table } from "./dom.js";
import { count, rate, share, took } from "./format.js";
import { circuitHash } from "./route.js";
import { shape, stateWord } from "./shape.js";

export function renderEndpoints({ name, circuits, pipelines }) {
  const known = new Map(pipelines.flatMap((pipeline) => pipeline.stages)
    .flatMap((stage) => stage.policy?.endpoints ?? []).map((endpoint) => [endpoint.name, endpoint]));
  const hasBalancer = known.size > 0;
  const heads = ["endpoint", "state", "rejected/s", "calls/s", "failures", ...(hasBalancer ? ["health", "in flight", "latency", "region"] : [])];
  const rows = circuits.map((row) => {
    const tail = row.name.startsWith(`${row.service}/`) ? row.name.slice(row.service.length + 1) : row.name;
    const endpoint = known.get(tail) ?? known.get(row.name);
    return [
      row.name === name ? h("b", { "aria-current": "true" }, tail) : h("a", { href: circuitHash(row.name) }, tail),
      h("span", { class: "in-state", "data-state": row.state }, shape(row.state, row.held), " ", stateWord(row)),
      rate(row.rejected_per_second), rate(row.calls_per_second), row.window_calls > 0 ? share(row.failure_rate) : "–",
      ...(hasBalancer ? beside(endpoint) : []),
    ];
  });
  return [table("Circuits of this service", heads, rows)];
}

function beside(endpoint) {
  if (!endpoint) return ["–", "–", "–", "–"];
  const health = endpoint.ejected_until !== null ? "ejected" : endpoint.healthy ? "well" : "ill";
  const ramp = endpoint.ramp < 1 ? `, ${share(endpoint.ramp)} of its share` : "";
  const place = [endpoint.region, endpoint.zone].filter(Boolean).join(" ") || "–";
  return [health + ramp, count(endpoint.in_flight), took(endpoint.latency_nanos / 1e9), place];
}
