/**
 * Why a reading is red or yellow, in words. Pure.
 */

import { formatExact, formatNumber, formatValue, unitSymbol } from "./format.js";

/**
 * @typedef {object} Channel as /api/rigs describes it
 * @property {string} name
 * @property {string} label
 * @property {string} unit
 * @property {"gauge" | "counter"} kind
 * @property {boolean} required
 * @property {boolean} scored
 * @property {{min: number | null, max: number | null}} valid_range
 * @property {{low: number | null, high: number | null}} limits
 * @property {{yellow: number | null, red: number | null} | null} z_score
 */

/**
 * @param {Channel} channel
 * @param {number} value
 * @param {number | null} zscore
 * @param {string | null} level
 * @param {number} decimals
 * @returns {string | null} one sentence; null for a normal reading
 */
export function explain(channel, value, zscore, level, decimals) {
  if (level !== "red" && level !== "yellow") return null;
  const { low, high } = channel.limits;
  if (high !== null && value > high)
    return beyond(value - high, "above the high", high, channel, decimals);
  if (low !== null && value < low)
    return beyond(low - value, "below the low", low, channel, decimals);
  const threshold = channel.z_score?.[level] ?? null;
  if (zscore === null || threshold === null) return null;
  return `z ${formatNumber(zscore, 2)}, beyond the ${level} threshold of ${formatExact(threshold)}`;
}

/**
 * @param {number} by
 * @param {string} side
 * @param {number} limit
 * @param {Channel} channel
 * @param {number} decimals
 */
function beyond(by, side, limit, channel, decimals) {
  const symbol = unitSymbol(channel.unit);
  const text = `${formatExact(limit)}${symbol ? ` ${symbol}` : ""}`;
  return `${formatValue(by, decimals, channel.unit)} ${side} limit of ${text}`;
}

/**
 * `limits 10 to 80`, `high limit 60`; null without limits.
 * @param {Channel} channel
 */
export function limitsText({ limits: { low, high } }) {
  if (low !== null && high !== null) return `limits ${formatExact(low)} to ${formatExact(high)}`;
  if (high !== null) return `high limit ${formatExact(high)}`;
  return low === null ? null : `low limit ${formatExact(low)}`;
}
