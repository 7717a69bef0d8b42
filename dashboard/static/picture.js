/**
 * All shown charts as one picture, with what they show: rig, range, zone.
 */

import { font } from "./chart-plugins.js";
import { colour } from "./colours.js";

const MARGIN = 16;
const HEAD = 52;
const CHART_HEAD = 30;
const FOOT = 28;

/**
 * @typedef {object} PicturedChart
 * @property {HTMLCanvasElement} canvas
 * @property {string} label
 * @property {string} about
 * @property {string} latest
 * @property {string} colour
 */

/**
 * @param {readonly PicturedChart[]} charts
 * @param {{title: string, range: string}} words
 * @returns {Promise<Blob | null>} a PNG; null where there is no chart
 */
export function pictureOf(charts, words) {
  if (charts.length === 0) return Promise.resolve(null);
  const scale = window.devicePixelRatio || 1;
  const width = Math.max(...charts.map(({ canvas }) => canvas.width / scale)) + 2 * MARGIN;
  const heights = charts.map(({ canvas }) => CHART_HEAD + canvas.height / scale);
  const height = HEAD + FOOT + heights.reduce((sum, each) => sum + each, 0);
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.scale(scale, scale);
  pen.fillStyle = colour("--panel");
  pen.fillRect(0, 0, width, height);
  pen.textBaseline = "middle";
  write(pen, words.title, MARGIN, 20, `bold ${font(16)}`, "--text", width - 2 * MARGIN);
  write(pen, words.range, MARGIN, 40, font(13), "--muted", width - 2 * MARGIN);
  let top = HEAD;
  charts.forEach((chart, at) => {
    drawChart(pen, chart, top, width, scale);
    top += heights[at];
  });
  write(pen, "Smart Sensor", MARGIN, top + FOOT / 2, font(11), "--muted", width);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {PicturedChart} chart
 * @param {number} top
 * @param {number} width
 * @param {number} scale
 */
function drawChart(pen, { canvas, label, about, latest, colour: series }, top, width, scale) {
  const middle = top + CHART_HEAD / 2 + 2;
  pen.fillStyle = series;
  pen.fillRect(MARGIN, middle - 5, 10, 10);
  const bold = `bold ${font(13)}`;
  const end = write(pen, label, MARGIN + 18, middle, bold, "--text", width / 2);
  pen.font = bold;
  const room = width - MARGIN - pen.measureText(latest).width;
  write(pen, latest, room, middle, bold, "--text", width);
  write(pen, about, end + 10, middle, font(11), "--muted", Math.max(0, room - end - 20));
  pen.drawImage(canvas, MARGIN, top + CHART_HEAD, canvas.width / scale, canvas.height / scale);
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {string} text
 * @param {number} left
 * @param {number} middle
 * @param {string} type
 * @param {string} property of its colour
 * @param {number} most px
 * @returns {number} where it ends
 */
function write(pen, text, left, middle, type, property, most) {
  if (most <= 0) return left;
  pen.font = type;
  pen.fillStyle = colour(property);
  pen.fillText(text, left, middle, most);
  return left + Math.min(pen.measureText(text).width, most);
}
