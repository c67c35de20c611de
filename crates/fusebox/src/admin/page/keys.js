// The keyboard alone is enough. Single keys can be turned off, for those whom they get in the way of.

import { byId, h } from "./dom.js";
import { isDialogOpen, openDialog } from "./dialog.js";
import { go, readRoute } from "./route.js";

const OFF = "fusebox.keys";
const KEYS = [
  ["j  k  ↓  ↑", "next, previous circuit"], ["Home  End", "first, last circuit"], ["Enter", "open the circuit"], ["Esc", "close; clear the filter"],
  ["/", "filter"], ["c  q  e", "circuits, queue, events"], ["?", "this help"],
];

export class Keys {
  constructor(board) {
    this.board = board;
    document.addEventListener("keydown", (event) => this.#pressed(event));
    document.addEventListener("focusin", ({ target }) => target.matches?.(".row .name") && this.#rove(target));
    byId("help").addEventListener("click", help);
  }

  #pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || isDialogOpen()) return;
    const typing = event.target.matches("input, select, textarea");
    const doing = this.#meaning(event.key, typing);
    if (!doing) return;
    event.preventDefault();
    doing();
  }

  #meaning(key, typing) {
    const { board } = this;
    if (key === "Escape") return () => this.#escape();
    if (key === "ArrowDown" && document.activeElement === board.filter) return () => this.#move(0);
    if (typing) return null;
    const inRows = document.activeElement?.closest(".groups") !== null || document.activeElement === document.body;
    const moves = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity };
    if (key in moves && inRows) return () => this.#step(moves[key]);
    if (areOff()) return null;
    return {
      j: () => this.#step(1), k: () => this.#step(-1), "/": () => this.#filter(), "?": help,
      c: () => go("#/"), q: () => go("#/queue"), e: () => go("#/events"),
    }[key] ?? null;
  }

  #filter() {
    go("#/");
    this.board.filter.focus();
    this.board.filter.select();
  }

  // What was opened last is closed first.
  #escape() {
    const isCircuitOpen = readRoute().circuit !== null;
    if (document.activeElement === this.board.filter || (this.board.filter.value && !isCircuitOpen)) {
      this.board.clearFilter();
      return this.#step(0);
    }
    go("#/");
  }

  #step(by) {
    const links = this.board.links();
    const at = links.findIndex((link) => link.tabIndex === 0);
    const first = document.activeElement?.closest(".row") === null && by === 1 ? 0 : at + by;
    this.#move(Math.max(0, Math.min(links.length - 1, first)));
  }

  #move(index) {
    const link = this.board.links()[index];
    if (!link) return;
    this.board.goTo(link.closest(".row").dataset.name);
  }

  #rove(link) {
    for (const other of this.board.groups.querySelectorAll('.name[tabindex="0"]')) other.tabIndex = -1;
    link.tabIndex = 0;
  }
}

function areOff() {
  try {
    return localStorage.getItem(OFF) === "off";
  } catch {
    return false;
  }
}

function help() {
  const box = h("input", {
    type: "checkbox", checked: !areOff(), onchange: () => localStorage.setItem(OFF, box.checked ? "on" : "off"),
  });
  openDialog("Keys and signs", [
    h("dl", { class: "keys" }, KEYS.map(([keys, does]) => h("div", null, h("dt", null, keys.split("  ").map((key) => h("kbd", null, key))), h("dd", null, does)))),
    h("label", { class: "check" }, box, " Single keys act"),
    h("p", { class: "small" }, "Times are in your time zone. Rates are of the last second; bars are of the circuit's window, the tick is its threshold. A lock means: an operator holds it."),
  ]);
}
