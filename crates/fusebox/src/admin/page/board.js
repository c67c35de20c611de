// The circuits: those that need somebody first, the worst at the top; the rest by service below.
//
// Only rows in sight are painted. Order follows states, not rates: a row moves when something has happened to it, and none
// slips away from under a finger because a number has changed.

import { arrange, byId, h, setAttribute, setText } from "./dom.js";
import { count, plural, rate } from "./format.js";
import { Row } from "./row.js";

const HEADS = [["title", "Circuit"], ["state", "State"], ["retry", "Tries again"], ["rejected", "Rejected/s"],
  ["failures", "Failures"], ["slow", "Slow"], ["trend", "Last 2 minutes"]];

export class Board {
  #rows = new Map();
  #groups = new Map();
  #seen = new Set();
  #stale = new Set();
  #weights = new Map();
  #near = new Set();
  #order = "";
  #pointed = null;
  #words = [];

  constructor(store) {
    this.store = store;
    this.filter = h("input", {
      type: "search", id: "filter", placeholder: "Filter: name, service, state, reason", "aria-label": "Filter circuits",
      autocomplete: "off", spellcheck: "false", oninput: () => this.#filtered(),
    });
    this.found = h("span", { class: "small", role: "status" });
    this.groups = h("div", { class: "groups" });
    byId("board").append(
      h("div", { class: "tools" }, this.filter, h("kbd", { "aria-hidden": "true" }, "/"), this.found, legend()),
      h("div", { class: "heads", "aria-hidden": "true" }, h("span"), HEADS.map(([name, text]) => h("span", { class: name }, text))),
      this.groups);
    this.sight = new IntersectionObserver((entries) => this.#moved(entries), { rootMargin: "120px" });
  }

  // New frames: `names` that changed, or null for all.
  changed(names) {
    const { rows } = this.store;
    for (const name of this.#rows.keys()) if (!rows.has(name)) this.#forget(name);
    for (const row of rows.values()) if (!this.#rows.has(row.name)) this.#make(row);
    for (const name of names ?? rows.keys()) {
      this.#stale.add(name);
      if (rows.has(name)) this.#rows.get(name).stand(rows.get(name));
    }
    this.#arrange();
    this.paint(performance.now());
  }

  paint(now) {
    for (const name of this.#seen) {
      const row = this.store.rows.get(name);
      if (row && this.#stale.delete(name)) this.#rows.get(name).paint(row, now);
    }
  }

  tick(now) {
    for (const name of this.#seen) this.#rows.get(name)?.tick(now);
  }

  // Two minutes move on even for those that no call reaches.
  scroll() {
    for (const name of this.#seen) this.#stale.add(name);
  }

  // The links of the rows in the order in which they are seen.
  links() {
    return [...this.groups.querySelectorAll(".row .name")];
  }

  // Which row the panel shows.
  point(name) {
    this.#pointed = name;
    for (const [own, row] of this.#rows) setAttribute(row.link, "aria-current", own === name ? "true" : null);
  }

  goTo(name) {
    const row = this.#rows.get(name);
    row?.link.focus({ preventScroll: true });
    row?.element.scrollIntoView({ block: "nearest" });
  }

  clearFilter() {
    this.filter.value = "";
    this.#filtered();
  }

  // The rejections that a row is placed by follow the real ones only when these have doubled or halved: noise does not reorder.
  #weigh({ name, rejected_per_second }) {
    const placed = this.#weights.get(name);
    const moved = placed === undefined || rejected_per_second > placed * 2 || rejected_per_second < placed / 2;
    if (moved) this.#weights.set(name, rejected_per_second);
  }

  // Whether a closed circuit is about to open: it counts as near from 60 % of a threshold on, until it is under 40 %.
  #isNear(row) {
    const near = nearness(row);
    if (near >= 0.6) this.#near.add(row.name);
    else if (near < 0.4) this.#near.delete(row.name);
    return this.#near.has(row.name);
  }

  #urgency(row) {
    return Math.max(urgency(row), this.#isNear(row) ? 1 : 0);
  }

  #make(told) {
    const row = new Row(told);
    if (told.name === this.#pointed) setAttribute(row.link, "aria-current", "true");
    this.#rows.set(told.name, row);
    this.sight.observe(row.element);
  }

  #forget(name) {
    const { element } = this.#rows.get(name);
    this.sight.unobserve(element);
    this.#rows.delete(name);
    this.#seen.delete(name);
    this.#stale.delete(name);
    this.#weights.delete(name);
    this.#near.delete(name);
  }

  #moved(entries) {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) this.#seen.add(target.dataset.name);
      else this.#seen.delete(target.dataset.name);
    }
    this.paint(performance.now());
  }

  #filtered() {
    this.#words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    this.#arrange();
  }

  #matches(row) {
    if (this.#words.length === 0) return true;
    const hay = `${row.name} ${row.service} ${row.state} ${row.state.replace("_", "-")} ${row.reason ?? ""} ${row.hold ? "held" : ""}`.toLowerCase();
    return this.#words.every((word) => hay.includes(word));
  }

  #arrange() {
    const all = [...this.store.rows.values()];
    for (const row of all) this.#weigh(row);
    const shown = all.filter((row) => this.#matches(row));
    const groups = grouped(shown.map((row) => ({ ...row, urgency: this.#urgency(row), weight: this.#weights.get(row.name) })));
    const order = JSON.stringify(groups.map(({ key, rows }) => [key, rows.map((row) => row.name)]));
    setText(this.found, this.#words.length > 0 ? `${shown.length} of ${plural(all.length, "circuit")}` : "");
    for (const group of groups) this.#head(group);
    if (order === this.#order) return;
    this.#order = order;
    const held = document.activeElement;
    arrange(this.groups, groups.map((group) => this.#filled(group)));
    if (held?.isConnected && held !== document.activeElement) held.focus({ preventScroll: true });
    this.#reachable();
  }

  #head({ key, title, rows }) {
    const group = this.#groups.get(key) ?? this.#makeGroup(key);
    const calls = rows.reduce((sum, row) => sum + row.calls_per_second, 0);
    setText(group.title, title);
    setText(group.facts, key === "worst" ? "" : `${key === "single" ? plural(rows.length, "circuit") : `${count(rows.length)} closed`}, ${rate(calls)} calls/s`);
    group.head.hidden = title === "";
  }

  #makeGroup(key) {
    const [title, facts, list] = [h("span"), h("span", { class: "small" }), h("ul", { class: "rows" })];
    const head = h("h2", null, title, " ", facts);
    const group = { title, facts, list, head, element: h("section", { class: "group", "data-key": key }, head, list) };
    this.#groups.set(key, group);
    return group;
  }

  #filled({ key, rows }) {
    const group = this.#groups.get(key);
    arrange(group.list, rows.map((row) => this.#rows.get(row.name).element));
    return group.element;
  }

  // One row at a time is a tab stop; arrow keys move it.
  #reachable() {
    const links = this.links();
    if (!links.some((link) => link.tabIndex === 0)) links[0]?.setAttribute("tabindex", "0");
  }
}

// How urgent a row is, in steps: the order does not follow every number.
export function urgency(row) {
  if (row.state === "open") return row.hold ? 5 : 6;
  if (row.state === "half_open") return 4;
  if (row.hold) return 3;
  if (row.ramp !== null || row.rejected_per_second > 0) return 2;
  return row.shadow && row.shadow !== "closed" ? 1 : 0;
}

function grouped(rows) {
  const urgent = rows.filter((row) => row.urgency > 0);
  const worse = (a, b) => b.urgency - a.urgency || b.weight - a.weight || byName(a, b);
  const groups = urgent.length > 0 ? [{ key: "worst", title: "", rows: urgent.sort(worse) }] : [];
  const sizes = new Map();
  for (const row of rows) sizes.set(placeOf(row), (sizes.get(placeOf(row)) ?? 0) + 1);
  const services = new Map();
  for (const row of rows.filter((row) => row.urgency === 0)) {
    const members = services.get(placeOf(row));
    if (members) members.push(row);
    else services.set(placeOf(row), [row]);
  }
  const [single, several] = [[], []];
  for (const [place, members] of services) {
    if (sizes.get(place) === 1) single.push(...members);
    else several.push({ key: `service ${place}`, title: place, rows: members.sort(byName) });
  }
  several.sort((a, b) => (a.title < b.title ? -1 : 1));
  if (single.length > 0) several.push({ key: "single", title: several.length > 0 ? "Services with one circuit" : "Closed", rows: single.sort(byName) });
  return groups.concat(several);
}

// How far a closed circuit is on its way to the nearest of its thresholds: 1 is there.
function nearness(row) {
  if (row.state !== "closed") return 0;
  const part = (value, limit) => (limit ? value / limit : 0);
  const enough = row.window_calls >= row.minimum_calls;
  const rates = enough ? [part(row.failure_rate, row.failure_threshold), part(row.slow_rate, row.slow_threshold)] : [];
  const hanging = row.hung > 0 ? 0.6 : 0;
  return Math.max(hanging, part(row.consecutive_failures, row.consecutive_threshold), ...rates);
}

function placeOf(row) {
  return row.region ? `${row.service} · ${row.region}` : row.service;
}

function byName(a, b) {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

function legend() {
  const kinds = [["ok", "ok"], ["failed", "failed"], ["rejected", "rejected"]];
  return h("span", { class: "legend", "aria-hidden": "true" }, kinds.map(([kind, text]) => h("span", { class: `key key-${kind}` }, text)));
}
