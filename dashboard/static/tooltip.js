/**
 * The box beside the cross-hair: when, how much, and why.
 */

import { element, fill, mark } from "./dom.js";
import { explain } from "./explain.js";
import { formatNumber, formatValue } from "./format.js";
import { formatInstant, zoneAbbreviation } from "./times.js";

const DISTANCE = 14;

/**
 * @typedef {object} PointOfInterest one reading of one channel
 * @property {import("./explain.js").Channel} channel
 * @property {number} time
 * @property {number} value
 * @property {number | null} zscore
 * @property {import("./series.js").Level} level
 * @property {number} decimals
 */

/**
 * @param {PointOfInterest} point
 * @param {string} zone
 * @returns {string[]} time; value; then level and why, and z, where there are any
 */
export function describe(point, zone) {
  const { channel, time, value, zscore, level, decimals } = point;
  const lines = [
    `${formatInstant(time, zone)} ${zoneAbbreviation(zone, time)}`,
    formatValue(value, decimals, channel.unit),
  ];
  const why = explain(channel, value, zscore, level, decimals);
  if (why) lines.push(why);
  if (zscore !== null && !why?.startsWith("z ")) lines.push(`z ${formatNumber(zscore, 2)}`);
  return lines;
}

export class Tooltip {
  constructor() {
    this.node = element("div", { class: "tooltip", "aria-hidden": "true", hidden: true });
  }

  /**
   * @param {HTMLElement} plot in which it stands
   * @param {{x: number, y: number}} at the reading's place in the plot
   * @param {PointOfInterest} point
   * @param {string} zone
   */
  show(plot, at, point, zone) {
    const [time, value, ...rest] = describe(point, zone);
    const level = point.level === "red" || point.level === "yellow" ? point.level : null;
    fill(
      this.node,
      element("p", { class: "muted" }, time),
      element("p", { class: level }, level && mark(level), element("strong", {}, value), level),
      ...rest.map((line) => element("p", { class: "muted" }, line)),
    );
    if (this.node.parentElement !== plot) plot.append(this.node);
    this.node.hidden = false;
    this.#place(plot, at);
  }

  hide() {
    this.node.hidden = true;
  }

  /**
   * Beside the reading on the side with room; above or below it where neither has.
   * @param {HTMLElement} plot
   * @param {{x: number, y: number}} at
   */
  #place(plot, at) {
    const { offsetWidth: width, offsetHeight: height } = this.node;
    const room = { width: plot.clientWidth, height: plot.clientHeight };
    const right = at.x + DISTANCE;
    const left = at.x - DISTANCE - width;
    let x = right + width <= room.width ? right : left;
    let y = Math.min(Math.max(at.y - height / 2, 0), Math.max(0, room.height - height));
    if (x < 0) {
      x = Math.min(Math.max(at.x - width / 2, 0), Math.max(0, room.width - width));
      y = at.y > room.height / 2 ? at.y - DISTANCE - height : at.y + DISTANCE;
    }
    this.node.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
  }
}
