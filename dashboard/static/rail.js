/**
 * The rail at the side: why? Tabs of alerts, quality and loads.
 */

import { byId, element, fill, mark, refill, setText } from "./dom.js";
import { formatCount, formatDuration, formatNumber, formatValue } from "./format.js";
import { intervalsText } from "./gaps.js";
import { ledger } from "./ledger.js";
import { QualityPanel } from "./quality.js";
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

/**
 * @typedef {import("./range.js").Range} Range
 * @typedef {import("./series.js").Gap} Gap
 * @typedef {{channel: string, label: string, unit: string, level: "red" | "yellow", timestamp: string,
 *   last_timestamp: string, count: number, value: number, zscore: number | null, reason: string}} Alert
 * @typedef {{range: Range, zone: string, interval: number | null,
 *   decimals: (name: string) => {measured: number, shown: number}}} Frame
 * @typedef {{level: "red" | "yellow" | "gap", name: string, why: string, range: Range,
 *   channel: string | null, time: string, instant: string}} Event an entry of a list
 */

export class Rail {
  /** @param {{showEvent: (event: Range, channel: string | null) => void, opened: (tab: string) => void, filtered: () => void}} wishes */
  constructor(wishes) {
    this.wishes = wishes;
    this.current = "alerts";
    this.redOnly = false;
    this.chosen = "";
    /** What the list of alerts was made of. */
    this.listed = "";
    this.list = element("ul");
    /** Its entries, by what they say. @type {Map<string, HTMLElement>} */
    this.entries = new Map();
    this.quality = new QualityPanel(byId("panel-quality"), (gap, frame) =>
      this.#event(this.#gap(gap, frame)),
    );
    for (const name of TABS) {
      const tab = byId(`tab-${name}`);
      tab.addEventListener("click", () => this.open(name));
      tab.addEventListener("keydown", (event) => this.#key(event));
    }
  }

  /**
   * @param {string} name
   * @param {boolean} [focused] the keyboard goes on from there
   */
  open(name, focused = false) {
    this.current = name;
    for (const other of TABS) {
      const tab = byId(`tab-${other}`);
      tab.setAttribute("aria-selected", String(other === name));
      tab.tabIndex = other === name ? 0 : -1;
      byId(`panel-${other}`).hidden = other !== name;
    }
    if (focused) byId(`tab-${name}`).focus();
    this.wishes.opened(name);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const next = TABS[(TABS.indexOf(this.current) + step + TABS.length) % TABS.length];
    this.open(next, true);
  }

  /**
   * @param {{total_red: number, total_yellow: number, alerts: Alert[], truncated: boolean}} answer
   * @param {readonly Gap[]} gaps
   * @param {Frame} frame
   */
  showAlerts(answer, gaps, frame) {
    const { range, zone, interval, decimals } = frame;
    const digits = answer.alerts.map(({ channel }) => decimals(channel).shown);
    const listed = JSON.stringify([answer, gaps, range, zone, interval, digits, this.redOnly]);
    // To make the list anew takes longer than a frame may.
    if (listed === this.listed) return;
    this.listed = listed;
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
        event: this.#alert(alert, frame),
      })),
      ...(this.redOnly || answer.truncated || gaps.length > 20 ? [] : gaps).map((gap) => ({
        time: gap.start,
        event: this.#gap(gap, frame),
      })),
    ].sort((one, other) => other.time - one.time);
    refill(this.list, ...this.#entriesOf(events.map(({ event }) => event)));
    refill(
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
      this.list,
      answer.truncated &&
        element(
          "p",
          { class: "rail-note" },
          `The newest ${formatNumber(alerts.length)} are listed, of ${formatNumber(answer.total_red)} red and ${formatNumber(answer.total_yellow)} yellow readings. A shorter range shows the others.`,
        ),
    );
  }

  /**
   * Those that were there before stay, and need not be laid out again.
   * @param {Event[]} events
   */
  #entriesOf(events) {
    const before = this.entries;
    this.entries = new Map();
    for (const event of events) {
      const text = JSON.stringify(event);
      this.entries.set(text, before.get(text) ?? element("li", {}, this.#event(event)));
    }
    return [...this.entries.values()];
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
    this.listed = "";
    byId("alert-badge").hidden = true;
    fill(byId("panel-alerts"), element("p", { class: "rail-note" }, `No readings in ${range}.`));
    this.quality.showNothing(range);
  }

  /**
   * @param {Alert} alert
   * @param {Frame} frame
   * @returns {Event}
   */
  #alert(alert, frame) {
    const range = { start: parseTime(alert.timestamp), end: parseTime(alert.last_timestamp) };
    const several =
      alert.count > 1
        ? ` ${formatCount(alert.count, "reading")} over ${formatDuration((range.end - range.start) / 1000)}.`
        : "";
    return {
      level: alert.level,
      name: `${alert.label} ${formatValue(alert.value, frame.decimals(alert.channel).shown, alert.unit)}`,
      why: `${alert.reason}${several}`,
      range,
      channel: alert.channel,
      ...times(range.start, frame),
    };
  }

  /**
   * @param {Gap} gap
   * @param {Frame} frame
   * @returns {Event}
   */
  #gap(gap, frame) {
    const seconds = (gap.end - gap.start) / 1000;
    const intervals = intervalsText(seconds, frame.interval);
    return {
      level: "gap",
      name: `No data for ${formatDuration(seconds)}`,
      why: `${intervals ? `${intervals}, until` : "Until"} ${clock(gap.end, frame)}.`,
      range: gap,
      channel: null,
      ...times(gap.start, frame),
    };
  }

  /** @param {Event} event */
  #event({ level, name, why, range, channel, time, instant }) {
    const key = `${channel}@${range.start}`;
    return element(
      "button",
      {
        type: "button",
        class: "event",
        title: `Show it with what came before and after: ${instant}`,
        "data-key": key,
        "aria-current": key === this.chosen ? "true" : null,
        onclick: () => this.#choose(key, range, channel),
      },
      mark(level, level),
      element("span", { class: "event-name" }, name),
      element("time", { class: "event-time" }, time),
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
   * @param {any[]} loads
   * @param {string} rig
   * @param {string} zone
   */
  showLoads(loads, rig, zone) {
    refill(byId("panel-loads"), ...ledger(loads, rig, zone));
  }
}

/**
 * When an event began, in short and in full.
 * @param {number} start
 * @param {Frame} frame
 */
function times(start, frame) {
  return { time: clock(start, frame), instant: formatInstant(start, frame.zone) };
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
