// The settings in force for a circuit, and the configuration they come from.

import { h } from "./dom.js";
import { plural, share, took } from "./format.js";
import { facts } from "./cause.js";

export function renderSettings({ settings }) {
  const pairs = [];
  collect("", settings, pairs);
  return [facts(pairs)];
}

function collect(path, value, pairs) {
  if (value !== null && typeof value === "object") {
    for (const [name, inner] of Object.entries(value)) collect(path && path !== "rules" ? `${path} ${name}` : name, inner, pairs);
  } else if (value !== null) {
    const name = path.replace(/_seconds$/, "").replace(/ seconds$/, "").replaceAll("_", " ");
    pairs.push([name, worded(path, value)]);
  }
}

// The unit is in the field's name.
function worded(path, value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "number") return String(value);
  if (/seconds$/.test(path)) return took(value);
  if (/(_rate|enforcement|jitter|percentile|from)$/.test(path)) return share(value);
  if (/ calls$/.test(path)) return plural(value, "call");
  return String(value);
}

export function renderConfig({ source, text }) {
  return [h("details", null, h("summary", null, `All of it${source ? `, from ${source}` : ""}`), h("pre", { tabindex: "0" }, text))];
}
