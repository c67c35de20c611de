// The stream of events, read with fetch so that a token can be sent. It comes back by itself, from where it stopped.
//
// A healthy server says something every second, if only a comment every five: a longer silence is a dead connection.

import { Refused, headers } from "./api.js";

const SILENCE_MS = 7000;
const LONGEST_WAIT_MS = 5000;

// Takes the bytes of a stream and gives back whole events.
export class Parser {
  #pieces = [];
  #event = { type: "", data: [], id: null, retry: null };

  *push(text) {
    this.#pieces.push(text);
    // A long line comes in many pieces: it is put together once.
    if (!text.includes("\n")) return;
    const lines = this.#pieces.join("").split(/\r?\n/);
    this.#pieces = [lines.pop()];
    for (const line of lines) {
      if (line === "") yield* this.#finish();
      else this.#field(line);
    }
  }

  #field(line) {
    if (line.startsWith(":")) return;
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.#event.data.push(value);
    else if (name === "event") this.#event.type = value;
    else if (name === "id") this.#event.id = value;
    else if (name === "retry" && /^\d+$/.test(value)) this.#event.retry = Number(value);
  }

  *#finish() {
    const event = this.#event;
    this.#event = { type: "", data: [], id: null, retry: null };
    if (event.data.length > 0 || event.retry !== null) yield { ...event, data: event.data.join("\n") };
  }
}

export class Stream {
  #lastId = null;
  #retry = 1000;
  #failures = 0;
  #abort = null;
  #wake = null;

  // `heard({type, data})` for every event, `status(state, {heardAt, retryAt, error})` when the connection changes.
  constructor({ heard, status, signIn }) {
    this.heard = heard;
    this.status = status;
    this.signIn = signIn;
    this.heardAt = null;
  }

  async run() {
    for (;;) {
      let error = null;
      try {
        await this.#connect();
      } catch (failed) {
        error = failed;
      }
      if (error instanceof Refused && error.status === 401) {
        this.status("signed_out", { error });
        await this.signIn(error);
        continue;
      }
      this.#failures += 1;
      await this.#pause(error);
    }
  }

  // Tries again at once.
  hurry() {
    this.#wake?.();
  }

  async #connect() {
    const abort = new AbortController();
    this.#abort = abort;
    let last = performance.now();
    const watch = setInterval(() => performance.now() - last > SILENCE_MS && abort.abort(), 500);
    try {
      const asked = headers({ Accept: "text/event-stream", ...(this.#lastId ? { "Last-Event-ID": this.#lastId } : {}) });
      const response = await fetch("events", { headers: asked, signal: abort.signal, cache: "no-store" });
      if (!response.ok) throw await refusal(response);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      const parser = new Parser();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        last = performance.now();
        for (const event of parser.push(value)) this.#take(event, last);
      }
    } finally {
      clearInterval(watch);
      abort.abort();
    }
  }

  #take(event, now) {
    if (event.retry !== null) this.#retry = event.retry;
    if (event.data === "") return;
    this.heardAt = now;
    this.#failures = 0;
    this.heard({ type: event.type, data: JSON.parse(event.data) });
    // Only what has been taken in counts as heard: a frame that cannot be read comes again.
    if (event.id) this.#lastId = event.id;
    this.status("live", {});
  }

  async #pause(error) {
    const asked = error instanceof Refused ? error.retryAfterMs ?? 0 : 0;
    const wait = Math.max(asked, Math.min(LONGEST_WAIT_MS, this.#retry * 1.5 ** Math.min(8, this.#failures - 1)));
    this.status("lost", { error, retryAt: performance.now() + wait });
    await new Promise((resolve) => {
      this.#wake = resolve;
      setTimeout(resolve, wait);
    });
    this.#wake = null;
  }
}

async function refusal(response) {
  const body = await response.json().catch(() => null);
  const refused = new Refused(response.status, body);
  const after = Number(response.headers.get("Retry-After"));
  refused.retryAfterMs = Number.isFinite(after) ? after * 1000 : 0;
  return refused;
}
