// Overrides in force, always in sight: who holds what, why, until when, and the way to end it.

import { arrange, byId, h, setAttribute, setText } from "./dom.js";
import { clock, remaining } from "./format.js";
import { holdWord } from "./shape.js";
import { circuitHash } from "./route.js";

// More than these are counted, and listed on request.
const SHOWN = 3;

export class Banner {
  #items = new Map();
  #all = false;

  constructor(endIt) {
    this.element = byId("overrides");
    this.endIt = endIt;
    this.more = h("button", { type: "button", class: "quiet more", onclick: () => this.#toggle() });
    this.list = h("ul");
    this.element.append(this.list, this.more);
  }

  paint(overrides, now) {
    this.overrides = overrides;
    this.element.hidden = overrides.length === 0;
    const shown = this.#all ? overrides : overrides.slice(0, SHOWN);
    const wanted = shown.map((one) => this.#item(one, now));
    for (const name of this.#items.keys()) if (!overrides.some((one) => one.circuit === name)) this.#items.delete(name);
    arrange(this.list, wanted);
    const hidden = overrides.length - SHOWN;
    this.more.hidden = hidden <= 0;
    setAttribute(this.more, "aria-expanded", String(this.#all));
    setText(this.more, this.#all ? "Show fewer" : `Show ${Math.max(0, hidden)} more`);
  }

  #toggle() {
    this.#all = !this.#all;
    this.paint(this.overrides, performance.now());
  }

  #item(one, now) {
    const item = this.#items.get(one.circuit) ?? this.#make(one.circuit);
    setText(item.mode, holdWord(one).toUpperCase());
    setText(item.who, `by ${one.actor}: ${one.reason || "no reason given"}`);
    setText(item.left, one.endsAt === null ? "does not expire" : `ends in ${remaining((one.endsAt - now) / 1000)}, ${clock(one.expires_at)}`);
    return item.element;
  }

  #make(circuit) {
    const [mode, who, left] = [h("b", { class: "mode" }), h("span", { class: "who" }), h("span", { class: "left" })];
    const element = h("li", null, mode, h("a", { href: circuitHash(circuit) }, circuit), who, left,
      h("button", { type: "button", class: "end", "aria-label": `End the override of ${circuit}`, onclick: () => this.endIt(circuit) }, "End it"));
    const item = { element, mode, who, left };
    this.#items.set(circuit, item);
    return item;
  }
}
