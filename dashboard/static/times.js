/**
 * Times and zones. Pure. An instant is a number of milliseconds since 1970-01-01T00:00Z, with
 * microseconds in its fraction; a wall time is the same for what a clock in the zone shows.
 */

import { LOCALE } from "./format.js";

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/**
 * @param {string} zone
 * @param {Intl.DateTimeFormatOptions} options
 */
function formatter(zone, options) {
  const key = `${zone}|${JSON.stringify(options)}`;
  let format = formats.get(key);
  if (!format) {
    format = new Intl.DateTimeFormat(LOCALE, { timeZone: zone, ...options });
    formats.set(key, format);
  }
  return format;
}

/**
 * @param {string} text RFC 3339, up to microseconds
 */
export function parseTime(text) {
  const milliseconds = Date.parse(text);
  const micro = /\.\d{3}(\d{1,3})/.exec(text);
  return micro ? milliseconds + Number(micro[1].padEnd(3, "0")) / 1000 : milliseconds;
}

/**
 * RFC 3339 in UTC, with as many decimals as it needs.
 * @param {number} instant
 */
export function toIso(instant) {
  const micro = Math.round(instant * 1000);
  const seconds = Math.floor(micro / 1e6);
  const fraction = String(micro - seconds * 1e6)
    .padStart(6, "0")
    .replace(/0+$/, "");
  const text = new Date(seconds * 1000).toISOString().replace(/\.000Z$/, "");
  return `${text}${fraction ? `.${fraction}` : ""}Z`;
}

/** @type {Map<string, boolean>} */
const zones = new Map();

/**
 * Whether the browser knows the zone. It takes a while to find out.
 * @param {string} zone
 */
export function isZone(zone) {
  let known = zones.get(zone);
  if (known === undefined) {
    try {
      new Intl.DateTimeFormat("en", { timeZone: zone });
      known = true;
    } catch {
      known = false;
    }
    zones.set(zone, known);
  }
  return known;
}

/**
 * What the clock in the zone shows at an instant, as if it were UTC.
 * @param {number} instant
 * @param {string} zone
 */
export function toWall(instant, zone) {
  if (zone === "UTC") return instant;
  const whole = Math.floor(instant / 1000) * 1000;
  const parts = formatter(zone, {
    calendar: "gregory",
    numberingSystem: "latn",
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  }).formatToParts(whole);
  /** @param {Intl.DateTimeFormatPartTypes} type */
  const part = (type) => Number(parts.find((item) => item.type === type)?.value);
  const wall = Date.UTC(
    part("year"),
    part("month") - 1,
    part("day"),
    part("hour"),
    part("minute"),
    part("second"),
  );
  return wall + (instant - whole);
}

/**
 * The instant at which the clock in the zone shows a wall time: the first of two where the
 * clock goes back, the same distance after the change where it skips the time.
 * @param {number} wall
 * @param {string} zone
 */
export function fromWall(wall, zone) {
  if (zone === "UTC") return wall;
  const day = 86_400_000;
  const before = wall - (toWall(wall - day, zone) - (wall - day));
  if (toWall(before, zone) === wall) return before;
  const after = wall - (toWall(wall + day, zone) - (wall + day));
  if (toWall(after, zone) === wall) return after;
  return before;
}

/**
 * A day of 23 to 25 hours.
 * @param {string} date YYYY-MM-DD
 * @param {string} zone
 * @returns {{start: number, end: number} | null} null when there is no such day
 */
export function dayRange(date, zone) {
  const wall = Date.parse(`${date}T00:00:00Z`);
  if (!/^\d{4}-\d{2}-\d{2}$/.test(date) || Number.isNaN(wall)) return null;
  if (new Date(wall).toISOString().slice(0, 10) !== date) return null;
  return { start: fromWall(wall, zone), end: fromWall(wall + 86_400_000, zone) };
}

/**
 * @param {number} instant
 * @param {string} zone
 * @returns YYYY-MM-DD
 */
export function dateOf(instant, zone) {
  return new Date(toWall(instant, zone)).toISOString().slice(0, 10);
}

/**
 * The value of a datetime-local input.
 * @param {number} instant
 * @param {string} zone
 */
export function toInput(instant, zone) {
  return new Date(Math.round(toWall(instant, zone))).toISOString().replace(/(\.000)?Z$/, "");
}

/**
 * @param {string} text the value of a datetime-local input
 * @param {string} zone
 * @returns {number | null}
 */
export function fromInput(text, zone) {
  const wall = Date.parse(`${text}Z`);
  return Number.isNaN(wall) ? null : fromWall(wall, zone);
}

/**
 * `13 Jul 2025`
 * @param {number} instant
 * @param {string} zone
 */
export function formatDate(instant, zone) {
  return formatter(zone, { day: "numeric", month: "short", year: "numeric" }).format(instant);
}

/**
 * `13 Jul`
 * @param {number} instant
 * @param {string} zone
 */
export function formatDay(instant, zone) {
  return formatter(zone, { day: "numeric", month: "short" }).format(instant);
}

/** @typedef {"minute" | "second" | "exact"} Precision */

/**
 * `02:48`, `02:48:00`, or with the fraction where there is one.
 * @param {number} instant
 * @param {string} zone
 * @param {Precision} precision
 */
export function formatClock(instant, zone, precision = "minute") {
  const text = new Date(Math.floor(toWall(instant, zone) / 1000) * 1000).toISOString();
  if (precision === "minute") return text.slice(11, 16);
  if (precision === "second") return text.slice(11, 19);
  const fraction = /\.\d+/.exec(toIso(instant))?.[0] ?? "";
  return (
    text.slice(11, 19) +
    fraction.replace(/^\.(\d{1,2})$/, (_, digits) => `.${digits.padEnd(3, "0")}`)
  );
}

/**
 * @param {number} instant
 * @param {string} zone
 * @param {Precision} precision
 */
export function formatInstant(instant, zone, precision = "exact") {
  return `${formatDate(instant, zone)} ${formatClock(instant, zone, precision)}`;
}

/**
 * `13 Jul 2025 00:00 – 12:00`; the end is the moment at which the range ends.
 * @param {{start: number, end: number}} range
 * @param {string} zone
 */
export function formatRange(range, zone) {
  if (isDay(range, zone)) return `${formatDate(range.start, zone)}, all day`;
  const precision = rangePrecision(range);
  const from = formatClock(range.start, zone, precision);
  const until = formatClock(range.end, zone, precision);
  const first = formatDate(range.start, zone);
  if (dateOf(range.start, zone) === dateOf(range.end, zone)) return `${first} ${from} – ${until}`;
  const sameYear = dateOf(range.start, zone).slice(0, 4) === dateOf(range.end, zone).slice(0, 4);
  const start = sameYear ? formatDay(range.start, zone) : first;
  return `${start} ${from} – ${formatDate(range.end, zone)} ${until}`;
}

/**
 * @param {{start: number, end: number}} range
 * @param {string} zone
 */
function isDay(range, zone) {
  const day = dayRange(dateOf(range.start, zone), zone);
  return day !== null && day.start === range.start && day.end === range.end;
}

/**
 * How precise times within a range have to be.
 * @param {{start: number, end: number}} range
 * @returns {Precision}
 */
export function rangePrecision(range) {
  const seconds = (range.end - range.start) / 1000;
  if (seconds < 20) return "exact";
  return seconds < 1800 ? "second" : "minute";
}

/**
 * `UTC`, `CEST`, `GMT+5:30`
 * @param {string} zone
 * @param {number} instant
 */
export function zoneAbbreviation(zone, instant) {
  const parts = formatter(zone, { timeZoneName: "short" }).formatToParts(instant);
  return parts.find((part) => part.type === "timeZoneName")?.value ?? zone;
}
