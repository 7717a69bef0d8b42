/**
 * The dashboard: asks the server, and hands the answers to the parts of the page.
 */

import { Dashboard } from "./dashboard.js";
import { byId } from "./dom.js";
import { Keyboard } from "./keyboard.js";
import { LiveFeed } from "./live.js";
import { themeSwitch } from "./preferences.js";
import { showConnection } from "./status.js";

const settings = document.body.dataset;
const dashboard = new Dashboard(settings.version ?? "");

const feed = new LiveFeed(
  {
    onMessage: (message) => dashboard.receive(message),
    onState: (connection) => {
      showConnection(connection);
      dashboard.setConnection(connection);
    },
    onPoll: () => dashboard.refresh(),
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
byId("retry").addEventListener("click", () => dashboard.refresh());
window.addEventListener("popstate", () => dashboard.restore());
dashboard.onRig = (name) => feed.connect(name);

const { timeBar, rail } = dashboard.screen;
/** @type {Record<string, string>} */
const quickKeys = { 1: "1h", 2: "12h", 3: "24h", 4: "all" };
/** @type {Record<string, string>} */
const tabKeys = { a: "alerts", q: "quality", l: "loads" };

new Keyboard([
  {
    keys: ["1", "2", "3"],
    does: "Last 1, 12, 24 hours",
    run: (key) => timeBar.quick(quickKeys[key]),
  },
  { keys: ["4"], does: "Everything", run: (key) => timeBar.quick(quickKeys[key]) },
  {
    keys: ["[", "]"],
    does: "One window back, forward",
    run: (key) => timeBar.step(key === "[" ? -1 : 1),
  },
  { keys: ["n"], does: "To the latest readings", run: () => timeBar.latest() },
  { keys: ["+", "-"], does: "Zoom in, out", run: (key) => dashboard.zoom(key === "+" ? 0.5 : 2) },
  { keys: ["Esc"], does: "Back to the whole range", run: () => dashboard.reset() },
  { keys: ["d"], does: "Choose a day or times", run: () => timeBar.open() },
  { keys: ["a", "q", "l"], does: "Alerts, quality, loads", run: (key) => rail.open(tabKeys[key]) },
  { keys: ["z"], does: "Next time zone", run: () => dashboard.nextZone() },
  { keys: ["t"], does: "Next theme", run: nextTheme },
]);

/** @type {any} */ (window).smartSensor = {
  get charts() {
    return dashboard.screen.charts.charts;
  },
};

dashboard.start();
