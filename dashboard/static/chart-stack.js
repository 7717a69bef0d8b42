/**
 * All charts of a rig, on one time axis with one cross-hair.
 */

import { ChartCard } from "./chart-card.js";
import { seriesClasses } from "./colours.js";
import { byId, setText } from "./dom.js";
import { channelDecimals } from "./format.js";
import { silentText } from "./gaps.js";
import { listen } from "./gestures.js";
import { contains, moved, wholeRange, zoomed } from "./range.js";
import { stepped } from "./series.js";
import { Tooltip } from "./tooltip.js";

/**
 * @typedef {import("./range.js").Range} Range
 * @typedef {import("./range.js").Extent} Extent
 * @typedef {import("./chart-card.js").Picture} Picture
 * @typedef {object} Wishes what the charts ask of the page
 * @property {(range: Range) => void} show a range, for good
 * @property {(range: Range) => void} slide to a range, with more to come
 * @property {() => void} reset
 * @property {(name: string) => void} hide
 * @property {(name: string) => void} fix the scale, or let it follow the readings again
 * @property {() => Extent | null} extent
 */

export class ChartStack {
  /**
   * @param {HTMLElement} place
   * @param {Wishes} wishes
   */
  constructor(place, wishes) {
    this.place = place;
    this.silence = byId("silent-channels");
    this.wishes = wishes;
    /** @type {Map<string, ChartCard>} */
    this.cards = new Map();
    this.axisWidth = 0;
    this.widest = 0;
    this.tooltip = new Tooltip();
    /** @type {Picture | null} */
    this.picture = null;
    /** @type {number | null} */
    this.instant = null;
  }

  /** Charts by channel, for tests and for whoever automates the page. @returns {Map<string, any>} */
  get charts() {
    return new Map(
      [...this.cards].filter(([, card]) => card.chart).map(([name, card]) => [name, card.chart]),
    );
  }

  /** The charts that are shown, as they are, with their headings. */
  get pictured() {
    return this.shown.filter((card) => card.chart).map((card) => card.pictured);
  }

  /** @param {readonly import("./explain.js").Channel[]} channels */
  build(channels) {
    for (const card of this.cards.values()) card.destroy();
    this.cards.clear();
    this.place.replaceChildren();
    setText(this.silence, "");
    this.picture = null;
    this.axisWidth = 0;
    const looks = seriesClasses(channels);
    for (const channel of channels) {
      const look = looks.get(channel.name) ?? "series-1";
      const card = new ChartCard(channel, look, (axis) => this.#fitWidth(axis), {
        hide: () => this.wishes.hide(channel.name),
        fix: () => this.wishes.fix(channel.name),
      });
      this.cards.set(channel.name, card);
      this.place.append(card.node);
      if (card.chart) this.#attend(card);
    }
  }

  /** The cards that are shown. */
  get shown() {
    return [...this.cards.values()].filter((card) => !card.hidden);
  }

  /**
   * @param {readonly string[]} hidden
   * @param {readonly string[]} fixed
   */
  arrange(hidden, fixed) {
    for (const [name, card] of this.cards)
      card.arrange(hidden.includes(name), fixed.includes(name));
    this.#count();
  }

  /** What is shown shares the height, and what is not has a line. */
  #count() {
    const gauges = this.shown.filter(({ channel }) => channel.kind === "gauge").length;
    this.place.dataset.gauges = String(gauges);
    const silent = [...this.cards.values()].filter((card) => card.silent && !card.away);
    setText(this.silence, silentText(silent.map(({ channel }) => channel.label)));
  }

  /** A channel without readings in the window has no chart. @param {Picture} picture */
  #listen(picture) {
    const focused = [...this.cards.values()].find((card) =>
      card.plot.contains(document.activeElement),
    );
    for (const card of this.cards.values()) card.listen(picture);
    this.#count();
    // Who goes on with the keyboard goes on from the chart that is there.
    if (focused?.hidden) this.shown[0]?.plot.focus({ preventScroll: true });
  }

  /**
   * Decimals by what the whole record carries, so that they stay when the range changes.
   * @param {import("./series.js").Trend} trend
   */
  learn(trend) {
    for (const [name, card] of this.cards) {
      card.learn(trend);
      const found = channelDecimals(trend.channels.get(name)?.values ?? []);
      card.decimals = {
        measured: Math.max(card.decimals.measured, found.measured),
        shown: Math.max(card.decimals.shown, found.shown),
        mean: Math.max(card.decimals.mean, found.mean),
      };
    }
  }

  /** @param {string} name */
  decimals(name) {
    return this.cards.get(name)?.decimals ?? { measured: 2, shown: 2, mean: 2 };
  }

  /**
   * What an update takes, to be done in this order; the window may be moved in between.
   * @param {Picture} picture
   */
  steps(picture) {
    this.picture = picture;
    this.widest = 0;
    this.#listen(picture);
    const cards = this.shown.map((card) => () => card.update(this.picture ?? picture));
    return [...cards, () => this.#align()];
  }

  /** Axes of one width, and the cross-hair where it was. */
  #align() {
    if (this.widest !== this.axisWidth) {
      this.axisWidth = this.widest;
      for (const card of this.shown) card.chart?.update("none");
    }
    if (this.instant !== null) this.pointTo(this.instant, null);
  }

  /** @param {any} kpis */
  showFigures({ channels }) {
    for (const [name, card] of this.cards)
      card.showCounts(channels[name]?.alert_count ?? 0, channels[name]?.warning_count ?? 0);
  }

  /** What was counted is of another window. */
  forgetFigures() {
    for (const card of this.cards.values()) card.counted = null;
  }

  /** @param {Range} view */
  moveTo(view) {
    if (!this.picture) return;
    this.picture = { ...this.picture, view };
    for (const card of this.shown) card.moveTo(view);
    if (this.instant !== null) this.pointTo(this.instant, null);
  }

  repaint() {
    for (const card of this.cards.values()) card.repaint();
  }

  /**
   * The cross-hair of all charts; the tooltip at the one where it is pointed at.
   * @param {number} instant
   * @param {ChartCard | null} source
   */
  pointTo(instant, source) {
    this.instant = instant;
    const { view } = this.picture ?? { view: null };
    if (!view || instant < view.start || instant > view.end) {
      this.leave();
      return;
    }
    for (const card of this.shown) {
      const at = card.pointTo(instant);
      const found = card === source && at ? card.pointAt(instant) : null;
      if (!at || !found || !this.picture) continue;
      this.tooltip.show(card.plot, at, found.point, this.picture.zone);
      card.say(found.index, found.point);
    }
  }

  /**
   * The cross-hair at a reading of a channel, as if it were pointed at.
   * @param {string} name
   * @param {number} instant
   */
  pin(name, instant) {
    const card = this.cards.get(name);
    const found = card?.pointAt(instant);
    if (card && found) this.pointTo(found.point.time, card);
  }

  leave() {
    this.instant = null;
    this.tooltip.hide();
    for (const card of this.cards.values()) card.unpoint();
  }

  /** @param {Range | null} range */
  select(range) {
    for (const card of this.cards.values()) card.select(range);
  }

  /** @param {any} axis of values */
  #fitWidth(axis) {
    this.widest = Math.max(this.widest, axis.width);
    axis.width = Math.max(axis.width, this.axisWidth);
  }

  /** @param {ChartCard} card */
  #attend(card) {
    /** @type {(x: number) => number} */
    const timeAt = (x) => card.chart.scales.x.getValueForPixel(x);
    /** @type {(one: number, other: number) => Range} */
    const between = (one, other) => ({
      start: timeAt(Math.min(one, other)),
      end: timeAt(Math.max(one, other)),
    });
    listen(card.plot, {
      point: (x) => this.#pointNear(card, timeAt(x)),
      leave: () => this.leave(),
      selecting: (from, to) => {
        this.tooltip.hide();
        this.select(between(from, to));
      },
      selected: (from, to) => {
        this.select(null);
        // Before the first readings the axis has no times.
        if (this.picture) this.wishes.show(between(from, to));
      },
      unselected: () => this.select(null),
      pan: (pixels) => this.#pan(-pixels * ((timeAt(100) - timeAt(0)) / 100)),
      zoom: (x, factor) => this.#zoom(timeAt(x), factor),
      zooms: (factor) => this.#zooms(factor),
      settled: () => this.picture && this.wishes.slide(this.picture.view),
      reset: () => this.wishes.reset(),
    });
    card.plot.addEventListener("keydown", (event) => this.#key(event, card));
    card.plot.addEventListener("focus", () => {
      if (card.plot.matches(":focus-visible")) this.#step(card, 0);
    });
    card.plot.addEventListener("blur", () => this.leave());
  }

  /**
   * @param {ChartCard} card
   * @param {number} instant
   */
  #pointNear(card, instant) {
    const found = card.pointAt(instant);
    if (found) this.pointTo(found.point.time, card);
  }

  /** @param {number} by ms */
  #pan(by) {
    const extent = this.wishes.extent();
    if (extent && this.picture) this.wishes.slide(moved(this.picture.view, by, extent));
  }

  /**
   * @param {number} centre
   * @param {number} factor
   */
  #zoom(centre, factor) {
    const extent = this.wishes.extent();
    if (extent && this.picture)
      this.wishes.slide(zoomed(this.picture.view, centre, factor, extent));
  }

  /** Whether less than the whole record is shown, or less is asked for. @param {number} factor */
  #zooms(factor) {
    const extent = this.wishes.extent();
    if (!extent || !this.picture) return false;
    return factor < 1 || !contains(this.picture.view, wholeRange(extent));
  }

  /**
   * @param {ChartCard} card
   * @param {number} steps
   */
  #step(card, steps) {
    if (!this.picture || !card.series) return;
    const found = card.pointAt(this.instant ?? this.picture.view.end);
    if (!found) return;
    const { view } = this.picture;
    const { times, values } = card.series;
    const time = times[stepped(values, found.index, steps)];
    if (time >= view.start && time < view.end) this.pointTo(time, card);
    else if (steps === 0) this.pointTo(found.point.time, card);
  }

  /**
   * @param {KeyboardEvent} event
   * @param {ChartCard} card
   */
  #key(event, card) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -1e9, End: 1e9 }[
      event.key
    ];
    const centre = this.instant ?? 0;
    const { view } = this.picture ?? { view: { start: 0, end: 0 } };
    const middle = centre || (view.start + view.end) / 2;
    if (steps !== undefined) this.#step(card, event.shiftKey ? steps * 10 : steps);
    else if (event.key === "+" || event.key === "=") this.#zoom(middle, 0.5);
    else if (event.key === "-") this.#zoom(middle, 2);
    else if (event.key === "Enter") this.#zoom(middle, 0.25);
    else if (event.key === "f") this.wishes.fix(card.channel.name);
    else if (event.key === "h") this.wishes.hide(card.channel.name);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
