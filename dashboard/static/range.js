/**
 * Range arithmetic. Pure. A range is half-open: start <= t < end, in milliseconds.
 *
 * A selection is what was chosen with the time controls (`base`) and, inside it, what was zoomed
 * to (`zoom`). The range that the page shows follows from it and from the extent of the record.
 */

import { dayRange } from "./times.js";

/**
 * @typedef {{start: number, end: number}} Range
 * @typedef {{kind: "last", seconds: number} | {kind: "all"} | {kind: "date", date: string}
 *   | {kind: "span", start: number, end: number}} Base
 * @typedef {{base: Base, zoom: Range | null}} Selection
 * @typedef {{first: number, last: number, interval: number | null, zone: string}} Extent
 */

const MINUTE_S = 60;
const HOUR_S = 60 * MINUTE_S;
const DAY_S = 24 * HOUR_S;

/** The part of a quick range, one in so many, that may lie ahead of the newest reading. */
const MOST_AHEAD = 20;

/** @type {Base} */
export const FIRST_VIEW = Object.freeze({ kind: "last", seconds: DAY_S });

/** The ranges that have a button, in order. @type {readonly {key: string, base: Base}[]} */
export const QUICK_RANGES = Object.freeze([
  { key: "15min", base: { kind: "last", seconds: 15 * MINUTE_S } },
  { key: "1h", base: { kind: "last", seconds: HOUR_S } },
  { key: "6h", base: { kind: "last", seconds: 6 * HOUR_S } },
  { key: "24h", base: FIRST_VIEW },
  { key: "7d", base: { kind: "last", seconds: 7 * DAY_S } },
  { key: "all", base: { kind: "all" } },
]);

/** @type {Record<string, number>} */
const UNITS_S = { s: 1, min: MINUTE_S, h: HOUR_S, d: DAY_S };

/**
 * The base that a key stands for, also one without a button: `15min`, `90s`, `12h`, `30d`, `all`.
 * @param {string | null} key
 * @returns {Base | null} null when it makes no sense
 */
export function baseOf(key) {
  if (key === "all") return { kind: "all" };
  const [, count, unit] = /^(\d{1,6})(s|min|h|d)$/.exec(key ?? "") ?? [];
  return Number(count) > 0 ? { kind: "last", seconds: Number(count) * UNITS_S[unit] } : null;
}

/**
 * The shortest key of a base that has one.
 * @param {Base} base
 * @returns {string | null}
 */
export function keyOf(base) {
  if (base.kind === "all") return "all";
  if (base.kind !== "last") return null;
  const quick = QUICK_RANGES.find(
    (each) => each.base.kind === "last" && each.base.seconds === base.seconds,
  );
  if (quick) return quick.key;
  const unit = ["d", "h", "min"].find((each) => base.seconds % UNITS_S[each] === 0) ?? "s";
  return `${base.seconds / UNITS_S[unit]}${unit}`;
}

/**
 * The usual time between two readings, in ms; a second where it is not known.
 * @param {Extent} extent
 */
export function stepOf(extent) {
  return extent.interval ? extent.interval * 1000 : 1000;
}

/**
 * The whole record: from the first reading to one interval after the last.
 * @param {Extent} extent
 * @returns {Range}
 */
export function wholeRange(extent) {
  return { start: extent.first, end: extent.last + stepOf(extent) };
}

/**
 * @param {Base} base
 * @param {Extent} extent
 * @returns {Range}
 */
export function baseRange(base, extent) {
  const whole = wholeRange(extent);
  if (base.kind === "all") return whole;
  if (base.kind === "span") return { start: base.start, end: base.end };
  if (base.kind === "date") return dayRange(base.date, extent.zone) ?? whole;
  const span = base.seconds * 1000;
  if (whole.end - whole.start <= span) return whole;
  // Where the usual time between readings is long: not a window that is half to come.
  const end = extent.last + Math.min(stepOf(extent), span / MOST_AHEAD);
  return { start: Math.max(whole.start, end - span), end };
}

/**
 * @param {Selection} selection
 * @param {Extent} extent
 */
export function shownRange(selection, extent) {
  return selection.zoom ?? baseRange(selection.base, extent);
}

/**
 * Whether the shown range moves along with new readings.
 * @param {Selection} selection
 */
export function follows(selection) {
  return (
    selection.zoom === null && (selection.base.kind === "last" || selection.base.kind === "all")
  );
}

/**
 * @param {Range} outer
 * @param {Range} inner
 */
export function contains(outer, inner) {
  return outer.start <= inner.start && inner.end <= outer.end;
}

/**
 * @param {Range} one
 * @param {Range} other
 */
export function overlaps(one, other) {
  return one.start < other.end && other.start < one.end;
}

/**
 * The selection that shows a range: a zoom while it lies within the base, else a base of its own.
 * @param {Selection} selection
 * @param {Range} range
 * @param {Extent} extent
 * @returns {Selection}
 */
export function select(selection, range, extent) {
  const base = baseRange(selection.base, extent);
  if (contains(base, range)) {
    const same = base.start === range.start && base.end === range.end;
    return { base: selection.base, zoom: same ? null : range };
  }
  return { base: { kind: "span", ...range }, zoom: null };
}

/**
 * Moved by whole windows; null when there is nothing that way. A window that would pass the end
 * of the record goes back to following it.
 * @param {Selection} selection
 * @param {Extent} extent
 * @param {-1 | 1} direction
 * @returns {Selection | null}
 */
export function shift(selection, extent, direction) {
  const shown = shownRange(selection, extent);
  const whole = wholeRange(extent);
  const span = shown.end - shown.start;
  const range = { start: shown.start + direction * span, end: shown.end + direction * span };
  if (direction < 0 && shown.start <= whole.start) return null;
  if (direction > 0 && shown.end > extent.last) return null;
  return select(selection, range, extent);
}

/**
 * Zoomed about a point; `factor` below 1 shows less.
 * @param {Range} range
 * @param {number} centre
 * @param {number} factor
 * @param {Extent} extent
 * @returns {Range}
 */
export function zoomed(range, centre, factor, extent) {
  const start = centre - (centre - range.start) * factor;
  const end = centre + (range.end - centre) * factor;
  return fitted({ start, end }, extent);
}

/**
 * A range made fit to be shown: at least four intervals long, and within the record.
 * @param {Range} range
 * @param {Extent} extent
 * @returns {Range}
 */
export function fitted(range, extent) {
  const whole = wholeRange(extent);
  const least = Math.min(4 * stepOf(extent), whole.end - whole.start);
  const most = whole.end - whole.start;
  const span = Math.min(Math.max(range.end - range.start, least), most);
  const middle = (range.start + range.end) / 2;
  const start = Math.min(Math.max(middle - span / 2, whole.start), whole.end - span);
  return {
    start: Math.max(rounded(start, span), whole.start),
    end: Math.min(rounded(start + span, span), whole.end),
  };
}

/**
 * Moved, but not out of the record.
 * @param {Range} range
 * @param {number} by
 * @param {Extent} extent
 * @returns {Range}
 */
export function moved(range, by, extent) {
  const whole = wholeRange(extent);
  const span = range.end - range.start;
  const last = Math.max(whole.start, whole.end - span);
  const start = Math.min(Math.max(rounded(range.start + by, span), whole.start), last);
  return { start, end: start + span };
}

/**
 * What to show around an event: it and as much context on either side, at least 20 intervals.
 * @param {Range} event
 * @param {Extent} extent
 * @returns {Range}
 */
export function withContext(event, extent) {
  const context = Math.max(20 * stepOf(extent), event.end - event.start);
  return fitted({ start: event.start - context, end: event.end + context }, extent);
}

/**
 * To a length that nobody sees on a chart of this span, so that times stay short in links.
 * @param {number} instant
 * @param {number} span
 */
function rounded(instant, span) {
  const unit =
    [60_000, 10_000, 1000, 100, 10, 1, 0.1, 0.01].find((length) => length <= span / 400) ?? 0.001;
  return Math.round(Math.round(instant / unit) * unit * 1000) / 1000;
}
