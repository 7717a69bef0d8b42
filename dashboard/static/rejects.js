/**
 * Rejected rows by reason; under a reason that is chosen, its rows as they were read.
 */

import { address, getJson, Latest } from "./api.js";
import { element, refill } from "./dom.js";
import { formatCount, formatNumber, formatReason } from "./format.js";
import { formatInstant, parseTime } from "./times.js";

const ROWS = 20;
/** So many rows that were asked for one after the other are asked for again at once. */
const MOST_AGAIN = 1000;
/** What is longer is cut: a file may have anything in a row. */
const LONGEST_ROW = 500;

/**
 * @typedef {{source: string, line: number, timestamp: string | null, detail: string, raw: string}} Reject
 * @typedef {{total: number, by_reason: Record<string, number>, rejects: Reject[], next: number | null}} Answer
 */

export class RejectList {
  #latest = new Latest();

  constructor() {
    /** What is asked for: a rig, and a range unless it is the whole record. @type {Record<string, string>} */
    this.query = {};
    this.zone = "UTC";
    /** @type {Record<string, number>} */
    this.counts = {};
    /** @type {string | null} */
    this.reason = null;
    /** @type {Reject[]} */
    this.rows = [];
    /** @type {number | null} */
    this.next = null;
    /** @type {string | null} */
    this.problem = null;
    /** Rows of the reason are on their way, and none are there yet. */
    this.awaited = false;
    /** How many rows somebody has asked to see. */
    this.wanted = ROWS;
    this.drawn = "";
    this.node = element("div", { class: "rejects" });
  }

  /** Of the range, whatever the reason. */
  get count() {
    return Object.values(this.counts).reduce((sum, count) => sum + count, 0);
  }

  /** What is known of the range already. @param {Record<string, number>} counts by reason */
  know(counts) {
    this.counts = counts;
    this.#draw();
  }

  /**
   * Another range or rig, or readings that have come: as many rows as are listed are asked for.
   * @param {Record<string, string>} query `rig`, and `start` and `end` unless all are wanted
   * @param {string} zone
   */
  async follow(query, zone) {
    if (query.rig !== this.query.rig) this.#choose(null);
    this.query = query;
    this.zone = zone;
    const limit = Math.min(this.wanted, MOST_AGAIN);
    await this.#ask(async (signal) => {
      const [all, chosen] = await Promise.all([
        this.#get({ limit: "1" }, signal),
        this.reason ? this.#get({ reason: this.reason, limit: String(limit) }, signal) : null,
      ]);
      return { counts: all.by_reason, rows: chosen?.rejects ?? [], next: chosen?.next ?? null };
    });
  }

  /** The rows that come after those that are listed. */
  async #more() {
    const { reason, next, rows } = this;
    if (reason === null || next === null) return;
    // Where a new range comes in between, it brings them.
    this.wanted = rows.length + ROWS;
    await this.#ask(async (signal) => {
      const query = { reason, limit: String(ROWS), after: String(next) };
      const answer = await this.#get(query, signal);
      return { counts: this.counts, rows: [...rows, ...answer.rejects], next: answer.next };
    });
    // The button has gone with the last rows: on with the first of them.
    if (this.next === null && this.problem === null)
      /** @type {HTMLElement | null} */ (
        this.node.querySelectorAll(".reject")[rows.length]
      )?.focus();
  }

  /**
   * @param {(signal: AbortSignal) => Promise<{counts: Record<string, number>, rows: Reject[], next: number | null}>} ask
   */
  async #ask(ask) {
    try {
      const answer = await this.#latest.run(ask);
      if (answer === null) return;
      Object.assign(this, answer, { problem: null, awaited: false });
    } catch (error) {
      this.problem = error instanceof Error ? error.message : String(error);
      this.awaited = false;
    }
    this.#draw();
  }

  /**
   * @param {Record<string, string>} wanted
   * @param {AbortSignal} signal
   * @returns {Promise<Answer>}
   */
  #get(wanted, signal) {
    return getJson(address("/api/rejects", { ...this.query, ...wanted }), signal);
  }

  /** @param {string | null} reason */
  #choose(reason) {
    const awaited = reason !== null;
    Object.assign(this, { reason, rows: [], next: null, problem: null, awaited, wanted: ROWS });
  }

  /** @param {string} reason */
  #toggle(reason) {
    this.#choose(reason === this.reason ? null : reason);
    this.#draw();
    this.follow(this.query, this.zone);
  }

  /** Left alone while nothing is new, so that a row can be selected while readings come in. */
  #draw() {
    const { counts, reason, rows, next, problem, awaited, zone } = this;
    const all = !("start" in this.query);
    const drawn = JSON.stringify([counts, reason, rows, next, problem, awaited, zone, all]);
    if (drawn !== this.drawn) this.#redraw();
    this.drawn = drawn;
    for (const link of this.node.querySelectorAll("a"))
      link.href = this.#fileAddress(link.dataset.reason ?? null);
  }

  #redraw() {
    const { counts, reason } = this;
    const reasons = Object.entries(counts).sort((one, other) => other[1] - one[1]);
    // One that was chosen stays, also where the range has none of it.
    if (reason !== null && !(reason in counts)) reasons.push([reason, 0]);
    refill(
      this.node,
      reasons.length === 0 && element("p", { class: "muted" }, "No row was rejected."),
      element("ul", {}, ...reasons.map(([name, count]) => this.#reason(name, count))),
      this.problem !== null && this.#failure(this.problem),
      "start" in this.query &&
        element(
          "p",
          { class: "muted" },
          "Rows whose time cannot be read are in no range: All has them.",
        ),
      reasons.length > 0 && this.#file(null, "All of them as CSV"),
    );
  }

  /**
   * @param {string} reason
   * @param {number} count
   */
  #reason(reason, count) {
    const open = reason === this.reason;
    return element(
      "li",
      {},
      element(
        "button",
        {
          type: "button",
          class: "reason",
          "data-key": `reason ${reason}`,
          "aria-expanded": String(open),
          onclick: () => this.#toggle(reason),
        },
        element("span", {}, formatReason(reason)),
        element("span", { class: "reason-count" }, formatNumber(count)),
      ),
      open && this.#chosen(reason, count),
    );
  }

  /**
   * @param {string} reason
   * @param {number} count
   */
  #chosen(reason, count) {
    const { rows, next } = this;
    const listed =
      next === null
        ? formatCount(rows.length, "row")
        : `The newest ${formatNumber(rows.length)} of ${formatCount(count, "row")}`;
    return element(
      "div",
      { class: "reason-rows", role: "group", "aria-label": `Rows: ${formatReason(reason)}` },
      element(
        "p",
        { class: "muted", role: "status" },
        this.awaited ? "Asking for the rows …" : rows.length ? listed : "None in this range.",
      ),
      element("ol", {}, ...rows.map((row) => this.#row(row))),
      element(
        "div",
        { class: "reason-actions" },
        next !== null &&
          element(
            "button",
            { type: "button", "data-key": "more", onclick: () => this.#more() },
            "More",
          ),
        rows.length > 0 && this.#file(reason, `CSV: ${formatReason(reason)}`),
      ),
    );
  }

  /** @param {Reject} row */
  #row({ source, line, timestamp, detail, raw }) {
    const time = timestamp && formatInstant(parseTime(timestamp), this.zone);
    const cut = raw.length > LONGEST_ROW;
    return element(
      "li",
      { class: "reject", tabindex: "-1" },
      element(
        "p",
        { class: "reject-head" },
        element(
          "span",
          { class: "reject-place", title: source },
          `${source.split(/[\\/]/).at(-1)}, line ${formatNumber(line)}`,
        ),
        time
          ? element("time", { datetime: timestamp }, time)
          : element("span", {}, "time not read"),
      ),
      element("p", {}, detail),
      element("code", {}, cut ? `${raw.slice(0, LONGEST_ROW)} …` : raw),
      cut &&
        element(
          "p",
          { class: "muted" },
          `${formatNumber(raw.length)} characters in all; the CSV file has them.`,
        ),
    );
  }

  /** @param {string} problem */
  #failure(problem) {
    return element(
      "div",
      { class: "reject-failure" },
      element("p", { class: "red", role: "alert" }, `The rejected rows did not come: ${problem}`),
      element(
        "button",
        {
          type: "button",
          "data-key": "retry",
          onclick: () => this.follow(this.query, this.zone),
        },
        "Retry",
      ),
    );
  }

  /**
   * @param {string | null} reason of all of them, or of one
   * @param {string} text
   */
  #file(reason, text) {
    const href = this.#fileAddress(reason);
    return element("a", { href, download: true, "data-key": text, "data-reason": reason }, text);
  }

  /** @param {string | null} reason */
  #fileAddress(reason) {
    const query = { ...this.query, ...(reason && { reason }), format: "csv" };
    return address("/api/rejects", query);
  }
}
