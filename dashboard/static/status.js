/**
 * The state of the page: what it has no data for, what went wrong, the connection, the footer.
 */

import { byId, element, fill, setText } from "./dom.js";
import { formatCompact, formatCount, formatDuration, formatNumber } from "./format.js";

/** @typedef {"loading" | "ready" | "empty" | "nothing" | "failed"} State */

const CONNECTIONS = {
  connecting: ["Connecting", "Opening the live connection"],
  paused: ["Paused", "New readings wait until the page is resumed"],
  live: ["Live", "New readings appear as they are stored"],
  reconnecting: [
    "Reconnecting",
    "The live connection was lost; it will be back as soon as possible",
  ],
  polling: ["Polling", "There is no live connection; the page asks again at intervals"],
};

const BACKENDS = {
  sqlite: "SQLite",
  postgresql: "PostgreSQL",
  postgres: "PostgreSQL",
  timescale: "TimescaleDB",
  timescaledb: "TimescaleDB",
};

/** @param {State} state */
export function setState(state) {
  document.body.dataset.state = state;
  const blank = state === "empty" || state === "nothing" || state === "failed";
  if (!blank) byId("blank").hidden = true;
}

/** @returns {State} */
export function currentState() {
  return /** @type {State} */ (document.body.dataset.state);
}

/** Nothing is stored yet: what to do. */
export function showEmpty() {
  setState("empty");
  showBlank(
    element("h2", {}, "No readings yet"),
    element("p", {}, "Load a file, and this page will show it at once, without a reload:"),
    element(
      "div",
      { class: "blank-actions" },
      element(
        "button",
        { type: "button", class: "primary", onclick: () => byId("load-file").click() },
        "Load a file",
      ),
    ),
    element("p", {}, "Or on the server's command line:"),
    element("pre", {}, element("code", {}, "smart-sensor etl your.csv")),
    element(
      "p",
      {},
      "Its columns are called otherwise than the rig's channels? A rig file says which is which. No file at hand? This loads the sample data:",
    ),
    element("pre", {}, element("code", {}, "smart-sensor etl")),
  );
}

/**
 * No readings in the shown range.
 * @param {string} range
 * @param {() => void} goToLast
 * @param {() => void} showAll
 */
export function showNothing(range, goToLast, showAll) {
  setState("nothing");
  showBlank(
    element("h2", {}, "No readings in this range"),
    element("p", {}, range),
    element(
      "div",
      { class: "blank-actions" },
      element(
        "button",
        { type: "button", class: "primary", id: "go-to-last", onclick: goToLast },
        "Go to the last data",
      ),
      element("button", { type: "button", onclick: showAll }, "Show everything"),
    ),
  );
}

/** Whether a range without readings has rejected rows, which stay in sight then. @param {boolean} some */
export function showRejected(some) {
  document.body.toggleAttribute("data-rejected", some);
}

/**
 * Nothing could be loaded at all.
 * @param {string} detail
 * @param {() => void} retry
 */
export function showFailure(detail, retry) {
  setState("failed");
  showBlank(
    element("h2", {}, "The readings could not be loaded"),
    element("p", {}, detail),
    element(
      "div",
      { class: "blank-actions" },
      element("button", { type: "button", class: "primary", onclick: retry }, "Retry"),
    ),
  );
}

/** @param {...Node} children */
function showBlank(...children) {
  const blank = byId("blank");
  fill(blank, ...children);
  blank.hidden = false;
}

/**
 * A banner over data that are still there; null takes it away.
 * @param {string | null} detail
 */
export function showProblem(detail) {
  byId("problem").hidden = detail === null;
  setText(byId("problem-text"), detail ?? "");
}

/** The line at the top edge while an answer takes longer than a moment. */
export class Progress {
  #pending = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #slow;

  /**
   * @template T
   * @param {Promise<T>} promise
   * @returns {Promise<T>}
   */
  async of(promise) {
    this.#pending += 1;
    this.#timer ??= setTimeout(() => (byId("progress").hidden = false), 250);
    this.#slow ??= setTimeout(() => (byId("slow").hidden = false), 4000);
    try {
      return await promise;
    } finally {
      this.#pending -= 1;
      if (this.#pending === 0) this.#done();
    }
  }

  #done() {
    clearTimeout(this.#timer);
    clearTimeout(this.#slow);
    this.#timer = this.#slow = undefined;
    byId("progress").hidden = byId("slow").hidden = true;
  }
}

/**
 * @param {import("./live.js").Connection} connection
 * @param {boolean} paused
 * @param {number} waiting readings that came since
 */
export function showConnection(connection, paused, waiting) {
  const node = byId("connection");
  const frozen = paused && connection === "live";
  node.dataset.connection = frozen ? "paused" : connection;
  const [text, title] = CONNECTIONS[frozen ? "paused" : connection];
  setText(byId("connection-text"), text);
  setText(byId("connection-waiting"), frozen && waiting ? `${formatCompact(waiting)} new` : "");
  node.title = title;
  const button = /** @type {HTMLButtonElement} */ (byId("pause"));
  const label = paused ? "Resume: show what has come" : "Pause: new readings wait";
  button.disabled = false;
  button.setAttribute("aria-pressed", String(paused));
  button.setAttribute("aria-label", label);
  button.title = `${label} ( p )`;
}

/** A pulse of the live dot: something has arrived. */
export function beat() {
  const node = byId("connection");
  delete node.dataset.beat;
  void node.offsetWidth;
  node.dataset.beat = "";
}

/**
 * @typedef {object} FootFacts
 * @property {string | null} backend
 * @property {number | null} stored readings of the rig
 * @property {any} kpis
 * @property {import("./series.js").Trend | null} trend
 * @property {string} connection
 * @property {string} version
 */

/** @param {FootFacts} facts */
export function showFoot({ backend, stored, kpis, trend, connection, version }) {
  const parts = [
    backend && (BACKENDS[/** @type {keyof typeof BACKENDS} */ (backend)] ?? backend),
    kpis &&
      `${formatNumber(kpis.total_records)} of ${formatCount(stored ?? kpis.total_records, "reading")} shown`,
    kpis &&
      (kpis.rejected_records ? `${formatNumber(kpis.rejected_records)} rejected` : "none rejected"),
    trend && resolution(trend),
    CONNECTIONS[/** @type {keyof typeof CONNECTIONS} */ (connection)][0].toLowerCase(),
    `Smart Sensor ${version}`,
  ];
  fill(byId("foot"), ...parts.filter(Boolean).map((part) => element("span", {}, String(part))));
}

/** @param {import("./series.js").Trend} trend */
function resolution(trend) {
  if (!trend.downsampled) return "every reading drawn, nothing averaged";
  const step = trend.resolution === null ? "" : ` to ${formatDuration(trend.resolution)}`;
  const short = trend.shortGaps ? `, ${formatCount(trend.shortGaps, "short gap")} not drawn` : "";
  return `thinned${step}, extremes kept, nothing averaged${short}`;
}
