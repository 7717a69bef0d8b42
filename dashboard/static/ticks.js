/**
 * Where the ticks of an axis go, and how far a value axis reaches. Pure.
 */

import { formatClock, formatDay, fromWall, toWall } from "./times.js";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const STEPS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((count) => count * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 3, 6, 12].map((count) => count * HOUR),
  ...[1, 2, 7, 14].map((count) => count * DAY),
];

/** @typedef {{value: number, label: string, major: boolean}} TimeTick */

/**
 * Round times of the zone's clock within a range, days marked as major.
 * @param {{start: number, end: number}} range
 * @param {string} zone
 * @param {number} most
 * @returns {TimeTick[]}
 */
export function timeTicks(range, zone, most) {
  const span = range.end - range.start;
  if (!(span > 0) || most < 1) return [];
  const step = STEPS.find((length) => span / length <= most);
  const instants = step ? clockTicks(range, zone, step) : monthTicks(range, zone, most);
  return instants.map((value) => timeTick(value, zone, step ?? Infinity));
}

/**
 * @param {{start: number, end: number}} range
 * @param {string} zone
 * @param {number} step
 */
function clockTicks(range, zone, step) {
  const ticks = [];
  // Weeks begin on Monday; 1970-01-01 was a Thursday.
  const origin = step % (7 * DAY) === 0 ? 4 * DAY : 0;
  let wall = Math.floor((toWall(range.start, zone) - origin) / step) * step + origin;
  for (let count = 0; count < 1000; count += 1, wall += step) {
    const value = fromWall(wall, zone);
    if (value > range.end) break;
    if (value >= range.start && value > (ticks.at(-1) ?? -Infinity)) ticks.push(value);
  }
  return ticks;
}

/**
 * @param {{start: number, end: number}} range
 * @param {string} zone
 * @param {number} most
 */
function monthTicks(range, zone, most) {
  const months = (range.end - range.start) / (30.44 * DAY);
  const step =
    [1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200].find((size) => months / size <= most) ?? 2400;
  const first = new Date(toWall(range.start, zone));
  let month = first.getUTCFullYear() * 12 + first.getUTCMonth();
  month -= month % step;
  const ticks = [];
  for (let count = 0; count < 1000; count += 1, month += step) {
    const value = fromWall(Date.UTC(Math.floor(month / 12), month % 12, 1), zone);
    if (value > range.end) break;
    if (value >= range.start) ticks.push(value);
  }
  return ticks;
}

/**
 * @param {number} value
 * @param {string} zone
 * @param {number} step
 * @returns {TimeTick}
 */
function timeTick(value, zone, step) {
  const wall = new Date(toWall(value, zone));
  if (step === Infinity) {
    const january = wall.getUTCMonth() === 0;
    const label = january ? String(wall.getUTCFullYear()) : formatDay(value, zone);
    return { value, label, major: january };
  }
  const midnight = wall.getTime() % DAY === 0;
  if (step >= DAY) return { value, label: formatDay(value, zone), major: wall.getUTCDate() === 1 };
  if (midnight) return { value, label: formatDay(value, zone), major: true };
  const clock = formatClock(value, zone, step < MINUTE ? "second" : "minute");
  const fraction = String(Math.round(wall.getTime()) % SECOND).padStart(3, "0");
  return { value, label: step < SECOND ? `${clock}.${fraction}` : clock, major: false };
}

/**
 * @param {number} span
 * @param {number} count about so many steps
 */
export function niceStep(span, count) {
  const rough = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 2.5, 5, 10].find((size) => size * power >= rough * 0.999) ?? 10;
  return factor * power;
}

/**
 * How far a value axis reaches, and its ticks: all of the data, and each limit that is near enough
 * (at most three quarters of the data's span away) to be shown without flattening them. A channel
 * that does not move shows its limits: there is nothing to flatten. Ends lie on half steps, so
 * that an axis does not move with every new reading.
 * @param {number} low
 * @param {number} high
 * @param {{low: number | null, high: number | null}} limits
 * @param {number} count about so many steps
 * @param {number} share of the span that is left free at either end
 * @returns {{min: number, max: number, step: number, ticks: number[]}}
 */
export function valueAxis(low, high, limits, count = 4, share = 0.03) {
  const reach = high > low ? 0.75 * (high - low) : Infinity;
  let min = low;
  let max = high;
  for (const limit of [limits.low, limits.high]) {
    if (limit === null || limit < low - reach || limit > high + reach) continue;
    min = Math.min(min, limit);
    max = Math.max(max, limit);
  }
  if (min === max) {
    const half = Math.abs(min) * 0.05 || 1;
    min -= half;
    max += half;
  }
  const span = max - min;
  const step = niceStep(span * (1 + 2 * share), count);
  const floor = min - span * share;
  const bottom = low >= 0 && floor < 0 ? 0 : Math.floor((floor / step) * 2) * (step / 2);
  let top = Math.ceil(((max + span * share) / step) * 2 - 1e-9) * (step / 2);
  // Above a high limit there has to be room for its name.
  if (limits.high !== null && limits.high <= max && top - limits.high < (top - bottom) / 9)
    top += step / 2;
  return { min: bottom, max: top, step, ticks: multiples(bottom, top, step) };
}

/**
 * @param {number} min
 * @param {number} max
 * @param {number} step
 */
function multiples(min, max, step) {
  const first = Math.ceil(min / step - 1e-9);
  const last = Math.floor(max / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, at) =>
    Number(((first + at) * step).toPrecision(12)),
  );
}
