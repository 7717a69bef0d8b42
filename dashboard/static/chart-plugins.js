/**
 * What Chart.js does not draw by itself: gaps as hatched bands with their length.
 */

import { colour } from "./colours.js";
import { formatDuration } from "./format.js";

/**
 * @param {CanvasRenderingContext2D} context
 * @returns {CanvasPattern | string}
 */
export function hatching(context) {
  const scale = window.devicePixelRatio || 1;
  const pattern = context.createPattern(hatchTile(colour("--hatch"), scale), "repeat");
  if (!pattern) return colour("--line");
  pattern.setTransform(new DOMMatrix().scale(1 / scale));
  return pattern;
}

/** @type {{look: string, tile: HTMLCanvasElement} | null} */
let hatch = null;

/**
 * @param {string} stroke
 * @param {number} scale device pixels a CSS pixel
 * @returns {HTMLCanvasElement}
 */
function hatchTile(stroke, scale) {
  const look = `${stroke} ${scale}`;
  if (hatch?.look === look) return hatch.tile;
  const size = 8;
  const tile = document.createElement("canvas");
  tile.width = tile.height = size * scale;
  const pen = /** @type {CanvasRenderingContext2D} */ (tile.getContext("2d"));
  pen.scale(scale, scale);
  pen.strokeStyle = stroke;
  pen.lineWidth = 1;
  pen.beginPath();
  for (const offset of [-size, 0, size]) {
    pen.moveTo(offset - 1, size + 1);
    pen.lineTo(offset + size + 1, -1);
  }
  pen.stroke();
  hatch = { look, tile };
  return tile;
}

/** Silences as bands; `chart.options.plugins.gaps.bands` holds them. */
export const gapsPlugin = {
  id: "gaps",

  /** @type {(chart: any, args: unknown, options: any) => void} */
  beforeDatasetsDraw(chart, _, options) {
    const { ctx: context, chartArea: area, scales } = chart;
    const bands = options.bands ?? [];
    if (!area || bands.length === 0) return;
    context.save();
    context.beginPath();
    context.rect(area.left, area.top, area.width, area.height);
    context.clip();
    const fill = hatching(context);
    for (const band of bands) drawGap(context, area, scales.x, band, fill, options.labelled);
    context.restore();
  },
};

/**
 * @param {CanvasRenderingContext2D} context
 * @param {any} area
 * @param {any} axis
 * @param {import("./series.js").Gap} gap
 * @param {CanvasPattern | string} fill
 * @param {boolean} labelled
 */
function drawGap(context, area, axis, gap, fill, labelled) {
  const left = Math.max(axis.getPixelForValue(gap.start), area.left - 1);
  const right = Math.min(axis.getPixelForValue(gap.end), area.right + 1);
  if (right < area.left || left > area.right) return;
  const width = Math.max(right - left, 2);
  context.fillStyle = fill;
  context.fillRect(left, area.top, width, area.height);
  if (!labelled) return;
  context.font = font(11);
  const length = formatDuration((gap.end - gap.start) / 1000);
  const text = [`no data · ${length}`, length].find(
    (label) => context.measureText(label).width + 16 <= width,
  );
  if (text === undefined) return;
  const textWidth = context.measureText(text).width;
  const middle = (left + right) / 2;
  context.fillStyle = colour("--panel");
  const height = (area.top + area.bottom) / 2;
  context.fillRect(middle - textWidth / 2 - 6, height - 9, textWidth + 12, 18);
  context.fillStyle = colour("--muted");
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(text, middle, height);
}

let family = "";

/** @param {number} size */
export function font(size) {
  family ||= getComputedStyle(document.body).fontFamily;
  return `${size}px ${family}`;
}
