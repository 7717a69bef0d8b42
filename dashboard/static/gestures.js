/**
 * Mouse, touch and wheel on a plot, as times on its axis. Dragging selects a range, with Shift
 * it moves the window; the wheel zooms where it is the chart's, with Ctrl everywhere, and with Shift
 * it moves; two fingers do both.
 */

import { Attention, WheelGestures } from "./wheel.js";

/**
 * @typedef {object} Actions
 * @property {(x: number, hover: boolean) => void} point the cross-hair goes to a place
 * @property {() => void} leave
 * @property {(from: number, to: number) => void} selecting a band, in px
 * @property {(from: number, to: number) => void} selected
 * @property {() => void} unselected
 * @property {(byPixels: number) => void} pan
 * @property {(x: number, factor: number) => void} zoom
 * @property {(factor: number) => boolean} zooms whether there is anything to zoom to
 * @property {() => void} settled a move or zoom has ended
 * @property {() => void} reset
 */

const LEAST_DRAG_PX = 5;

// There is one wheel and one mouse, whatever the number of charts.
const gestures = new WheelGestures();
const attention = new Attention();
gestures.listen(document);
document.addEventListener("scroll", () => attention.lost(), { passive: true });

/**
 * @param {HTMLElement} plot
 * @param {Actions} actions
 */
export function listen(plot, actions) {
  /** @type {Map<number, number>} pointers that are down -> x */
  const down = new Map();
  /** @type {{kind: "none" | "select" | "pan" | "pinch" | "scrub", from: number}} */
  let drag = { kind: "none", from: 0 };
  /** @param {MouseEvent} event */
  const place = (event) => event.clientX - plot.getBoundingClientRect().left;

  plot.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && event.button !== 0) return;
    const x = place(event);
    down.set(event.pointerId, x);
    if (event.pointerType !== "mouse") {
      drag = { kind: down.size > 1 ? "pinch" : "scrub", from: x };
      actions.point(x, true);
      return;
    }
    plot.setPointerCapture(event.pointerId);
    drag = { kind: event.shiftKey ? "pan" : "select", from: x };
    if (drag.kind === "pan") plot.dataset.dragging = "pan";
  });

  plot.addEventListener("pointermove", (event) => {
    const x = place(event);
    const before = down.get(event.pointerId);
    if (drag.kind === "pinch" && before !== undefined) {
      pinch(down, event.pointerId, x, actions);
      return;
    }
    if (before !== undefined) down.set(event.pointerId, x);
    if (drag.kind === "pan" && before !== undefined) {
      actions.pan(x - before);
      return;
    }
    actions.point(x, true);
    if (drag.kind === "select" && Math.abs(x - drag.from) >= LEAST_DRAG_PX)
      actions.selecting(drag.from, x);
  });

  /** @param {PointerEvent} event */
  const finish = (event) => {
    if (!down.delete(event.pointerId)) return;
    const { kind, from } = drag;
    if (kind === "pinch" && down.size > 0) return;
    drag = { kind: "none", from: 0 };
    delete plot.dataset.dragging;
    if (kind === "pan" || kind === "pinch") actions.settled();
    if (kind !== "select") return;
    const x = place(event);
    if (event.type === "pointerup" && Math.abs(x - from) >= LEAST_DRAG_PX)
      actions.selected(from, x);
    else actions.unselected();
  };
  plot.addEventListener("pointerup", finish);
  plot.addEventListener("pointercancel", finish);
  plot.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse" && drag.kind === "none") actions.leave();
  });
  plot.addEventListener("dblclick", () => actions.reset());
  listenToWheel(plot, place, actions);
}

/**
 * @param {HTMLElement} plot
 * @param {(event: MouseEvent) => number} place
 * @param {Actions} actions
 */
function listenToWheel(plot, place, actions) {
  /** @type {{x: number, y: number} | null} of the pointer on the screen, which scrolling leaves alone */
  let before = null;
  plot.addEventListener("pointermove", ({ pointerType, screenX: x, screenY: y, timeStamp }) => {
    if (pointerType !== "mouse") return;
    if (before) attention.moved(Math.hypot(x - before.x, y - before.y), timeStamp);
    before = { x, y };
  });
  plot.addEventListener("pointerleave", () => {
    before = null;
    attention.lost();
  });

  /** @param {number} factor @param {number} now */
  const isWanted = (factor, now) =>
    actions.zooms(factor) &&
    (document.activeElement === plot || attention.isPaid(now) || !canScroll());
  plot.addEventListener("wheel", (event) => wheel(event, place(event), actions, isWanted), {
    passive: false,
  });
}

/** Whether the page is longer than its window. */
function canScroll() {
  const { scrollHeight, clientHeight } = document.documentElement;
  return scrollHeight > clientHeight;
}

/**
 * @param {Map<number, number>} down
 * @param {number} id
 * @param {number} x
 * @param {Actions} actions
 */
function pinch(down, id, x, actions) {
  const other = [...down].find(([pointer]) => pointer !== id)?.[1];
  const before = down.get(id);
  down.set(id, x);
  if (other === undefined || before === undefined) return;
  const distance = Math.abs(before - other);
  const now = Math.abs(x - other);
  if (distance < 8 || now < 8) return;
  actions.zoom(other, distance / now);
}

/**
 * @param {WheelEvent} event
 * @param {number} x
 * @param {Actions} actions
 * @param {(factor: number, now: number) => boolean} isWanted whether the chart takes a plain wheel
 */
function wheel(event, x, actions, isWanted) {
  const unit = event.deltaMode === 1 ? 16 : 1;
  const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
  const moves = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
  const zooms = event.ctrlKey || event.metaKey;
  if (moves && !zooms) {
    event.preventDefault();
    actions.pan(-sideways * unit);
    actions.settled();
    return;
  }
  const factor = Math.exp(Math.max(-120, Math.min(120, event.deltaY * unit)) * 0.004);
  if (!zooms && !gestures.isForChart(() => isWanted(factor, event.timeStamp))) return;
  event.preventDefault();
  actions.zoom(x, factor);
  actions.settled();
}
