/**
 * Whose a turn of the plain wheel is: the page's, which scrolls, or a chart's, which zooms.
 *
 * Nobody who scrolls past a chart is held up by it. The chart gets the wheel where it has the
 * focus (a click is enough), where somebody has been pointing at it for a moment, or where the page
 * has nothing to scroll. All turns without a pause between them belong to whoever got the first.
 */

const PAUSE_MS = 250;
/** A hand that rests on the mouse trembles; one that points at a reading goes further. */
const LEAST_TRAVEL_PX = 30;
const LEAST_STAY_MS = 400;

/** Turns of the wheel anywhere on the page, one gesture after the other. */
export class WheelGestures {
  #last = -Infinity;
  /** @type {"page" | "chart" | null} */
  #owner = null;

  /** Before anything else hears of a turn. @param {number} now ms */
  turned(now) {
    if (now - this.#last > PAUSE_MS) this.#owner = null;
    this.#last = now;
  }

  /**
   * A chart hears of a turn.
   * @param {() => boolean} wanted by the chart, asked at the first turn only
   */
  isForChart(wanted) {
    this.#owner ??= wanted() ? "chart" : "page";
    return this.#owner === "chart";
  }

  /** After all charts have heard of a turn: one that none has asked for is the page's. */
  over() {
    this.#owner ??= "page";
  }

  /** @param {Document} page */
  listen(page) {
    page.addEventListener("wheel", (event) => this.turned(event.timeStamp), {
      capture: true,
      passive: true,
    });
    page.addEventListener("wheel", () => this.over(), { passive: true });
  }
}

/** Whether somebody is pointing at a chart, and not only passing it with the page. */
export class Attention {
  #since = Infinity;
  #travelled = 0;

  /**
   * @param {number} distance that the pointer has gone itself, in px
   * @param {number} now ms
   */
  moved(distance, now) {
    if (distance === 0) return;
    this.#since = Math.min(this.#since, now);
    this.#travelled += distance;
  }

  /** The pointer has left, or the page was scrolled under it. */
  lost() {
    this.#since = Infinity;
    this.#travelled = 0;
  }

  /** @param {number} now ms */
  isPaid(now) {
    return this.#travelled >= LEAST_TRAVEL_PX && now - this.#since >= LEAST_STAY_MS;
  }
}
