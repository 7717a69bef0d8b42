/**
 * What the page shows, as the query of its address and back. Pure.
 *
 *     ?rig=NAME  ?zone=rig|utc|browser  ?hide=CHANNEL  ?fixed=CHANNEL  (the last two repeated)
 *     ?range=15min|6h|7d|all  ?date=YYYY-MM-DD   ?start=..&end=..  (one of them: the base)
 *     &start=..&end=..        beside `range`, `date` or `within=START/END`: zoomed within it
 */

import { baseOf, FIRST_VIEW, keyOf, QUICK_RANGES } from "./range.js";
import { dayRange, parseTime, toIso } from "./times.js";

/**
 * @typedef {import("./range.js").Base} Base
 * @typedef {import("./range.js").Range} Range
 * @typedef {"rig" | "utc" | "browser"} ZoneChoice
 * @typedef {object} PageState
 * @property {string | null} rig
 * @property {ZoneChoice} zone
 * @property {Base} base
 * @property {Range | null} zoom
 * @property {readonly string[]} hidden channels whose charts are not shown
 * @property {readonly string[]} fixed channels whose scale is the same for every range
 */

/**
 * Anything that makes no sense is left out, so that an old or mistyped link still opens.
 * @param {string} query
 * @returns {PageState}
 */
export function readQuery(query) {
  const parameters = new URLSearchParams(query);
  const range = readRange(parameters.get("start"), parameters.get("end"));
  const base = readBase(parameters);
  return {
    rig: parameters.get("rig"),
    zone: readZone(parameters.get("zone")),
    base: base ?? (range ? { kind: "span", ...range } : FIRST_VIEW),
    zoom: base ? range : null,
    hidden: parameters.getAll("hide"),
    fixed: parameters.getAll("fixed"),
  };
}

/**
 * @param {PageState} state
 * @returns {string} with its question mark; empty for the first view
 */
export function writeQuery(state) {
  const parameters = new URLSearchParams();
  if (state.rig) parameters.set("rig", state.rig);
  writeBase(parameters, state);
  const range = state.zoom ?? (state.base.kind === "span" ? state.base : null);
  if (range) {
    parameters.set("start", toIso(range.start));
    parameters.set("end", toIso(range.end));
  }
  if (state.zone !== "rig") parameters.set("zone", state.zone);
  for (const name of state.hidden) parameters.append("hide", name);
  for (const name of state.fixed) parameters.append("fixed", name);
  const text = parameters.toString().replaceAll("%3A", ":").replaceAll("%2F", "/");
  return text ? `?${text}` : "";
}

/**
 * The query that asks the API for a range: nothing for the whole record.
 * @param {string} rig
 * @param {{base: Base, zoom: Range | null}} selection
 * @param {Range} range
 * @returns {Record<string, string>}
 */
export function rangeQuery(rig, selection, range) {
  if (selection.zoom === null && selection.base.kind === "all") return { rig };
  if (selection.zoom === null && selection.base.kind === "date") {
    return { rig, date: selection.base.date };
  }
  return { rig, start: toIso(range.start), end: toIso(range.end) };
}

/**
 * The same for questions that know moments only, and no days.
 * @param {string} rig
 * @param {{base: Base, zoom: Range | null}} selection
 * @param {Range} range
 * @returns {Record<string, string>}
 */
export function momentsQuery(rig, selection, range) {
  if (selection.zoom === null && selection.base.kind === "all") return { rig };
  return { rig, start: toIso(range.start), end: toIso(range.end) };
}

/**
 * @param {URLSearchParams} parameters
 * @returns {Base | null}
 */
function readBase(parameters) {
  const last = baseOf(parameters.get("range"));
  if (last) return last;
  const date = parameters.get("date");
  if (date && dayRange(date, "UTC")) return { kind: "date", date };
  const [start, end] = (parameters.get("within") ?? "").split("/");
  const within = readRange(start, end);
  return within ? { kind: "span", ...within } : null;
}

/**
 * @param {URLSearchParams} parameters
 * @param {PageState} state
 */
function writeBase(parameters, { base, zoom }) {
  if (base.kind === "date") parameters.set("date", base.date);
  if (base.kind === "span" && zoom) {
    parameters.set("within", `${toIso(base.start)}/${toIso(base.end)}`);
  }
  const key = keyOf(base);
  if (key && (zoom || key !== keyOf(FIRST_VIEW))) parameters.set("range", key);
}

/**
 * The button that stands for a base; null when none does.
 * @param {Base} base
 */
export function quickKey(base) {
  const key = keyOf(base);
  return QUICK_RANGES.some((quick) => quick.key === key) ? key : null;
}

/**
 * @param {string | null | undefined} start
 * @param {string | null | undefined} end
 * @returns {Range | null}
 */
function readRange(start, end) {
  if (!start || !end) return null;
  const range = { start: parseTime(start), end: parseTime(end) };
  return range.start < range.end ? range : null;
}

/**
 * @param {string | null} text
 * @returns {ZoneChoice}
 */
function readZone(text) {
  return text === "utc" || text === "browser" ? text : "rig";
}
