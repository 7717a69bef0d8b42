/**
 * What is missing, in words. Pure.
 */

import { formatCount, formatDuration, formatNumber, lowered } from "./format.js";

const list = new Intl.ListFormat("en-GB", { type: "disjunction" });

/**
 * `No readings of humidity or coil current in this range.`
 * @param {readonly string[]} labels of channels
 */
export function silentText(labels) {
  return labels.length ? `No readings of ${list.format(labels.map(lowered))} in this range.` : "";
}

/**
 * `2 gaps, 3 h in all, and 1 that reaches in`.
 * @param {number} count of those between two readings of a range
 * @param {number} hours that these last together
 * @param {number} reaching how many reach over an end of the range
 */
export function gapsText(count, hours, reaching) {
  const reach = reaching === 1 ? "reaches in" : "reach in";
  if (count === 0)
    return reaching === 0 ? "No gaps" : `${formatCount(reaching, "gap")} that ${reach}`;
  const length = formatDuration(hours * 3600);
  const inside =
    count === 1 ? `1 gap of ${length}` : `${formatCount(count, "gap")}, ${length} in all`;
  return reaching === 0 ? inside : `${inside}, and ${formatNumber(reaching)} that ${reach}`;
}

/**
 * How long a gap is in usual intervals: as many readings are missing.
 * @param {number} seconds
 * @param {number | null} interval seconds
 * @returns {string | null} `20 usual intervals`; null where the interval is not known
 */
export function intervalsText(seconds, interval) {
  if (!interval) return null;
  const intervals = seconds / interval;
  const text = formatNumber(intervals, intervals < 10 && !Number.isInteger(intervals) ? 1 : 0);
  return `${text} usual ${text === "1" ? "interval" : "intervals"}`;
}
