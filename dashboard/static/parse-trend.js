/**
 * The answer of /api/trends as parallel arrays. Pure.
 */

import { push } from "./series.js";
import { parseTime } from "./times.js";

/**
 * @typedef {import("./series.js").Series} Series
 * @typedef {import("./series.js").Gap} Gap
 * @typedef {import("./series.js").Trend} Trend
 */

/**
 * @param {any} answer of /api/trends
 * @returns {Trend}
 */
export function parseTrend(answer) {
  /** @type {Map<string, Series>} */
  const channels = new Map();
  const parsed = timeParser();
  for (const [name, series] of Object.entries(answer.channels))
    channels.set(name, parseSeries(series, parsed));
  return {
    rig: answer.rig,
    channels,
    gaps: answer.gaps.map(parseGap),
    shortGaps: answer.gap_count - answer.gaps.length,
    downsampled: answer.downsampled,
    resolution: answer.resolution_s,
    count: answer.record_count,
  };
}

/**
 * A channel of the answer; when thinned its red readings take their places among the others.
 * @param {any} series
 * @param {(texts: string[]) => number[]} parsed
 * @returns {Series}
 */
function parseSeries(
  { timestamps, values, zscores, levels, red, red_buckets: redBuckets },
  parsed,
) {
  const nothing = new Array(timestamps.length).fill(null);
  const series = {
    times: parsed(timestamps),
    values,
    zscores: zscores ?? nothing,
    levels: levels ?? nothing,
    redBuckets: (redBuckets ?? []).map(parseTime),
  };
  return redBuckets ? withRed(series, red) : series;
}

/**
 * @param {Series} series
 * @param {any} red
 * @returns {Series}
 */
function withRed({ redBuckets, ...series }, red) {
  /** @type {Series} */
  const found = { times: [], values: [], zscores: [], levels: [], redBuckets };
  const times = red.timestamps.map(parseTime);
  let at = 0;
  times.forEach((/** @type {number} */ time, /** @type {number} */ mark) => {
    for (; series.times[at] < time; at += 1)
      push(found, series.times[at], series.values[at], null, null);
    if (series.times[at] === time) at += 1;
    push(found, time, red.values[mark], red.zscores[mark], "red");
  });
  for (; at < series.times.length; at += 1)
    push(found, series.times[at], series.values[at], null, null);
  return found;
}

/** Times of channels that share them are read once. */
function timeParser() {
  /** @type {string[]} */
  let texts = [];
  /** @type {number[]} */
  let times = [];
  return (/** @type {string[]} */ next) => {
    const same = next.length === texts.length && next.every((text, at) => text === texts[at]);
    if (!same) [texts, times] = [next, next.map(parseTime)];
    return times;
  };
}

/**
 * @param {{start: string, end: string}} gap
 * @returns {Gap}
 */
function parseGap(gap) {
  return { start: parseTime(gap.start), end: parseTime(gap.end) };
}
