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
    let picture = pictures.get(chart);
    if (!picture?.shows(chart, set)) {
      picture = new LinePicture(chart, set);
      pictures.set(chart, picture);
    }
    picture.draw(chart);
    return false;
  },
};

/** @type {WeakMap<object, LinePicture>} */
const pictures = new WeakMap();

/** @param {any} set of data */
function isOurs({ series, pointRadius }) {
  return series !== undefined && pointRadius === 0;
}

/** A line as it looks, with what lies a little beyond both ends of the window. */
class LinePicture {
  /**
   * @param {any} chart
   * @param {any} set
   */
  constructor(chart, set) {
    const { chartArea: area, currentDevicePixelRatio: ratio, scales } = chart;
    const { x, y } = scales;
    const { series } = set;
    const { times } = series;
    const room = MARGIN * (x.max - x.min);
    const range = { min: x.min - room, max: x.max + room };
    this.look = lookOf(chart, set);
    this.series = series;
    this.count = times.length;
    this.shown = { min: x.min, max: x.max };
    // Where its readings end it is complete, however far one looks.
    this.from = range.min <= times[0] ? -Infinity : range.min;
    this.until = range.max > times[times.length - 1] ? Infinity : range.max;
    // Its corner in pixels of the device: there it looks as if it were drawn on the chart itself.
    const beyond = set.borderWidth / 2 + SWELL;
    const margin = MARGIN * area.width + beyond;
    this.left = Math.floor((area.left - margin) * ratio);
    this.top = Math.floor((area.top - beyond) * ratio);
    this.canvas = document.createElement("canvas");
    this.canvas.width = Math.ceil((area.right + margin) * ratio) - this.left;
    this.canvas.height = Math.ceil((area.bottom + beyond) * ratio) - this.top;
    const context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    context.setTransform(ratio, 0, 0, ratio, -this.left, -this.top);
    paint(context, shapes(series, around(series, range), linear(x), linear(y)), set);
  }

  /**
   * Whether it is the line of the window that the chart shows now.
   * @param {any} chart
   * @param {any} set
   */
  shows(chart, set) {
    const { x } = chart.scales;
    const { min, max } = this.shown;
    const stretched = Math.abs((x.max - x.min) / (max - min) - 1) * chart.chartArea.width;
    return (
      this.series === set.series &&
      this.count === set.series.times.length &&
      stretched < STRETCH_PX &&
      x.min >= this.from &&
      x.max <= this.until &&
      this.look === lookOf(chart, set)
    );
  }

  /** @param {any} chart */
  draw({ ctx: context, chartArea: area, currentDevicePixelRatio: ratio, scales: { x } }) {
    const { canvas, shown, top } = this;
    // By whole pixels, so that it stays sharp.
    const moved = Math.round(((shown.min - x.min) / (x.max - x.min)) * area.width * ratio);
    context.save();
    context.beginPath();
    context.rect(area.left - 1, area.top - 1, area.width + 2, area.height + 2);
    context.clip();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(canvas, this.left + moved, top);
    context.restore();
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
 * @param {import("./line-shapes.js").Shapes} shapes
 * @param {{borderColor: string, borderWidth: number}} set
 */
function paint(context, { bars, lines }, { borderColor, borderWidth: width }) {
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
