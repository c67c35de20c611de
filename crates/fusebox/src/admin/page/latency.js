// How long calls take: percentiles, and a histogram with the threshold of slowness.

import { h, svg } from "./dom.js";
import { count, plural, took } from "./format.js";
import { facts } from "./cause.js";

const WIDTH = 600;
const HEIGHT = 90;

export function renderLatency(told) {
  if (told.count === 0) return [];
  return [
    facts([["half are within", took(told.p50_seconds)], ["90 %", took(told.p90_seconds)], ["99 %", took(told.p99_seconds)],
      ["99.9 %", took(told.p999_seconds)], ["longest", took(told.max_seconds)], ["mean", took(told.sum_seconds / told.count)], ["calls", count(told.count)]]),
    histogram(told.buckets, told.slow_call_seconds ?? null),
  ];
}

// Empty buckets at both ends are left out.
function histogram(all, slow) {
  const used = all.map((bucket, index) => (bucket.count > 0 ? index : -1)).filter((index) => index >= 0);
  if (used.length === 0) return null;
  const buckets = all.slice(Math.max(0, used[0] - 1), used.at(-1) + 2);
  const most = Math.max(...buckets.map((bucket) => bucket.count));
  const step = WIDTH / buckets.length;
  const bars = buckets.map((bucket, index) => {
    const height = bucket.count === 0 ? 0 : Math.max(1.5, (bucket.count / most) * HEIGHT);
    const isSlow = slow !== null && (bucket.le_seconds === null || bucket.le_seconds > slow);
    return svg("rect", { class: isSlow ? "column slow" : "column", x: (index * step + 1).toFixed(1), y: (HEIGHT - height).toFixed(1), width: (step - 2).toFixed(1), height: height.toFixed(1) },
      svg("title", null, `${label(bucket, buckets[index - 1])}: ${plural(bucket.count, "call")}`));
  });
  const picture = svg("svg", { class: "histogram", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": spokenHistogram(buckets, most) }, bars);
  // As many labels as fit.
  const every = Math.ceil(buckets.length / 9);
  const labels = h("div", { class: "ticks", "aria-hidden": "true" }, buckets.map((bucket, index) =>
    h("span", null, index % every === 0 ? (bucket.le_seconds === null ? "more" : took(bucket.le_seconds)) : "")));
  return h("div", { class: "chart" }, picture, labels);
}

function label(bucket, before) {
  if (bucket.le_seconds === null) return `over ${took(before?.le_seconds ?? 0)}`;
  return `up to ${took(bucket.le_seconds)}`;
}

function spokenHistogram(buckets, most) {
  const index = buckets.findIndex((bucket) => bucket.count === most);
  return `Histogram; most calls took ${label(buckets[index], buckets[index - 1])}`;
}
