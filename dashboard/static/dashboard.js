/**
 * What is shown, and how answers and messages change it.
 */

import { inTurn } from "./api.js";
import { byId } from "./dom.js";
import { zoneOf } from "./header.js";
import { Incoming } from "./incoming.js";
import { Loader } from "./loader.js";
import { Navigation } from "./navigation.js";
import { baseRange, fitted, select, shownRange, withContext, zoomed } from "./range.js";
import { Screen } from "./screen.js";
import { worstWithin } from "./series.js";
import * as status from "./status.js";
import { parseTime } from "./times.js";
import { readQuery } from "./url.js";

const SLIDE_MS = 250;
const PATIENCE_MS = 1000;
const SLIDE_ENDS_MS = 900;

/**
 * @typedef {import("./range.js").Range} Range
 * @typedef {import("./range.js").Selection} Selection
 * @typedef {import("./range.js").Extent} Extent
 * @typedef {import("./url.js").ZoneChoice} ZoneChoice
 * @typedef {import("./series.js").Trend} Trend
 */

export class Dashboard {
  /** @param {string} version */
  constructor(version) {
    this.version = version;
    this.navigation = new Navigation();
    /** @type {any[]} */
    this.rigs = [];
    /** @type {any} */
    this.rig = null;
    /** @type {Extent | null} */
    this.extent = null;
    /** @type {any} */
    this.kpis = null;
    /** @type {any} */
    this.alerts = null;
    /** @type {Trend | null} */
    this.trend = null;
    /** @type {Trend | null} */
    this.record = null;
    /** Whether answers for this rig have come: before that, no readings means nothing. */
    this.answered = false;
    /** @type {string | null} */
    this.backend = null;
    /** @type {import("./live.js").Connection} */
    this.connection = "connecting";
    this.paused = false;
    /** The newest reading that is known of: while paused it is not shown yet. @type {number | null} */
    this.newest = null;
    this.slidUntil = 0;
    /** @type {{channel: string, range: Range} | null} */
    this.pinned = null;
    /** @type {(name: string) => void} */
    this.onRig = () => {};
    this.loader = new Loader(new status.Progress());
    this.screen = new Screen(this);
    this.incoming = new Incoming(this);
    this.loadViewSoon = inTurn(() => this.loadView(), SLIDE_MS, PATIENCE_MS);
  }

  async start() {
    this.loadHealth();
    await this.loadRigs();
    this.onRig(this.rig?.name ?? "");
    if (!this.rig) return;
    const asked = this.page.rig;
    await this.loadView();
    if (asked === null || asked === this.rig.name) return;
    status.showProblem(`There is no rig "${asked}" with readings; this is ${this.rig.name}.`);
  }

  /** Everything once more: the server said so, or the connection is away. */
  async refresh() {
    const before = this.rig?.name;
    this.loadHealth();
    await this.loadRigs();
    if (!this.rig) return;
    if (this.rig.name !== before) this.onRig(this.rig.name);
    await Promise.all([this.loadView(), this.loadRecord()]);
    if (this.screen.rail.current === "loads") this.loadLoads();
  }

  // What is chosen

  get page() {
    return this.navigation.page;
  }

  get zone() {
    return zoneOf(this.page.zone, this.rig?.time_zone ?? "UTC");
  }

  /** @returns {Range} */
  get shown() {
    return this.extent ? shownRange(this.page, this.extent) : { start: 0, end: 1 };
  }

  /** @returns {Range} */
  get base() {
    return this.extent ? baseRange(this.page.base, this.extent) : { start: 0, end: 1 };
  }

  /** @param {Selection} selection */
  choose(selection) {
    this.#go({ ...this.page, ...selection }, "push");
    this.loadView();
  }

  /** @param {Range} range */
  show(range) {
    if (this.extent) this.choose(select(this.page, fitted(range, this.extent), this.extent));
  }

  /** One step of a movement: the first one is remembered, the others replace it. @param {Range} range */
  slide(range) {
    if (!this.extent) return;
    const now = performance.now();
    this.#go(
      { ...this.page, ...select(this.page, range, this.extent) },
      now < this.slidUntil ? "replace" : "push",
    );
    this.slidUntil = now + SLIDE_ENDS_MS;
    this.loadViewSoon();
  }

  /** @param {number} factor */
  zoom(factor) {
    if (!this.extent) return;
    const { start, end } = this.shown;
    this.slide(zoomed({ start, end }, (start + end) / 2, factor, this.extent));
  }

  reset() {
    this.screen.charts.leave();
    this.screen.charts.select(null);
    if (this.page.zoom) this.choose({ base: this.page.base, zoom: null });
  }

  /**
   * @param {Range} event
   * @param {string | null} channel
   */
  showEvent(event, channel) {
    if (!this.extent) return;
    this.pinned = channel ? { channel, range: event } : null;
    this.show(withContext(event, this.extent));
    const card = byId("cards").querySelector(
      channel ? `#chart-${CSS.escape(channel)}` : ".chart-card",
    );
    if (window.innerWidth <= 1080) card?.scrollIntoView({ block: "start", behavior: "smooth" });
  }

  /** @param {string} name */
  chooseRig(name) {
    const rig = this.rigs.find((other) => other.name === name);
    if (!rig || rig === this.rig) return;
    const { base } = this.page;
    const kept = base.kind === "last" || base.kind === "all" ? base : readQuery("").base;
    this.#go({ ...this.page, rig: name, base: kept, zoom: null, hidden: [], fixed: [] }, "push");
    this.#useRig(rig);
    this.onRig(name);
    this.loadView();
  }

  /** @param {ZoneChoice} zone */
  chooseZone(zone) {
    this.#go({ ...this.page, zone }, "push");
    if (this.answered) this.screen.all();
  }

  nextZone() {
    const zones = /** @type {ZoneChoice[]} */ (["rig", "utc", "browser"]);
    this.chooseZone(zones[(zones.indexOf(this.page.zone) + 1) % zones.length]);
  }

  /** The browser went back or forward. */
  restore() {
    this.navigation.read();
    const rig = this.rigs.find(({ name }) => name === this.page.rig) ?? this.rigs[0];
    if (rig && rig !== this.rig) {
      this.#useRig(rig);
      this.onRig(rig.name);
    }
    this.screen.arrange();
    this.loadView();
  }

  /**
   * Into a list of the address, or out of it: a channel that is hidden, or whose scale is fixed.
   * @param {"hidden" | "fixed"} list
   * @param {string} name
   */
  toggle(list, name) {
    const names = this.page[list];
    const next = names.includes(name) ? names.filter((each) => each !== name) : [...names, name];
    this.#go({ ...this.page, [list]: next }, "push");
    this.screen.arrange();
  }

  /** New readings wait while the page is paused; then all of them come at once. */
  togglePause() {
    this.paused = !this.paused;
    this.incoming.waiting = 0;
    this.screen.connection();
    if (!this.paused) this.refresh();
  }

  /**
   * @param {import("./url.js").PageState} page
   * @param {"push" | "replace"} how
   */
  #go(page, how) {
    const rig = this.rigs.length > 1 ? (page.rig ?? this.rig?.name ?? null) : page.rig;
    this.navigation.go({ ...page, rig }, how);
    this.screen.window();
  }

  // Answers

  async loadRigs() {
    try {
      const rigs = await this.loader.rigs();
      if (rigs === null) return;
      status.showProblem(null);
      this.rigs = rigs.filter((each) => each.first_timestamp !== null);
      const rig =
        this.rigs.find(({ name }) => name === (this.rig?.name ?? this.page.rig)) ?? this.rigs[0];
      if (!rig) this.#useNoRig();
      else this.#useRig(rig);
    } catch (error) {
      this.#fail(error);
    }
  }

  #useNoRig() {
    this.rig = this.extent = this.trend = this.record = null;
    this.screen.empty();
  }

  /** @param {any} rig */
  #useRig(rig) {
    const same =
      this.rig &&
      this.rig.name === rig.name &&
      JSON.stringify(this.rig.channels) === JSON.stringify(rig.channels);
    this.rig = rig;
    this.extent = {
      first: parseTime(rig.first_timestamp),
      last: parseTime(rig.last_timestamp),
      interval: rig.interval_s,
      zone: rig.time_zone,
    };
    this.newest = this.extent.last;
    if (!same) {
      this.kpis = this.alerts = this.trend = this.record = null;
      this.answered = false;
      this.screen.build(rig);
      if (this.screen.rail.current === "loads") this.loadLoads();
    }
    this.screen.window();
  }

  async loadView() {
    if (!this.rig || !this.extent) return;
    this.loader.forgetFigures();
    const { shown } = this;
    try {
      const [view] = await Promise.all([
        this.loader.view(
          this.rig.name,
          this.page,
          shown,
          this.base,
          this.screen.rail.redOnly,
          this.extent,
        ),
        this.record ? null : this.loadRecord(),
      ]);
      if (view === null) return;
      status.showProblem(null);
      Object.assign(this, view, { answered: true });
      this.incoming.appended = 0;
      await this.screen.all(performance.now() < this.slidUntil, shown);
      this.#pin();
    } catch (error) {
      this.#fail(error);
    }
  }

  async loadFigures() {
    if (!this.rig || status.currentState() !== "ready") return;
    const { page, shown, base } = this;
    const { redOnly } = this.screen.rail;
    try {
      const answer = await this.loader.figures(this.rig.name, page, shown, base, redOnly);
      if (answer === null || answer.kpis === null) return;
      Object.assign(this, answer);
      this.screen.figures();
    } catch {
      // The next reading asks again; what is shown was right a moment ago.
    }
  }

  async loadRecord() {
    if (!this.rig) return;
    try {
      const record = await this.loader.overview(this.rig.name);
      if (record === null) return;
      this.record = record;
      this.screen.charts.learn(record);
      this.screen.record();
    } catch {
      this.screen.overview.hide();
    }
  }

  async loadLoads() {
    if (!this.rig) return;
    try {
      const loads = await this.loader.loads(this.rig.name);
      if (loads) this.screen.rail.showLoads(loads, this.rig.name, this.zone);
    } catch (error) {
      this.#fail(error);
    }
  }

  async loadHealth() {
    try {
      const health = await this.loader.health();
      this.backend = health.backend;
      this.screen.foot();
    } catch {
      // The questions about readings say what is wrong.
    }
  }

  /** @param {unknown} error */
  #fail(error) {
    const detail = error instanceof Error ? error.message : String(error);
    if (this.trend && this.rig) status.showProblem(`Could not refresh: ${detail}`);
    else status.showFailure(detail, () => this.refresh());
  }

  /** The cross-hair at the worst reading of the event that was chosen. */
  #pin() {
    const { pinned, trend } = this;
    this.pinned = null;
    const series = pinned && trend?.channels.get(pinned.channel);
    if (!pinned || !series) return;
    const worst = worstWithin(series, pinned.range);
    if (worst !== null) this.screen.charts.pin(pinned.channel, worst);
  }

  // What comes by the live connection

  /** @param {import("./live.js").Connection} connection */
  setConnection(connection) {
    this.connection = connection;
    this.screen.connection();
    this.screen.foot();
  }

  /** @param {any} message */
  receive(message) {
    this.incoming.receive(message);
  }

  /**
   * Readings were stored: the record reaches as far as they do.
   * @param {Range} range from the first to the last of them
   * @param {number} rows
   */
  extend(range, rows) {
    if (!this.extent) return;
    const { first, last } = this.extent;
    this.extent = {
      ...this.extent,
      first: Math.min(first, range.start),
      last: Math.max(last, range.end),
    };
    this.newest = this.extent.last;
    this.rig.total_records += rows;
  }

  repaint() {
    this.screen.repaint();
  }
}
