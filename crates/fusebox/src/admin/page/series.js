// Two minutes of calls, in points of two seconds.
//
// A snapshot brings whole points. An update brings the calls of the last second, and may come sooner than a second after
// the one before; so updates are samples of a rate, and a point is their mean: none is counted twice. A row that an update
// leaves out had no calls.

export const POINTS = 60;
export const POINT_MS = 2000;
const RING = 64;

const frames = { bins: new Int32Array(RING).fill(-1), counts: new Int32Array(RING) };

// Counted on from a number that keeps points from before the page was opened above zero.
export function binAt(moment) {
  return Math.floor(moment / POINT_MS) + RING;
}

// An update has come: whoever is not in it had nothing.
export function countFrame(moment) {
  const [bin, at] = [binAt(moment), binAt(moment) % RING];
  if (frames.bins[at] !== bin) {
    frames.bins[at] = bin;
    frames.counts[at] = 0;
  }
  frames.counts[at] += 1;
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
    const seen = frames.bins[at] === bin ? Math.max(1, frames.counts[at]) : 1;
    return this.values.map((values) => (values[at] * (POINT_MS / 1000)) / seen);
  }
}
