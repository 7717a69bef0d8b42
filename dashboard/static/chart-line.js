/**
 * The line of a channel whose readings have no dots of their own, drawn by ourselves.
 *
 * Without a GPU a canvas takes a time for a path that grows with the square of its corners, and a
 * dense line has thousands: it is drawn as bars and short strokes, once. While a window is panned
 * its picture is shown further on.
 */

import { shapes } from "./line-shapes.js";
import { firstAtOrAfter } from "./series.js";

const PIECE = 64;
/** A line that goes up and down within a column is wider there than one that only goes up. */
const SWELL = 0.4;
/** So much of a window's width is drawn on either side of it, where there are readings. */
const MARGIN = 0.25;
/** By how many pixels a line may be too long or too short before it is drawn anew. */
const STRETCH_PX = 0.1;

/** Draws `chart.data.datasets[0].series` in the place of Chart.js, where its points are not shown. */
export const linePlugin = {
  id: "line",

  /**
   * Thousands of elements need no places; but Chart.js has to have seen the line once.
   * @type {(chart: any, args: {index: number, meta: any}) => boolean | undefined}
   */
  beforeDatasetUpdate(chart, { index, meta }) {
    return isOurs(chart.data.datasets[index]) && meta.dataset?.options ? false : undefined;
  },

  /** @type {(chart: any, args: {index: number}) => boolean | undefined} */
  beforeDatasetDraw(chart, { index }) {
    const set = chart.data.datasets[index];
    if (!isOurs(set)) return;
    const picture = pictures.get(chart) ?? new LinePicture();
    pictures.set(chart, picture);
    picture.draw(chart, set);
    return false;
  },
};

/** @type {WeakMap<object, LinePicture>} */
const pictures = new WeakMap();

/** @param {any} set of data */
function isOurs({ series, pointRadius }) {
  return series !== undefined && pointRadius === 0;
}

/**
 * The line of one chart as it looks, with what lies a little beyond both ends of the window.
 *
 * @typedef {object} Made what it is a picture of
 * @property {any} series
 * @property {string} look
 * @property {{min: number, max: number}} shown the window that it was made for
 * @property {number} from from here
 * @property {number} until to here it is complete
 * @property {number} left its corner, in pixels of the device
 * @property {number} top
 */
class LinePicture {
  #canvas = document.createElement("canvas");
  #context = this.#canvas.getContext("2d");
  /** @type {Made | null} */
  #made = null;

  constructor() {
    // What the device has lost, after a sleep say, is not drawn again by itself.
    this.#canvas.addEventListener("contextrestored", () => {
      this.#made = null;
    });
  }

  /**
   * @param {any} chart
   * @param {any} set
   */
  draw(chart, set) {
    const { ctx: context, chartArea: area, currentDevicePixelRatio: ratio, scales } = chart;
    const { min, max } = scales.x;
    const made = this.#shows(chart, set) ? this.#made : this.#make(chart, set);
    context.save();
    context.beginPath();
    context.rect(area.left - 1, area.top - 1, area.width + 2, area.height + 2);
    context.clip();
    if (made) {
      // By whole pixels, so that it stays sharp.
      const moved = Math.round(((made.shown.min - min) / (max - min)) * area.width * ratio);
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.drawImage(this.#canvas, made.left + moved, made.top);
    } else {
      paint(context, scales, set, { min, max });
    }
    context.restore();
  }

  /**
   * Whether it is the line of the window that the chart shows now.
   * @param {any} chart
   * @param {any} set
   */
  #shows(chart, set) {
    if (!this.#made) return false;
    const { series, look, from, until } = this.#made;
    const { min, max } = chart.scales.x;
    return (
      series === set.series &&
      this.#isAsLong(chart) &&
      min >= from &&
      max <= until &&
      look === lookOf(chart, set)
    );
  }

  /** Whether the window is as long as when the picture was made. @param {any} chart */
  #isAsLong({ chartArea: area, scales: { x } }) {
    if (!this.#made) return false;
    const { min, max } = this.#made.shown;
    return Math.abs((x.max - x.min) / (max - min) - 1) * area.width < STRETCH_PX;
  }

  /**
   * @param {any} chart
   * @param {any} set
   * @returns {Made | null} null where the browser has no room for it
   */
  #make(chart, set) {
    if (!this.#context) return null;
    const { chartArea: area, currentDevicePixelRatio: ratio, scales } = chart;
    const { min, max } = scales.x;
    const { series } = set;
    const { times } = series;
    // Whoever zooms will not see what lies beyond.
    const share = this.#isAsLong(chart) ? MARGIN : 0;
    const range = { min: min - share * (max - min), max: max + share * (max - min) };
    const beyond = set.borderWidth / 2 + SWELL;
    const margin = MARGIN * area.width + beyond;
    const left = Math.floor((area.left - margin) * ratio);
    const top = Math.floor((area.top - beyond) * ratio);
    const width = Math.ceil((area.right + margin) * ratio) - left;
    const height = Math.ceil((area.bottom + beyond) * ratio) - top;
    this.#clear(width, height);
    this.#context.setTransform(ratio, 0, 0, ratio, -left, -top);
    paint(this.#context, scales, set, range);
    this.#made = {
      series,
      look: lookOf(chart, set),
      shown: { min, max },
      // Where its readings end it is complete, however far one looks.
      from: range.min <= times[0] ? -Infinity : range.min,
      until: range.max > times[times.length - 1] ? Infinity : range.max,
      left,
      top,
    };
    return this.#made;
  }

  /**
   * @param {number} width
   * @param {number} height
   */
  #clear(width, height) {
    if (this.#canvas.width === width && this.#canvas.height === height) {
      this.#context?.setTransform(1, 0, 0, 1, 0, 0);
      this.#context?.clearRect(0, 0, width, height);
    } else {
      this.#canvas.width = width;
      this.#canvas.height = height;
    }
  }
}

/**
 * What a line depends on, but for its readings and the window.
 * @param {any} chart
 * @param {any} set
 */
function lookOf({ chartArea: area, currentDevicePixelRatio: ratio, scales: { y } }, set) {
  const { left, top, width, height } = area;
  const { borderColor, borderWidth } = set;
  return [left, top, width, height, ratio, y.min, y.max, borderColor, borderWidth].join();
}

/**
 * Pixels of a linear scale; its own method looks up options each time.
 * @param {any} scale
 * @returns {(value: number) => number}
 */
function linear(scale) {
  const origin = scale.getPixelForValue(scale.min);
  const factor = (scale.getPixelForValue(scale.max) - origin) / (scale.max - scale.min || 1);
  return (value) => origin + (value - scale.min) * factor;
}

/**
 * The readings of a range, and one before and after it, to which the line leads.
 * @param {{times: readonly number[]}} series
 * @param {{min: number, max: number}} range
 */
function around({ times }, { min, max }) {
  return {
    first: Math.max(0, firstAtOrAfter(times, min) - 1),
    last: Math.min(times.length - 1, firstAtOrAfter(times, max)),
  };
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {any} scales
 * @param {any} set
 * @param {{min: number, max: number}} range
 */
function paint(context, { x, y }, { series, borderColor, borderWidth: width }, range) {
  const { bars, lines } = shapes(series, around(series, range), linear(x), linear(y));
  const beyond = width / 2;
  context.fillStyle = context.strokeStyle = borderColor;
  context.lineWidth = width;
  context.lineJoin = "round";
  for (let at = 0; at < bars.length; at += 3)
    context.fillRect(
      bars[at] - beyond - SWELL / 2,
      bars[at + 1] - beyond,
      width + SWELL,
      bars[at + 2] - bars[at + 1] + width,
    );
  for (const line of lines) stroke(context, line);
}

/**
 * Each piece begins with the last stretch of the one before, so that no join is missing.
 * @param {CanvasRenderingContext2D} context
 * @param {readonly number[]} line
 */
function stroke(context, line) {
  for (let from = 0; from < line.length - 2; from += 2 * PIECE) {
    context.beginPath();
    const until = Math.min(line.length, from + 2 * PIECE + 2);
    for (let at = Math.max(0, from - 2); at < until; at += 2)
      context.lineTo(line[at], line[at + 1]);
    context.stroke();
  }
}
