/**
 * Bands behind the line: beyond the limits, outside the valid range, and the envelope of a
 * thinned series.
 */

import { font } from "./chart-plugins.js";
import { colour, faded } from "./colours.js";
import { formatExact } from "./format.js";

/** Beyond a limit a faint red; outside the valid range, where nothing is accepted, a grey. */
export const bandsPlugin = {
  id: "bands",

  /** @type {(chart: any, args: unknown, options: any) => void} */
  beforeDatasetsDraw(chart, _, { limits, valid }) {
    const { chartArea: area, scales } = chart;
    if (!area) return;
    const band = bandOf(chart);
    const red = faded(colour("--red"), 0.06);
    if (limits.high !== null) band(limits.high, valid.max ?? scales.y.max, red);
    if (limits.low !== null) band(valid.min ?? scales.y.min, limits.low, red);
    const grey = faded(colour("--muted"), 0.14);
    if (valid.max !== null && band(valid.max, scales.y.max, grey))
      edge(chart, valid.max, `valid up to ${formatExact(valid.max)}`, 1);
    if (valid.min !== null && band(scales.y.min, valid.min, grey))
      edge(chart, valid.min, `valid from ${formatExact(valid.min)}`, -1);
  },
};

/**
 * Fills between two values, and says whether any of it is in sight.
 * @param {any} chart
 * @returns {(low: number, high: number, fill: string) => boolean}
 */
function bandOf({ ctx: context, chartArea: area, scales: { y } }) {
  return (low, high, fill) => {
    const bottom = y.getPixelForValue(Math.max(low, y.min));
    const top = y.getPixelForValue(Math.min(high, y.max));
    if (bottom - top < 0.5) return false;
    context.save();
    context.fillStyle = fill;
    context.fillRect(area.left, top, area.width, bottom - top);
    context.restore();
    return true;
  };
}

/**
 * @param {any} chart
 * @param {number} value
 * @param {string} text
 * @param {-1 | 1} direction of the outside: 1 is up
 */
function edge({ ctx: context, chartArea: area, scales: { y } }, value, text, direction) {
  const height = Math.round(y.getPixelForValue(value)) + 0.5;
  context.save();
  context.strokeStyle = context.fillStyle = colour("--muted");
  context.lineWidth = 1;
  context.setLineDash([1, 3]);
  context.beginPath();
  context.moveTo(area.left, height);
  context.lineTo(area.right, height);
  context.stroke();
  context.font = font(11);
  context.textAlign = "left";
  context.textBaseline = "middle";
  const middle = height - 8 * direction;
  if (middle > area.top + 6 && middle < area.bottom - 6)
    context.fillText(text, area.left + 6, middle);
  context.restore();
}

/** Between the lowest and the highest reading of each bucket; `options.runs` holds them. */
export const envelopePlugin = {
  id: "envelope",

  /** @type {(chart: any, args: unknown, options: any) => void} */
  beforeDatasetsDraw(chart, _, { runs }) {
    const { ctx: context, chartArea: area, scales } = chart;
    if (!area || !runs?.length) return;
    context.save();
    context.beginPath();
    context.rect(area.left, area.top, area.width, area.height);
    context.clip();
    context.fillStyle = faded(chart.data.datasets[0].borderColor, 0.22);
    for (const run of runs) fillRun(context, scales, run);
    context.restore();
  },
};

/**
 * @param {CanvasRenderingContext2D} context
 * @param {any} scales
 * @param {readonly import("./envelope.js").Span[]} run
 */
function fillRun(context, { x, y }, run) {
  context.beginPath();
  for (const { time, high } of run)
    context.lineTo(x.getPixelForValue(time), y.getPixelForValue(high));
  for (let at = run.length - 1; at >= 0; at -= 1)
    context.lineTo(x.getPixelForValue(run[at].time), y.getPixelForValue(run[at].low));
  context.fill();
}
