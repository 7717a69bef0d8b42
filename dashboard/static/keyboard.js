/**
 * Keys for the whole page, and the dialog that lists them.
 */

import { byId, element, fill } from "./dom.js";
import { remember, remembered } from "./preferences.js";

/** @typedef {{keys: string[], does: string, run?: (key: string) => void}} Shortcut */

const CHART_KEYS = [
  { keys: ["←", "→"], does: "Reading by reading (Shift: ten)" },
  { keys: ["Home", "End"], does: "First, last reading" },
  { keys: ["+", "-"], does: "Zoom in, out" },
  { keys: ["Enter"], does: "Zoom in on the reading" },
  { keys: ["f"], does: "Fixed scale, or by the readings" },
  { keys: ["h"], does: "Hide the channel" },
];

const MOUSE = [
  { keys: ["drag"], does: "Zoom to a range" },
  { keys: ["Shift", "drag"], does: "Move in time" },
  { keys: ["wheel"], does: "Zoom, after a click or a moment on the chart" },
  { keys: ["Ctrl", "wheel"], does: "Zoom at once" },
  { keys: ["Shift", "wheel"], does: "Move in time" },
  { keys: ["double click"], does: "Back to the whole range" },
  { keys: ["two fingers"], does: "Zoom and move" },
];

const ARROWS = { ArrowLeft: "←", ArrowRight: "→" };

export class Keyboard {
  /** @param {Shortcut[]} shortcuts */
  constructor(shortcuts) {
    this.shortcuts = [...shortcuts, { keys: ["?"], does: "This help", run: () => this.help() }];
    this.dialog = /** @type {HTMLDialogElement} */ (byId("help"));
    const box = /** @type {HTMLInputElement} */ (byId("shortcuts"));
    box.checked = remembered("shortcuts") !== "off";
    box.addEventListener("change", () => remember("shortcuts", box.checked ? "on" : "off"));
    byId("help-button").addEventListener("click", () => this.help());
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
    document.addEventListener("keydown", (event) => this.#press(event, box.checked));
    fill(
      byId("help-keys"),
      element("div", {}, ...listOf("Anywhere", this.shortcuts)),
      element(
        "div",
        {},
        ...listOf("Mouse and touch on a chart", MOUSE),
        ...listOf("On a chart that has the focus", CHART_KEYS),
      ),
    );
  }

  help() {
    if (this.dialog.open) return;
    this.dialog.showModal();
    // It may have been left at its end.
    this.dialog.scrollTop = 0;
  }

  /**
   * @param {KeyboardEvent} event
   * @param {boolean} enabled
   */
  #press(event, enabled) {
    if (
      event.defaultPrevented ||
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      this.dialog.open
    )
      return;
    const typing =
      event.target instanceof Element &&
      event.target.closest("input, select, textarea, [contenteditable]");
    if (typing || (!enabled && event.key.length === 1)) return;
    const key =
      ARROWS[/** @type {keyof typeof ARROWS} */ (event.key)] ??
      (event.key === "Escape" ? "Esc" : event.key);
    const found = this.shortcuts.find(({ keys }) => keys.includes(key));
    if (!found?.run) return;
    event.preventDefault();
    found.run(key);
  }
}

/**
 * @param {string} title
 * @param {Shortcut[]} shortcuts
 */
function listOf(title, shortcuts) {
  const items = shortcuts.map(({ keys, does }) =>
    element(
      "li",
      {},
      element("span", {}, does),
      element("span", {}, ...keys.flatMap((key) => [element("kbd", {}, key), " "])),
    ),
  );
  return [element("h3", {}, title), element("ul", {}, ...items)];
}
