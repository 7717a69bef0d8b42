/**
 * The ledger: what was loaded, when, and what became of its rows.
 */

import { element } from "./dom.js";
import { formatCount, formatNumber, formatReason } from "./format.js";
import { formatInstant, formatRange, parseTime } from "./times.js";

/**
 * @param {any[]} loads newest first
 * @param {string} rig that is shown: others are named
 * @param {string} zone
 * @returns {HTMLElement[]}
 */
export function ledger(loads, rig, zone) {
  const note = loads.length ? "What was loaded, newest first." : "Nothing has been loaded yet.";
  const items = loads.map((load) =>
    element("li", { class: "load" }, ...loadLines(load, rig, zone)),
  );
  return [element("p", { class: "rail-note" }, note), element("ul", {}, ...items)];
}

/**
 * @param {any} load
 * @param {string} rig
 * @param {string} zone
 */
function loadLines(load, rig, zone) {
  const rejected = Object.entries(load.rejected_by_reason ?? {}).map(
    ([reason, number]) => `${formatNumber(number)} ${formatReason(reason)}`,
  );
  const span = load.first_timestamp &&
    load.last_timestamp && {
      start: parseTime(load.first_timestamp),
      end: parseTime(load.last_timestamp),
    };
  const status = load.status === "complete" ? "" : ` · ${formatReason(load.status)}`;
  const other = load.rig === rig ? "" : ` · ${load.rig}`;
  return [
    element(
      "div",
      { class: "load-head" },
      element("span", { class: "load-source" }, load.source),
      element("span", { class: "muted" }, `#${load.id}`),
    ),
    element(
      "p",
      {},
      `${formatNumber(load.accepted)} of ${formatCount(load.rows_read, "row")} accepted${status}${other}`,
    ),
    rejected.length > 0 && element("p", {}, `Rejected: ${rejected.join(", ")}`),
    span && element("p", {}, formatRange(span, zone)),
    element(
      "p",
      {},
      `Loaded ${formatInstant(parseTime(load.finished_at ?? load.started_at), zone, "second")}`,
    ),
  ].filter((node) => node instanceof Node);
}
