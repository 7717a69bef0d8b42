/**
 * What limits are called, at their lines; of those beyond the scale, at the edge beyond which they
 * lie. Behind the readings, so that no mark is covered, and where the end of the chart is taken at
 * its beginning.
 */

import { font } from "./chart-plugins.js";
import { colour, faded } from "./colours.js";
import { formatExact } from "./format.js";
import { firstAtOrAfter } from "./series.js";

const HEIGHT = 16;
const ARROW = 12;

export const limitsPlugin = {
  id: "limits",

  /** @type {(chart: any, args: unknown, options: any) => void} */
  beforeDatasetsDraw(chart, _, options) {
    const { ctx: context, chartArea: area } = chart;
    if (!area) return;
    context.save();
    context.font = font(11);
    context.textBaseline = "middle";
    for (const side of /** @type {const} */ (["low", "high"])) {
      const limit = options.limits?.[side] ?? null;
      if (limit !== null) note(chart, side, limit);
    }
    context.restore();
  },
};

/**
 * @param {any} chart
 * @param {"low" | "high"} side
 * @param {number} limit
 */
function note(chart, side, limit) {
  const { ctx: context, chartArea: area, scales } = chart;
  const up = limit > scales.y.max;
  const arrow = up || limit < scales.y.min;
  const line = scales.y.getPixelForValue(limit);
  // Above the line, or below it where there is no room.
  const beside = line - area.top < 18 ? line + 9 : line - 9;
  const middle = arrow ? (up ? area.top + 9 : area.bottom - 9) : beside;
  const text = `${side} limit ${formatExact(limit)}`;
  const width = Math.ceil(context.measureText(text).width) + 8 + (arrow ? ARROW : 0);
  const left = freePlace(chart, middle, width);
  context.fillStyle = faded(colour("--panel"), 0.75);
  context.fillRect(left, middle - HEIGHT / 2, width, HEIGHT);
  context.fillStyle = colour("--red");
  context.fillText(text, left + 4, middle);
  if (arrow) drawArrow(context, left + width - 8, middle, up ? -1 : 1);
}

/**
 * The left side of a text: at the end of the chart, unless readings are there and none are at its
 * beginning.
 * @param {any} chart
 * @param {number} middle
 * @param {number} width
 */
function freePlace({ chartArea: area, scales, data }, middle, width) {
  const { times = [], values = [] } = data.datasets[0].series ?? {};
  const places = [area.right - width - 2, area.left + 2];
  const free = places.find((left) => {
    const from = firstAtOrAfter(times, scales.x.getValueForPixel(left));
    const to = firstAtOrAfter(times, scales.x.getValueForPixel(left + width));
    // With those before and after it: a line leads there.
    for (let at = Math.max(0, from - 1); at <= to && at < times.length; at += 1) {
      const away = values[at] === null ? HEIGHT : scales.y.getPixelForValue(values[at]) - middle;
      if (Math.abs(away) < HEIGHT) return false;
    }
    return true;
  });
  return free ?? places[0];
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} middle
 * @param {number} height
 * @param {-1 | 1} direction -1 is up
 */
function drawArrow(context, middle, height, direction) {
  context.beginPath();
  context.moveTo(middle - 4, height - 2 * direction);
  context.lineTo(middle + 4, height - 2 * direction);
  context.lineTo(middle, height + 4 * direction);
  context.fill();
}
