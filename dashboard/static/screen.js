/**
 * The parts of the page, and what each of them shows of the state.
 */

import { address, serverNow } from "./api.js";
import { ChartStack } from "./chart-stack.js";
import { byId, setAttribute } from "./dom.js";
import { showRigs, showZones, titleOf } from "./header.js";
import { Overview } from "./overview.js";
import { Rail } from "./rail.js";
import { overlaps } from "./range.js";
import { hasReadings } from "./series.js";
import * as status from "./status.js";
import { Tiles } from "./tiles.js";
import { TimeBar } from "./timebar.js";
import { formatRange } from "./times.js";
import { rangeQuery } from "./url.js";

/**
 * @typedef {import("./dashboard.js").Dashboard} Dashboard
 * @typedef {import("./range.js").Range} Range
 */

export class Screen {
  /** @param {Dashboard} dashboard */
  constructor(dashboard) {
    this.dashboard = dashboard;
    this.title = document.title;
    this.charts = new ChartStack(byId("cards"), {
      show: (range) => dashboard.show(range),
      slide: (range) => dashboard.slide(range),
      reset: () => dashboard.reset(),
      extent: () => dashboard.extent,
    });
    this.tiles = new Tiles(byId("tiles"));
    this.overview = new Overview({ slide: (range) => dashboard.slide(range) });
    this.timeBar = new TimeBar({ choose: (selection) => dashboard.choose(selection) });
    this.rail = new Rail({
      showEvent: (event, channel) => dashboard.showEvent(event, channel),
      opened: (tab) => tab === "loads" && dashboard.loadLoads(),
      filtered: () => {
        this.figures();
        dashboard.loadFigures();
      },
    });
    setInterval(() => this.age(), 1000);
  }

  /** Another rig, or other channels of it. @param {any} rig */
  build(rig) {
    this.charts.build(rig.channels);
    this.tiles.build(rig.channels);
    this.overview.hide();
    document.title = `${titleOf(rig)} · ${this.title}`;
  }

  /** No rig: nothing is stored. */
  empty() {
    showRigs([], "");
    status.showEmpty();
    this.foot();
  }

  /** The window has moved; its data may be still to come. */
  window() {
    const { page, extent, zone, rig, rigs, shown } = this.dashboard;
    if (!extent) return;
    showRigs(rigs, rig.name);
    showZones(page.zone, extent.zone);
    this.timeBar.update(page, extent, zone);
    this.charts.moveTo(shown);
    this.overview.moveTo(shown);
    const query = { format: "csv", ...rangeQuery(rig.name, page, shown) };
    setAttribute(byId("export"), "href", address("/api/download", query));
  }

  /** Answers have come. */
  all() {
    this.window();
    if (!this.#hasReadings()) {
      this.#nothing();
      return;
    }
    status.setState("loading");
    this.readings();
    this.figures();
    this.record();
    status.setState("ready");
  }

  /** Charts and sparklines. */
  readings() {
    const { trend, shown, zone } = this.dashboard;
    if (!trend) return;
    const picture = { trend, view: shown, zone };
    if (!this.dashboard.record) this.charts.learn(trend);
    this.charts.update(picture);
    this.tiles.showTrend(picture);
  }

  /** Tiles, rail and footer. */
  figures() {
    const { kpis, alerts, trend, base, shown, zone } = this.dashboard;
    const interval = this.dashboard.extent?.interval ?? null;
    /** @param {string} name */
    const decimals = (name) => this.charts.decimals(name);
    if (kpis) this.tiles.showFigures(kpis, decimals);
    if (kpis) this.charts.showFigures(kpis);
    const gaps = (trend?.gaps ?? []).filter((gap) => overlaps(gap, shown));
    if (alerts) this.rail.showAlerts(alerts, gaps, { range: base, zone, interval, decimals });
    if (kpis) this.rail.showQuality(kpis, gaps, { range: shown, zone, interval, decimals });
    this.age();
    this.foot();
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
    if (extent) this.tiles.showAge(extent.last, extent.interval, serverNow(), zone);
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
      () => this.timeBar.quick("12h"),
      () => this.timeBar.quick("all"),
    );
    this.tiles.showNothing();
    this.rail.showNothing(shown);
    this.record();
    this.age();
    this.foot();
  }
}
