/**
 * New alerts, spoken to those who do not see them appear: at most one sentence in five seconds.
 */

import { throttled } from "./api.js";
import { explain } from "./explain.js";
import { formatValue } from "./format.js";

export class Announcer {
  /** @param {HTMLElement} place a live region */
  constructor(place) {
    this.place = place;
    this.text = "";
    this.more = 0;
    this.speakSoon = throttled(() => this.#speak(), 5000);
  }

  /**
   * @param {readonly import("./explain.js").Channel[]} channels
   * @param {readonly import("./series.js").Reading[]} readings
   * @param {(name: string) => {shown: number}} decimals
   */
  hear(channels, readings, decimals) {
    for (const reading of readings) {
      for (const channel of channels) {
        const value = reading.values[channel.name];
        if (reading.levels?.[channel.name] !== "red" || value === null || value === undefined)
          continue;
        if (this.text) this.more += 1;
        const digits = decimals(channel.name).shown;
        const why = explain(channel, value, reading.zscores?.[channel.name] ?? null, "red", digits);
        this.text = `Red: ${channel.label} ${formatValue(value, digits, channel.unit)}. ${why ?? ""}`;
        this.speakSoon();
      }
    }
  }

  #speak() {
    this.place.textContent = this.more ? `${this.text} And ${this.more} more.` : this.text;
    this.text = "";
    this.more = 0;
  }
}
