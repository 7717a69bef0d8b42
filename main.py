"""Smart Sensor in one command: `python main.py`.

Makes the database with sample data on the first run, then serves the API and one small page, while
the simulated rig goes on in real time. `--no-simulate` leaves the simulation out.
"""

import argparse
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import polars as pl
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from dashboard import headers
from dashboard.app import create_app
from dashboard.serving import or_exit, serve
from pipeline import simulate
from pipeline.errors import SmartSensorError
from pipeline.etl_pipeline import load_source
from pipeline.paths import resource
from pipeline.rig import Rig
from pipeline.settings import default_rig_file, get_settings
from pipeline.sources.simulation import simulation_source
from pipeline.stores import Store
from pipeline.stores.base import Range
from pipeline.streaming import LiveWriter

logger = logging.getLogger("main")

INTERVAL = timedelta(seconds=2)


def create_main() -> FastAPI:
    """The API with the embedded page; with sample data where the database is empty."""
    settings = get_settings()
    app = create_app(settings)
    context = app.state.context
    rig, store = context.rig, context.store
    if not store.rigs(counted=False) and settings.rig_file == default_rig_file():
        started = datetime.now(UTC).replace(microsecond=0) - simulate.SAMPLE_SPAN
        load_source(simulation_source(rig, started), rig, settings, store)

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    @app.api_route("/dashboard", methods=["GET", "HEAD"], include_in_schema=False)
    def page() -> HTMLResponse:
        return HTMLResponse(PAGE, headers={"Content-Security-Policy": headers.policy(PAGE)})

    return app


def only_simulated(store: Store) -> bool:
    """Whether everything in the database comes from the simulation or the sample file."""
    sample = sha256((resource("data") / "simulated_raw.csv").read_bytes()).hexdigest()
    loads = store.loads(limit=1_000)
    return all(load["source"] == "simulation" or load["sha256"] == sample for load in loads)


def simulate_live(store: Store, rig: Rig, stop: threading.Event) -> None:
    """The simulated rig goes on from the newest reading, one every INTERVAL, until stopped."""
    extent = store.extent(Range(rig.name))
    if extent is None:
        return
    newest = next(store.readings(Range(rig.name, start=extent.last_timestamp)))
    names = ("timestamp", "temperature", "pressure", "uptime")
    last = simulate.Reading(*newest.select(names).row(0))
    writer = LiveWriter(store, rig, "simulation")
    for reading in simulate.stream(last.timestamp.toordinal(), last, ticks(stop)):
        try:
            writer.write(pl.DataFrame([reading]))
        except SmartSensorError as error:
            logger.warning("simulation: %s", error)


def ticks(stop: threading.Event) -> Iterator[datetime]:
    """The present time, every INTERVAL, until stopped."""
    while not stop.wait(INTERVAL.total_seconds()):
        yield datetime.now(UTC)


def main() -> None:
    parser = argparse.ArgumentParser(prog="main.py", description=__doc__)
    parser.add_argument("--no-simulate", action="store_true", help="serve what is stored, no more")
    arguments = parser.parse_args()
    app = or_exit(create_main)
    settings, context = get_settings(), app.state.context
    stop = threading.Event()
    if not arguments.no_simulate:
        if only_simulated(context.store):
            work = (context.store, context.rig, stop)
            threading.Thread(target=simulate_live, args=work, daemon=True).start()
        else:
            print("The database holds readings of your own: no simulation is added to them.")
    try:
        serve(app, settings)
    finally:
        stop.set()


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Smart Sensor</title>
<link rel="icon" href="/static/favicon.svg">
<style>
:root {
  color-scheme: light dark;
  --page: light-dark(#f6f7f9, #0e1217); --panel: light-dark(#fff, #161b22);
  --text: light-dark(#14181f, #e8ecf2); --muted: light-dark(#5b6573, #9aa6b5);
  --line: light-dark(#e2e6ec, #252c36); --red: light-dark(#b3131f, #ff7b84);
  --yellow: light-dark(#8a5a00, #f0c260); --good: light-dark(#0a7d5c, #4fcfa5);
  --temperature: light-dark(#c4500a, #ff9457); --pressure: light-dark(#0b68a8, #5eb2f2);
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 14px/1.45 system-ui, sans-serif; }
header { display: flex; gap: 12px; align-items: center; padding: 12px 16px;
  background: var(--panel); border-bottom: 1px solid var(--line); }
h1 { font-size: 15px; margin: 0; flex: 1; }
main { display: grid; gap: 12px; padding: 12px 16px; max-width: 1200px; margin: 0 auto; }
#tiles { display: grid; gap: 12px; min-height: 97px;
  grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); }
.panel { background: var(--panel); border: 1px solid var(--line); border-radius: 8px;
  padding: 12px; margin: 0; min-width: 0; }
h2 { font-size: 13px; margin: 0; color: var(--muted); font-weight: 600; }
.value { font-size: 24px; font-weight: 700; font-variant-numeric: tabular-nums; }
.value small, .note { font-size: 12px; font-weight: 400; color: var(--muted); }
.plot { position: relative; height: min(34vh, 300px); margin-top: 8px; }
#state { color: var(--yellow); }
#state.live { color: var(--good); }
#state::before { content: ""; display: inline-block; width: 9px; height: 9px;
  border-radius: 5px; margin-right: 6px; background: currentColor; }
#problem { color: var(--red); }
footer { color: var(--muted); font-size: 12px; text-align: center; padding: 4px 16px 16px; }
</style>
</head>
<body>
<header><h1>Smart Sensor</h1><span id="state" role="status">connecting</span></header>
<main>
<p id="problem" class="panel" role="alert" hidden></p>
<section id="tiles" aria-label="Key figures"></section>
<section class="panel"><h2>Temperature, \u00b0C</h2><div class="plot">
<canvas id="temperature" role="img" aria-label="Temperature over time"></canvas></div></section>
<section class="panel"><h2>Pressure, hPa</h2><div class="plot">
<canvas id="pressure" role="img" aria-label="Pressure over time"></canvas></div></section>
</main>
<footer>The last 12 hours of data, in this browser's time zone.
Diamonds are red readings, triangles yellow ones. The full dashboard: smart-sensor serve</footer>
<script src="/static/vendor/charts.bundle.min.js"></script>
<script>
"use strict";
const WINDOW_MS = 12 * 3600e3;
const MARKS = { red: ["rectRot", 5], yellow: ["triangle", 4] };
const FORMATS = { millisecond: "HH:mm:ss", second: "HH:mm:ss", minute: "HH:mm", hour: "HH:mm" };
const $ = (id) => document.getElementById(id);
const charts = {};

function shown(value, digits) {
  if (value === null || value === undefined) return "\u2013";
  const options = { maximumFractionDigits: digits, minimumFractionDigits: digits };
  return value.toLocaleString(undefined, options);
}

function colour(name) {
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = `var(${name})`;
  const rgb = getComputedStyle(probe).color;
  probe.remove();
  return rgb;
}

function tile(title, value, unit, note) {
  const panel = document.createElement("div");
  panel.className = "panel";
  for (const [tag, name, text] of [["h2", "", title], ["div", "value", value],
    ["div", "note", note]]) {
    const part = panel.appendChild(document.createElement(tag));
    part.className = name;
    part.textContent = text;
  }
  panel.children[1].appendChild(document.createElement("small")).textContent = ` ${unit}`;
  return panel;
}

function showTiles(k) {
  const range = (r) => `${shown(r.min, 1)} to ${shown(r.max, 1)}`;
  $("tiles").replaceChildren(
    tile("Average temperature", shown(k.avg_temp, 1), "\u00b0C", range(k.temperature_range)),
    tile("Average pressure", shown(k.avg_pressure, 1), "hPa", range(k.pressure_range)),
    tile("Alerts", shown(k.alert_count, 0), "red", `${shown(k.warning_count, 0)} yellow`),
    tile("Uptime", shown(k.uptime_hours, 1), "h", `${shown(k.running_hours, 1)} h running`),
    tile("Readings", shown(k.total_records, 0), "",
      `quality ${shown(k.data_quality_score, 1)} %`),
  );
}

function pointsOf({ timestamps, values, levels, red }) {
  const points = new Map(timestamps.map((text, i) =>
    [Date.parse(text), { y: values[i], level: levels?.[i] }]));
  red.timestamps.forEach((text, i) =>
    points.set(Date.parse(text), { y: red.values[i], level: "red" }));
  return [...points].map(([x, point]) => ({ x, ...point })).sort((a, b) => a.x - b.x);
}

function draw(id, points, limits) {
  const line = colour(`--${id}`), red = colour("--red");
  const grid = { color: colour("--line") };
  const ticks = { color: colour("--muted"), maxRotation: 0, autoSkipPadding: 24 };
  const paint = points.map(({ level }) => (MARKS[level] ? colour(`--${level}`) : line));
  const dataset = {
    data: points,
    borderColor: line, borderWidth: 1.5, tension: 0, spanGaps: false,
    pointStyle: points.map(({ level }) => MARKS[level]?.[0] ?? "circle"),
    pointRadius: points.map(({ level }) => MARKS[level]?.[1] ?? 0),
    pointBackgroundColor: paint, pointBorderColor: paint,
  };
  const annotations = Object.values(limits).filter((value) => value !== null).map((value) => ({
    type: "line", yMin: value, yMax: value, borderColor: red, borderWidth: 1,
    borderDash: [5, 4],
  }));
  const y = { grid, ticks, grace: "5%", afterFit: (axis) => { axis.width = 56; } };
  const x = { type: "time", time: { displayFormats: FORMATS }, grid, ticks };
  charts[id]?.destroy();
  charts[id] = new Chart($(id), {
    type: "line",
    data: { datasets: [dataset] },
    options: {
      animation: false, maintainAspectRatio: false, parsing: false, scales: { x, y },
      interaction: { mode: "nearest", axis: "x", intersect: false },
      plugins: { legend: { display: false }, annotation: { annotations } },
    },
  });
}

async function get(path) {
  const response = await fetch(path);
  const body = await response.json();
  if (!response.ok) throw new Error(body.detail);
  return body;
}

async function refresh() {
  try {
    const { rigs } = await get("/api/rigs");
    const rig = rigs.find((each) => each.last_timestamp);
    if (!rig) throw new Error("No readings yet. Load some: smart-sensor etl your.csv");
    const start = new Date(Date.parse(rig.last_timestamp) - WINDOW_MS).toISOString();
    const query = `?rig=${encodeURIComponent(rig.name)}&start=${start}`;
    const [kpis, trends] = await Promise.all(["kpis", "trends"].map((name) =>
      get(`/api/${name}${query}`)));
    showTiles(kpis);
    if (!window.Chart) throw new Error("The charts are not built. Run: make charts");
    for (const channel of rig.channels.filter((each) => $(each.name) && each.scored)) {
      draw(channel.name, pointsOf(trends.channels[channel.name]), channel.limits);
    }
    $("problem").hidden = true;
    document.body.dataset.state = "ready";
  } catch (error) {
    $("problem").textContent = error.message;
    $("problem").hidden = false;
  }
}

let waiting = null;
function soon() {
  waiting ??= setTimeout(() => { waiting = null; refresh(); }, 300);
}

function connect(delay) {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(`${scheme}://${location.host}/ws/data`);
  const say = (text) => { $("state").textContent = text; $("state").className = text; };
  socket.onopen = () => { say("live"); delay = 1000; };
  socket.onmessage = soon;
  socket.onclose = () => {
    say("reconnecting");
    setTimeout(() => connect(Math.min(delay * 2, 30000)), delay * (0.5 + Math.random()));
  };
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
window.smartSensor = { charts };
refresh();
connect(1000);
</script>
</body>
</html>
"""

if __name__ == "__main__":
    main()
