/**
 * Colours of the page's custom properties, as the canvas needs them.
 */

import { byId } from "./dom.js";

/**
 * Classes for channels: gauges in the order of the rig, counters green.
 * @param {readonly import("./explain.js").Channel[]} channels
 * @returns {Map<string, string>} channel name -> class
 */
export function seriesClasses(channels) {
  const classes = new Map();
  let gauges = 0;
  for (const channel of channels) {
    if (channel.kind === "counter") classes.set(channel.name, "series-counter");
    else classes.set(channel.name, `series-${(gauges++ % 6) + 1}`);
  }
  return classes;
}

/** Looked up once a theme: to ask for a computed style in every frame costs more than the drawing.
 * @type {Map<string, string>} */
const known = new Map();

/**
 * @param {string} property such as `--red`, in the theme that is on now
 * @returns {string}
 */
export function colour(property) {
  const kept = known.get(property);
  if (kept !== undefined) return kept;
  const probe = byId("colour-probe");
  probe.style.color = `var(${property})`;
  const found = getComputedStyle(probe).color;
  known.set(property, found);
  return found;
}

/** Another theme is on. */
export function forgetColours() {
  known.clear();
}

/**
 * A colour as it is, but see-through.
 * @param {string} rgb as computed styles give it
 * @param {number} opacity
 */
export function faded(rgb, opacity) {
  const [red, green, blue] = rgb.match(/[\d.]+/g) ?? ["128", "128", "128"];
  return `rgb(${red} ${green} ${blue} / ${opacity})`;
}
