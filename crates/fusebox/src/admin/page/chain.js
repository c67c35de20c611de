// The policies a call of this service goes through, in their order, with what each has let through and refused.

import { h } from "./dom.js";
import { count, rate } from "./format.js";
import { readStage } from "./stages.js";

// Totals as they were read before, to tell rates: one chain is looked at at a time.
let before = { at: 0, totals: new Map() };

export function renderChain({ service, at, told }) {
  const own = told.pipelines.filter((pipeline) => pipeline.service === service);
  const seen = { at, totals: new Map() };
  const drawn = own.map((pipeline, index) => h("ol", { class: "chain", "aria-label": `Policies of ${service}, outermost first` },
    h("li", { class: "end" }, "caller"),
    pipeline.stages.map((stage, place) => stageBox(stage, `${service} ${index} ${place}`, service, told, seen)),
    h("li", { class: "end" }, "dependency")));
  before = seen;
  return drawn;
}

function stageBox(stage, key, service, told, seen) {
  const { does, facts } = readStage(stage, service, told);
  return h("li", { class: "stage", "data-stage": stage.name, "data-bad": facts.some((fact) => fact.bad && moves(fact, key, seen)) ? "true" : null },
    h("div", null, h("h4", null, stage.name.replace("RateLimiter", "Rate limiter")), does && h("p", { class: "small" }, does)),
    h("dl", null, facts.map((fact) => h("div", { class: fact.bad && moves(fact, key, seen) ? "bad" : null }, h("dt", null, fact.label), h("dd", null, shown(fact, key, seen))))),
    stage.advice && h("p", { class: "advice" }, stage.advice));
}

// How many per second since the last look, or null at the first.
function perSecond(fact, key, seen) {
  const name = `${key} ${fact.label}`;
  seen.totals.set(name, fact.total);
  const last = before.totals.get(name);
  const seconds = (seen.at - before.at) / 1000;
  return last === undefined || seconds <= 0 ? null : Math.max(0, fact.total - last) / seconds;
}

// Whether something unwanted happens now, and not only once upon a time.
function moves(fact, key, seen) {
  return fact.total === undefined || perSecond(fact, key, seen) > 0;
}

function shown(fact, key, seen) {
  if (fact.total === undefined) return fact.text;
  const each = perSecond(fact, key, seen);
  return [h("b", null, each === null ? count(fact.total) : `${rate(each)}/s`), each === null ? "" : h("span", { class: "small" }, ` ${count(fact.total)} in all`)];
}
