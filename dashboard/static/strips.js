/**
 * Small pictures of a range that are no line: when there were alerts, when readings came, which
 * share was accepted.
 */

import { setAttribute, svg } from "./dom.js";
import { overlaps } from "./range.js";
import { HEIGHT, sparkFrame, WIDTH } from "./sparkline.js";

const COLUMNS = 50;

/**
 * @typedef {import("./range.js").Range} Range
 * @typedef {import("./series.js").Trend} Trend
 */

/** One path a look, in the frame of a sparkline. */
class Strip {
  /** @param {readonly string[]} looks classes of the paths, the last one on top */
  constructor(looks) {
    this.paths = looks.map((look) => svg("path", { class: look }));
    this.node = sparkFrame("spark strip", ...this.paths);
  }

  /** @param {readonly string[]} shapes one a path */
  draw(shapes) {
    this.paths.forEach((path, at) => {
      setAttribute(path, "d", shapes[at] ?? "");
    });
  }

  clear() {
    this.draw([]);
  }
}

/** Where in the range there were red readings, and yellow ones where they are known. */
export class AlertStrip extends Strip {
  constructor() {
    super(["strip-base", "strip-yellow", "strip-red"]);
  }

  /**
   * @param {Trend} trend
   * @param {Range} view
   */
  update(trend, view) {
    const { yellow, red } = alertColumns(trend, view, COLUMNS);
    this.draw([`M0 ${HEIGHT - 2}H${WIDTH}`, bars(yellow, 10), bars(red, 4)]);
  }
}

/** When readings came: a line that is broken at gaps. */
export class CoverageStrip extends Strip {
  constructor() {
    super(["strip-gap", "strip-there"]);
  }

  /**
   * @param {Trend} trend
   * @param {Range} view
   */
  update(trend, view) {
    const stretches = covered(trend.gaps, view);
    const middle = HEIGHT / 2;
    this.draw([
      `M0 ${middle}H${WIDTH}`,
      stretches.map(([from, to]) => `M${place(from)} ${middle}H${place(to)}`).join(""),
    ]);
  }
}

/** The accepted share of all rows; a rejected one shows, however few there are. */
export class ShareStrip extends Strip {
  constructor() {
    super(["strip-there", "strip-lost"]);
  }

  /**
   * @param {number} accepted
   * @param {number} rejected
   */
  update(accepted, rejected) {
    const all = accepted + rejected;
    if (all === 0) return this.clear();
    const share = rejected === 0 ? 0 : Math.min(1, Math.max(rejected / all, 0.02));
    const end = place(1 - share);
    const middle = HEIGHT / 2;
    this.draw([`M0 ${middle}H${end}`, share ? `M${end} ${middle}H${WIDTH}` : ""]);
  }
}

/** @param {number} share */
function place(share) {
  return (share * WIDTH).toFixed(1);
}

/**
 * @param {Iterable<number>} columns
 * @param {number} top
 */
function bars(columns, top) {
  const size = WIDTH / COLUMNS;
  return [...columns]
    .map((column) => `M${((column + 0.5) * size).toFixed(1)} ${HEIGHT - 2}V${top}`)
    .join("");
}

/**
 * Columns of a range in which there are red or yellow readings of any channel.
 * @param {Trend} trend
 * @param {Range} view
 * @param {number} columns
 */
export function alertColumns(trend, view, columns) {
  const found = { red: new Set(), yellow: new Set() };
  const width = view.end - view.start || 1;
  /** @type {(time: number) => number} */
  const columnOf = (time) => Math.floor(((time - view.start) / width) * columns);
  /** @type {(set: Set<number>, column: number) => void} */
  const add = (set, column) => {
    if (column >= 0 && column < columns) set.add(column);
  };
  for (const { times, levels, redBuckets } of trend.channels.values()) {
    levels.forEach((level, at) => {
      if (level === "red" || level === "yellow") add(found[level], columnOf(times[at]));
    });
    for (const start of redBuckets) add(found.red, columnOf(start));
  }
  return found;
}

/**
 * The stretches of a range that lie between its gaps, as shares of it.
 * @param {readonly import("./series.js").Gap[]} gaps in order of time
 * @param {Range} view
 * @returns {[number, number][]}
 */
export function covered(gaps, view) {
  const width = view.end - view.start || 1;
  /** @type {[number, number][]} */
  const stretches = [];
  let from = 0;
  for (const gap of gaps.filter((each) => overlaps(each, view))) {
    const start = Math.max(0, (gap.start - view.start) / width);
    if (start > from) stretches.push([from, start]);
    from = Math.min(1, (gap.end - view.start) / width);
  }
  if (from < 1) stretches.push([from, 1]);
  return stretches;
}
