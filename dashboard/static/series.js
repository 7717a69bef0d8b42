/**
 * The readings of a range as parallel arrays: what a chart, a table and a sparkline draw. Pure.
 */

import { parseTime } from "./times.js";

/**
 * @typedef {"normal" | "yellow" | "red" | null} Level
 * @typedef {object} Series one channel at its own times
 * @property {number[]} times
 * @property {(number | null)[]} values
 * @property {(number | null)[]} zscores
 * @property {Level[]} levels when thinned, these and z-scores are known of red readings only
 * @property {number[]} redBuckets when thinned, the starts of all buckets with red readings
 * @typedef {{start: number, end: number}} Gap
 * @typedef {object} Trend
 * @property {string} rig
 * @property {Map<string, Series>} channels
 * @property {Gap[]} gaps
 * @property {number} shortGaps counted, but too many and too short to be in `gaps`
 * @property {boolean} downsampled
 * @property {number | null} resolution seconds
 * @property {number} count readings in the range
 * @typedef {{timestamp: string, values: Record<string, number | null>,
 *   zscores: Record<string, number | null>, levels: Record<string, Level>}} Reading
 */

/**
 * The trend with new readings at its end, and a null and a gap where there was a silence. Null
 * when a reading is not newer than the last one: then only the server knows the order.
 * @param {Trend} trend
 * @param {readonly Reading[]} readings oldest first
 * @param {number | null} interval seconds
 * @returns {Trend | null}
 */
export function appended(trend, readings, interval) {
  const next = { ...trend, channels: mapped(trend, (series) => from(series, 0)) };
  next.gaps = trend.gaps.slice();
  let last = lastTime(trend);
  for (const reading of readings) {
    const time = parseTime(reading.timestamp);
    if (last !== null && time <= last) return null;
    const step = interval ? interval * 1000 : null;
    if (last !== null && step !== null && time - last > 1.5 * step) {
      for (const series of next.channels.values()) push(series, last + step, null, null, null);
      next.gaps.push({ start: last + step, end: time });
    }
    pushReading(next, time, reading);
    next.count += 1;
    last = time;
  }
  return next;
}

/**
 * @param {Trend} trend
 * @returns {number | null}
 */
function lastTime(trend) {
  const last = Math.max(
    ...[...trend.channels.values()].map(({ times }) => times.at(-1) ?? -Infinity),
  );
  return Number.isFinite(last) ? last : null;
}

/**
 * @param {Trend} trend changed
 * @param {number} time
 * @param {Reading} reading
 */
function pushReading(trend, time, { values, zscores, levels }) {
  for (const [name, series] of trend.channels) {
    const value = values[name] ?? null;
    const level = levels?.[name] ?? null;
    if (!trend.downsampled || level === "red")
      push(series, time, value, zscores?.[name] ?? null, level);
    else if (value !== null) push(series, time, value, null, null);
  }
}

/**
 * @param {Series} series changed
 * @param {number} time
 * @param {number | null} value
 * @param {number | null} zscore
 * @param {Level} level
 */
export function push(series, time, value, zscore, level) {
  series.times.push(time);
  series.values.push(value);
  series.zscores.push(zscore);
  series.levels.push(level);
}

/**
 * Without what lies before `start`, except the last reading before it, from which a line leads in.
 * @param {Trend} trend
 * @param {number} start
 * @returns {Trend}
 */
export function trimmed(trend, start) {
  const channels = mapped(trend, (series) =>
    from(series, Math.max(0, firstAtOrAfter(series.times, start) - 1)),
  );
  return { ...trend, channels, gaps: trend.gaps.filter((gap) => gap.end > start) };
}

/**
 * @param {Trend} trend
 * @param {(series: Series) => Series} change
 */
function mapped(trend, change) {
  return new Map([...trend.channels].map(([name, series]) => [name, change(series)]));
}

/**
 * A copy that begins at an index.
 * @param {Series} series
 * @param {number} index
 * @returns {Series}
 */
function from({ times, values, zscores, levels, redBuckets }, index) {
  return {
    times: times.slice(index),
    values: values.slice(index),
    zscores: zscores.slice(index),
    levels: levels.slice(index),
    redBuckets,
  };
}

/**
 * Entries of the longest series.
 * @param {Trend} trend
 */
export function lengthOf(trend) {
  return Math.max(0, ...[...trend.channels.values()].map(({ times }) => times.length));
}

/**
 * Whether there is a reading of any channel in a range.
 * @param {Trend} trend
 * @param {{start: number, end: number}} range
 */
export function hasReadings(trend, { start, end }) {
  return [...trend.channels.values()].some(
    ({ times }) => times[firstAtOrAfter(times, start)] < end,
  );
}

/**
 * Index of the first time that is not before `instant`; the length when all are.
 * @param {readonly number[]} times ascending
 * @param {number} instant
 */
export function firstAtOrAfter(times, instant) {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < instant) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Index of the reading nearest to an instant that has a value; -1 when there is none.
 * @param {readonly number[]} times ascending
 * @param {readonly (number | null)[]} values
 * @param {number} instant
 */
export function nearest(times, values, instant) {
  let after = firstAtOrAfter(times, instant);
  let before = after - 1;
  while (after < times.length && values[after] === null) after += 1;
  while (before >= 0 && values[before] === null) before -= 1;
  if (after >= times.length) return before;
  if (before < 0) return after;
  return times[after] - instant < instant - times[before] ? after : before;
}

/**
 * Index of the reading within a range that is nearest to an instant; -1 when there is none.
 * @param {readonly number[]} times ascending
 * @param {readonly (number | null)[]} values
 * @param {number} instant
 * @param {{start: number, end: number}} range
 */
export function nearestWithin(times, values, instant, range) {
  const inside = Math.min(Math.max(instant, range.start), range.end);
  const found = nearest(times, values, inside);
  if (found < 0) return -1;
  const inner =
    times[found] < range.start
      ? stepped(values, found, 1)
      : times[found] >= range.end
        ? stepped(values, found, -1)
        : found;
  return times[inner] >= range.start && times[inner] < range.end ? inner : -1;
}

/**
 * Index of the next reading with a value, `steps` of them away; stays at the outermost one.
 * @param {readonly (number | null)[]} values
 * @param {number} index
 * @param {number} steps
 */
export function stepped(values, index, steps) {
  const direction = Math.sign(steps);
  let reached = index;
  let left = Math.abs(steps);
  for (let at = index + direction; left > 0 && at >= 0 && at < values.length; at += direction) {
    if (values[at] === null) continue;
    reached = at;
    left -= 1;
  }
  return reached;
}

/**
 * Indices of the readings within a range that have a value.
 * @param {Series} series
 * @param {{start: number, end: number}} range
 */
export function indicesWithin({ times, values }, range) {
  const indices = [];
  for (let at = firstAtOrAfter(times, range.start); at < times.length; at += 1) {
    if (times[at] >= range.end) break;
    if (values[at] !== null) indices.push(at);
  }
  return indices;
}

/**
 * Lowest and highest value; null when there is none.
 * @param {readonly (number | null)[]} values
 */
export function extremes(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value === null) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? { low, high } : null;
}

/**
 * Readings that stand alone between nulls: a line cannot show them.
 * @param {readonly (number | null)[]} values
 */
export function isolated(values) {
  const indices = [];
  for (let at = 0; at < values.length; at += 1) {
    if (values[at] === null) continue;
    if ((values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null) indices.push(at);
  }
  return indices;
}

/**
 * Times at which a counter began again.
 * @param {readonly number[]} times
 * @param {readonly (number | null)[]} values
 */
export function restarts(times, values) {
  const found = [];
  let last = null;
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at];
    if (value === null) continue;
    if (last !== null && value < last) found.push(times[at]);
    last = value;
  }
  return found;
}

/**
 * Gaps of a range, those included that reach over one of its ends: which the readings of the
 * range alone cannot tell.
 * @param {readonly Gap[]} inside between readings of the range
 * @param {readonly Gap[]} recorded of the whole record
 * @param {{start: number, end: number}} range
 * @returns {Gap[]} in order of time
 */
export function gapsAround(inside, recorded, { start, end }) {
  const reaching = recorded.filter(
    (gap) =>
      gap.start < end &&
      gap.end > start &&
      (gap.start < start || gap.end > end) &&
      !inside.some((other) => other.start < gap.end && gap.start < other.end),
  );
  return [...inside, ...reaching].sort((one, other) => one.start - other.start);
}

/**
 * The time of the reading that is farthest from normal.
 * @param {Series} series
 * @param {{start: number, end: number}} range its end included
 * @returns {number | null}
 */
export function worstWithin({ times, values, zscores }, { start, end }) {
  let worst = null;
  let farthest = -1;
  for (let at = firstAtOrAfter(times, start); at < times.length && times[at] <= end; at += 1) {
    const z = Math.abs(zscores[at] ?? 0);
    if (values[at] === null || z <= farthest) continue;
    farthest = z;
    worst = times[at];
  }
  return worst;
}
