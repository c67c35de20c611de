// What a screen reader says unasked: transitions, in one polite region, and never numbers that merely move.

import { byId } from "./dom.js";
import { plural, words } from "./format.js";

const PAUSE_MS = 1500;
// More than these in one pause are counted.
const NAMED = 3;

export class Announcer {
  #waiting = [];
  #timer = null;

  // Log events that are new since the last call.
  events(events) {
    this.say(...events.filter((event) => event.kind !== "reconfigured").map(sentenceOf));
  }

  say(...sentences) {
    if (sentences.length === 0) return;
    this.#waiting.push(...sentences);
    this.#timer ??= setTimeout(() => this.#speak(), PAUSE_MS);
  }

  #speak() {
    const said = this.#waiting.slice(0, NAMED);
    const more = this.#waiting.length - said.length;
    byId("spoken").textContent = said.join(". ") + (more > 0 ? `. And ${plural(more, "more change")}` : "");
    this.#waiting = [];
    this.#timer = null;
  }
}

export function sentenceOf(event) {
  switch (event.kind) {
    case "transition":
      return `${event.circuit} is ${words(event.to)}${event.cause ? `: ${event.cause}` : ""}`;
    case "held":
      return `${event.circuit} is ${words(event.mode)} by ${event.actor}: ${event.reason}`;
    case "released":
      return `${event.circuit} is released`;
    default:
      return `${event.circuit}: ${words(event.kind)}`;
  }
}
