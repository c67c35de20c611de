// The panel of one circuit: everything that is known of it, and what can be done about it.

import { byId, h, setAttribute, setText } from "./dom.js";
import { inPath } from "./api.js";
import { clock, rate, span } from "./format.js";
import { nextTry } from "./row.js";
import { shape, stateWord, holdWord } from "./shape.js";
import { ACTIONS } from "./actions.js";
import { renderCause } from "./cause.js";
import { renderCalls } from "./calls.js";
import { renderChain } from "./chain.js";
import { renderConfig, renderSettings } from "./settings.js";
import { renderEndpoints } from "./endpoints.js";
import { renderHistory } from "./timeline.js";
import { renderLatency } from "./latency.js";
import { Section } from "./section.js";

const OFTEN = 3000;
const SELDOM = 15000;

export class Panel {
  name = null;
  #sections = [];
  #slow = null;
  #drawn = "";

  // `act(name, action)` opens the dialog; `close()` leads away from here.
  constructor(store, { act, close, mayAct }) {
    Object.assign(this, { store, act, close, mayAct });
    this.element = byId("panel");
  }

  open(name) {
    if (name === this.name) return;
    this.name = name;
    this.#slow = null;
    this.#drawn = "";
    this.element.hidden = name === null;
    document.body.dataset.panel = name === null ? "none" : "open";
    if (name === null) return this.element.replaceChildren();
    this.#build(name);
    this.element.scrollTop = 0;
    this.element.focus({ preventScroll: true });
    // Where it stands in the board's place, it begins at the top.
    if (getComputedStyle(byId("board")).display === "none") scrollTo(0, 0);
    this.tick(performance.now());
  }

  #build(name) {
    this.figure = h("span", { class: "figure" });
    this.word = h("b", { class: "word" });
    this.state = h("p", { class: "standing" });
    this.buttons = ACTIONS.map(({ action, title }) => h("button", { type: "button", "data-action": action, onclick: () => this.act(name, action) }, title));
    this.#sections = this.#plan(name);
    this.element.replaceChildren(
      h("header", null, this.figure, h("h2", { id: "panel-name" }, name), this.word,
        h("button", { type: "button", class: "quiet close", "aria-label": "Close (Esc)", title: "Close (Esc)", onclick: () => this.close() }, "✕")),
      this.state,
      h("div", { class: "doings", role: "group", "aria-label": "Actions" }, this.buttons),
      ...this.#sections.map((section) => section.element));
    setAttribute(this.element, "aria-label", `Circuit ${name}`);
  }

  #plan(name) {
    const at = inPath(name);
    const cause = new Section("Why", { path: `circuits/${at}`, everyMs: OFTEN, render: renderCause, empty: "There is no such circuit now." });
    const settings = new Section("Settings in force", { render: renderSettings });
    const latency = new Section("Latency", { path: `latency/${at}`, everyMs: OFTEN, render: (told) => renderLatency({ ...told, slow_call_seconds: this.#slow }), empty: "No call has been timed yet." });
    const chain = new Section("Policies, in order", { render: renderChain, empty: "Nothing is known of the policies around this circuit." });
    const endpoints = new Section("Circuits of this service", { path: "pipelines", everyMs: OFTEN, render: renderEndpoints });
    const load = cause.load.bind(cause);
    cause.load = async (isWanted) => {
      const told = await load(isWanted);
      if (!told || !isWanted()) return;
      this.#slow = told.settings.rules.slow_call_seconds;
      settings.show({ settings: told.settings });
    };
    endpoints.show = showPipelines(endpoints, chain, () => this.store, name);
    return [
      cause,
      new Section("Failing calls", { path: `failures/${at}`, everyMs: OFTEN, render: renderCalls, empty: "No call has failed." }),
      new Section("Changes", { path: `history/${at}?limit=200`, everyMs: SELDOM, moves: true, render: renderHistory, empty: "No change in the last 24 hours." }),
      endpoints, chain, latency, settings,
      new Section("Configuration", { path: "config", render: renderConfig, empty: "Settings were made in code; there is no file." }),
    ];
  }

  // Something has happened to a circuit: its history is read at once.
  happened(events) {
    if (events.some((event) => event.circuit === this.name)) for (const section of this.#sections) if (section.everyMs !== null) section.readAt = null;
  }

  // Reads again what is due, and says what moves with time.
  tick(now) {
    if (this.name === null) return;
    const name = this.name;
    for (const section of this.#sections) if (section.isDue(now)) section.load(() => this.name === name);
    const row = this.store.rows.get(name);
    if (!row) {
      setText(this.word, this.store.summary ? "no such circuit" : "");
      for (const button of this.buttons) button.disabled = true;
      return;
    }
    this.#top(row, now);
  }

  #top(row, now) {
    const drawn = `${row.state} ${row.hold !== null}`;
    if (drawn !== this.#drawn) this.figure.replaceChildren(shape(row.state, row.hold !== null));
    this.#drawn = drawn;
    setAttribute(this.element, "data-state", row.state);
    setText(this.word, stateWord(row));
    const next = nextTry(row, now).filter(Boolean).join(" ");
    const held = row.hold ? `${holdWord(row.hold)} by ${row.hold.actor} until ${clock(row.hold.expires_at)}` : "";
    const rejected = `${rate(row.rejected_per_second)} of ${rate(row.calls_per_second)} calls/s rejected`;
    setText(this.state, [`for ${span((now - row.changedAt) / 1000)}, since ${clock(row.since)}`, next, rejected, held].filter(Boolean).join(" · "));
    for (const button of this.buttons) {
      button.hidden = button.dataset.action === "release" && !row.hold;
      button.disabled = !this.mayAct();
      button.title = this.mayAct() ? "" : "Your token may read only";
    }
  }
}

// Two sections come from one answer, and from the board.
function showPipelines(endpoints, chain, store, name) {
  const show = Section.prototype.show.bind(endpoints);
  return (told) => {
    const service = store().rows.get(name)?.service ?? null;
    const rows = [...store().rows.values()].filter((row) => row.service === service);
    const circuits = rows.map((row) => ({
      name: row.name, service: row.service, state: row.state, held: row.hold !== null, rejected_per_second: row.rejected_per_second,
      calls_per_second: row.calls_per_second, window_calls: row.window_calls, failure_rate: row.failure_rate,
    }));
    const pipelines = told.pipelines.filter((pipeline) => pipeline.service === service);
    show({ name, circuits, pipelines });
    chain.show({ service, at: performance.now(), told: { ...told, circuits } });
  };
}
