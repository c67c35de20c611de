// The queue of deferred calls: what waits, how old it is, whether it is being replayed, what is dead and why.

import { arrange, byId, h, setText, table } from "./dom.js";
import { change, read } from "./api.js";
import { clock, count, plural, rate, share, span } from "./format.js";
import { Order } from "./order.js";

const EVERY_MS = 3000;
const CLASSES = ["low", "normal", "high", "critical"];
const LISTED = 100;

const ACTS = {
  redrive: { verb: "Redrive", does: "Dead calls wait again, with their attempts counted anew." },
  cancel: { verb: "Cancel", does: "Calls that wait are called off; nobody makes them any more." },
  pause: { verb: "Pause", does: "No call of this queue is made until it is resumed. New ones are still taken in." },
  resume: { verb: "Resume", does: "Calls of this queue are made again, at the pace that its circuits allow." },
};

export class Queue {
  #timer = null;
  #depths = new Map();

  // `mayAct()`, and `actor()` whom the server knows.
  constructor(store, { mayAct, actor }) {
    Object.assign(this, { store, mayAct, actor });
    this.note = h("p", { class: "small", role: "status" });
    this.cards = h("div", { class: "queues" });
    this.lists = h("div");
    byId("queue").append(h("h2", null, "Deferred calls"), this.note, this.cards, this.lists);
  }

  // Reads on for as long as it is looked at.
  open() {
    clearInterval(this.#timer);
    this.#timer = setInterval(() => (byId("queue").hidden ? clearInterval(this.#timer) : this.#load()), EVERY_MS);
    this.#load();
  }

  async #load() {
    try {
      const [{ queues }, dead, waiting] = await Promise.all([
        read("queue"), read(`queue/items?state=dead&limit=${LISTED}`), read(`queue/items?state=ready&limit=${LISTED}`)]);
      setText(this.note, queues.length === 0 ? "Nothing has been deferred." : "");
      const focused = document.activeElement?.closest("#queue") ? document.activeElement.getAttribute("aria-label") : null;
      arrange(this.cards, queues.map((queue) => this.#card(queue)));
      this.#list(dead.items, waiting.items);
      if (focused) this.#labelled(focused)?.focus({ preventScroll: true });
    } catch (error) {
      setText(this.note, error.status === 404 ? "There is no queue of deferred calls here." : `Not read: ${error.message}`);
    }
  }

  #card(queue) {
    const [live, dead] = [sum(queue.depth), sum(queue.dead)];
    const age = queue.oldest_created_at === null ? null : (this.store.serverNow() - queue.oldest_created_at) / 1000;
    const most = Math.max(1, ...queue.depth);
    return h("section", { class: "queue", "aria-label": queue.queue, "data-paused": queue.paused ? "true" : null },
      h("header", null, h("h3", null, queue.queue), h("b", { class: "standing" }, queue.paused ? "PAUSED" : standing(queue.replay))),
      h("p", { class: "big" }, h("b", null, count(live)), " waiting", age !== null && `, the oldest ${span(age)}`, h("span", { class: "small" }, ` ${this.#trend(queue.queue, live)}`)),
      h("ul", { class: "classes" }, CLASSES.map((name, index) => depthBar(name, queue.depth[index], queue.dead[index], most)).reverse()),
      h("p", { class: "small" }, `${plural(queue.leased, "call")} being made · ${count(queue.needs_check)} asked for before they are sent · ${count(dead)} dead`),
      h("div", { class: "doings" },
        dead > 0 && this.#button("redrive", { queue: queue.queue }, `Redrive ${plural(dead, "dead call")}`),
        queue.paused ? this.#button("resume", { queue: queue.queue }, "Resume") : this.#button("pause", { queue: queue.queue }, "Pause")));
  }

  // How the depth has moved since the last look.
  #trend(name, live) {
    const [now, before] = [performance.now(), this.#depths.get(name)];
    this.#depths.set(name, { live, at: now });
    if (!before || now - before.at < 500 || live === before.live) return "";
    const each = (live - before.live) / ((now - before.at) / 1000);
    return `${each > 0 ? "growing by" : "shrinking by"} ${rate(Math.abs(each))}/s`;
  }

  #stands({ due_at, reason }) {
    const next = due_at > this.store.serverNow() ? `next attempt ${clock(due_at)}` : "due";
    return reason ? `${next}; last: ${reason}` : next;
  }

  #list(dead, waiting) {
    const scrolled = [...this.lists.querySelectorAll(".scroll")].map((one) => one.scrollTop);
    this.lists.replaceChildren(...[
      ...this.#items("Dead", "redrive", dead, (item) => item.reason ?? item.death ?? "–"),
      ...this.#items("Waiting", "cancel", waiting, (item) => this.#stands(item)),
    ]);
    this.lists.querySelectorAll(".scroll").forEach((one, index) => {
      one.scrollTop = scrolled[index] ?? 0;
    });
  }

  #labelled(label) {
    return [...byId("queue").querySelectorAll("[aria-label]")].find((one) => one.getAttribute("aria-label") === label);
  }

  #items(title, act, items, why) {
    if (items.length === 0) return [];
    const rows = items.map((item) => [
      String(item.id), item.queue, item.key, item.class, `${item.attempts} of ${item.max_attempts}`, clock(item.created_at), why(item),
      this.#button(act, { id: item.id }, ACTS[act].verb, `${ACTS[act].verb} call ${item.id}`)]);
    const first = items.length === LISTED ? `the first ${LISTED}` : plural(items.length, "call");
    return [h("h3", null, `${title}, ${first}`), table(`${title} calls`, ["call", "queue", "key", "class", "attempts", "came", act === "redrive" ? "died of" : "stands", "act"], rows)];
  }

  #button(act, filter, text, label = null) {
    const { verb, does } = ACTS[act];
    const give = () => new Order({
      title: filter.queue ? `${verb}: ${filter.queue}` : `${verb}: call ${filter.id}`, verb, does, actor: this.actor(),
      send: ({ actor, reason, dryRun }) => change("queue/orders", { act, filter, actor, reason, dry_run: dryRun }),
      tell: ({ items }) => [h("p", null, told(act, items))],
      done: () => this.#load(),
    });
    return h("button", { type: "button", onclick: give, disabled: !this.mayAct(), "aria-label": label ?? `${text}, queue ${filter.queue}` }, text);
  }
}

function told(act, items) {
  if (act === "pause" || act === "resume") return `The queue would ${act}.`;
  const named = items.slice(0, 8).join(", ");
  return `It would move ${plural(items.length, "call")}${items.length > 0 ? `: ${named}${items.length > 8 ? ", …" : ""}` : ""}.`;
}

// How this process makes its calls, if it does.
function standing(replay) {
  if (replay === null) return "not replayed by this process";
  if (replay.gate === "open") return "waits for its circuit";
  const [now, most] = [replay.rate_per_second, replay.ceiling_per_second];
  const ramp = `ramp at ${share(most > 0 ? now / most : 0)} of ${rate(most)}/s`;
  return replay.gate === "probing" ? `probes its circuit, ${ramp}` : `replays ${rate(now)}/s, ${ramp}`;
}

function depthBar(name, live, dead, most) {
  const bar = h("span", { class: "kind-bar" });
  bar.style.width = `${(live / most) * 100}%`;
  return h("li", null, h("span", { class: "kind" }, name), h("b", null, count(live)), h("span", { class: "kind-track", "aria-hidden": "true" }, bar), h("span", { class: "small" }, dead > 0 ? `${count(dead)} dead` : ""));
}

function sum(numbers) {
  return numbers.reduce((all, number) => all + number, 0);
}
