/**
 * The strip of the whole record with the shown window in it.
 */

import { hatching } from "./chart-plugins.js";
import { colour, faded } from "./colours.js";
import { byId, setText } from "./dom.js";
import { polylines } from "./polylines.js";
import { fitted, moved, overlaps, wholeRange } from "./range.js";
import { extremes } from "./series.js";
import { formatInstant, formatRange } from "./times.js";

const PADDING = { top: 8, bottom: 22 };
const HANDLE = 24;
// Something to take hold of between the handles.
const LEAST_WINDOW = 12;
// At both ends of the record, so that a handle has room beside the window.
const MARGIN = HANDLE;

/**
 * @typedef {import("./range.js").Range} Range
 * @typedef {import("./range.js").Extent} Extent
 * @typedef {{trend: import("./series.js").Trend, channel: string, extent: Extent, view: Range, zone: string}} Strip
 */

export class Overview {
  /** @param {{slide: (range: Range) => void}} wishes */
  constructor(wishes) {
    this.wishes = wishes;
    this.node = byId("overview");
    this.canvas = /** @type {HTMLCanvasElement} */ (byId("overview-canvas"));
    this.window = byId("overview-window");
    this.start = byId("overview-start");
    this.end = byId("overview-end");
    /** @type {Strip | null} */
    this.strip = null;
    this.width = 0;
    this.#attend();
    new ResizeObserver(() => this.draw()).observe(this.node);
  }

  /** @param {Strip} strip */
  update(strip) {
    const before = this.node.hidden ? null : this.strip;
    this.strip = strip;
    this.node.hidden = false;
    const same = /** @type {const} */ (["trend", "channel", "extent", "zone"]).every(
      (part) => before?.[part] === strip[part],
    );
    if (same) this.#placeWindow();
    else this.draw();
  }

  hide() {
    this.node.hidden = true;
  }

  /** @param {Range} view */
  moveTo(view) {
    if (!this.strip) return;
    this.strip = { ...this.strip, view };
    this.#placeWindow();
  }

  draw() {
    const { strip, canvas } = this;
    const width = this.node.clientWidth;
    const height = this.node.clientHeight;
    if (!strip || width === 0) return;
    this.width = width;
    const scale = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    pen.scale(scale, scale);
    const whole = wholeRange(strip.extent);
    drawGaps(pen, strip, whole, width, height);
    drawLine(pen, strip, whole, width, height);
    drawAlerts(pen, strip, whole, width, height);
    setText(byId("overview-first"), formatInstant(whole.start, strip.zone, "minute"));
    setText(byId("overview-last"), formatInstant(strip.extent.last, strip.zone, "minute"));
    this.#placeWindow();
  }

  #placeWindow() {
    const { strip } = this;
    if (!strip) return;
    const whole = wholeRange(strip.extent);
    const { width } = this;
    this.#showHandles(overlaps(strip.view, whole));
    const [first, last] = [MARGIN, width - MARGIN];
    const right = within(xOf(strip.view.end, whole, width), first, last);
    const start = within(xOf(strip.view.start, whole, width), first, last);
    const size = Math.max(right - start, LEAST_WINDOW);
    const left = within(start, first, last - size);
    place(this.window, left);
    this.window.style.width = `${size}px`;
    // Beside a narrow window, so that there is something of each to take hold of.
    const inside = size > 3 * HANDLE ? HANDLE / 2 : 0;
    for (const handle of [this.start, this.end]) {
      handle.classList.toggle("outside", inside === 0);
    }
    place(this.start, left - HANDLE + inside);
    place(this.end, left + size - inside);
    const text = formatRange(strip.view, strip.zone);
    describe(this.window, whole, (strip.view.start + strip.view.end) / 2, text);
    describe(
      this.start,
      whole,
      strip.view.start,
      formatInstant(strip.view.start, strip.zone, "second"),
    );
    describe(this.end, whole, strip.view.end, formatInstant(strip.view.end, strip.zone, "second"));
  }

  /** @param {boolean} shown */
  #showHandles(shown) {
    for (const node of [this.window, this.start, this.end]) node.hidden = !shown;
  }

  #attend() {
    this.#drag(
      this.window,
      (range, by) => ({ start: range.start + by, end: range.end + by }),
      true,
    );
    this.#drag(this.start, (range, by) => ({
      start: Math.min(range.start + by, range.end),
      end: range.end,
    }));
    this.#drag(this.end, (range, by) => ({
      start: range.start,
      end: Math.max(range.end + by, range.start),
    }));
    this.canvas.addEventListener("click", (event) => this.#centre(event.clientX));
  }

  /** @param {number} clientX */
  #centre(clientX) {
    if (!this.strip) return;
    const { view, extent } = this.strip;
    const whole = wholeRange(extent);
    const x = clientX - this.node.getBoundingClientRect().left;
    const share = within((x - MARGIN) / roomOf(this.node.clientWidth), 0, 1);
    const instant = whole.start + share * (whole.end - whole.start);
    this.wishes.slide(moved(view, instant - (view.start + view.end) / 2, extent));
  }

  /**
   * @param {HTMLElement} handle
   * @param {(range: Range, by: number) => Range} change
   * @param {boolean} [whole] moves all of the window
   */
  #drag(handle, change, whole = false) {
    /** @type {{x: number, view: Range} | null} */
    let from = null;
    /** @type {(view: Range, by: number) => void} */
    const apply = (view, by) => {
      if (!this.strip) return;
      const { extent } = this.strip;
      this.wishes.slide(whole ? moved(view, by, extent) : fitted(change(view, by), extent));
    };
    handle.addEventListener("pointerdown", (event) => {
      if (!this.strip || event.button !== 0) return;
      event.stopPropagation();
      handle.setPointerCapture(event.pointerId);
      from = { x: event.clientX, view: this.strip.view };
    });
    handle.addEventListener("pointermove", (event) => {
      if (!from || !this.strip) return;
      const span = wholeRange(this.strip.extent);
      apply(
        from.view,
        ((event.clientX - from.x) / roomOf(this.node.clientWidth)) * (span.end - span.start),
      );
    });
    for (const type of ["pointerup", "pointercancel"])
      handle.addEventListener(type, () => (from = null));
    handle.addEventListener("keydown", (event) => {
      const step = {
        ArrowLeft: -0.1,
        ArrowRight: 0.1,
        PageUp: -1,
        PageDown: 1,
        Home: -1e9,
        End: 1e9,
      }[event.key];
      if (step === undefined || !this.strip || event.ctrlKey || event.metaKey || event.altKey)
        return;
      const { view } = this.strip;
      event.preventDefault();
      event.stopPropagation();
      apply(view, step * (view.end - view.start));
    });
  }
}

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
function within(value, low, high) {
  return Math.min(Math.max(value, low), Math.max(low, high));
}

/**
 * @param {HTMLElement} node
 * @param {number} x
 */
function place(node, x) {
  node.style.transform = `translateX(${x}px)`;
}

/**
 * @param {HTMLElement} slider
 * @param {Range} whole
 * @param {number} instant
 * @param {string} text
 */
function describe(slider, whole, instant, text) {
  slider.setAttribute("aria-valuemin", "0");
  slider.setAttribute("aria-valuemax", "100");
  const share = ((instant - whole.start) / (whole.end - whole.start)) * 100;
  slider.setAttribute("aria-valuenow", String(Math.round(Math.min(Math.max(share, 0), 100))));
  slider.setAttribute("aria-valuetext", text);
}

/**
 * @param {number} instant
 * @param {Range} whole
 * @param {number} width
 */
function xOf(instant, whole, width) {
  return MARGIN + ((instant - whole.start) / (whole.end - whole.start)) * roomOf(width);
}

/** What the record has of the strip. @param {number} width */
function roomOf(width) {
  return Math.max(1, width - 2 * MARGIN);
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {Strip} strip
 * @param {Range} whole
 * @param {number} width
 * @param {number} height
 */
function drawGaps(pen, strip, whole, width, height) {
  pen.fillStyle = hatching(pen);
  for (const gap of strip.trend.gaps) {
    const left = xOf(gap.start, whole, width);
    pen.fillRect(left, 4, Math.max(1, xOf(gap.end, whole, width) - left), height - 22);
  }
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {Strip} strip
 * @param {Range} whole
 * @param {number} width
 * @param {number} height
 */
function drawLine(pen, strip, whole, width, height) {
  const series = strip.trend.channels.get(strip.channel);
  const found = series && extremes(series.values);
  if (!found) return;
  const span = found.high - found.low || 1;
  const room = height - PADDING.top - PADDING.bottom;
  pen.strokeStyle = faded(colour("--text"), 0.6);
  pen.lineWidth = 1.1;
  pen.lineJoin = "round";
  pen.beginPath();
  for (const line of polylines(series.times, series.values, whole, Math.floor(roomOf(width) / 2))) {
    line.forEach(([x, value], at) => {
      const y = PADDING.top + (1 - (value - found.low) / span) * room;
      const place = MARGIN + x * roomOf(width);
      if (at === 0) pen.moveTo(place, y);
      else pen.lineTo(place, y);
    });
  }
  pen.stroke();
}

/**
 * Where there were red readings of any channel, along the bottom.
 * @param {CanvasRenderingContext2D} pen
 * @param {Strip} strip
 * @param {Range} whole
 * @param {number} width
 * @param {number} height
 */
function drawAlerts(pen, strip, whole, width, height) {
  pen.fillStyle = colour("--red");
  const wide = (strip.trend.resolution ?? 0) * 1000;
  for (const { times, levels, redBuckets } of strip.trend.channels.values()) {
    const red = times.filter((_, at) => levels[at] === "red");
    const marks = new Set(red.map((time) => Math.round(xOf(time, whole, width))));
    for (const x of marks) pen.fillRect(x - 1, height - 22, 2, 4);
    for (const start of redBuckets) {
      const left = xOf(start, whole, width);
      pen.fillRect(left, height - 22, xOf(start + wide, whole, width) - left, 4);
    }
  }
}
