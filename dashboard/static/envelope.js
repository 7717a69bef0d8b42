/**
 * The envelope of a thinned series: lowest and highest value of each bucket. Pure.
 */

/** @typedef {{time: number, low: number, high: number}} Span the middle of a bucket, its extremes */

/**
 * Buckets that follow each other without an empty one between them are one run.
 * @param {import("./series.js").Series} series
 * @param {number} bucket length in ms
 * @returns {Span[][]}
 */
export function envelope({ times, values }, bucket) {
  /** @type {Span[][]} */
  const runs = [];
  /** @type {Span[]} */
  let run = [];
  let current = Number.NaN;
  for (let at = 0; at < times.length; at += 1) {
    const value = values[at];
    if (value === null) {
      if (run.length) runs.push(run);
      run = [];
      current = Number.NaN;
      continue;
    }
    const number = Math.floor(times[at] / bucket);
    const span = run[run.length - 1];
    if (span && number === current) {
      span.low = Math.min(span.low, value);
      span.high = Math.max(span.high, value);
    } else {
      run.push({ time: (number + 0.5) * bucket, low: value, high: value });
      current = number;
    }
  }
  if (run.length) runs.push(run);
  return runs;
}
