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

/**
 * @param {string} property such as `--red`, in the theme that is on now
 * @returns {string}
 */
export function colour(property) {
  const probe = byId("colour-probe");
  probe.style.color = `var(${property})`;
  return getComputedStyle(probe).color;
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
