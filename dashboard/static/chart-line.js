/**
 * The line of a channel whose readings have no dots of their own, drawn by ourselves.
 *
 * Without a GPU a canvas takes a time for a path that grows with the square of its corners, and a
 * dense line has thousands. Where the readings of a pixel column reach far it is a bar, which costs
 * next to nothing; what is left is stroked in pieces.
 */

import { firstAtOrAfter } from "./series.js";

const PIECE = 64;
/** Less than that is part of a slope, which bars would make a stair of. */
const TALL_PX = 4;
/** A line that goes up and down within a column is wider there than one that only goes up. */
const SWELL = 0.4;

/**
 * @typedef {object} Shapes
 * @property {number[]} bars x, upper end and lower end in turn
 * @property {number[][]} lines of corners, x and y in turn
 */

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
    const { ctx: context, chartArea: area, scales } = chart;
    const set = chart.data.datasets[index];
    if (!isOurs(set)) return;
    const { series, borderColor, borderWidth: width } = set;
    const { x, y } = scales;
    const { bars, lines } = shapes(series, around(series, x), linear(x), linear(y));
    const beyond = width / 2;
    context.save();
    context.beginPath();
    context.rect(area.left - beyond, area.top - beyond, area.width + width, area.height + width);
    context.clip();
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
    context.restore();
    return false;
  },
};

/** @param {any} set of data */
function isOurs({ series, pointRadius }) {
  return series !== undefined && pointRadius === 0;
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
 * A line as bars and strokes, broken at nulls. Of the readings of a pixel column remain the first,
 * the lowest, the highest and the last, so that no spike is lost. Pure.
 * @param {{times: readonly number[], values: readonly (number | null)[]}} series
 * @param {{first: number, last: number}} shown indices, both included
 * @param {(time: number) => number} toX
 * @param {(value: number) => number} toY
 * @returns {Shapes}
 */
export function shapes({ times, values }, { first, last }, toX, toY) {
  const tracer = new Tracer();
  for (let at = first; at <= last; at += 1) {
    const value = values[at];
    if (value === null) tracer.lift();
    else tracer.to(toX(times[at]), toY(value));
  }
  tracer.lift();
  return tracer;
}

/** Follows a line, column by column. */
class Tracer {
  /** @type {number[]} */
  bars = [];
  /** @type {number[][]} */
  lines = [];
  /** @type {number[] | null} */
  #line = null;
  /** @type {{centre: number, top: number, bottom: number} | null} */
  #bar = null;
  // The column that the line is in.
  #count = 0;
  #column = 0;
  #left = 0;
  #sum = 0;
  #first = 0;
  #top = 0;
  #bottom = 0;
  #latest = 0;

  /** @param {number} x @param {number} y */
  to(x, y) {
    const column = Math.floor(x);
    if (this.#count > 0 && column === this.#column) {
      this.#count += 1;
      this.#sum += x;
      if (y < this.#top) this.#top = y;
      if (y > this.#bottom) this.#bottom = y;
    } else {
      this.#leave();
      this.#count = 1;
      this.#column = column;
      this.#left = this.#sum = x;
      this.#first = this.#top = this.#bottom = y;
    }
    this.#latest = y;
  }

  /** The line ends here. */
  lift() {
    this.#leave();
    this.#count = 0;
    this.#line = this.#bar = null;
  }

  #leave() {
    if (this.#count === 0) return;
    const [top, bottom, middle] = [this.#top, this.#bottom, this.#sum / this.#count];
    if (bottom - top > TALL_PX) {
      const centre = this.#column + 0.5;
      const before = this.#bar;
      // Two bars side by side that overlap hide what joins them.
      const beside = before !== null && centre - before.centre === 1;
      if (!beside || top > before.bottom || before.top > bottom)
        this.#line?.push(centre, this.#first);
      // In the middle of its pixels, so that there is no seam between it and the next one.
      this.bars.push(centre, top, bottom);
      this.#begin(centre, this.#latest);
      this.#bar = { centre, top, bottom };
      return;
    }
    if (this.#line) this.#line.push(this.#left, this.#first);
    else this.#begin(this.#left, this.#first);
    if (top !== bottom) this.#line?.push(middle, bottom, middle, top, middle, this.#latest);
    this.#bar = null;
  }

  /** @param {number} x @param {number} y */
  #begin(x, y) {
    if (this.#line?.length === 2) this.lines.pop();
    this.#line = [x, y];
    this.lines.push(this.#line);
  }
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
