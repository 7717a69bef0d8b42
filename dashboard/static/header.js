/**
 * Rig selector and zone switch.
 */

import { seriesClasses } from "./colours.js";
import { byId, element, fill } from "./dom.js";
import { isZone } from "./times.js";

/**
 * @typedef {import("./url.js").ZoneChoice} ZoneChoice
 * @typedef {{name: string, label: string, time_zone: string}} NamedRig
 */

/** The zone of this browser. */
export function browserZone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC";
}

/**
 * @param {ZoneChoice} choice
 * @param {string} rigZone
 * @returns {string} an IANA zone
 */
export function zoneOf(choice, rigZone) {
  if (choice === "utc") return "UTC";
  const zone = choice === "browser" ? browserZone() : rigZone;
  return isZone(zone) ? zone : "UTC";
}

/**
 * @param {readonly NamedRig[]} rigs
 * @param {string} current
 */
export function showRigs(rigs, current) {
  const select = /** @type {HTMLSelectElement} */ (byId("rig"));
  const options = rigs.length ? rigs.map((rig) => [rig.name, titleOf(rig)]) : [["", "no rig yet"]];
  offer(select, options, current);
  select.disabled = rigs.length < 2;
  // A long name is cut where there is no room for it.
  const chosen = rigs.find(({ name }) => name === current);
  select.title = `${chosen ? `${titleOf(chosen)}. ` : ""}${rigs.length < 2 ? "There is one rig" : "Choose the rig"}`;
}

/**
 * The options of a select, left alone where they are the same: its list may be open.
 * @param {HTMLSelectElement} select
 * @param {string[][]} options value and text
 * @param {string} chosen
 */
function offer(select, options, chosen) {
  const key = JSON.stringify(options);
  if (select.dataset.offered !== key) {
    fill(select, ...options.map(([value, text]) => element("option", { value }, text)));
    select.dataset.offered = key;
  }
  if (select.value !== chosen) select.value = chosen;
}

/** @param {NamedRig} rig */
export function titleOf({ name, label }) {
  return label && label !== name ? `${name} · ${label}` : name;
}

/**
 * @param {ZoneChoice} choice
 * @param {string} rigZone
 */
export function showZones(choice, rigZone) {
  const select = /** @type {HTMLSelectElement} */ (byId("zone"));
  /** @type {[ZoneChoice, string, string][]} */
  const zones = [
    ["rig", zoneOf("rig", rigZone), "rig"],
    ["utc", "UTC", ""],
    ["browser", browserZone(), "browser"],
  ];
  offer(
    select,
    zones.map(([value, zone, whose]) => [value, zoneText(zone, whose)]),
    choice,
  );
}

/**
 * @param {string} zone
 * @param {string} whose
 */
function zoneText(zone, whose) {
  const name = zone.replaceAll("_", " ");
  return whose ? `${name} · ${whose}` : name;
}

/**
 * The channels that are hidden, each a button that brings it back.
 * @param {readonly import("./explain.js").Channel[]} channels
 * @param {readonly string[]} hidden
 * @param {(name: string) => void} show
 */
export function showHidden(channels, hidden, show) {
  const place = byId("hidden-channels");
  const found = channels.filter(({ name }) => hidden.includes(name));
  const looks = seriesClasses(channels);
  place.hidden = found.length === 0;
  fill(
    place,
    element("span", { class: "muted" }, "Hidden:"),
    ...found.map(({ name, label }) =>
      element(
        "button",
        {
          type: "button",
          class: `chip ${looks.get(name)}`,
          "aria-label": `Show ${label}`,
          onclick: () => show(name),
        },
        label,
      ),
    ),
  );
}
