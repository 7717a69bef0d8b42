/**
 * How a channel's chart is drawn: Chart.js options and data sets. No animation, no curves, no
 * line across a null; marks for red and yellow readings are data sets of their own.
 */

import { bandsPlugin, envelopePlugin } from "./chart-bands.js";
import { limitsPlugin } from "./chart-limits.js";
import { linePlugin } from "./chart-line.js";
import { font, gapsPlugin } from "./chart-plugins.js";
import { colour } from "./colours.js";
import { envelope } from "./envelope.js";
import { decimalsOf, formatNumber } from "./format.js";
import { extremes, indicesWithin, isolated } from "./series.js";
import { timeTicks, valueAxis } from "./ticks.js";

/**
 * @typedef {import("./explain.js").Channel} Channel
 * @typedef {import("./series.js").Trend} Trend
 * @typedef {import("./series.js").Series} Series
 * @typedef {import("./range.js").Range} Range
 * @typedef {{series: string}} Look the custom property of the channel's colour
 */

/** Room for half of a clock time at the right edge. */
const RIGHT_PX = 18;

const MARKS = /** @type {const} */ ([
  { level: "yellow", pointStyle: "triangle", radius: 4.5, colour: "--yellow-mark" },
  { level: "red", pointStyle: "rectRot", radius: 5, colour: "--red" },
]);

/**
 * @param {Channel} channel
 * @param {(axis: any) => void} fitWidth gives all value axes one width
 * @returns {any} a configuration without data
 */
export function chartConfig(channel, fitWidth) {
  return {
    type: "line",
    data: { datasets: [lineSet(channel), loneSet(), ...MARKS.map(markSet)] },
    plugins: [bandsPlugin, envelopePlugin, gapsPlugin, limitsPlugin, linePlugin],
    options: {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      parsing: false,
      normalized: true,
      events: [],
      layout: { padding: { top: 4, right: RIGHT_PX, bottom: 0, left: 0 } },
      plugins: {
        legend: { display: false },
        tooltip: { enabled: false },
        annotation: { annotations: {} },
        gaps: { bands: [], labelled: true },
        limits: { limits: channel.limits },
        bands: { limits: channel.limits, valid: channel.valid_range },
        envelope: { runs: [] },
      },
      scales: { x: timeAxis(), y: valueScale(fitWidth) },
    },
  };
}

/** @param {Channel} channel */
function lineSet(channel) {
  return {
    label: channel.label,
    data: [],
    tension: 0,
    spanGaps: false,
    borderWidth: 1.5,
    borderJoinStyle: "round",
    pointRadius: 0,
    order: 3,
  };
}

/** Readings between two gaps: a dot, as no line shows them. */
function loneSet() {
  return {
    label: "alone",
    data: [],
    showLine: false,
    pointStyle: "circle",
    pointRadius: 2,
    order: 2,
  };
}

/** @param {typeof MARKS[number]} mark */
function markSet(mark) {
  return {
    label: mark.level,
    data: [],
    showLine: false,
    pointStyle: mark.pointStyle,
    pointRadius: mark.radius,
    borderWidth: 1,
    clip: 8,
    order: mark.level === "red" ? 0 : 1,
  };
}

function timeAxis() {
  return {
    type: "linear",
    min: 0,
    max: 1,
    border: { display: false },
    grid: { drawTicks: false },
    ticks: {
      autoSkip: false,
      maxRotation: 0,
      padding: 6,
      /** @type {(value: number, index: number, ticks: any[]) => string} */
      callback: (_, index, ticks) => ticks[index].label,
    },
    /** @param {any} axis */
    afterBuildTicks(axis) {
      const zone = axis.options.zone ?? "UTC";
      const most = Math.max(2, Math.floor(axis.chart.width / widthOfLabel(axis)));
      axis.ticks = timeTicks({ start: axis.min, end: axis.max }, zone, most);
      dropCutLabel(axis);
    },
    // A label at the edge must not make room for itself: the charts would tremble when panned.
    /** @param {any} axis */
    afterFit(axis) {
      axis.paddingLeft = axis.paddingRight = 0;
    },
  };
}

/** The last label goes where it would be cut off at the right. @param {any} axis */
function dropCutLabel({ ticks, min, max, ctx: context, width }) {
  const last = ticks.at(-1);
  if (!last || !width) return;
  context.save();
  context.font = font(11);
  const half = context.measureText(last.label).width / 2;
  context.restore();
  if (((max - last.value) / (max - min)) * width < half - RIGHT_PX) last.label = "";
}

/** Room for one label: clocks with seconds need more. @param {any} axis */
function widthOfLabel(axis) {
  return axis.max - axis.min < 15 * 60_000 ? 96 : 74;
}

/** @param {(axis: any) => void} fitWidth */
function valueScale(fitWidth) {
  return {
    type: "linear",
    min: 0,
    max: 1,
    border: { display: false },
    grid: { drawTicks: false },
    ticks: {
      padding: 6,
      autoSkip: false,
      /** @type {(value: number, index: number, ticks: any[]) => string} */
      callback: (value, _, ticks) => formatNumber(value, decimalsOf(ticks[0].step)),
    },
    /** @param {any} axis */
    afterBuildTicks(axis) {
      const { step = 1, values = [] } = axis.options.chosen ?? {};
      axis.ticks = values.map((/** @type {number} */ value) => ({ value, step }));
    },
    afterFit: fitWidth,
  };
}

/**
 * Data, gaps and the value axis of a chart from a trend.
 * @param {any} chart
 * @param {Channel} channel
 * @param {Trend} trend
 * @param {Series} series
 * @param {{low: number, high: number} | null} fixed values that the scale always reaches
 */
export function setData(chart, channel, trend, series, fixed) {
  const [line, alone, ...marks] = chart.data.datasets;
  const { min, max } = chart.options.scales.x;
  const point = (/** @type {number} */ at) => ({ x: series.times[at], y: series.values[at] });
  // With room between the readings each of them shows as a dot; else we draw the line ourselves.
  const dotted = series.times.length * 12 < (chart.width || 0);
  line.data = dotted ? series.times.map((_, at) => point(at)) : [];
  line.series = series;
  line.borderWidth = series.times.length > 800 ? 1.2 : 1.5;
  line.pointRadius = dotted ? 2 : 0;
  alone.data = isolated(series.values).map(point);
  const shown = indicesWithin(series, { start: min, end: max });
  marks.forEach((/** @type {any} */ set, /** @type {number} */ index) => {
    const { level } = MARKS[index];
    set.data = shown.filter((at) => series.levels[at] === level).map(point);
    set.pointRadius = radiusOf(MARKS[index], set.data.length);
    set.borderWidth = set.pointRadius < 3 ? 0 : 1;
  });
  chart.options.plugins.gaps.bands = trend.gaps;
  const bucket = trend.downsampled ? (trend.resolution ?? 0) * 1000 : 0;
  chart.options.plugins.envelope.runs = bucket ? envelope(series, bucket) : [];
  setValueAxis(chart, channel, series, fixed);
}

/**
 * Many marks are smaller ones: they must not hide the line.
 * @param {typeof MARKS[number]} mark
 * @param {number} count
 */
function radiusOf({ level, radius }, count) {
  if (level === "red") return count > 60 ? radius - 1 : radius;
  if (count > 400) return radius - 3;
  if (count > 120) return radius - 2;
  return count > 30 ? radius - 1 : radius;
}

/**
 * @param {any} chart
 * @param {Channel} channel
 * @param {Series} series
 * @param {{low: number, high: number} | null} fixed
 */
function setValueAxis(chart, channel, series, fixed) {
  const own = extremes(series.values) ?? fixed ?? { low: 0, high: 1 };
  const found = {
    low: Math.min(own.low, fixed?.low ?? Infinity),
    high: Math.max(own.high, fixed?.high ?? -Infinity),
  };
  const count = Math.max(2, Math.round((chart.height || 200) / 48));
  const axis = valueAxis(
    found.low,
    found.high,
    channel.limits,
    count,
    channel.kind === "counter" ? 0 : 0.03,
  );
  const { y } = chart.options.scales;
  y.min = axis.min;
  y.max = axis.max;
  y.chosen = { step: axis.step, values: axis.ticks };
  /** @type {Record<string, any>} */
  const annotations = {};
  for (const side of /** @type {const} */ (["low", "high"])) {
    const limit = channel.limits[side];
    if (limit === null || limit < axis.min || limit > axis.max) continue;
    annotations[side] = limitLine(limit);
  }
  chart.options.plugins.annotation.annotations = annotations;
}

/** @param {number} limit */
function limitLine(limit) {
  const red = colour("--red");
  return {
    type: "line",
    yMin: limit,
    yMax: limit,
    borderColor: red,
    borderWidth: 1.2,
    borderDash: [6, 4],
    adjustScaleRange: false,
    drawTime: "beforeDatasetsDraw",
  };
}

/**
 * @param {any} chart
 * @param {Range} view
 * @param {string} zone
 */
export function setView(chart, view, zone) {
  const { x } = chart.options.scales;
  x.min = view.start;
  x.max = view.end;
  x.zone = zone;
}

/**
 * Colours of the theme that is on.
 * @param {any} chart
 * @param {string} seriesProperty such as `--series-1`
 */
export function setColours(chart, seriesProperty) {
  const muted = colour("--muted");
  const line = colour("--line");
  for (const axis of [chart.options.scales.x, chart.options.scales.y]) {
    axis.ticks.color = muted;
    axis.ticks.font = { size: 11, family: font(11).slice(5) };
    axis.grid.color = line;
  }
  const [main, alone, ...marks] = chart.data.datasets;
  main.borderColor = alone.borderColor = colour(seriesProperty);
  main.backgroundColor = alone.backgroundColor = main.borderColor;
  marks.forEach((/** @type {any} */ set, /** @type {number} */ index) => {
    set.backgroundColor = colour(MARKS[index].colour);
    set.borderColor = colour("--panel");
  });
  for (const annotation of Object.values(
    /** @type {Record<string, any>} */ (chart.options.plugins.annotation.annotations),
  )) {
    annotation.borderColor = colour("--red");
  }
}
