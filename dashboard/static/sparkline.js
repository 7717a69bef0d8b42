/**
 * A channel's range in a few pixels.
 */

import { setAttribute, svg } from "./dom.js";
import { polylines } from "./polylines.js";
import { extremes } from "./series.js";

export const WIDTH = 100;
export const HEIGHT = 26;

/**
 * The frame of a small picture, stretched to the room that there is.
 * @param {string} look its classes
 * @param {...SVGElement} paths
 */
export function sparkFrame(look, ...paths) {
  return svg(
    "svg",
    {
      class: look,
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    },
    ...paths,
  );
}

export class Sparkline {
  constructor() {
    this.path = svg("path");
    this.node = sparkFrame("spark", this.path);
  }

  clear() {
    setAttribute(this.path, "d", "");
  }

  /**
   * @param {import("./series.js").Trend} trend
   * @param {string} name
   * @param {import("./range.js").Range} view
   */
  update(trend, name, view) {
    const { times, values } = trend.channels.get(name) ?? { times: [], values: [] };
    const found = extremes(values);
    setAttribute(this.path, "d", found ? pathOf(polylines(times, values, view, 50), found) : "");
  }
}

/**
 * @param {[number, number][][]} lines
 * @param {{low: number, high: number}} span
 */
function pathOf(lines, { low, high }) {
  const height = high - low || 1;
  /** @param {[number, number]} point */
  const place = ([x, value]) => {
    const y = high === low ? HEIGHT / 2 : HEIGHT - 1 - ((value - low) / height) * (HEIGHT - 2);
    return `${(x * WIDTH).toFixed(1)} ${y.toFixed(1)}`;
  };
  return lines.map((line) => `M${line.map(place).join("L")}`).join("");
}
