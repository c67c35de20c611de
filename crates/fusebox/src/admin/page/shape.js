// A state is a shape and a word before it is a colour: filled octagon, half-filled diamond, hollow circle; a lock where it is held.

import { svg } from "./dom.js";
import { words } from "./format.js";

const OCTAGON = "M7 2h10l5 5v10l-5 5H7l-5-5V7z";
const DIAMOND = "M12 1.8 22.2 12 12 22.2 1.8 12z";
const HALF = "M12 1.8v20.4L1.8 12z";

function drawing(state) {
  switch (state) {
    case "open":
      return [svg("path", { class: "ink", d: OCTAGON }), svg("path", { class: "mark", d: "M8 8l8 8M16 8l-8 8" })];
    case "half_open":
      return [svg("path", { class: "line", d: DIAMOND }), svg("path", { class: "ink", d: HALF })];
    case "closed":
      return [svg("circle", { class: "line", cx: 12, cy: 12, r: 8.5 })];
    default:
      return [svg("circle", { class: "line", cx: 12, cy: 12, r: 8.5, "stroke-dasharray": "3 3" })];
  }
}

const LOCK = [
  ["path", { class: "lock-bow", d: "M14.5 15v-2a3 3 0 0 1 6 0v2" }],
  ["rect", { class: "lock-body", x: 12.5, y: 15, width: 10, height: 8, rx: 1 }],
];

// The drawing of a state; words say the same beside it, so it is hidden from screen readers.
export function shape(state, held = false) {
  const lock = held ? LOCK.map(([tag, attributes]) => svg(tag, attributes)) : [];
  return svg("svg", { class: "shape", "data-state": state, viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
    drawing(state), lock);
}

// The word for what a row is in.
export function stateWord(row) {
  return words(row.state).toUpperCase();
}

// What a hold makes of a circuit.
export function holdWord(hold) {
  return hold ? { shadow: "held in shadow" }[hold.mode] ?? words(hold.mode) : "";
}
