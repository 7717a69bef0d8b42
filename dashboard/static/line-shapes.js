/**
 * A dense line as shapes that are quick to draw. Pure.
 *
 * Where the readings of a pixel column reach far it is a bar, which costs next to nothing; what is
 * left are lines.
 */

/** Less than that is part of a slope, which bars would make a stair of. */
const TALL_PX = 4;

/**
 * @typedef {object} Shapes
 * @property {number[]} bars x, upper end and lower end in turn
 * @property {number[][]} lines of corners, x and y in turn
 */

/**
 * A line as bars and strokes, broken at nulls. Of the readings of a pixel column remain the first,
 * the lowest, the highest and the last, so that no spike is lost.
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
