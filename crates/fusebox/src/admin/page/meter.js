// A measured value as a bar against its threshold, with a tick at the threshold and the same in words.

import { h, setAttribute, setText, spoken } from "./dom.js";
import { count, share } from "./format.js";

export class Meter {
  constructor(what) {
    this.fill = h("span", { class: "meter-fill" });
    this.tick = h("span", { class: "meter-tick" });
    this.value = h("b");
    this.limit = h("span", { class: "meter-limit" });
    this.bar = h("span", { class: "meter-bar", "aria-hidden": "true" }, this.fill, this.tick);
    this.element = h("div", { class: "meter" },
      h("span", { class: "meter-text" }, spoken(`${what} `), this.value, " ", this.limit), this.bar);
  }

  // `full` is what the bar's whole length stands for; a value that does not count yet raises no alarm.
  show({ value, limit, full, text, limitText, counts = true }) {
    const part = (number) => `${Math.max(0, Math.min(100, (number / full) * 100)).toFixed(1)}%`;
    setText(this.value, text);
    setText(this.limit, limitText);
    this.bar.hidden = false;
    setAttribute(this.element, "data-level", counts ? level(value, limit) : "calm");
    this.fill.style.width = part(value ?? 0);
    this.tick.hidden = limit === null;
    if (limit !== null) this.tick.style.left = part(limit);
  }

  blank(text) {
    this.show({ value: 0, limit: null, full: 1, text: "", limitText: text });
    this.bar.hidden = true;
  }
}

function level(value, limit) {
  if (limit === null || value === null || !(limit > 0)) return "calm";
  if (value >= limit) return "over";
  return value >= limit * 0.6 ? "near" : "calm";
}

// The failures of a row, by whichever of its rules is nearest to tripping.
export function showFailures(meter, row) {
  const inRow = row.consecutive_threshold ? row.consecutive_failures / row.consecutive_threshold : 0;
  const ofCalls = row.failure_threshold ? row.failure_rate / row.failure_threshold : 0;
  if (row.state === "half_open") return showProbes(meter, row.probes);
  if (row.state === "open") return meter.blank("not called");
  if (row.consecutive_threshold && (inRow > ofCalls || row.failure_threshold === null)) {
    return meter.show({
      value: row.consecutive_failures, limit: row.consecutive_threshold, full: row.consecutive_threshold * 1.25,
      text: count(row.consecutive_failures), limitText: `of ${row.consecutive_threshold} in a row`,
    });
  }
  showShare(meter, row, row.failure_rate, row.failure_threshold);
}

export function showSlow(meter, row) {
  if (row.state !== "closed") return meter.blank("");
  showShare(meter, row, row.slow_rate, row.slow_threshold);
}

function showShare(meter, row, value, limit) {
  if (row.window_calls === 0) return meter.blank("no calls");
  const few = limit !== null && row.window_calls < row.minimum_calls;
  const limitText = limit === null ? "no limit" : few ? `${row.window_calls}/${row.minimum_calls} calls` : `of ${share(limit)}`;
  meter.show({ value, limit, full: 1, text: share(value), limitText, counts: !few });
}

function showProbes(meter, probes) {
  const limitText = probes.needed ? `of ${probes.needed} probes good` : "probes good";
  meter.show({ value: 0, limit: null, full: 1, text: count(probes.good), limitText });
  meter.fill.style.width = probes.needed ? `${Math.min(100, (probes.good / probes.needed) * 100)}%` : "0%";
}
