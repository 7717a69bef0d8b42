/**
 * Numbers, units and durations as people read them. Pure.
 */

const SYMBOLS = {
  degC: "°C",
  degF: "°F",
  degK: "K",
  kelvin: "K",
  percent: "%",
  ohm: "Ω",
  kohm: "kΩ",
  uA: "µA",
  us: "µs",
  um: "µm",
  deg: "°",
  dimensionless: "",
};

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * The English locale that the browser prefers, else British English. Some browsers name one that
 * no format knows: Chromium says `en-US@posix` where LANG is C.
 * @param {readonly string[]} languages
 */
export function englishLocale(languages) {
  return languages.find((language) => /^en(-[a-z0-9]{2,8})*$/i.test(language)) ?? "en-GB";
}

export const LOCALE = englishLocale(globalThis.navigator?.languages ?? []);

/**
 * `degC` as °C, `m/s**2` as m/s², `N*m` as N·m; anything else as it is.
 * @param {string | null | undefined} unit
 */
export function unitSymbol(unit) {
  if (!unit) return "";
  if (Object.hasOwn(SYMBOLS, unit)) return SYMBOLS[/** @type {keyof typeof SYMBOLS} */ (unit)];
  return unit
    .replace(/(\*\*|\^)2\b/g, "²")
    .replace(/(\*\*|\^)3\b/g, "³")
    .replace(/\s*\*\s*/g, "·");
}

/** @type {Map<number, Intl.NumberFormat>} */
const numberFormats = new Map();

/**
 * @param {number | null | undefined} value
 * @param {number} decimals
 */
export function formatNumber(value, decimals = 0) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  let format = numberFormats.get(decimals);
  if (!format) {
    format = new Intl.NumberFormat(LOCALE, {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
    });
    numberFormats.set(decimals, format);
  }
  const text = format.format(value);
  return (/^-[0.,]*$/.test(text) ? text.slice(1) : text).replace("-", "−");
}

// British English writes a million as m, which is milli to an engineer.
const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

/**
 * A count as it is up to 9,999, then `43.2K`: for where there is little room.
 * @param {number} count
 */
export function formatCompact(count) {
  return count < 10_000 ? formatNumber(count) : compact.format(count);
}

/**
 * @param {number | null | undefined} value
 * @param {number} decimals
 * @param {string} unit as the rig names it
 */
export function formatValue(value, decimals, unit) {
  const symbol = unitSymbol(unit);
  const text = formatNumber(value, decimals);
  return symbol ? `${text} ${symbol}` : text;
}

/**
 * A limit or threshold: no more decimals than it was written with.
 * @param {number} value
 */
export function formatExact(value) {
  return formatNumber(value, decimalsOf(value));
}

/**
 * Decimals that a value was measured with, float noise aside; at most 6.
 * @param {number} value
 */
export function decimalsOf(value) {
  const [mantissa, exponent] = Number(value.toPrecision(12)).toString().split("e");
  if (exponent !== undefined) return Number(exponent) < 0 ? 6 : 0;
  return Math.min(mantissa.split(".")[1]?.length ?? 0, 6);
}

/**
 * Decimals for a channel: `measured` is what its readings carry, `shown` no more than
 * tells 500 steps apart, so that headings stay short and the same at every zoom level; a mean
 * may have one more than its readings.
 * @param {readonly (number | null)[]} values
 * @returns {{measured: number, shown: number, mean: number}}
 */
export function channelDecimals(values) {
  let measured = 0;
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value === null) continue;
    if (measured < 6) measured = Math.max(measured, decimalsOf(value));
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const span = high - low;
  const needed = span > 0 ? Math.max(0, Math.ceil(-Math.log10(span / 500))) : measured;
  return {
    measured: Math.min(measured, 4),
    shown: Math.min(measured, needed, 4),
    mean: Math.min(measured + 1, needed, 4),
  };
}

/**
 * A length of time in its two largest units: `2 h`, `3 d 4 h`, `1 min 30 s`, `120 ms`.
 * @param {number} seconds
 */
export function formatDuration(seconds) {
  const length = Math.abs(seconds);
  if (length > 0 && length < 1) return `${formatNumber(length * 1000, 0)} ms`;
  if (length < 10 && !Number.isInteger(length)) return `${formatNumber(length, 1)} s`;
  const whole = Math.round(length);
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return join([Math.floor(whole / MINUTE), "min"], [whole % MINUTE, "s"]);
  const minutes = Math.round(whole / MINUTE);
  if (minutes < DAY / MINUTE) return join([Math.floor(minutes / 60), "h"], [minutes % 60, "min"]);
  const hours = Math.round(whole / HOUR);
  return join([Math.floor(hours / 24), "d"], [hours % 24, "h"]);
}

/**
 * @param {[number, string]} large
 * @param {[number, string]} small
 */
function join(large, small) {
  const first = `${formatNumber(large[0])} ${large[1]}`;
  return small[0] ? `${first} ${small[0]} ${small[1]}` : first;
}

/** @type {[number, string][]} */
const AGE_UNITS = [
  [365 * DAY, "y"],
  [DAY, "d"],
  [HOUR, "h"],
  [MINUTE, "min"],
];

/**
 * An age in the largest unit of which it holds two.
 * @param {number} seconds
 * @returns {{value: string, unit: string}}
 */
export function formatAge(seconds) {
  const age = Math.max(0, seconds);
  const [length, name] = AGE_UNITS.find(([size]) => age >= 2 * size) ?? [1, "s"];
  return { value: formatNumber(Math.floor(age / length)), unit: `${name} ago` };
}

/**
 * `every 6 min`; null where the interval is unknown.
 * @param {number | null} seconds
 */
export function formatInterval(seconds) {
  if (seconds === null) return null;
  if (seconds < 0.1) return `${formatNumber(1 / seconds, 0)} a second`;
  return `every ${seconds < 1 ? `${formatExact(seconds)} s` : formatDuration(seconds)}`;
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export function formatCount(count, one, many = `${one}s`) {
  return `${formatNumber(count)} ${count === 1 ? one : many}`;
}

/**
 * `missing_value` as `missing value`.
 * @param {string} reason
 */
export function formatReason(reason) {
  return reason.replaceAll("_", " ");
}

/**
 * `Temperature` as `temperature`, `EGT` as it is: for the middle of a sentence.
 * @param {string} label
 */
export function lowered(label) {
  return /^[A-Z][a-z]/.test(label) ? label[0].toLowerCase() + label.slice(1) : label;
}
