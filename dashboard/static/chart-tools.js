/**
 * The buttons of a chart: its scale, and away with it.
 */

import { element, svg } from "./dom.js";

const ICONS = {
  scale: "M3 2.5h10M3 13.5h10M8 4.8v6.4M6 6.6l2-2 2 2M6 9.4l2 2 2-2",
  hide: "M1.8 8S4 4 8 4s6.2 4 6.2 4S12 12 8 12 1.8 8 1.8 8zM3 13.2 13 2.8",
};

/**
 * @param {keyof typeof ICONS} icon
 * @param {string} label
 * @param {() => void} onclick
 */
function tool(icon, label, onclick) {
  return element(
    "button",
    { type: "button", class: "tool", "aria-label": label, title: label, onclick },
    svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { d: ICONS[icon] })),
  );
}

export class ChartTools {
  /**
   * @param {string} label the channel's
   * @param {{hide: () => void, fix: () => void}} wishes
   */
  constructor(label, wishes) {
    this.scale = tool("scale", `${label}: fixed scale`, wishes.fix);
    this.node = element(
      "div",
      { class: "chart-tools" },
      this.scale,
      tool("hide", `Hide ${label}`, wishes.hide),
    );
    this.show(false);
  }

  /** @param {boolean} fixed */
  show(fixed) {
    this.scale.setAttribute("aria-pressed", String(fixed));
    this.scale.title = fixed
      ? "Fixed scale: the whole record and its limits. Press for the shown readings."
      : "Scale by the shown readings. Press for a fixed one, the same for every range.";
  }
}
