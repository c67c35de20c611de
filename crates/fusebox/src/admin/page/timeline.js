// What a circuit has been through: a day and the last hour as strips, and every change in a table.

import { h, svg, table } from "./dom.js";
import { clock, span, words } from "./format.js";

const WIDTH = 1000;
const HEIGHT = 16;
const DAY = 24 * 3600;
const HOUR = 3600;

export function renderHistory({ generated_at, events, lost }) {
  if (events.length === 0) return [];
  const now = Date.parse(generated_at) / 1000;
  return [
    strip("Last 24 hours", events, now, DAY),
    strip("Last hour", events, now, HOUR),
    table("Transitions of the last 24 hours", ["when", "change", "lasted", "why, and who"], events.map((event, index) => [
      clock(event.at), change(event), index === 0 ? "until now" : span((Date.parse(events[index - 1].at) - Date.parse(event.at)) / 1000), why(event),
    ])),
    lost > 0 && h("p", { class: "small" }, `${lost} older changes are no longer kept.`),
  ];
}

export function change(event) {
  if (event.kind === "transition") {
    return h("span", { class: "change", "data-state": event.to }, `${words(event.from)} → `, h("b", null, words(event.to)), event.shadow ? " (shadow)" : "");
  }
  return h("span", { class: "change" }, h("b", null, event.kind === "held" ? words(event.mode) : words(event.kind)));
}

export function why(event) {
  // The event tells the hold that is over, and not who ended it.
  if (event.kind === "released") return `the hold of ${event.actor}: ${event.reason}`;
  const who = event.actor ? `${event.actor}${event.reason ? `: ${event.reason}` : ""}` : event.reason;
  const until = event.expires_at ? `until ${clock(event.expires_at)}` : "";
  return [event.cause, who, until].filter(Boolean).join("; ") || "–";
}

// Stretches of time in one state, as rectangles; closed is the ground.
function strip(title, events, now, reach) {
  const from = now - reach;
  const moves = events.filter((event) => event.kind === "transition" && !event.shadow);
  const bars = moves.map((event, index) => {
    const start = Math.max(from, Date.parse(event.at) / 1000);
    const end = index === 0 ? now : Date.parse(moves[index - 1].at) / 1000;
    if (end <= from || event.to === "closed") return null;
    const x = ((start - from) / reach) * WIDTH;
    const width = Math.max(2, ((end - start) / reach) * WIDTH);
    return svg("rect", { class: "stay", "data-state": event.to, x: x.toFixed(1), y: event.to === "open" ? 0 : HEIGHT / 2, width: width.toFixed(1), height: event.to === "open" ? HEIGHT : HEIGHT / 2 });
  });
  const drawn = svg("svg", { class: "strip", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": `${title}: ${told(moves, from)}` },
    svg("rect", { class: "ground", width: WIDTH, height: HEIGHT }), bars);
  const ends = h("span", { class: "ends", "aria-hidden": "true" }, h("span", null, clock(from * 1000)), h("span", null, title.toLowerCase()), h("span", null, "now"));
  return h("div", { class: "strip-box" }, drawn, ends);
}

function told(moves, from) {
  const opened = moves.filter((event) => event.to === "open" && Date.parse(event.at) / 1000 >= from).length;
  return opened === 0 ? "did not open" : `opened ${opened} ${opened === 1 ? "time" : "times"}`;
}
