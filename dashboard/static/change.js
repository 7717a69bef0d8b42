/**
 * A figure against that of the range before, in words. Pure.
 */

import { formatDuration, formatNumber } from "./format.js";
import { parseTime } from "./times.js";

/** @typedef {{text: string, words: string}} Change as a sign, and as it is spoken */

/**
 * `6 h`: how long the range before was.
 * @param {{start: string, end: string}} previous
 */
export function lengthBefore({ start, end }) {
  return formatDuration((parseTime(end) - parseTime(start)) / 1000);
}

/**
 * @param {number | null | undefined} now
 * @param {number | null | undefined} before
 * @param {number} decimals
 * @param {string} unit as it is spoken; empty for none
 * @returns {Change | null} null where either is not known
 */
export function changeOf(now, before, decimals, unit) {
  if (now === null || now === undefined || before === null || before === undefined) return null;
  const size = formatNumber(Math.abs(now - before), decimals);
  if (!/[1-9]/.test(size)) return { text: "± 0", words: "no change against" };
  const more = now > before;
  return {
    text: `${more ? "▲" : "▼"} ${size}`,
    words: `${size}${unit ? ` ${unit}` : ""} ${more ? "more" : "less"} than in`,
  };
}
