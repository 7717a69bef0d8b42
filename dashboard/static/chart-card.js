/**
 * One channel: heading, chart, cross-hair, table.
 */

import { chartConfig, setColours, setData, setView } from "./chart-config.js";
import { ChartTools } from "./chart-tools.js";
import { colour } from "./colours.js";
import { element, fill, setText } from "./dom.js";
import { limitsText } from "./explain.js";
import { formatCount, formatDuration, formatNumber, formatValue, unitSymbol } from "./format.js";
import { ReadingTable } from "./reading-table.js";
import { extremes, indicesWithin, nearestWithin, restarts } from "./series.js";
import { formatClock, formatInstant, rangePrecision } from "./times.js";
import { describe } from "./tooltip.js";

/**
 * @typedef {import("./explain.js").Channel} Channel
 * @typedef {import("./range.js").Range} Range
 * @typedef {import("./series.js").Trend} Trend
 * @typedef {{trend: Trend, view: Range, zone: string}} Picture
 */

export class ChartCard {
  /**
   * @param {Channel} channel
   * @param {string} look class with the channel's colour
   * @param {(axis: any) => void} fitWidth
   * @param {{hide: () => void, fix: () => void}} wishes
   */
  constructor(channel, look, fitWidth, wishes) {
    this.channel = channel;
    this.look = look;
    this.fixed = false;
    /** Put away by somebody. */
    this.away = false;
    /** Without a reading in the window: a line says so in its place. */
    this.silent = false;
    /** @type {{low: number, high: number} | null} */
    this.recorded = null;
    this.tools = new ChartTools(channel.label, wishes);
    this.decimals = { measured: 0, shown: 0, mean: 0 };
    /** @type {{red: number, yellow: number} | null} */
    this.counted = null;
    /** @type {Picture | null} */
    this.picture = null;
    this.about = element("span", { class: "chart-about" });
    this.latest = element("output", { class: "chart-latest", "aria-live": "off" });
    this.table = new ReadingTable(channel.label);
    this.plot = this.#plot();
    this.cursor = element("div", { class: "cursor", hidden: true });
    this.dot = element("div", { class: "cursor-dot", hidden: true });
    this.selection = element("div", { class: "selection", hidden: true }, element("span"));
    this.node = this.#figure();
    this.chart = this.#chart(fitWidth);
  }

  #plot() {
    return element("div", {
      class: "plot",
      tabindex: "0",
      role: "slider",
      "aria-label": `${this.channel.label} over time`,
      "aria-valuemin": "0",
      "aria-valuemax": "0",
      "aria-valuenow": "0",
    });
  }

  #figure() {
    return element(
      "figure",
      {
        class: `card chart-card ${this.look}${this.channel.kind === "counter" ? " chart-low" : ""}`,
        id: `chart-${this.channel.name}`,
      },
      element(
        "figcaption",
        { class: "chart-head" },
        element("h2", { class: "chart-name" }, this.channel.label),
        this.about,
        this.latest,
      ),
      this.tools.node,
      this.plot,
      this.table.node,
    );
  }

  /**
   * @param {(axis: any) => void} fitWidth
   * @returns {any} null where the chart libraries are missing
   */
  #chart(fitWidth) {
    const { Chart } = /** @type {any} */ (window);
    if (!Chart) {
      this.plot.hidden = true;
      this.table.node.open = true;
      return null;
    }
    const canvas = element("canvas", { "aria-hidden": "true" });
    this.plot.append(canvas, this.selection, this.cursor, this.dot);
    const chart = new Chart(canvas, chartConfig(this.channel, fitWidth));
    setColours(chart, `--${this.look}`);
    // How many values an axis has room for depends on its height.
    chart.options.onResize = () => this.#setData();
    return chart;
  }

  #setData() {
    const { chart, picture, series } = this;
    if (chart && picture && series) setData(chart, this.channel, picture.trend, series, this.#span);
  }

  /** @returns {import("./picture.js").PicturedChart} */
  get pictured() {
    return {
      canvas: this.chart.canvas,
      label: this.channel.label,
      about: this.about.textContent ?? "",
      latest: this.latest.textContent ?? "",
      colour: colour(`--${this.look}`),
    };
  }

  get hidden() {
    return this.node.hidden;
  }

  /**
   * @param {boolean} hidden
   * @param {boolean} fixed
   */
  arrange(hidden, fixed) {
    this.away = hidden;
    this.node.hidden = hidden || this.silent;
    this.fixed = fixed;
    this.tools.show(fixed);
  }

  /** Whether there is anything to show. @param {Picture} picture */
  listen({ trend, view }) {
    const series = trend.channels.get(this.channel.name);
    const { times = [], values = [] } = series ?? {};
    this.silent = nearestWithin(times, values, view.end, view) < 0;
    this.node.hidden = this.away || this.silent;
  }

  /** How far the channel reaches in the whole record. @param {Trend} record */
  learn(record) {
    this.recorded = extremes(record.channels.get(this.channel.name)?.values ?? []);
  }

  /** What a fixed scale always reaches: the whole record, and the limits. */
  get #span() {
    if (!this.fixed || !this.recorded) return null;
    const { low, high } = this.channel.limits;
    return {
      low: Math.min(this.recorded.low, low ?? Infinity),
      high: Math.max(this.recorded.high, high ?? -Infinity),
    };
  }

  get series() {
    return this.picture?.trend.channels.get(this.channel.name) ?? null;
  }

  /** @param {Picture} picture */
  update(picture) {
    this.picture = picture;
    const { series } = this;
    if (this.chart && series) {
      setView(this.chart, picture.view, picture.zone);
      this.#setData();
      this.chart.update();
    }
    this.table.update({ ...picture, channel: this.channel, decimals: this.decimals.measured });
    this.#describe();
    this.showLatest();
  }

  /** Moves the window over the data that are there, until newer ones come. @param {Range} view */
  moveTo(view) {
    if (!this.picture) return;
    this.picture = { ...this.picture, view };
    if (!this.chart) return;
    setView(this.chart, view, this.picture.zone);
    this.chart.update("none");
  }

  /** After a change of theme. */
  repaint() {
    if (!this.chart) return;
    setColours(this.chart, `--${this.look}`);
    // Not in mode "none": in that one Chart.js keeps the colours and sizes of points.
    this.chart.update();
  }

  destroy() {
    this.chart?.destroy();
    this.node.remove();
  }

  /**
   * How many readings of the window are at a level, marked or not.
   * @param {number} red
   * @param {number} yellow
   */
  showCounts(red, yellow) {
    this.counted = { red, yellow };
    this.#describe();
  }

  #describe() {
    if (!this.picture) return;
    const { trend } = this.picture;
    const parts = [
      unitSymbol(this.channel.unit),
      resolutionText(trend),
      this.#unmarked(),
      limitsText(this.channel),
      this.fixed ? "fixed scale" : null,
      this.#restarted(),
    ];
    setText(this.about, parts.filter(Boolean).join(" · "));
    const count = this.series?.times.length ?? 0;
    this.plot.setAttribute("aria-valuemax", String(Math.max(0, count - 1)));
  }

  /** Of the red and yellow readings in the window, which have no mark. */
  #unmarked() {
    const { picture, series, counted } = this;
    if (!picture?.trend.downsampled || !series || !counted) return null;
    const marked = indicesWithin(series, picture.view).filter((at) => series.levels[at] === "red");
    const shown = marked.length ? `${formatNumber(marked.length)} newest` : "none";
    if (marked.length < counted.red) return `${shown} of ${formatNumber(counted.red)} red marked`;
    return counted.yellow ? "only red marked" : null;
  }

  #restarted() {
    if (this.channel.kind !== "counter" || !this.picture || !this.series) return null;
    const { view, zone } = this.picture;
    const found = restarts(this.series.times, this.series.values).filter(
      (time) => time >= view.start && time < view.end,
    );
    if (found.length === 0) return null;
    if (found.length > 1) return `started again ${formatCount(found.length, "time")}`;
    const oneDay = view.end - view.start <= 86_400_000;
    const when = oneDay
      ? formatClock(found[0], zone, rangePrecision(view))
      : formatInstant(found[0], zone, "minute");
    return `started again at ${when}`;
  }

  /** The last reading that the chart shows, at the right of the heading. */
  showLatest() {
    const { series, picture } = this;
    if (!series || !picture) return;
    const at = nearestWithin(series.times, series.values, picture.view.end, picture.view);
    const value = at < 0 ? null : series.values[at];
    const text =
      value === null ? "no readings" : formatValue(value, this.decimals.shown, this.channel.unit);
    fill(this.latest, text);
    this.plot.setAttribute("aria-valuenow", String(Math.max(at, 0)));
    this.plot.setAttribute("aria-valuetext", `latest ${text}`);
  }

  /**
   * The reading nearest to an instant, as the tooltip tells it.
   * @param {number} instant
   * @returns {{index: number, point: import("./tooltip.js").PointOfInterest} | null}
   */
  pointAt(instant) {
    const { series, picture } = this;
    const index =
      series && picture ? nearestWithin(series.times, series.values, instant, picture.view) : -1;
    if (!series || !picture || index < 0) return null;
    const value = /** @type {number} */ (series.values[index]);
    const zscore = series.zscores[index];
    const level = series.levels[index];
    const time = series.times[index];
    return {
      index,
      point: {
        channel: this.channel,
        time,
        value,
        zscore,
        level,
        decimals: this.decimals.measured,
      },
    };
  }

  /**
   * Puts the cross-hair at an instant, and the value there into the heading.
   * @param {number} instant
   * @returns {{x: number, y: number} | null} place of the reading in the plot
   */
  pointTo(instant) {
    const found = this.pointAt(instant);
    if (!this.chart || !this.picture || !found) return null;
    const { chartArea: area, scales } = this.chart;
    const { point } = found;
    const x = scales.x.getPixelForValue(instant);
    const y = scales.y.getPixelForValue(point.value);
    const exact = point.time === instant;
    this.cursor.hidden = false;
    this.cursor.style.transform = `translate(${x}px, ${area.top}px)`;
    this.cursor.style.height = `${area.height}px`;
    this.dot.hidden = !exact;
    this.dot.classList.toggle("ring", point.level === "red" || point.level === "yellow");
    this.dot.style.transform = `translate(${x}px, ${y}px)`;
    const clock = formatClock(instant, this.picture.zone, "exact");
    const text = exact ? formatValue(point.value, this.decimals.measured, this.channel.unit) : "–";
    fill(this.latest, element("small", {}, clock), text);
    return { x, y };
  }

  /**
   * What a screen reader says at a reading.
   * @param {number} index
   * @param {import("./tooltip.js").PointOfInterest} point
   */
  say(index, point) {
    const zone = this.picture?.zone ?? "UTC";
    const [time, value, ...rest] = describe(point, zone);
    const level = point.level === "red" || point.level === "yellow" ? [point.level] : [];
    this.plot.setAttribute("aria-valuenow", String(index));
    this.plot.setAttribute("aria-valuetext", [value, ...level, time, ...rest].join(", "));
  }

  unpoint() {
    if (this.cursor.hidden) return;
    this.cursor.hidden = true;
    this.dot.hidden = true;
    this.showLatest();
  }

  /**
   * A band across the plot while a range is being dragged; null takes it away.
   * @param {Range | null} range
   */
  select(range) {
    this.selection.hidden = range === null;
    if (!range || !this.chart) return;
    const { chartArea: area, scales } = this.chart;
    const left = Math.max(area.left, scales.x.getPixelForValue(range.start));
    const right = Math.min(area.right, scales.x.getPixelForValue(range.end));
    this.selection.style.transform = `translate(${left}px, ${area.top}px)`;
    this.selection.style.width = `${Math.max(0, right - left)}px`;
    this.selection.style.height = `${area.height}px`;
    setText(
      /** @type {Node} */ (this.selection.firstChild),
      formatDuration((range.end - range.start) / 1000),
    );
  }
}

/** @param {Trend} trend */
function resolutionText(trend) {
  if (!trend.downsampled) return "every reading";
  const step = trend.resolution === null ? "" : ` to ${formatDuration(trend.resolution)}`;
  return `thinned${step}: first, last, lowest, highest`;
}
