/**
 * The questions that the dashboard asks, each given up when it is asked anew.
 */

import { ApiError, address, getJson, Latest } from "./api.js";
import { parseTrend } from "./parse-trend.js";
import { overlaps, stepOf, wholeRange } from "./range.js";
import { toIso } from "./times.js";
import { rangeQuery } from "./url.js";

/** Buckets, of four readings a channel at most. */
const OVERVIEW_POINTS = "1000";
const CHART_POINTS = { narrow: "500", wide: "1000" };
// Up to so many readings are drawn one by one, with their scores.
const READINGS = "4000";
const NARROW = 700;

/**
 * @typedef {import("./range.js").Extent} Extent
 * @typedef {import("./range.js").Range} Range
 * @typedef {import("./range.js").Selection} Selection
 * @typedef {{kpis: any, trend: import("./series.js").Trend | null, alerts: any}} View
 */

export class Loader {
  #view = new Latest();
  #figures = new Latest();
  #overview = new Latest();
  #loads = new Latest();
  #rigs = new Latest();

  /** @param {import("./status.js").Progress} progress */
  constructor(progress) {
    this.progress = progress;
  }

  /** @returns {Promise<any[] | null>} */
  async rigs() {
    const asked = this.#rigs.run((signal) => getJson("/api/rigs", signal));
    const answer = await this.progress.of(asked);
    return answer?.rigs ?? null;
  }

  /**
   * All that depends on the shown range; parts without readings are null.
   * @param {string} rig
   * @param {Selection} selection
   * @param {Range} shown
   * @param {Range} base range of the alert list
   * @param {boolean} redOnly
   * @param {Extent} extent
   * @returns {Promise<View | null>}
   */
  view(rig, selection, shown, base, redOnly, extent) {
    const query = rangeQuery(rig, selection, shown);
    const asked = this.#view.run(async (signal) => {
      if (!overlaps(shown, wholeRange(extent))) return { kpis: null, trend: null, alerts: null };
      const [kpis, trend, alerts] = await Promise.all([
        orNothing(getJson(address("/api/kpis", compared(query)), signal)),
        orNothing(
          getJson(address("/api/trends", trendQuery(rig, selection, shown, extent)), signal),
        ),
        orNothing(
          getJson(address("/api/alerts", alertQuery(rig, selection, base, redOnly)), signal),
        ),
      ]);
      return { kpis, trend: trend && parseTrend(trend), alerts };
    });
    return this.progress.of(asked);
  }

  /**
   * Only the figures and alerts: what changes while readings are appended.
   * @param {string} rig
   * @param {Selection} selection
   * @param {Range} shown
   * @param {Range} base
   * @param {boolean} redOnly
   * @returns {Promise<{kpis: any, alerts: any} | null>}
   */
  figures(rig, selection, shown, base, redOnly) {
    return this.#figures.run(async (signal) => {
      const [kpis, alerts] = await Promise.all([
        orNothing(
          getJson(address("/api/kpis", compared(rangeQuery(rig, selection, shown))), signal),
        ),
        orNothing(
          getJson(address("/api/alerts", alertQuery(rig, selection, base, redOnly)), signal),
        ),
      ]);
      return { kpis, alerts };
    });
  }

  /** Figures that are under way are of an older range. */
  forgetFigures() {
    this.#figures.run(async () => null);
  }

  /**
   * @param {string} rig
   * @returns {Promise<import("./series.js").Trend | null>}
   */
  async overview(rig) {
    const answer = await this.#overview.run((signal) =>
      getJson(address("/api/trends", { rig, points: OVERVIEW_POINTS, plain: "false" }), signal),
    );
    return answer && parseTrend(answer);
  }

  /**
   * @param {string} rig
   * @returns {Promise<any[] | null>}
   */
  async loads(rig) {
    const answer = await this.#loads.run((signal) =>
      getJson(address("/api/loads", { rig }), signal),
    );
    return answer?.loads ?? null;
  }

  /** @returns {Promise<any>} */
  health() {
    return getJson("/api/health");
  }
}

/**
 * Key figures beside those of the range before.
 * @param {Record<string, string>} query
 */
function compared(query) {
  return { ...query, compare: "previous" };
}

/**
 * One interval more on either side, so that lines lead to the readings outside the window.
 * @param {string} rig
 * @param {Selection} selection
 * @param {Range} shown
 * @param {Extent} extent
 * @returns {Record<string, string>}
 */
function trendQuery(rig, selection, shown, extent) {
  const points = window.innerWidth < NARROW ? CHART_POINTS.narrow : CHART_POINTS.wide;
  const query = { rig, points, readings: READINGS, plain: "false" };
  if (selection.zoom === null && selection.base.kind === "all") return query;
  const margin = 1.5 * stepOf(extent);
  return { ...query, start: toIso(shown.start - margin), end: toIso(shown.end + margin) };
}

/**
 * @param {string} rig
 * @param {Selection} selection
 * @param {Range} base
 * @param {boolean} redOnly
 */
function alertQuery(rig, selection, base, redOnly) {
  const query = rangeQuery(rig, { base: selection.base, zoom: null }, base);
  return redOnly ? { ...query, level: "red", limit: "1000" } : { ...query, limit: "200" };
}

/**
 * @param {Promise<any>} promise
 * @returns {Promise<any>} null where the server says that there is nothing
 */
async function orNothing(promise) {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}
