/**
 * The tab of data quality: rows that were accepted and rejected, and the gaps.
 */

import { element, fill, refill, setText } from "./dom.js";
import { formatCount, formatNumber } from "./format.js";
import { gapsText } from "./gaps.js";
import { RejectList } from "./rejects.js";
import { formatRange } from "./times.js";

const MOST_GAPS = 100;

/**
 * @typedef {import("./rail.js").Frame} Frame
 * @typedef {import("./series.js").Gap} Gap
 */

export class QualityPanel {
  /**
   * @param {HTMLElement} panel
   * @param {(gap: Gap, frame: Frame) => HTMLElement} gapEntry
   */
  constructor(panel, gapEntry) {
    this.panel = panel;
    this.gapEntry = gapEntry;
    this.rejects = new RejectList();
    this.range = element("p", { class: "rail-note" });
    this.totals = element("dl", { class: "counts" });
    this.gaps = element("section");
    fill(
      panel,
      this.range,
      element("section", {}, element("h3", {}, "Rows"), this.totals, this.rejects.node),
      this.gaps,
    );
  }

  /**
   * @param {any} kpis
   * @param {readonly Gap[]} gaps
   * @param {Frame} frame
   */
  show(kpis, gaps, frame) {
    setText(this.range, formatRange(frame.range, frame.zone));
    fill(
      this.totals,
      ...count("accepted", kpis.total_records),
      ...count("rejected", kpis.rejected_records ?? 0),
    );
    this.rejects.know(kpis.rejected_by_reason ?? {});
    this.#showGaps(kpis, gaps, frame);
  }

  /** No readings: rows may have been rejected all the same. @param {string} range */
  showNothing(range) {
    setText(this.range, `No readings in ${range}.`);
    fill(this.totals);
    fill(this.gaps);
    this.gaps.hidden = true;
    this.rejects.know({});
  }

  /**
   * @param {any} kpis
   * @param {readonly Gap[]} gaps
   * @param {Frame} frame
   */
  #showGaps(kpis, gaps, frame) {
    const { start, end } = frame.range;
    // What reaches over an end of the range is listed too, but counted in none of its figures.
    const reaching = gaps.filter((gap) => gap.start < start || gap.end > end).length;
    const all = kpis.gap_count + reaching;
    const longest = gaps
      .slice()
      .sort((one, other) => other.end - other.start - (one.end - one.start))
      .slice(0, MOST_GAPS);
    this.gaps.hidden = false;
    const { scrollTop } = this.panel;
    refill(
      this.gaps,
      element("h3", {}, gapsText(kpis.gap_count, kpis.gap_hours, reaching)),
      all === 0 &&
        element("p", { class: "muted" }, "No silence longer than 1.5 times the usual interval."),
      element("ul", {}, ...longest.map((gap) => element("li", {}, this.gapEntry(gap, frame)))),
      all > longest.length &&
        element(
          "p",
          { class: "muted" },
          `${formatNumber(longest.length)} of ${formatCount(all, "gap")} ${longest.length === 1 ? "is" : "are"} listed. A shorter range shows the others.`,
        ),
    );
    this.panel.scrollTop = scrollTop;
  }
}

/**
 * @param {string} name
 * @param {number} number
 */
function count(name, number) {
  return [element("dt", {}, name), element("dd", {}, formatNumber(number))];
}
