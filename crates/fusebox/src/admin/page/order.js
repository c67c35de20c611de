// An order to the server in two steps: first what would happen, then the same in earnest. Any change in between starts again.

import { h, setText } from "./dom.js";
import { Refused } from "./api.js";
import { field, openDialog, rememberActor, rememberedActor } from "./dialog.js";

export class Order {
  #looked = null;
  // Counts changes, so that an answer to what was asked before one arms nothing.
  #changes = 0;

  // `send({ actor, reason, dryRun, looked })` asks the server; `tell(answer)` puts what would happen into elements; `done` is
  // called after it has happened. `actor` is whom the server knows already.
  constructor({ title, verb, does, fields = [], actor, send, tell, done = () => {} }) {
    Object.assign(this, { send, tell, done });
    this.actor = h("input", { name: "actor", autocomplete: "username", maxlength: 100, value: actor ?? rememberedActor(), required: true });
    this.reason = h("input", { name: "reason", autocomplete: "off", maxlength: 500, required: true });
    this.error = h("p", { class: "failed", role: "alert", hidden: true });
    this.outcome = h("div", { class: "outcome", role: "status", hidden: true });
    this.look = h("button", { type: "submit" }, "What would happen?");
    this.earnest = h("button", { type: "button", class: "earnest", disabled: true, onclick: () => this.#give(false) }, verb);
    this.form = h("form", { onsubmit: (event) => this.#submitted(event), oninput: () => this.#unlook() },
      h("p", null, does),
      field("Your name", this.actor), field("Reason", this.reason, "Everybody sees it, and it is kept."), fields,
      this.error, this.outcome, h("div", { class: "buttons" }, this.look, this.earnest));
    this.dialog = openDialog(title, this.form);
    (this.actor.value ? this.reason : this.actor).focus();
  }

  #submitted(event) {
    event.preventDefault();
    this.#give(true);
  }

  // What was looked at is not what would be done any more.
  #unlook() {
    this.#changes += 1;
    this.#looked = null;
    this.earnest.disabled = true;
    this.outcome.hidden = true;
  }

  async #give(dryRun) {
    if (!this.form.reportValidity()) return;
    const asked = this.#changes;
    const [actor, reason, looked] = [this.actor.value.trim(), this.reason.value.trim(), this.#looked];
    this.error.hidden = true;
    this.look.disabled = this.earnest.disabled = true;
    try {
      const answer = await this.send({ actor, reason, dryRun, looked });
      rememberActor(actor);
      if (dryRun) {
        if (asked === this.#changes) this.#show(answer);
      } else {
        this.dialog.close();
        this.done();
      }
    } catch (error) {
      this.#refused(error);
    } finally {
      this.look.disabled = false;
    }
  }

  #show(answer) {
    this.#looked = answer;
    this.earnest.disabled = false;
    this.outcome.hidden = false;
    this.outcome.replaceChildren(...this.tell(answer));
    this.earnest.focus();
  }

  #refused(error) {
    this.#unlook();
    this.error.hidden = false;
    const isStale = error instanceof Refused && error.status === 412;
    setText(this.error, isStale ? "It has changed since you looked. Look again at what would happen." : error.message);
  }
}
