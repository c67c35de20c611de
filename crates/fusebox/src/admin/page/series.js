// Two minutes of calls, in points of two seconds.
//
// A snapshot brings whole points. The update at the end of a second brings the calls of that second; these do not come to the
// millisecond, so a point is the mean of the seconds in it. A row that such an update leaves out had no calls.

export const POINTS = 60;
export const POINT_MS = 2000;
const RING = 64;

const seconds = { bins: new Int32Array(RING).fill(-1), counts: new Int32Array(RING) };

// Counted on from a number that keeps points from before the page was opened above zero.
export function binAt(moment) {
  return Math.floor(moment / POINT_MS) + RING;
}

// A second is over: whoever is not in its update had nothing.
export function countSecond(moment) {
  const [bin, at] = [binAt(moment), binAt(moment) % RING];
  if (seconds.bins[at] !== bin) {
    seconds.bins[at] = bin;
    seconds.counts[at] = 0;
  }
  seconds.counts[at] += 1;
}

export class Series {
  constructor() {
    this.bins = new Int32Array(RING).fill(-1);
    this.whole = new Uint8Array(RING);
    this.values = [new Float32Array(RING), new Float32Array(RING), new Float32Array(RING)];
  }

  // Sixty whole points, the oldest first, the last of them now.
  fill(points, moment) {
    const last = binAt(moment);
    points.forEach((point, index) => {
      const bin = last - (points.length - 1 - index);
      this.#put(bin, point, true);
    });
  }

  sample(last, moment) {
    this.#put(binAt(moment), last, false);
  }

  #put(bin, { ok, failed, rejected }, whole) {
    const at = bin % RING;
    if (this.bins[at] !== bin) {
      this.bins[at] = bin;
      this.whole[at] = whole ? 1 : 0;
      for (const values of this.values) values[at] = 0;
    } else if (this.whole[at] === 1) {
      return;
    }
    [ok, failed, rejected].forEach((value, kind) => {
      this.values[kind][at] += value;
    });
  }

  // [ok, failed, rejected] of the point `bin`.
  point(bin) {
    const at = bin % RING;
    if (this.bins[at] !== bin) return [0, 0, 0];
    if (this.whole[at] === 1) return this.values.map((values) => values[at]);
    const seen = seconds.bins[at] === bin ? Math.max(1, seconds.counts[at]) : 1;
    return this.values.map((values) => (values[at] * (POINT_MS / 1000)) / seen);
  }
}
