/**
 * Messages of the live connection: what they change, and what has to be asked again.
 */

import { Announcer } from "./announcer.js";
import { throttled } from "./api.js";
import { byId } from "./dom.js";
import { follows, overlaps } from "./range.js";
import { appended, lengthOf, trimmed } from "./series.js";
import * as status from "./status.js";
import { parseTime } from "./times.js";

/** So many readings are appended before the server is asked for a properly thinned answer. */
const MOST_APPENDED = 500;
const MOST_IN_RECORD = 5000;

export class Incoming {
  /** @param {import("./dashboard.js").Dashboard} dashboard */
  constructor(dashboard) {
    this.dashboard = dashboard;
    this.announcer = new Announcer(byId("announcer"));
    this.appended = 0;
    /** Readings that came while the page was paused. */
    this.waiting = 0;
    this.connectedBefore = false;
    this.drawing = false;
    this.reloadSoon = throttled(() => dashboard.loadView(), 1000);
    this.refreshSoon = throttled(() => dashboard.refresh(), 1000);
    this.loadFiguresSoon = throttled(() => dashboard.loadFigures(), 1000);
    this.loadRecordSoon = throttled(() => dashboard.loadRecord(), 15_000);
    this.loadLoadsSoon = throttled(() => dashboard.loadLoads(), 5000);
  }

  /** @param {any} message */
  receive(message) {
    if (this.dashboard.paused) this.#wait(message);
    else if (message.type === "change") this.#change(message);
    else if (message.type === "refresh") this.refreshSoon();
    else if (message.type === "snapshot" && this.#isBehind(message)) this.refreshSoon();
    this.connectedBefore = true;
  }

  /** The page is paused: counted, and said where it is red. @param {any} message */
  #wait(message) {
    const { rig, screen } = this.dashboard;
    if (message.type !== "change" || message.rig !== rig?.name) return;
    this.waiting += message.rows;
    this.dashboard.newest = Math.max(
      this.dashboard.newest ?? -Infinity,
      parseTime(message.last_timestamp),
    );
    this.#announce(message);
    screen.connection();
  }

  /**
   * Whether there is more than the page shows, and more than the changes that follow a snapshot
   * which resumes.
   * @param {any} snapshot
   */
  #isBehind(snapshot) {
    if (snapshot.resumed) return false;
    if (this.connectedBefore) return true;
    const { rig, extent } = this.dashboard;
    if (!snapshot.rig || !snapshot.last_reading) return false;
    if (!rig) return true;
    return (
      snapshot.rig === rig.name && parseTime(snapshot.last_reading.timestamp) > (extent?.last ?? 0)
    );
  }

  /** @param {any} change */
  #change(change) {
    const { dashboard } = this;
    if (!dashboard.rig || !dashboard.rigs.some(({ name }) => name === change.rig)) {
      this.refreshSoon();
      return;
    }
    if (change.rig !== dashboard.rig.name) return;
    status.beat();
    const range = {
      start: parseTime(change.first_timestamp),
      end: parseTime(change.last_timestamp),
    };
    dashboard.extend(range, change.rows);
    this.#announce(change);
    this.#keepRecord(change);
    if (follows(dashboard.page)) this.#slideIn(change);
    else if (overlaps(dashboard.shown, { start: range.start, end: range.end + 1 })) {
      this.reloadSoon();
    }
    this.#drawSoon();
    if (dashboard.screen.rail.current === "loads") this.loadLoadsSoon();
  }

  /** @param {any} change */
  #announce({ readings }) {
    const { rig, screen } = this.dashboard;
    if (readings)
      this.announcer.hear(rig.channels, readings, (name) => screen.charts.decimals(name));
  }

  /** The strip of the whole record grows too. @param {any} change */
  #keepRecord({ readings }) {
    const { record, extent } = this.dashboard;
    const grown = record && readings && appended(record, readings, extent?.interval ?? null);
    if (grown && lengthOf(grown) < MOST_IN_RECORD) this.dashboard.record = grown;
    else this.loadRecordSoon();
  }

  /** New readings at the end of a window that follows it. @param {any} change */
  #slideIn({ readings }) {
    const { dashboard } = this;
    const { trend, extent } = dashboard;
    const grown = trend && readings && appended(trend, readings, extent?.interval ?? null);
    this.appended += readings?.length ?? 0;
    if (!grown || status.currentState() !== "ready" || this.appended > MOST_APPENDED) {
      this.reloadSoon();
      return;
    }
    dashboard.trend = trimmed(grown, dashboard.shown.start);
    this.loadFiguresSoon();
  }

  /** Once a frame, however fast readings come; never while the page is out of sight. */
  #drawSoon() {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      const { screen, page } = this.dashboard;
      screen.window();
      if (follows(page) && status.currentState() === "ready") screen.readings();
      screen.record();
      screen.age();
    });
  }
}
