// What is known now: the rows, the log and the overrides, as the stream tells them.
//
// Moments that count on are kept on this page's own steady clock, reckoned from "so many seconds ago": they are right even
// where this machine's wall clock and the server's differ.

import { Series, countSecond } from "./series.js";

const LOG = 2000;

export class Store extends EventTarget {
  rows = new Map();
  log = [];
  overrides = [];
  summary = null;
  queue = null;
  instance = null;
  version = null;
  boot = null;
  lost = 0;
  // When the newest frame came, and the server's time then.
  heardAt = null;
  generatedAt = null;
  #keys = new Set();

  take({ type, data }) {
    const now = performance.now();
    if (type === "snapshot") this.#snapshot(data, now);
    else if (type === "update") this.#update(data, now);
    else if (type === "log") this.#logged([data], true);
  }

  // The server's wall clock, for what is only dated.
  serverNow() {
    const passed = this.heardAt === null ? 0 : performance.now() - this.heardAt;
    return this.generatedAt === null ? Date.now() : this.generatedAt + passed;
  }

  // Adds what has been read elsewhere, such as the log from before this page was opened.
  addHistory(events) {
    this.#logged(events, false);
  }

  #snapshot(data, now) {
    const isAnother = this.boot !== null && this.boot !== data.boot;
    const [instance, version, boot] = [data.instance, data.version, data.boot];
    Object.assign(this, { instance, version, boot });
    this.rows = new Map(data.circuits.map((wire) => [wire.name, this.#row(wire, now)]));
    this.lost = data.lost;
    this.#general(data, now);
    this.#logged(data.missed, true);
    this.#tell("rows", { names: null });
    // Another process, with a story of its own.
    if (isAnother) this.#tell("restarted", {});
  }

  #update(data, now) {
    if (data.tick) countSecond(now);
    for (const wire of data.circuits) this.rows.set(wire.name, this.#row(wire, now));
    for (const name of data.gone) this.rows.delete(name);
    this.#general(data, now);
    this.#tell("rows", { names: data.circuits.map((row) => row.name).concat(data.gone) });
  }

  #general(data, now) {
    this.heardAt = now;
    this.generatedAt = Date.parse(data.generated_at);
    this.summary = { ...data.summary, failingFor: ago(data.summary.failing_since, this.generatedAt) };
    this.overrides = data.overrides.map((one) => ({ ...one, endsAt: at(now, one.expires_in_seconds) }));
    this.queue = data.queue;
  }

  #row(wire, now) {
    const series = (wire.spark ? null : this.rows.get(wire.name)?.series) ?? new Series();
    if (wire.spark) series.fill(wire.spark, now);
    else if (wire.last) series.sample(wire.last, now);
    return {
      ...wire,
      series,
      changedAt: now - wire.since_seconds_ago * 1000,
      retriesAt: wire.retry_after_ms === null ? null : now + wire.retry_after_ms,
      holdEndsAt: wire.hold ? at(now, wire.hold.expires_in_seconds) : null,
      marksAt: wire.marks.map((mark) => ({ to: mark.to, at: now - mark.at_seconds_ago * 1000 })),
    };
  }

  #logged(events, live) {
    const fresh = events.map((event) => ({ ...event, key: `${event.at} ${event.seq} ${event.circuit}` })).filter(({ key }) => !this.#keys.has(key));
    if (fresh.length === 0) return;
    for (const { key } of fresh) this.#keys.add(key);
    if (this.#keys.size > 4 * LOG) this.#keys = new Set([...this.#keys].slice(-2 * LOG));
    this.log = this.log.concat(fresh);
    this.log.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.seq - b.seq));
    this.log = this.log.slice(-LOG);
    this.#tell("log", { events: fresh, live });
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

function at(now, seconds) {
  return seconds === null || seconds === undefined ? null : now + seconds * 1000;
}

function ago(date, generatedAt) {
  return date ? (generatedAt - Date.parse(date)) / 1000 : null;
}
