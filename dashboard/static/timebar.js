/**
 * The time controls of the header: quick ranges, back and forward, from and to, day.
 */

import { Disclosure } from "./disclosure.js";
import { byId, setText } from "./dom.js";
import { FIRST_VIEW, follows, QUICK_RANGES, shift, shownRange, wholeRange } from "./range.js";
import { dateOf, dayRange, formatRange, fromInput, toInput, zoneAbbreviation } from "./times.js";
import { quickKey } from "./url.js";

/**
 * @typedef {import("./range.js").Selection} Selection
 * @typedef {import("./range.js").Extent} Extent
 */

export class TimeBar {
  /** @param {{choose: (selection: Selection) => void}} wishes */
  constructor(wishes) {
    this.wishes = wishes;
    this.panel = new Disclosure(byId("range"), byId("range-panel"), () => this.#prepare());
    this.day = /** @type {HTMLInputElement} */ (byId("day"));
    this.from = /** @type {HTMLInputElement} */ (byId("from"));
    this.to = /** @type {HTMLInputElement} */ (byId("to"));
    /** @type {{selection: Selection, extent: Extent, zone: string} | null} */
    this.state = null;
    this.#attend();
  }

  /**
   * @param {Selection} selection
   * @param {Extent} extent
   * @param {string} zone
   */
  update(selection, extent, zone) {
    this.state = { selection, extent, zone };
    const shown = shownRange(selection, extent);
    setText(byId("range-text"), formatRange(shown, zone));
    const key = selection.zoom ? null : quickKey(selection.base);
    for (const button of document.querySelectorAll("[data-range]")) {
      button.setAttribute(
        "aria-pressed",
        String(/** @type {HTMLElement} */ (button).dataset.range === key),
      );
    }
    this.#enable("earlier", shift(selection, extent, -1) !== null);
    this.#enable("later", shift(selection, extent, 1) !== null);
    this.#enable("latest", !follows(selection));
  }

  /**
   * @param {string} id
   * @param {boolean} on
   */
  #enable(id, on) {
    /** @type {HTMLButtonElement} */ (byId(id)).disabled = !on;
  }

  /** @param {-1 | 1} direction */
  step(direction) {
    if (!this.state) return;
    const next = shift(this.state.selection, this.state.extent, direction);
    if (next) this.wishes.choose(next);
  }

  /** Back to following the end of the record. */
  latest() {
    if (!this.state || follows(this.state.selection)) return;
    const { base } = this.state.selection;
    this.wishes.choose({ base: follows({ base, zoom: null }) ? base : FIRST_VIEW, zoom: null });
  }

  /** @param {string} key */
  quick(key) {
    const found = QUICK_RANGES.find((quick) => quick.key === key);
    if (found) this.wishes.choose({ base: found.base, zoom: null });
  }

  open() {
    if (this.state) this.panel.open();
  }

  /** The form as the shown range says. */
  #prepare() {
    if (!this.state) return;
    const { selection, extent, zone } = this.state;
    const shown = shownRange(selection, extent);
    const whole = wholeRange(extent);
    const step = shown.end - shown.start < 60_000 ? "0.001" : "1";
    this.from.step = this.to.step = step;
    this.from.value = toInput(shown.start, zone);
    this.to.value = toInput(shown.end, zone);
    this.day.value =
      selection.base.kind === "date" ? selection.base.date : dateOf(shown.end - 1, extent.zone);
    this.day.min = dateOf(whole.start, extent.zone);
    this.day.max = dateOf(extent.last, extent.zone);
    setText(byId("day-zone"), `in the rig's zone, ${extent.zone}`);
    for (const node of document.querySelectorAll(".zone-name"))
      setText(node, zoneAbbreviation(zone, shown.start));
    setText(byId("range-refusal"), "");
    this.day.focus();
  }

  #attend() {
    for (const button of document.querySelectorAll("[data-range]")) {
      button.addEventListener("click", () =>
        this.quick(/** @type {HTMLElement} */ (button).dataset.range ?? ""),
      );
    }
    byId("earlier").addEventListener("click", () => this.step(-1));
    byId("later").addEventListener("click", () => this.step(1));
    byId("latest").addEventListener("click", () => this.latest());
    byId("range-cancel").addEventListener("click", () => this.panel.close());
    byId("day-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#showDay();
    });
    byId("span-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#showSpan();
    });
  }

  #showDay() {
    if (!dayRange(this.day.value, "UTC")) return this.#refuse("Give a day.", this.day);
    this.wishes.choose({ base: { kind: "date", date: this.day.value }, zoom: null });
    this.panel.close();
  }

  #showSpan() {
    if (!this.state) return;
    const { zone } = this.state;
    const start = fromInput(this.from.value, zone);
    const end = fromInput(this.to.value, zone);
    if (start === null || end === null) return this.#refuse("Give both times.", this.from);
    if (start >= end) return this.#refuse("The end has to come after the start.", this.to);
    this.wishes.choose({ base: { kind: "span", start, end }, zoom: null });
    this.panel.close();
  }

  /**
   * @param {string} text
   * @param {HTMLElement} input to be corrected
   */
  #refuse(text, input) {
    setText(byId("range-refusal"), text);
    input.focus();
  }
}
