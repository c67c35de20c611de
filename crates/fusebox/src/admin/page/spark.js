// The last two minutes of a circuit, drawn: calls that went well, failed and were rejected, one on the other, and a mark at
// every transition.

import { setAttribute, svg } from "./dom.js";
import { POINTS, POINT_MS, binAt } from "./series.js";

const HEIGHT = 30;
const TOP = 5;
const WIDTH = POINTS * 3;
const KINDS = ["ok", "failed", "rejected"];
const SPAN_MS = POINTS * POINT_MS;

function mark(to) {
  switch (to) {
    case "open":
      return svg("rect", { class: "ink", x: -2.5, y: 0, width: 5, height: 5 });
    case "half_open":
      return svg("path", { class: "ink", d: "M0-.5 3 2.5 0 5.5-3 2.5z" });
    default:
      return svg("circle", { class: "line", cx: 0, cy: 2.5, r: 2 });
  }
}

export class Spark {
  constructor() {
    this.areas = KINDS.map((kind) => svg("path", { class: `area-${kind}`, fill: kind === "rejected" ? "url(#hatch)" : null }));
    this.marks = svg("g", null);
    this.element = svg("svg", {
      class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false",
    }, svg("path", { class: "axis", d: `M0 ${HEIGHT - 0.5}H${WIDTH}` }), this.areas, this.marks);
  }

  paint(series, marks, now) {
    const last = binAt(now);
    const points = Array.from({ length: POINTS }, (_, index) => series.point(last - POINTS + 1 + index));
    // The point under way is not full yet: it is left out of the scale.
    const most = Math.max(1, ...points.slice(0, -1).map((point) => point[0] + point[1] + point[2]));
    const scale = (HEIGHT - TOP - 1) / most;
    let floor = new Array(POINTS).fill(0);
    this.areas.forEach((area, kind) => {
      const roof = floor.map((height, index) => Math.min(most, height + points[index][kind]));
      setAttribute(area, "d", layer(floor, roof, scale));
      floor = roof;
    });
    this.#mark(marks, now);
  }

  #mark(marks, now) {
    const seen = marks.filter((one) => now - one.at < SPAN_MS);
    const drawn = seen.map((one) => {
      const x = WIDTH * (1 - Math.max(0, now - one.at) / SPAN_MS);
      return svg("g", { class: "transition", "data-state": one.to, transform: `translate(${Math.min(WIDTH - 3, x).toFixed(1)} 0)` },
        svg("path", { class: "stem", d: `M0 5V${HEIGHT}` }), mark(one.to));
    });
    this.marks.replaceChildren(...drawn);
  }
}

// One kind of calls as columns between what lies below it and its own top.
function layer(floor, roof, scale) {
  let path = "";
  roof.forEach((top, index) => {
    const height = (top - floor[index]) * scale;
    if (height <= 0) return;
    const y = HEIGHT - 1 - top * scale;
    path += `M${index * 3} ${y.toFixed(1)}h2.6v${height.toFixed(1)}h-2.6z`;
  });
  return path;
}
