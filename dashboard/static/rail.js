/**
 * The rail at the side: why? Tabs of alerts, quality and loads.
 */

import { byId, element, fill, mark, setText } from "./dom.js";
import { formatCount, formatDuration, formatNumber, formatReason, formatValue } from "./format.js";
import { ledger } from "./ledger.js";
import {
  dateOf,
  formatClock,
  formatDay,
  formatInstant,
  formatRange,
  parseTime,
  rangePrecision,
} from "./times.js";

const TABS = ["alerts", "quality", "loads"];
const MOST_GAPS = 100;

/**
 * @typedef {import("./range.js").Range} Range
 * @typedef {import("./series.js").Gap} Gap
 * @typedef {{channel: string, label: string, unit: string, level: "red" | "yellow", timestamp: string,
 *   last_timestamp: string, count: number, value: number, zscore: number | null, reason: string}} Alert
 * @typedef {{range: Range, zone: string, interval: number | null,
 *   decimals: (name: string) => {measured: number, shown: number}}} Frame
 */

export class Rail {
  /** @param {{showEvent: (event: Range, channel: string | null) => void, opened: (tab: string) => void, filtered: () => void}} wishes */
  constructor(wishes) {
    this.wishes = wishes;
    this.current = "alerts";
    this.redOnly = false;
    this.chosen = "";
    for (const name of TABS) {
      const tab = byId(`tab-${name}`);
      tab.addEventListener("click", () => this.open(name));
      tab.addEventListener("keydown", (event) => this.#key(event));
    }
  }

  /** @param {string} name */
  open(name) {
    this.current = name;
    for (const other of TABS) {
      const tab = byId(`tab-${other}`);
      tab.setAttribute("aria-selected", String(other === name));
      tab.tabIndex = other === name ? 0 : -1;
      byId(`panel-${other}`).hidden = other !== name;
    }
    this.wishes.opened(name);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const next = TABS[(TABS.indexOf(this.current) + step + TABS.length) % TABS.length];
    this.open(next);
    byId(`tab-${next}`).focus();
  }

  /**
   * @param {{total_red: number, total_yellow: number, alerts: Alert[], truncated: boolean}} answer
   * @param {readonly Gap[]} gaps
   * @param {Frame} frame
   */
  showAlerts(answer, gaps, frame) {
    const badge = byId("alert-badge");
    badge.hidden = answer.total_red === 0;
    setText(badge, formatNumber(answer.total_red));
    badge.setAttribute("aria-label", `${formatCount(answer.total_red, "red reading")}`);
    const alerts = this.redOnly
      ? answer.alerts.filter(({ level }) => level === "red")
      : answer.alerts;
    const events = [
      ...alerts.map((alert) => ({
        time: parseTime(alert.timestamp),
        node: () => this.#alert(alert, frame),
      })),
      ...(this.redOnly || answer.truncated || gaps.length > 20 ? [] : gaps).map((gap) => ({
        time: gap.start,
        node: () => this.#gap(gap, frame),
      })),
    ].sort((one, other) => other.time - one.time);
    this.#replace(
      byId("panel-alerts"),
      element(
        "div",
        { class: "rail-head" },
        element("p", { class: "rail-note" }, formatRange(frame.range, frame.zone)),
        this.#filter(),
      ),
      alerts.length === 0 &&
        element(
          "p",
          { class: "rail-note" },
          this.redOnly && answer.total_yellow ? "No red readings." : "Every reading is normal.",
        ),
      element("ul", {}, ...events.map(({ node }) => element("li", {}, node()))),
      answer.truncated &&
        element(
          "p",
          { class: "rail-note" },
          `The newest ${formatNumber(alerts.length)} are listed, of ${formatNumber(answer.total_red)} red and ${formatNumber(answer.total_yellow)} yellow readings. A shorter range shows the others.`,
        ),
    );
  }

  #filter() {
    /** @type {(text: string, redOnly: boolean) => HTMLElement} */
    const choice = (text, redOnly) =>
      element(
        "button",
        {
          type: "button",
          "data-key": text,
          "aria-pressed": String(this.redOnly === redOnly),
          onclick: () => this.#chooseLevel(redOnly),
        },
        text,
      );
    return element(
      "div",
      { class: "filter", role: "group", "aria-label": "Which alerts" },
      choice("All", false),
      choice("Red", true),
    );
  }

  /** @param {boolean} redOnly */
  #chooseLevel(redOnly) {
    this.redOnly = redOnly;
    this.wishes.filtered();
  }

  /** @param {string} range */
  showNothing(range) {
    byId("alert-badge").hidden = true;
    for (const name of ["alerts", "quality"]) {
      fill(byId(`panel-${name}`), element("p", { class: "rail-note" }, `No readings in ${range}.`));
    }
  }

  /**
   * New content without losing the reader's place: scroll position and focus stay.
   * @param {HTMLElement} panel
   * @param {...import("./dom.js").Child} children
   */
  #replace(panel, ...children) {
    const { scrollTop } = panel;
    const focused = panel.contains(document.activeElement)
      ? /** @type {HTMLElement} */ (document.activeElement).dataset.key
      : null;
    fill(panel, ...children);
    panel.scrollTop = scrollTop;
    const again = focused && panel.querySelector(`[data-key="${CSS.escape(focused)}"]`);
    if (again instanceof HTMLElement) again.focus();
  }

  /**
   * @param {Alert} alert
   * @param {Frame} frame
   */
  #alert(alert, frame) {
    const range = { start: parseTime(alert.timestamp), end: parseTime(alert.last_timestamp) };
    const several =
      alert.count > 1
        ? ` ${formatCount(alert.count, "reading")} over ${formatDuration((range.end - range.start) / 1000)}.`
        : "";
    return this.#event({
      level: alert.level,
      name: `${alert.label} ${formatValue(alert.value, frame.decimals(alert.channel).shown, alert.unit)}`,
      why: `${alert.reason}${several}`,
      range,
      channel: alert.channel,
      frame,
    });
  }

  /**
   * @param {Gap} gap
   * @param {Frame} frame
   */
  #gap(gap, frame) {
    const length = formatDuration((gap.end - gap.start) / 1000);
    const times = frame.interval ? (gap.end - gap.start) / frame.interval / 1000 + 1 : 0;
    const usual = times
      ? `Silence ${formatNumber(times, times < 10 ? 1 : 0)} times the usual interval, until`
      : "Until";
    return this.#event({
      level: "gap",
      name: `No data for ${length}`,
      why: `${usual} ${clock(gap.end, frame)}.`,
      range: gap,
      channel: null,
      frame,
    });
  }

  /** @param {{level: "red" | "yellow" | "gap", name: string, why: string, range: Range, channel: string | null, frame: Frame}} event */
  #event({ level, name, why, range, channel, frame }) {
    const key = `${channel}@${range.start}`;
    const title = `Show it with what came before and after: ${formatInstant(range.start, frame.zone)}`;
    return element(
      "button",
      {
        type: "button",
        class: "event",
        title,
        "data-key": key,
        "aria-current": key === this.chosen ? "true" : null,
        onclick: () => this.#choose(key, range, channel),
      },
      mark(level, level),
      element("span", { class: "event-name" }, name),
      element("time", { class: "event-time" }, clock(range.start, frame)),
      element("span", { class: "event-why" }, why),
    );
  }

  /**
   * @param {string} key
   * @param {Range} range
   * @param {string | null} channel
   */
  #choose(key, range, channel) {
    this.chosen = key;
    for (const node of document.querySelectorAll(".event[aria-current]"))
      node.removeAttribute("aria-current");
    for (const node of document.querySelectorAll(`.event[data-key="${CSS.escape(key)}"]`))
      node.setAttribute("aria-current", "true");
    this.wishes.showEvent(range, channel);
  }

  /**
   * @param {any} kpis
   * @param {readonly Gap[]} gaps
   * @param {Frame} frame
   */
  showQuality(kpis, gaps, frame) {
    const reasons = Object.entries(kpis.rejected_by_reason ?? {}).sort(
      (one, other) => other[1] - one[1],
    );
    const rejected = kpis.rejected_records ?? 0;
    const longest = gaps
      .slice()
      .sort((one, other) => other.end - other.start - (one.end - one.start))
      .slice(0, MOST_GAPS);
    this.#replace(
      byId("panel-quality"),
      element("p", { class: "rail-note" }, formatRange(frame.range, frame.zone)),
      element(
        "section",
        {},
        element("h3", {}, "Rows"),
        element(
          "dl",
          { class: "counts" },
          ...count("accepted", kpis.total_records),
          ...count("rejected", rejected),
          ...reasons.flatMap(([reason, number]) => count(formatReason(reason), number, "muted")),
        ),
      ),
      element(
        "section",
        {},
        element(
          "h3",
          {},
          kpis.gap_count || gaps.length
            ? `${formatCount(kpis.gap_count, "gap")}, ${formatDuration(kpis.gap_hours * 3600)} in all`
            : "No gaps",
        ),
        !(kpis.gap_count || gaps.length) &&
          element("p", { class: "muted" }, "No silence longer than 1.5 times the usual interval."),
        element("ul", {}, ...longest.map((gap) => element("li", {}, this.#gap(gap, frame)))),
        kpis.gap_count > longest.length &&
          element(
            "p",
            { class: "muted" },
            `${formatNumber(longest.length)} of ${formatCount(kpis.gap_count, "gap")} are listed. A shorter range shows the others.`,
          ),
      ),
    );
  }

  /**
   * @param {any[]} loads
   * @param {string} rig
   * @param {string} zone
   */
  showLoads(loads, rig, zone) {
    this.#replace(byId("panel-loads"), ...ledger(loads, rig, zone));
  }
}

/**
 * @param {string} name
 * @param {number} number
 * @param {string} [look]
 */
function count(name, number, look) {
  return [
    element("dt", { class: look ?? null }, name),
    element("dd", { class: look ?? null }, formatNumber(number)),
  ];
}

/**
 * A time as short as the range allows.
 * @param {number} instant
 * @param {Frame} frame
 */
function clock(instant, { range, zone, interval }) {
  const fast = interval !== null && interval < 1 && range.end - range.start < 3_600_000;
  const text = formatClock(instant, zone, fast ? "exact" : rangePrecision(range));
  const oneDay = dateOf(range.start, zone) === dateOf(range.end - 1, zone);
  return oneDay ? text : `${formatDay(instant, zone)} ${text}`;
}
