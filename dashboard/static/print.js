/**
 * The page on paper: charts redrawn in light colours, in a size at which all fit one page.
 */

/** A4 landscape within its margins, in CSS px; the figures, the rail and the headings are off. */
const CHART_WIDTH = 800;
const ROOM_FOR_CHARTS = 530;
const HEADING = 34;

/**
 * @param {() => import("./chart-card.js").ChartCard[]} cards those that are shown
 * @param {() => void} repaint draws everything anew, in the colours of the theme that is on
 */
export function attendPrinting(cards, repaint) {
  const { dataset } = document.documentElement;
  /** @type {string | undefined} */
  let theme;
  window.addEventListener("beforeprint", () => {
    theme = dataset.theme;
    dataset.theme = "light";
    repaint();
    layOut(cards());
  });
  window.addEventListener("afterprint", () => {
    if (theme === undefined) delete dataset.theme;
    else dataset.theme = theme;
    for (const { chart, plot } of cards()) {
      plot.style.height = "";
      chart?.resize();
    }
    repaint();
  });
}

/** @param {import("./chart-card.js").ChartCard[]} cards */
function layOut(cards) {
  const parts = cards.map(({ channel }) => (channel.kind === "counter" ? 1 : 2));
  const all = parts.reduce((sum, part) => sum + part, 0);
  const room = ROOM_FOR_CHARTS - HEADING * cards.length;
  cards.forEach(({ chart, plot }, at) => {
    const height = Math.max(50, Math.floor((room * parts[at]) / Math.max(all, 4)));
    plot.style.height = `${height}px`;
    chart?.resize(CHART_WIDTH, height);
  });
}
