/**
 * What can be taken away: readings as files, the charts as a picture, the page on paper.
 */

import { address } from "./api.js";
import { Disclosure } from "./disclosure.js";
import { byId, element, fill, setText } from "./dom.js";
import { titleOf } from "./header.js";
import { pictureOf } from "./picture.js";
import { wholeRange } from "./range.js";
import { formatRange, toIso, zoneAbbreviation } from "./times.js";

const FORMATS = [
  ["csv", "CSV"],
  ["parquet", "Parquet"],
  ["json", "JSON"],
];

/**
 * @typedef {object} Exported
 * @property {import("./header.js").NamedRig} rig
 * @property {Record<string, string>} query of the shown range
 * @property {import("./range.js").Range} shown
 * @property {import("./range.js").Extent} extent
 * @property {string} zone
 */

export class ExportMenu {
  /** @param {() => import("./picture.js").PicturedChart[]} charts those that are shown */
  constructor(charts) {
    this.charts = charts;
    /** @type {Exported | null} */
    this.exported = null;
    this.panel = new Disclosure(byId("export"), byId("export-panel"), () => this.#prepare());
    byId("export-png").addEventListener("click", () => this.#savePicture());
    byId("export-print").addEventListener("click", () => {
      this.panel.close();
      window.print();
    });
  }

  open() {
    if (this.exported) this.panel.open();
  }

  /** @param {Exported} exported */
  update(exported) {
    this.exported = exported;
    setText(byId("report-head"), `${titleOf(exported.rig)} · ${rangeText(exported)}`);
    if (this.panel.isOpen) this.#write();
  }

  #prepare() {
    this.#write();
    byId("export-panel").querySelector("a")?.focus();
  }

  #write() {
    if (!this.exported) return;
    const { rig, query, extent, zone } = this.exported;
    setText(byId("export-range"), rangeText(this.exported));
    setText(byId("export-record"), formatRange(wholeRange(extent), zone));
    links(byId("export-shown-links"), query, "shown range");
    links(byId("export-all-links"), { rig: rig.name }, "everything");
  }

  async #savePicture() {
    if (!this.exported) return;
    const { rig, shown } = this.exported;
    const words = { title: titleOf(rig), range: rangeText(this.exported) };
    const picture = await pictureOf(this.charts(), words);
    if (picture) save(picture, `${fileName([rig.name, toIso(shown.start), toIso(shown.end)])}.png`);
    this.panel.close();
  }
}

/** @param {Exported} exported */
function rangeText({ shown, zone }) {
  return `${formatRange(shown, zone)} ${zoneAbbreviation(zone, shown.start)}`;
}

/**
 * Links that stay the same nodes while they say the same: one of them may have the focus.
 * @param {HTMLElement} place
 * @param {Record<string, string>} query
 * @param {string} what
 */
function links(place, query, what) {
  const key = JSON.stringify(query);
  if (place.dataset.query === key) return;
  place.dataset.query = key;
  const items = FORMATS.map(([format, text]) =>
    element(
      "a",
      {
        class: "button",
        href: address("/api/download", { format, ...query }),
        download: "",
        "aria-label": `${text}, ${what}`,
      },
      text,
    ),
  );
  fill(place, ...items);
}

/**
 * As the server names its files: nothing but letters, digits, dots, dashes.
 * @param {readonly string[]} parts
 */
export function fileName(parts) {
  const text = parts.map(compact).join("_");
  return text.replaceAll(/[^A-Za-z0-9._-]+/g, "-").replace(/^[-.]+|[-.]+$/g, "") || "readings";
}

/**
 * `20250713T060000Z` of a time, anything else as it is.
 * @param {string} part
 */
function compact(part) {
  return /^\d{4}-\d\d-\d\dT/.test(part) ? part.replace(/\.\d+/, "").replaceAll(/[-:]/g, "") : part;
}

/**
 * @param {Blob} blob
 * @param {string} name
 */
function save(blob, name) {
  const url = URL.createObjectURL(blob);
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
