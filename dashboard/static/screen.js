/**
 * The parts of the page, and what each of them shows of the state.
 */

import { serverNow } from "./api.js";
import { ChartStack } from "./chart-stack.js";
import { forgetColours } from "./colours.js";
import { byId } from "./dom.js";
import { ExportMenu } from "./exports.js";
import { showHidden, showRigs, showZones, titleOf } from "./header.js";
import { Overview } from "./overview.js";
import { attendPrinting } from "./print.js";
import { Rail } from "./rail.js";
import { overlaps } from "./range.js";
import { gapsAround, hasReadings } from "./series.js";
import * as status from "./status.js";
import { Tiles } from "./tiles.js";
import { TimeBar } from "./timebar.js";
import { formatRange } from "./times.js";
import { momentsQuery, rangeQuery } from "./url.js";

/**
 * @typedef {import("./dashboard.js").Dashboard} Dashboard
 * @typedef {import("./range.js").Range} Range
 */

export class Screen {
  /** @param {Dashboard} dashboard */
  constructor(dashboard) {
    this.dashboard = dashboard;
    this.title = document.title;
    /** Counted, so that what is left of an older answer is not drawn over a newer one. */
    this.run = 0;
    this.drawn = 0;
    this.charts = new ChartStack(byId("cards"), {
      show: (range) => dashboard.show(range),
      slide: (range) => dashboard.slide(range),
      reset: () => dashboard.reset(),
      hide: (name) => this.#hide(name),
      fix: (name) => dashboard.toggle("fixed", name),
      extent: () => dashboard.extent,
    });
    this.tiles = new Tiles(byId("tiles"));
    this.exports = new ExportMenu(() => this.charts.pictured);
    this.overview = new Overview({ slide: (range) => dashboard.slide(range) });
    this.timeBar = new TimeBar({ choose: (selection) => dashboard.choose(selection) });
    this.rail = new Rail({
      showEvent: (event, channel) => dashboard.showEvent(event, channel),
      opened: (tab) => {
        if (tab === "loads") dashboard.loadLoads();
        if (tab === "quality") this.#quality();
      },
      filtered: () => {
        this.figures();
        dashboard.loadFigures();
      },
    });
    attendPrinting(
      () => this.charts.shown,
      () => this.repaint(),
    );
    setInterval(() => this.age(), 1000);
  }

  /** Another rig, or other channels of it. @param {any} rig */
  build(rig) {
    this.run += 1;
    this.charts.build(rig.channels);
    this.tiles.build(rig.channels);
    this.arrange();
    this.overview.hide();
    document.title = `${titleOf(rig)} · ${this.title}`;
  }

  /** Which channels are shown, and how. */
  arrange() {
    const { page, rig } = this.dashboard;
    this.charts.arrange(page.hidden, page.fixed);
    showHidden(rig?.channels ?? [], page.hidden, (name) => this.#show(name));
    if (status.currentState() === "ready") this.readings();
  }

  /** The focus goes to what takes the place of the button that was pressed. @param {string} name */
  #hide(name) {
    this.dashboard.toggle("hidden", name);
    /** @type {HTMLElement | null} */ (
      byId("hidden-channels").querySelector("button:last-child")
    )?.focus();
  }

  /** @param {string} name */
  #show(name) {
    this.dashboard.toggle("hidden", name);
    /** @type {HTMLElement | null} */ (
      document.querySelector(`#chart-${CSS.escape(name)} .plot`)
    )?.focus();
  }

  connection() {
    const { connection, paused, incoming } = this.dashboard;
    status.showConnection(connection, paused, incoming.waiting);
  }

  /** No rig: nothing is stored. */
  empty() {
    showRigs([], "");
    status.showEmpty();
    this.foot();
  }

  /** The window has moved; its data may be still to come. */
  window() {
    if (!this.dashboard.extent) return;
    this.charts.moveTo(this.dashboard.shown);
    this.#controls();
  }

  /** What says which window is shown. */
  #controls() {
    const { page, extent, zone, rig, rigs, shown } = this.dashboard;
    if (!extent) return;
    showRigs(rigs, rig.name);
    showZones(page.zone, extent.zone);
    this.timeBar.update(page, extent, zone);
    this.overview.moveTo(shown);
    this.exports.update({ rig, query: rangeQuery(rig.name, page, shown), shown, extent, zone });
  }

  /**
   * Answers have come. While the window is being moved each part has a frame of its own, so that
   * none is late; where it has moved on meanwhile, figures and lists wait for the next answers.
   * @param {boolean} moving
   * @param {Range} asked the window that they are of
   */
  async all(moving = false, asked = this.dashboard.shown) {
    this.run += 1;
    const { run } = this;
    const { shown } = this.dashboard;
    const movedOn = moving && (asked.start !== shown.start || asked.end !== shown.end);
    if (movedOn) this.charts.forgetFigures();
    if (!this.#hasReadings()) {
      if (movedOn) return;
      this.window();
      this.#nothing();
      return;
    }
    status.setState(moving ? "ready" : "loading");
    const parts = [
      ...this.#readingsInSteps(movedOn),
      () => this.#controls(),
      ...(movedOn ? [] : [() => this.#keyFigures(), () => this.#lists(), () => this.record()]),
    ];
    for (const part of parts) {
      if (moving) await nextFrame();
      // Another answer has come meanwhile, or another rig.
      if (run !== this.run) return;
      part();
    }
    if (!moving) status.setState("ready");
  }

  /** Charts and sparklines. */
  readings() {
    for (const step of this.#readingsInSteps()) step();
  }

  /** @param {boolean} movedOn sparklines go with the figures beside them */
  #readingsInSteps(movedOn = false) {
    const { trend, record, shown, zone } = this.dashboard;
    if (!trend) return [];
    const picture = { trend: { ...trend, gaps: this.#gaps() }, view: shown, zone };
    if (!record) this.charts.learn(trend);
    this.drawn += 1;
    const { drawn } = this;
    const steps = this.charts.steps(picture);
    if (!movedOn) steps.push(() => this.tiles.showTrend(picture));
    return steps.map((step) => () => {
      if (drawn === this.drawn) step();
    });
  }

  /** Of the shown range, also those that reach over its ends. */
  #gaps() {
    const { trend, record, shown } = this.dashboard;
    return gapsAround(trend?.gaps ?? [], record?.gaps ?? [], shown);
  }

  /** Tiles, rail and footer. */
  figures() {
    this.#keyFigures();
    this.#lists();
  }

  get #frame() {
    const { shown, zone, extent } = this.dashboard;
    return {
      gaps: this.#gaps().filter((gap) => overlaps(gap, shown)),
      zone,
      interval: extent?.interval ?? null,
      decimals: (/** @type {string} */ name) => this.charts.decimals(name),
    };
  }

  #keyFigures() {
    const { kpis } = this.dashboard;
    const { gaps, decimals } = this.#frame;
    if (kpis) this.tiles.showFigures(kpis, gaps.length, decimals);
    if (kpis) this.charts.showFigures(kpis);
    this.age();
    this.foot();
  }

  #lists() {
    const { alerts, base } = this.dashboard;
    const { gaps, ...frame } = this.#frame;
    if (alerts) this.rail.showAlerts(alerts, gaps, { ...frame, range: base });
    this.#quality();
  }

  /** Only while it is looked at. */
  #quality() {
    const { kpis, shown } = this.dashboard;
    const { gaps, ...frame } = this.#frame;
    if (kpis && this.rail.current === "quality")
      this.rail.quality.show(kpis, gaps, { ...frame, range: shown });
    this.#rejects();
  }

  /** Asked for only where they are looked at, or are all that a range has. */
  async #rejects() {
    const { rig, page, shown, zone } = this.dashboard;
    const { rejects } = this.rail.quality;
    const nothing = status.currentState() === "nothing";
    if (!rig || !(nothing || this.rail.current === "quality")) return;
    await rejects.follow(momentsQuery(rig.name, page, shown), zone);
    status.showRejected(rejects.count > 0);
  }

  /** The strip of the whole record. */
  record() {
    const { record, rig, extent, shown, zone } = this.dashboard;
    if (!record || !extent) return;
    const gauge =
      rig.channels.find((/** @type {any} */ { kind }) => kind === "gauge") ?? rig.channels[0];
    this.overview.update({ trend: record, channel: gauge.name, extent, view: shown, zone });
  }

  age() {
    const { extent, zone } = this.dashboard;
    const last = this.dashboard.newest;
    if (extent) this.tiles.showAge(last, extent.interval, serverNow(), zone);
  }

  foot() {
    const { backend, rig, kpis, trend, connection, version } = this.dashboard;
    status.showFoot({
      backend,
      stored: rig?.total_records ?? null,
      kpis,
      trend,
      connection,
      version,
    });
  }

  /** Another theme. */
  repaint() {
    forgetColours();
    this.charts.repaint();
    this.overview.draw();
  }

  #hasReadings() {
    const { trend, shown } = this.dashboard;
    return trend !== null && hasReadings(trend, shown);
  }

  #nothing() {
    const { dashboard } = this;
    const shown = formatRange(dashboard.shown, dashboard.zone);
    status.showNothing(
      shown,
      () => this.timeBar.quick("24h"),
      () => this.timeBar.quick("all"),
    );
    this.tiles.showNothing();
    this.rail.showNothing(shown);
    status.showRejected(false);
    this.#rejects();
    this.record();
    this.age();
    this.foot();
  }
}

/** @returns {Promise<number>} */
function nextFrame() {
  return new Promise(requestAnimationFrame);
}
