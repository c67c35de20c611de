// One circuit on the board: its state in shape and word, for how long, when it tries again, what it rejects, how near it is
// to its thresholds, its last two minutes, and why it is not simply closed.

import { h, setAttribute, setText, spoken } from "./dom.js";
import { clock, plural, rate, remaining, span } from "./format.js";
import { Meter, showFailures, showSlow } from "./meter.js";
import { circuitHash } from "./route.js";
import { holdWord, shape, stateWord } from "./shape.js";
import { Spark } from "./spark.js";

export class Row {
  #drawn = null;
  #isWhole = false;

  // Only what finds the row, by name and state; the rest is made when it first comes into sight.
  constructor({ name, service }) {
    const prefix = name.startsWith(`${service}/`) ? `${service}/` : "";
    this.link = h("a", { class: "name", href: circuitHash(name), tabindex: "-1" },
      h("span", { class: "prefix" }, prefix), h("span", { class: "tail" }, name.slice(prefix.length)));
    this.figure = h("span", { class: "figure" });
    this.word = h("b", { class: "word" });
    this.title = h("div", { class: "cell title" }, this.link);
    this.state = h("div", { class: "cell state" }, this.word);
    this.element = h("li", { class: "row", "data-name": name }, this.figure, this.title, this.state);
  }

  #complete() {
    this.#isWhole = true;
    this.note = h("span", { class: "tags" });
    this.since = h("span", { class: "since" });
    this.failing = h("span", { class: "failing small" });
    this.retryWhat = h("span", { class: "small" });
    this.retry = h("b");
    this.retryAt = h("span", { class: "small" });
    this.rejected = h("b");
    this.calls = h("span", { class: "small" });
    this.reason = h("p", { class: "reason", hidden: true });
    this.failures = new Meter("failures");
    this.slow = new Meter("slow calls");
    this.spark = new Spark();
    this.title.append(this.failing, this.note);
    this.state.append(" ", this.since);
    this.element.append(
      h("div", { class: "cell retry" }, this.retryWhat, " ", this.retry, " ", this.retryAt),
      h("div", { class: "cell rejected" }, this.rejected, spoken(" calls per second rejected, "), " ", this.calls),
      h("div", { class: "cell failures" }, this.failures.element),
      h("div", { class: "cell slow" }, this.slow.element),
      h("div", { class: "cell trend" }, this.spark.element),
      this.reason);
  }

  // Its state, in sight or not: a row's height follows it.
  stand(row) {
    const drawn = `${row.state} ${row.hold !== null}`;
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    setAttribute(this.element, "data-state", row.state);
    setAttribute(this.element, "data-held", row.hold ? "true" : null);
    this.figure.replaceChildren(shape(row.state, row.hold !== null));
    setText(this.word, stateWord(row));
  }

  // Everything that a new frame may have changed.
  paint(row, now) {
    if (!this.#isWhole) this.#complete();
    this.row = row;
    this.stand(row);
    setText(this.note, tags(row).join(" · "));
    setText(this.rejected, rate(row.rejected_per_second));
    setAttribute(this.rejected, "class", row.rejected_per_second > 0 ? "bad" : "none");
    setText(this.failing, row.not_closed_since && row.state !== "closed" ? `not closed since ${clock(row.not_closed_since)}` : "");
    setText(this.calls, `of ${rate(row.calls_per_second)}/s`);
    showFailures(this.failures, row);
    showSlow(this.slow, row);
    this.reason.hidden = !row.reason;
    setText(this.reason, row.reason ?? "");
    this.spark.paint(row.series, row.marksAt, now);
    this.tick(now);
  }

  // What moves with time alone.
  tick(now) {
    const row = this.row;
    if (!row) return;
    setText(this.since, `for ${span((now - row.changedAt) / 1000)}`);
    const [what, left, at] = nextTry(row, now);
    setText(this.retryWhat, what);
    setText(this.retry, left);
    setText(this.retryAt, at);
  }
}

// What is to be known of a circuit beside its state.
function tags(row) {
  const said = [];
  if (row.hold) said.push(holdWord(row.hold));
  if (row.shadow) said.push(`shadow: would be ${row.shadow.replace("_", "-")}`);
  if (row.ramp !== null) said.push(`recovering: ${Math.round(row.ramp * 100)} % let through`);
  if (row.hung > 0) said.push(`${row.hung} hanging`);
  return said;
}

// When callers may be let in again: what then, how long until then, and the time of day.
export function nextTry(row, now) {
  if (row.state === "closed") return ["", "", ""];
  const { in_flight } = row.probes;
  const left = row.retriesAt === null ? null : (row.retriesAt - now) / 1000;
  if (row.state === "half_open" && !row.hold) {
    return [in_flight > 0 ? `${plural(in_flight, "probe")} in flight` : "tries", in_flight > 0 ? "probing" : "at the next call", ""];
  }
  if (left === null) return ["tries again", "no time set", ""];
  if (left <= 0) return ["tries", "at the next call", ""];
  return [row.hold ? "released in" : "tries again in", remaining(left), clock(row.retry_at)];
}
