// A part of the panel: reads one path now and then, and shows what has changed.

import { h, setText } from "./dom.js";
import { Refused, read } from "./api.js";

export class Section {
  #last = null;

  // `render(data)` gives elements; `path` is read every `everyMs`, or once where that is null; what `moves` with time is drawn
  // at every reading.
  constructor(title, { path = null, everyMs = null, render, empty = "Nothing yet.", moves = false }) {
    Object.assign(this, { path, everyMs, render, empty, moves });
    this.error = h("p", { class: "failed", hidden: true });
    this.body = h("div", { class: "section-body" }, h("p", { class: "small" }, "Reading…"));
    this.element = h("section", { class: "part" }, h("h3", null, title), this.error, this.body);
    this.readAt = null;
  }

  isDue(now) {
    if (this.path === null) return false;
    return this.readAt === null || (this.everyMs !== null && now - this.readAt >= this.everyMs);
  }

  async load(isWanted) {
    this.readAt = performance.now();
    try {
      const data = await read(this.path);
      if (isWanted()) this.show(data);
      return data;
    } catch (error) {
      if (isWanted()) this.#fail(error);
      return null;
    }
  }

  show(data) {
    this.error.hidden = true;
    const { generated_at: _, ...told } = data;
    const now = JSON.stringify(told);
    if (now === this.#last && !this.moves) return;
    this.#last = now;
    const scrolled = [...this.body.querySelectorAll(".scroll")].map((one) => [one.scrollTop, one.scrollLeft]);
    const shown = [this.render(data)].flat().filter(Boolean);
    this.body.replaceChildren(...(shown.length > 0 ? shown : [h("p", { class: "small" }, this.empty)]));
    this.body.querySelectorAll(".scroll").forEach((one, index) => {
      if (scrolled[index]) [one.scrollTop, one.scrollLeft] = scrolled[index];
    });
  }

  #fail(error) {
    const missing = error instanceof Refused && error.status === 404;
    if (this.#last === null) this.body.replaceChildren(...(missing ? [h("p", { class: "small" }, this.empty)] : []));
    this.error.hidden = missing;
    setText(this.error, `Not read: ${error.message}`);
  }
}
