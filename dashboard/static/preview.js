/**
 * What a file has in it, before it is loaded.
 */

import { element, mark } from "./dom.js";
import { formatCount, formatNumber, formatReason } from "./format.js";
import { formatRange, parseTime } from "./times.js";

/** What is longer is cut: a file may have anything in a row. */
const LONGEST_ROW = 500;

/**
 * @typedef {object} Preview
 * @property {string} upload
 * @property {string} source
 * @property {number} size_bytes
 * @property {number | null} known_load
 * @property {string} rig
 * @property {string} time_zone
 * @property {string} time_format
 * @property {Record<string, string>} format
 * @property {{name: string, column: string, unit: string}[]} columns
 * @property {string[]} ignored_columns
 * @property {string[]} missing_channels
 * @property {boolean} complete
 * @property {number} rows_read
 * @property {number} accepted
 * @property {Record<string, number>} rejected_by_reason
 * @property {string | null} first_timestamp
 * @property {string | null} last_timestamp
 * @property {boolean} times_readable
 * @property {Record<string, any>[]} first_readings
 * @property {Record<string, any>[]} first_rejects
 */

/**
 * @param {Preview} preview
 * @param {string} zone in which times are shown
 * @returns {HTMLElement[]}
 */
export function previewParts(preview, zone) {
  return [
    verdict(preview),
    facts(preview, zone),
    columns(preview),
    ...(preview.first_readings.length ? [firstReadings(preview)] : []),
    ...(preview.first_rejects.length ? [firstRejects(preview)] : []),
  ];
}

/**
 * A size as people read it: `4.2 MB`.
 * @param {number} bytes
 */
export function formatSize(bytes) {
  if (bytes < 1000) return formatCount(bytes, "byte");
  const units = ["kB", "MB", "GB", "TB"];
  const power = Math.min(Math.floor(Math.log10(bytes) / 3), units.length);
  return `${formatNumber(bytes / 1000 ** power, 1)} ${units[power - 1]}`;
}

/**
 * `3 missing value, 1 unparsable`; empty for none.
 * @param {Record<string, number>} reasons
 */
export function reasonsText(reasons) {
  return Object.entries(reasons)
    .sort((one, other) => other[1] - one[1])
    .map(([reason, count]) => `${formatNumber(count)} ${formatReason(reason)}`)
    .join(", ");
}

/** @param {Preview} preview */
function verdict({ rows_read, accepted, rejected_by_reason, complete, known_load }) {
  const reasons = reasonsText(rejected_by_reason);
  const level = accepted === 0 ? "red" : reasons ? "yellow" : "normal";
  const part = complete
    ? ""
    : ` The file is large: these are its first ${formatCount(rows_read, "row")}, all are checked when it is loaded.`;
  return element(
    "div",
    { class: "verdict" },
    mark(level),
    element(
      "div",
      {},
      element(
        "p",
        { class: "verdict-head" },
        `${formatNumber(accepted)} of ${formatCount(rows_read, "row")} would be accepted.`,
      ),
      reasons && element("p", {}, `Rejected: ${reasons}.`),
      part && element("p", {}, part.trim()),
      known_load !== null &&
        element(
          "p",
          { class: "verdict-known" },
          `The same content was loaded before, as #${known_load}. Loading it again stores nothing new, unless it is to take the place of what it brought then.`,
        ),
    ),
  );
}

/**
 * @param {Preview} preview
 * @param {string} zone
 */
function facts(preview, zone) {
  const { format, encoding, delimiter } = preview.format;
  const read = [format, delimiter && `${delimiter} between fields`, encoding].filter(Boolean);
  const span =
    preview.first_timestamp && preview.last_timestamp
      ? formatRange(
          { start: parseTime(preview.first_timestamp), end: parseTime(preview.last_timestamp) },
          zone,
        )
      : preview.times_readable
        ? "those of rows that would be rejected"
        : "none that can be read";
  /** @type {[string, string][]} */
  const rows = [
    ["File", `${formatSize(preview.size_bytes)}, ${read.join(", ")}`],
    ["Times", span],
    ["Time zone", `${preview.time_zone}, of times without an offset; ${preview.time_format}`],
  ];
  return element(
    "dl",
    { class: "facts" },
    ...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]),
  );
}

/** @param {Preview} preview */
function columns(preview) {
  const rows = preview.columns.map(({ name, column, unit }) => [column, name, unit]);
  const unread = preview.ignored_columns.map((column) => [column, "ignored", ""]);
  const missing = preview.missing_channels.map((name) => ["none", name, ""]);
  return table(
    "Columns",
    ["In the file", "Read as", "Unit"],
    [...rows, ...unread, ...missing],
    (row) => row[1] === "ignored" || row[0] === "none",
  );
}

/** @param {Preview} preview */
function firstReadings({ first_readings, columns: found }) {
  const names = found.map(({ name }) => name).filter((name) => name !== "rig");
  const fields = ["line", "rig", ...names];
  const units = new Map(found.map(({ name, unit }) => [name, unit.split(" to ").at(-1)]));
  const heads = fields.map((name) => (units.get(name) ? `${name} (${units.get(name)})` : name));
  return table(
    "First accepted rows",
    heads,
    first_readings.map((row) => fields.map((name) => row[name] ?? "–")),
  );
}

/** @param {Preview} preview */
function firstRejects({ first_rejects }) {
  return table(
    "First rejected rows",
    ["Line", "Reason", "Row"],
    first_rejects.map(({ line, reason, detail, raw }) => [
      line,
      `${formatReason(reason)}: ${detail}`,
      raw.length > LONGEST_ROW ? `${raw.slice(0, LONGEST_ROW)} …` : raw,
    ]),
    () => false,
    "preview-rejects",
  );
}

/**
 * A table that scrolls by itself, also with the keyboard.
 * @param {string} caption
 * @param {string[]} heads
 * @param {(string | number)[][]} rows
 * @param {(row: (string | number)[]) => boolean} [muted]
 * @param {string} [look]
 */
function table(caption, heads, rows, muted = () => false, look = "") {
  return element(
    "div",
    { class: `preview-table ${look}`, tabindex: "0", role: "region", "aria-label": caption },
    element(
      "table",
      {},
      element("caption", {}, caption),
      element(
        "thead",
        {},
        element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head))),
      ),
      element(
        "tbody",
        {},
        ...rows.map((row) =>
          element(
            "tr",
            { class: muted(row) ? "muted" : null },
            ...row.map((value) =>
              element("td", { class: typeof value === "number" ? "number" : null }, value),
            ),
          ),
        ),
      ),
    ),
  );
}
