// Why a circuit is as it is: the sentence, the numbers of its last trip, and its totals.

import { h } from "./dom.js";
import { clock, count, plural, share, span } from "./format.js";

export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(Boolean).map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))));
}

export function renderCause(circuit) {
  const { reason, hold, last_trip: trip, totals } = circuit;
  return [
    h("p", { class: "cause" }, reason ?? (trip ? "Closed. The last trip was:" : "Closed; it has not tripped since it was made.")),
    hold && h("p", null, `Until ${clock(hold.expires_at)}, or until it is released.`),
    trip && reason !== trip.text && h("p", null, trip.text),
    trip && facts([
      ["opened", `${clock(trip.at)}, ${span(trip.seconds_ago)} ago`],
      ["rule", trip.rule.replaceAll("_", " ")],
      trip.measured !== null ? ["measured", `${share(trip.measured)} of ${plural(trip.calls, "call")}`] : ["counted", `${count(trip.counted)} of ${plural(trip.calls, "call")}`],
      ["threshold", trip.rate !== null ? share(trip.rate) : count(trip.threshold)],
      trip.hung > 0 && ["of these hanging", count(trip.hung)],
      ["window", trip.window.seconds !== null ? span(trip.window.seconds) : plural(trip.window.calls, "call")],
      ["last failures", trip.last_failures.join(", ") || "–"],
      ["trips in a row", count(circuit.streak)],
    ]),
    facts([
      ["not closed for", circuit.not_closed_seconds > 0 ? span(circuit.not_closed_seconds) : "–"],
      ["succeeded", count(totals.success)],
      ["failed", count(totals.failure)],
      ["slow", count(totals.slow)],
      ["rejected", count(totals.rejected)],
      ["trips", count(totals.trips)],
      totals.would_reject > 0 && ["would be rejected", count(totals.would_reject)],
      totals.internal_faults > 0 && ["faults of fusebox", count(totals.internal_faults)],
    ]),
  ];
}
