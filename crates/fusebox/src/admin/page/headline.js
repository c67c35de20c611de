// The sentence that is read first: how many circuits are open, how many calls are rejected, since when.

import { byId, h, setText, whenChanged } from "./dom.js";
import { clock, count, plural, rate, span } from "./format.js";
import { shape } from "./shape.js";

// Red octagon on the tab, too: a pinned tab tells it without being looked at.
const ICONS = {
  open: "<path fill='%23c62828' d='M10 2h12l8 8v12l-8 8H10l-8-8V10z'/>",
  half_open: "<path fill='%23e09f00' d='M16 1 31 16 16 31 1 16z'/>",
  closed: "<circle cx='16' cy='16' r='11' fill='none' stroke='%2300816a' stroke-width='6'/>",
  lost: "<circle cx='16' cy='16' r='11' fill='none' stroke='%23808080' stroke-width='6' stroke-dasharray='6 6'/>",
};

export function worstState(summary) {
  return summary.open > 0 ? "open" : summary.half_open > 0 ? "half_open" : "closed";
}

const showHeadline = whenChanged(([summary, isUp]) => {
  const worst = worstState(summary);
  byId("headline-shape").replaceChildren(shape(worst, summary.open + summary.half_open === 0 && summary.held > 0));
  byId("headline").replaceChildren(...sentence(summary, worst));
  document.body.dataset.worst = worst;
  const drawn = ICONS[isUp ? worst : "lost"];
  byId("icon").href = `data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'>${drawn}</svg>`;
  document.title = `${isUp ? title(summary) : "DISCONNECTED"} · fusebox`;
});

function title(summary) {
  if (summary.open > 0) return `${summary.open} OPEN`;
  return summary.half_open > 0 ? `${summary.half_open} half-open` : "all closed";
}

function sentence(summary, worst) {
  if (summary.circuits === 0) return ["No circuits yet"];
  const rejected = summary.rejected_per_second > 0
    ? [h("b", { class: "rejects" }, `${rate(summary.rejected_per_second)} calls/s rejected`)]
    : ["no call rejected"];
  if (worst === "closed") return [`All ${plural(summary.circuits, "circuit")} closed; `, ...rejected];
  const parts = [];
  if (summary.open > 0) parts.push(h("b", { class: "opens" }, `${count(summary.open)} of ${plural(summary.circuits, "circuit")} OPEN`));
  if (summary.half_open > 0) {
    const of = summary.open > 0 ? "" : ` of ${plural(summary.circuits, "circuit")}`;
    if (parts.length > 0) parts.push(", ");
    parts.push(h("b", { class: "halves" }, `${count(summary.half_open)}${of} HALF-OPEN`));
  }
  const since = summary.failing_since ? [`; since ${clock(summary.failing_since)}`] : [];
  return [...parts, "; ", ...rejected, ...since];
}

// What stands below it in small: how long that is, the traffic, what waits.
export function paintHeadline(store, link, now) {
  const { summary, queue } = store;
  if (!summary) return;
  const { open, half_open, held, circuits, rejected_per_second, failing_since } = summary;
  showHeadline([{ open, half_open, held, circuits, rejected_per_second, failing_since }, link === "live" || link === "late"]);
  const facts = [];
  if (summary.failingFor !== null) facts.push(`for ${span(summary.failingFor + (now - store.heardAt) / 1000)}`);
  facts.push(`${rate(summary.calls_per_second)} calls/s in all`);
  if (held > 0) facts.push(`${plural(held, "circuit")} held by an operator`);
  if (queue) {
    facts.push(`${plural(queue.depth, "deferred call")}${queue.depth > 0 ? `, the oldest ${span(queue.oldest_age_seconds)}` : ""}`);
    if (queue.dead > 0) facts.push(`${plural(queue.dead, "deferred call")} dead`);
    if (queue.paused) facts.push("queue PAUSED");
  }
  setText(byId("beside"), facts.join(" · "));
  setText(byId("instance"), [store.instance, store.version].filter(Boolean).join(" · "));
}
