/**
 * The table behind a chart: the same readings as text.
 */

import { element, fill, mark, svg } from "./dom.js";
import { formatNumber, unitSymbol } from "./format.js";
import { indicesWithin } from "./series.js";
import { formatInstant, zoneAbbreviation } from "./times.js";

const MOST_ROWS = 500;
/** @type {import("./series.js").Series} */
const NOTHING = { times: [], values: [], zscores: [], levels: [], redBuckets: [] };

/**
 * @typedef {object} TableContent
 * @property {import("./explain.js").Channel} channel
 * @property {import("./series.js").Trend} trend
 * @property {import("./range.js").Range} view
 * @property {string} zone
 * @property {number} decimals
 */

/** Closed it costs nothing; open it follows the chart. */
export class ReadingTable {
  /** @param {string} label the channel's */
  constructor(label) {
    this.box = element("div", {
      class: "table-scroll",
      tabindex: "0",
      role: "region",
      "aria-label": `${label}: readings`,
    });
    const icon = svg(
      "svg",
      { viewBox: "0 0 16 16", "aria-hidden": "true" },
      svg("path", { d: "M2 3h12v10H2zM2 6.5h12M2 10h12M6.5 3v10" }),
    );
    const name = `${label} as a table`;
    this.node = element(
      "details",
      { class: "chart-table", ontoggle: () => this.#draw() },
      element("summary", { "aria-label": name, title: name }, icon),
      this.box,
    );
    /** @type {TableContent | null} */
    this.content = null;
  }

  /** @param {TableContent} content */
  update(content) {
    this.content = content;
    this.#draw();
  }

  #draw() {
    if (!this.node.open || !this.content) return;
    fill(this.box, table(this.content));
  }
}

/** @param {TableContent} content */
function table({ channel, trend, view, zone, decimals }) {
  const series = trend.channels.get(channel.name) ?? NOTHING;
  const indices = indicesWithin(series, view);
  const shown = indices.slice(-MOST_ROWS).reverse();
  const unit = unitSymbol(channel.unit);
  const heads = [
    `Time (${zoneAbbreviation(zone, view.start)})`,
    `${channel.label}${unit ? ` (${unit})` : ""}`,
  ];
  if (channel.scored) heads.push("z", "Level");
  return element(
    "table",
    {},
    element("caption", {}, captionOf(trend, indices.length, shown.length)),
    element(
      "thead",
      {},
      element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text))),
    ),
    element("tbody", {}, ...shown.map((at) => row(at))),
  );

  /** @param {number} at */
  function row(at) {
    const level = series.levels[at];
    return element(
      "tr",
      {},
      element("td", {}, formatInstant(series.times[at], zone)),
      element("td", {}, formatNumber(series.values[at], decimals)),
      channel.scored && element("td", {}, formatNumber(series.zscores[at], 2)),
      channel.scored &&
        element("td", {}, (level === "red" || level === "yellow") && mark(level), level ?? "–"),
    );
  }
}

/**
 * @param {import("./series.js").Trend} trend
 * @param {number} count
 * @param {number} shown
 */
function captionOf(trend, count, shown) {
  const what = trend.downsampled
    ? "readings that the chart shows (thinned; z and level are those of red ones)"
    : "readings in this range";
  if (shown === count) return `All ${formatNumber(count)} ${what}, newest first.`;
  return `The newest ${formatNumber(shown)} of ${formatNumber(count)} ${what}. Export CSV has all.`;
}
