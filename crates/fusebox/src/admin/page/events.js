// The log of changes as they come, the newest first, and what operators have done.

import { byId, h, setText, table } from "./dom.js";
import { read } from "./api.js";
import { clock, plural } from "./format.js";
import { change, why } from "./timeline.js";
import { circuitHash } from "./route.js";

// So many lines are drawn.
const SHOWN = 300;

export class Events {
  #drawn = new Set();

  constructor(store, mayOperate) {
    Object.assign(this, { store, mayOperate });
    this.note = h("p", { class: "small" });
    this.body = h("tbody");
    this.audit = h("div", { class: "audit" });
    byId("events").append(
      h("h2", null, "Events"), this.note,
      h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Events, the newest first" },
        h("table", { class: "log" }, h("caption", { class: "spoken" }, "Events, the newest first"),
          h("thead", null, h("tr", null, ["when", "circuit", "change", "why, and who"].map((head) => h("th", { scope: "col" }, head)))), this.body)),
      this.audit);
  }

  // Only lines that are new are made.
  paint() {
    const { log, lost } = this.store;
    const fresh = log.slice(-SHOWN).filter((event) => !this.#drawn.has(event.key));
    const inOrder = this.body.firstChild === null || fresh.every((event) => event.at >= this.newest);
    if (!inOrder) {
      this.body.replaceChildren();
      this.#drawn.clear();
      return this.paint();
    }
    for (const event of fresh) {
      this.#drawn.add(event.key);
      this.body.prepend(line(event));
      this.newest = event.at;
    }
    while (this.body.children.length > SHOWN) this.body.lastChild.remove();
    const gone = lost > 0 ? ` ${plural(lost, "event")} were lost while this page was away: the server keeps so many.` : "";
    setText(this.note, (log.length === 0 ? "Nothing has changed since this page was opened." : "Live; the newest first.") + gone);
  }

  async open() {
    this.paint();
    if (!this.mayOperate()) return;
    try {
      const { entries } = await read("audit?limit=100");
      this.audit.replaceChildren(h("h2", null, "What operators have done"), entries.length === 0 ? h("p", { class: "small" }, "Nothing yet.")
        : table("What operators have done", ["when", "who", "did", "to", "reason", "result"], entries.map((one) => [
          clock(one.at), one.actor ?? "–", one.action, one.target ?? "–", one.reason ?? "–", one.result === "refused" ? `refused: ${one.detail ?? one.status}` : one.result.replace("_", " ")])));
    } catch (error) {
      this.audit.replaceChildren(h("p", { class: "small" }, `What operators have done is not told here: ${error.message}`));
    }
  }
}

function line(event) {
  return h("tr", { "data-state": event.to }, [clock(event.at), h("a", { href: circuitHash(event.circuit) }, event.circuit), change(event), why(event)].map((cell) => h("td", null, cell)));
}
