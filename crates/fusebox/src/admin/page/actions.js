// Taking a circuit in hand. An order is given for the circuit as it was looked at: if it has changed in between, the server
// refuses it.

import { h } from "./dom.js";
import { change, inPath } from "./api.js";
import { field } from "./dialog.js";
import { clock, words } from "./format.js";
import { Order } from "./order.js";

export const ACTIONS = [
  { action: "force_open", title: "Force open", does: "Rejects every call until it ends. For a dependency that must be left in peace." },
  { action: "force_closed", title: "Force closed", does: "Lets calls through whatever fails, and keeps counting. For a circuit that is wrong about its dependency." },
  { action: "disable", title: "Disable", does: "As if there were no circuit: lets everything through and counts nothing." },
  { action: "shadow", title: "Shadow", does: "Counts, and says what it would do, but rejects nothing." },
  { action: "reset", title: "Reset", does: "Closes it and forgets what it has counted. It opens again if calls fail again." },
  { action: "release", title: "Release", does: "Ends the override: the circuit decides for itself again." },
];

const SPANS = [[300, "5 minutes"], [900, "15 minutes"], [3600, "1 hour"], [4 * 3600, "4 hours"], [12 * 3600, "12 hours"], [24 * 3600, "24 hours"]];

export function takeInHand(name, action, { actor }) {
  const { title, does } = ACTIONS.find((one) => one.action === action);
  const ends = !["reset", "release"].includes(action);
  const ttl = h("select", { name: "ttl" }, SPANS.map(([seconds, text]) => h("option", { value: seconds, selected: seconds === 900 }, text)));
  return new Order({
    title: `${title}: ${name}`, verb: title, does, actor,
    fields: ends ? [field("Ends by itself after", ttl)] : [],
    send: ({ actor, reason, dryRun, looked }) => {
      const order = { action, actor, reason, dry_run: dryRun, ...(ends ? { ttl_seconds: Number(ttl.value) } : {}) };
      return change(`overrides/${inPath(name)}`, order, looked ? { "If-Match": `"${looked.before.revision}"` } : {});
    },
    tell: ({ before, after }) => [h("p", null, "Now: ", h("b", null, standing(before))), h("p", null, "Then: ", h("b", null, standing(after)))],
  });
}

function standing({ state, hold }) {
  const until = hold?.expires_at ? ` until ${clock(hold.expires_at)}` : "";
  return words(state) + (hold ? `, ${words(hold.mode)} by ${hold.actor}${until}` : ", not held");
}
