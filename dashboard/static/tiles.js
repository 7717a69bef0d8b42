/**
 * The tiles: is everything all right?
 */

import { changeOf, lengthBefore } from "./change.js";
import { seriesClasses } from "./colours.js";
import { element, fill, setText } from "./dom.js";
import {
  formatAge,
  formatCompact,
  formatCount,
  formatDuration,
  formatInterval,
  formatNumber,
  formatReason,
  lowered,
  unitSymbol,
} from "./format.js";
import { gapsText } from "./gaps.js";
import { Sparkline } from "./sparkline.js";
import { AlertStrip, CoverageStrip, ShareStrip } from "./strips.js";
import { formatInstant } from "./times.js";

/**
 * @typedef {import("./explain.js").Channel} Channel
 * @typedef {import("./chart-card.js").Picture} Picture
 */

const MOST_GAUGES = 6;

/** @template {{node: SVGElement, clear: () => void}} S */
class Tile {
  /**
   * @param {string} label
   * @param {S} spark
   * @param {string} [look]
   */
  constructor(label, spark, look = "") {
    this.spark = spark;
    this.value = element("span", { class: "tile-value" });
    this.note = element("div", { class: "tile-note" });
    this.change = element("div", { class: "tile-change", hidden: true });
    this.node = element(
      "div",
      { class: `tile ${look}`, role: "group", "aria-label": label },
      element("div", { class: "tile-label" }, label),
      element("div", { class: "tile-row" }, this.value, spark.node),
      element("div", { class: "tile-foot" }, this.note, this.change),
    );
  }

  /**
   * @param {[value: string, unit: string, look?: string][]} figures
   * @param {string} note
   */
  set(figures, note) {
    fill(
      this.value,
      ...figures.flatMap(([value, unit, look]) => [
        element("strong", { class: look ?? null }, value),
        unit ? ` ${unit}` : "",
      ]),
    );
    setText(this.note, note);
    this.note.title = note;
  }

  /**
   * @param {import("./change.js").Change | null} change
   * @param {string} before how long the range before was
   */
  compare(change, before) {
    this.change.hidden = change === null;
    if (!change) return;
    const words = `${change.words} the ${before} before`;
    this.change.title = words;
    fill(
      this.change,
      element("span", { "aria-hidden": "true" }, change.text),
      element("span", { class: "tile-versus", "aria-hidden": "true" }, ` vs ${before} before`),
      element("span", { class: "unseen" }, words),
    );
  }
}

export class Tiles {
  /** @param {HTMLElement} place */
  constructor(place) {
    this.place = place;
    /** @type {Map<string, Tile<Sparkline>>} */
    this.gauges = new Map();
    /** @type {Map<string, Tile<Sparkline>>} */
    this.counters = new Map();
    this.alerts = new Tile("Alerts", new AlertStrip());
    this.quality = new Tile("Data quality", new ShareStrip());
    this.last = new Tile("Last reading", new CoverageStrip());
    this.gapNote = "";
  }

  /** @param {readonly Channel[]} channels */
  build(channels) {
    const looks = seriesClasses(channels);
    const shown = channels.filter(matters).slice(0, MOST_GAUGES);
    const counters = channels.filter((channel) => channel.kind === "counter").slice(0, 1);
    this.gauges = new Map(
      shown.map((channel) => [
        channel.name,
        new Tile(`Average ${lowered(channel.label)}`, new Sparkline(), looks.get(channel.name)),
      ]),
    );
    this.counters = new Map(
      counters.map((channel) => [
        channel.name,
        new Tile(channel.label, new Sparkline(), looks.get(channel.name)),
      ]),
    );
    const tiles = [
      ...this.gauges.values(),
      this.alerts,
      ...this.counters.values(),
      this.quality,
      this.last,
    ];
    fill(this.place, ...tiles.map((tile) => tile.node));
    this.place.dataset.count = String(tiles.length);
  }

  /**
   * @param {any} kpis
   * @param {number} gaps that are drawn: one that reaches over an end of the range is no whole one
   * @param {(name: string) => {shown: number, mean: number}} decimals
   */
  showFigures(kpis, gaps, decimals) {
    for (const [name, tile] of this.gauges) gaugeFigures(tile, kpis.channels[name], decimals(name));
    for (const [name, tile] of this.counters)
      counterFigures(tile, kpis, kpis.channels[name], decimals(name).shown);
    this.#alerts(kpis);
    this.#quality(kpis);
    const { gap_count: count, gap_hours: hours } = kpis;
    this.gapNote = count ? gapsText(count, hours, 0) : gaps ? "a gap reaches in" : "no gaps";
    this.#compare(kpis, decimals);
  }

  /**
   * Every figure against that of the range before, where that one has readings.
   * @param {any} kpis
   * @param {(name: string) => {shown: number, mean: number}} decimals
   */
  #compare(kpis, decimals) {
    const { previous = null } = kpis;
    const length = previous ? lengthBefore(previous) : "";
    /** @type {(tile: Tile<any>, key: (of: any) => any, decimals: number, unit: string) => void} */
    const compare = (tile, key, digits, unit) =>
      tile.compare(previous && changeOf(key(kpis), key(previous), digits, unit), length);
    for (const [tiles, figure, digits] of /** @type {const} */ ([
      [this.gauges, "mean", "mean"],
      [this.counters, "max", "shown"],
    ]))
      for (const [name, tile] of tiles) {
        const unit = unitSymbol(kpis.channels[name]?.unit);
        compare(tile, ({ channels }) => channels[name]?.[figure], decimals(name)[digits], unit);
      }
    compare(this.alerts, (of) => of.alert_count, 0, "red");
    compare(this.quality, (of) => of.data_quality_score, 1, "percentage points");
    compare(this.last, (of) => of.total_records, 0, "readings");
  }

  /** The range holds no readings. */
  showNothing() {
    for (const tile of [
      ...this.gauges.values(),
      ...this.counters.values(),
      this.alerts,
      this.quality,
    ]) {
      tile.set([["–", ""]], "no readings in range");
      tile.compare(null, "");
      tile.spark.clear();
    }
    this.last.compare(null, "");
    this.last.spark.clear();
    this.gapNote = "";
  }

  /** @param {Picture} picture */
  showTrend({ trend, view }) {
    for (const [name, tile] of [...this.gauges, ...this.counters])
      tile.spark.update(trend, name, view);
    this.alerts.spark.update(trend, view);
    this.last.spark.update(trend, view);
  }

  /** @param {any} kpis */
  #alerts(kpis) {
    const { alert_count: red, warning_count: yellow } = kpis;
    if (red + yellow === 0) {
      this.alerts.set([["0", "", "good"]], "every reading is normal");
      return;
    }
    const figures = [
      [formatCompact(red), "red", red ? "red" : ""],
      [formatCompact(yellow), "yellow", yellow ? "yellow" : ""],
    ];
    this.alerts.set(/** @type {[string, string, string][]} */ (figures), alertsByChannel(kpis));
  }

  /** @param {any} kpis */
  #quality(kpis) {
    const { data_quality_score: score, rejected_records: rejected, total_records: accepted } = kpis;
    if (score === null || score === undefined) {
      this.quality.set([["–", ""]], "rejects are not known");
      this.quality.spark.clear();
      return;
    }
    this.quality.spark.update(accepted, rejected);
    const text =
      score > 99.95 && score < 100 ? "> 99.9" : formatNumber(score, score === 100 ? 0 : 1);
    const reasons = Object.entries(kpis.rejected_by_reason ?? {}).map(
      ([reason, count]) => `${formatNumber(count)} ${formatReason(reason)}`,
    );
    this.quality.set(
      [[text, "%"]],
      rejected
        ? `${formatNumber(rejected)} of ${formatCount(accepted + rejected, "row")} rejected`
        : `${accepted === 1 ? "the" : "all"} ${formatCount(accepted, "row")} accepted`,
    );
    if (rejected) this.quality.note.title = reasons.join(", ");
  }

  /**
   * @param {number | null} last
   * @param {number | null} interval seconds
   * @param {number} now
   * @param {string} zone
   */
  showAge(last, interval, now, zone) {
    if (last === null) return;
    const age = (now - last) / 1000;
    const { value, unit } = formatAge(age);
    const late =
      interval !== null && age > Math.max(3 * interval, 5) && age < Math.max(1000 * interval, 3600);
    const every = formatInterval(interval);
    const expected = every && (late ? `late: usually ${every}` : every);
    this.last.set(
      [[value, unit, late ? "yellow" : ""]],
      [expected, this.gapNote].filter(Boolean).join(" · "),
    );
    this.last.node.title = formatInstant(last, zone);
  }
}

/** @param {Channel} channel */
function matters(channel) {
  const limited = channel.limits.low !== null || channel.limits.high !== null;
  return channel.kind === "gauge" && (channel.required || limited);
}

/**
 * @param {Tile<Sparkline>} tile
 * @param {any} figures
 * @param {{shown: number, mean: number}} decimals
 */
function gaugeFigures(tile, figures, decimals) {
  if (!figures) return;
  const range = `${formatNumber(figures.min, decimals.shown)} to ${formatNumber(figures.max, decimals.shown)}`;
  tile.set(
    [[formatNumber(figures.mean, decimals.mean), unitSymbol(figures.unit)]],
    figures.min === null ? "no readings" : range,
  );
}

/**
 * @param {Tile<Sparkline>} tile
 * @param {any} kpis
 * @param {any} figures
 * @param {number} decimals
 */
function counterFigures(tile, kpis, figures, decimals) {
  if (!figures) return;
  const running = kpis.running_hours;
  const note =
    typeof running === "number" && figures.unit === "h"
      ? `${running < 0.1 ? formatDuration(running * 3600) : `${formatNumber(running, 1)} h`} running in range`
      : "highest in range";
  tile.set([[formatNumber(figures.max, Math.min(decimals, 1)), unitSymbol(figures.unit)]], note);
}

/** Red readings of each channel, or yellow ones where none is red. @param {any} kpis */
function alertsByChannel(kpis) {
  const key = kpis.alert_count ? "alert_count" : "warning_count";
  const channels = Object.values(kpis.channels).filter((channel) => channel[key] > 0);
  return channels
    .map((channel) => `${lowered(channel.label)} ${formatNumber(channel[key])}`)
    .join(", ");
}
