// How old is what is seen. A page that has lost its server says so, is greyed, and stops counting down.

import { byId, h, setText } from "./dom.js";
import { clock, remaining, span } from "./format.js";

// Past this the page may be behind: an update comes every second.
const LATE_MS = 2500;

export class Freshness {
  state = "connecting";
  #since = performance.now();
  #retryAt = null;
  #error = null;

  // `say(sentence)` speaks to screen readers; numbers that count on are not spoken.
  constructor(hurry, say) {
    this.say = say;
    this.words = h("span");
    this.button = h("button", { type: "button", onclick: hurry }, "Try now");
    byId("lost").append(this.words, " ", this.button);
  }

  status(state, { retryAt = null, error = null }) {
    if (state !== this.state) {
      this.#since = performance.now();
      if (state === "lost") this.say("Disconnected from the server");
      if (this.state === "lost" && state === "live") this.say("Connected again");
    }
    [this.state, this.#retryAt, this.#error] = [state, retryAt, error];
  }

  // "live", "late", "lost", "connecting" or "signed_out".
  link(heardAt, now) {
    if (this.state !== "live") return this.state;
    return now - heardAt > LATE_MS ? "late" : "live";
  }

  paint(store, now) {
    const link = this.link(store.heardAt, now);
    document.body.dataset.link = link;
    const age = store.heardAt === null ? null : (now - store.heardAt) / 1000;
    const shown = {
      live: () => `live ${age.toFixed(1)} s ago`,
      late: () => `late, ${age.toFixed(0)} s old`,
      lost: () => `DISCONNECTED ${span(age ?? (now - this.#since) / 1000)}`,
      connecting: () => "connecting",
      signed_out: () => "signed out",
    };
    setText(byId("fresh-text"), shown[link]());
    const lost = byId("lost");
    lost.hidden = link !== "lost";
    if (!lost.hidden) setText(this.words, this.#lostWords(store, age, now));
  }

  #lostWords(store, age, now) {
    const seen = store.generatedAt === null ? "Nothing has been heard yet." : `What you see is from ${clock(store.generatedAt)}.`;
    const why = this.#error ? ` (${this.#error.message})` : "";
    const again = this.#retryAt && this.#retryAt > now ? `Trying again in ${remaining((this.#retryAt - now) / 1000)}.` : "Trying again now.";
    return `DISCONNECTED ${span(age ?? (now - this.#since) / 1000)}${why}. ${seen} ${again}`;
  }
}
