/**
 * The dashboard: asks the server, and hands the answers to the parts of the page.
 */

import { Dashboard } from "./dashboard.js";
import { byId } from "./dom.js";
import { Keyboard } from "./keyboard.js";
import { LiveFeed } from "./live.js";
import { themeSwitch } from "./preferences.js";
import { contains, fitted } from "./range.js";
import { UploadDialog } from "./upload.js";

const settings = document.body.dataset;
const dashboard = new Dashboard(settings.version ?? "");

const upload = new UploadDialog({
  rig: () => dashboard.rig?.name ?? null,
  rigs: () => dashboard.rigs.map(({ name }) => name),
  zone: () => dashboard.zone,
  show: showLoaded,
});

const feed = new LiveFeed(
  {
    onMessage: (message) => {
      upload.hear(message);
      dashboard.receive(message);
    },
    onState: (connection) => dashboard.setConnection(connection),
    onPoll: () => dashboard.paused || dashboard.refresh(),
  },
  Math.max(1, Number(settings.refreshInterval) || 30),
);

const nextTheme = themeSwitch(() => dashboard.repaint());
const rig = /** @type {HTMLSelectElement} */ (byId("rig"));
const zone = /** @type {HTMLSelectElement} */ (byId("zone"));

rig.addEventListener("change", () => dashboard.chooseRig(rig.value));
zone.addEventListener("change", () =>
  dashboard.chooseZone(/** @type {import("./url.js").ZoneChoice} */ (zone.value)),
);
byId("pause").addEventListener("click", () => dashboard.togglePause());
byId("retry").addEventListener("click", () => dashboard.refresh());
window.addEventListener("popstate", () => dashboard.restore());
dashboard.onRig = (name) => feed.connect(name);

const { timeBar, rail } = dashboard.screen;
/** @type {Record<string, string>} */
const quickKeys = { 1: "15min", 2: "1h", 3: "6h", 4: "24h", 5: "7d", 6: "all" };
/** @type {Record<string, string>} */
const tabKeys = { a: "alerts", q: "quality", l: "loads" };

new Keyboard([
  {
    keys: ["1", "2", "3", "4", "5"],
    does: "Last 15 min, 1 h, 6 h, 24 h, 7 d",
    run: (key) => timeBar.quick(quickKeys[key]),
  },
  { keys: ["6"], does: "Everything", run: (key) => timeBar.quick(quickKeys[key]) },
  {
    keys: ["[", "]"],
    does: "One window back, forward",
    run: (key) => timeBar.step(key === "[" ? -1 : 1),
  },
  { keys: ["n"], does: "To the latest readings", run: () => timeBar.latest() },
  { keys: ["+", "-"], does: "Zoom in, out", run: (key) => dashboard.zoom(key === "+" ? 0.5 : 2) },
  { keys: ["Esc"], does: "Back to the whole range", run: () => dashboard.reset() },
  { keys: ["d"], does: "Choose a day or times", run: () => timeBar.open() },
  { keys: ["p"], does: "Pause, resume", run: () => dashboard.togglePause() },
  { keys: ["e"], does: "Export", run: () => dashboard.screen.exports.open() },
  { keys: ["u"], does: "Load a file", run: () => upload.choose() },
  {
    keys: ["a", "q", "l"],
    does: "Alerts, quality, loads",
    run: (key) => rail.open(tabKeys[key], true),
  },
  { keys: ["z"], does: "Next time zone", run: () => dashboard.nextZone() },
  { keys: ["t"], does: "Next theme", run: nextTheme },
]);

/** @type {any} */ (window).smartSensor = {
  get charts() {
    return dashboard.screen.charts.charts;
  },
};

dashboard.start();

/**
 * What a file has brought: its rig, and of that a range, or everything.
 * @param {string} rig
 * @param {import("./range.js").Range | null} range
 */
async function showLoaded(rig, range) {
  await dashboard.refresh();
  dashboard.chooseRig(rig);
  if (dashboard.rig?.name !== rig) return;
  const { extent } = dashboard;
  // As short as links have it a range may lack its last reading.
  if (range && extent && contains(fitted(range, extent), range)) dashboard.show(range);
  else if (range) dashboard.choose({ base: { kind: "span", ...range }, zoom: null });
  else dashboard.choose({ base: { kind: "all" }, zoom: null });
}
