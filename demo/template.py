"""HTML, style and script of the page. In PAGE a dollar sign begins what `page.py` fills in.

The policy lets everything that is inside the page run, and nothing be fetched from anywhere.
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
content="default-src data: 'unsafe-inline' 'unsafe-eval'">
<link rel="icon" href="data:,">
<title>Smart Sensor demo</title>
<style>
$style</style>
</head>
<body>
<svg width="0" height="0" aria-hidden="true">
<symbol id="red" viewBox="0 0 10 10"><path d="M5 0L10 5L5 10L0 5Z"/></symbol>
<symbol id="yellow" viewBox="0 0 10 10"><path d="M5 .5L10 9.5H0Z"/></symbol>
<symbol id="gap" viewBox="0 0 10 10"><path d="M0 4L4 0M0 10L10 0M6 10L10 6"/></symbol>
</svg>
<header>
<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M2 13h4l3-8 5 14 3-8 1 2h4"/></svg>
<h1>Smart Sensor</h1><span>demo</span>
<p>$span <abbr title="Coordinated Universal Time">UTC</abbr></p>
</header>
<main>
<section class="tiles" aria-label="Key figures">
$tiles
</section>
<section class="charts" aria-label="Readings over time">
$figures
</section>
<section class="panel list">
<h2>Alerts and gaps</h2>
<ol tabindex="0">
$entries
</ol>
</section>
</main>
<footer>
<span>$source: $readings.</span>
<span>All times are UTC.</span>
<span>Diamonds are red readings, triangles yellow ones.</span>
<span>This page is one file and works offline.</span>
</footer>
$script
</body>
</html>
"""

STYLE = """\
:root { color-scheme: light dark; --page: #f6f7f9; --panel: #fff; --text: #14181f;
  --muted: #5b6573; --line: #e2e6ec; --strong: #c9d0da; --accent: #1f5fd0;
  --temperature: #c4500a; --pressure: #0b68a8;
  --red: #b3131f; --yellow: #8a5a00; --yellow-mark: #b87a00; }
@media (prefers-color-scheme: dark) {
  :root { --page: #0e1217; --panel: #161b22; --text: #e8ecf2; --muted: #9aa6b5;
    --line: #252c36; --strong: #38424f; --accent: #7aa7ff;
    --temperature: #ff9457; --pressure: #5eb2f2;
    --red: #ff7b84; --yellow: #f0c260; --yellow-mark: #f0b429; }
}
* { box-sizing: border-box; margin: 0; }
body { display: flex; flex-direction: column; min-height: 100vh; background: var(--page);
  color: var(--text); font: 14px/1.45 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
h1, h2, h3 { font-size: inherit; }
small, footer, time, p { color: var(--muted); }
small, footer, time { font-size: 12px; }
.panel { min-width: 0; background: var(--panel); border: 1px solid var(--line);
  border-radius: 8px; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: 0 10px; min-height: 48px;
  padding: 8px 16px; background: var(--panel); border-bottom: 1px solid var(--line); }
header svg { width: 22px; fill: none; stroke: var(--accent); stroke-width: 2.2;
  stroke-linejoin: round; stroke-linecap: round; }
header h1 { font-size: 15px; }
header span { padding: 0 8px; border: 1px solid var(--strong); border-radius: 8px;
  color: var(--muted); font-size: 12px; }
header p { margin-left: auto; color: var(--text); }
abbr { color: var(--muted); text-decoration: none; }
main { flex: 1; display: grid; grid-template: auto 1fr / minmax(0, 1fr) 340px; gap: 12px;
  padding: 12px 16px; }
.tiles { grid-column: 1 / -1; display: grid; gap: 12px;
  grid-template-columns: repeat(6, minmax(0, 1fr)); }
.tile { padding: 10px 12px; }
.tile h2 { color: var(--muted); font-size: 12px; font-weight: 600; }
.tile p { font-size: 12px; }
.tile b { color: var(--text); font-size: 22px; line-height: 1.35; }
.tile b.red { color: var(--red); }
.tile b.yellow { color: var(--yellow); }
.tile span { margin-right: 6px; }
.charts { display: flex; flex-direction: column; gap: 12px; }
figure { flex: 1; display: flex; flex-direction: column; padding: 10px 12px; }
figcaption { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 8px; }
figcaption i { width: 10px; height: 10px; border-radius: 2px; background: var(--series); }
figcaption b { margin-left: auto; }
.temperature { --series: var(--temperature); }
.pressure { --series: var(--pressure); }
figure > div { flex: 1; display: flex; flex-direction: column; }
.plot, .canvas { position: relative; flex: 1; min-height: 210px; }
.plot { margin: 10px 12px 24px 48px; font-size: 11px; color: var(--muted); }
.canvas { display: none; margin-top: 8px; }
.canvas canvas { position: absolute; }
.scripted .canvas { display: block; }
.scripted .plot { display: none; }
.plot > svg:first-child { position: absolute; width: 100%; height: 100%; overflow: visible; }
.plot path { fill: none; vector-effect: non-scaling-stroke; }
.plot rect { fill: transparent; }
.plot rect:hover { fill: var(--strong); fill-opacity: 0.4; }
path.grid { stroke: var(--line); }
path.limit { stroke: var(--red); stroke-width: 1.2; stroke-dasharray: 6 4; }
path.line { stroke: var(--series); stroke-width: 1.6; stroke-linejoin: round;
  stroke-linecap: round; }
path.dot { stroke-width: 5; }
.plot > span { position: absolute; white-space: nowrap; line-height: 1; }
.plot > .value { right: 100%; margin-right: 6px; transform: translateY(-50%); }
.plot > .time { top: 100%; margin-top: 7px; transform: translateX(-50%); }
.plot > .limit { right: 3px; color: var(--red); transform: translateY(-130%); }
.mark { position: absolute; width: 11px; height: 11px; margin: -5.5px; stroke: var(--panel); }
svg.red { fill: var(--red); }
svg.yellow { fill: var(--yellow-mark); }
svg.gap { fill: none; stroke: var(--muted); stroke-width: 1.2; }
.plot > .gap { position: absolute; top: 0; bottom: 0; display: grid; place-items: center;
  overflow: hidden; text-align: center; print-color-adjust: exact;
  background: repeating-linear-gradient(-45deg, var(--strong) 0 1px, transparent 1px 6px); }
.gap span { padding: 2px 5px; background: var(--panel); border-radius: 4px; line-height: 1.3;
  white-space: nowrap; }
.list { display: flex; flex-direction: column; }
.list h2 { padding: 10px 14px; border-bottom: 1px solid var(--line); }
ol { flex: 1 1 0; overflow: auto; padding: 0; list-style: none; }
ol:focus-visible { outline: 2px solid var(--accent); outline-offset: -2px; }
li { display: grid; grid-template-columns: 12px 1fr auto; gap: 0 10px; align-items: center;
  padding: 9px 14px; border-bottom: 1px solid var(--line); }
li p { grid-column: 2 / -1; font-size: 13px; }
footer { display: flex; flex-wrap: wrap; gap: 2px 16px; padding: 0 16px 12px; }
@media (max-width: 1000px) {
  main { grid-template: none / minmax(0, 1fr); }
  .tiles { grid-template-columns: repeat(3, minmax(0, 1fr)); }
  .plot, .canvas { flex: none; height: 260px; }
  ol { flex: none; overflow: visible; }
}
@media (max-width: 560px) {
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  header p { margin-left: 0; width: 100%; }
  main { padding: 12px; }
  .plot > .spare, figcaption .more, .narrow span { display: none; }
}
@media print { .panel { break-inside: avoid; } }
"""

SCRIPT = """
"use strict";
const MARKS = { yellow: ["triangle", 6, "--yellow-mark"], red: ["rectRot", 6, "--red"] };
const data = JSON.parse(document.getElementById("data").textContent);
const figures = document.querySelectorAll("figure");
let drawn = [];

const utc = (time) => new Date(time).toISOString().replace("T", " ").replace(/(\\.000)?Z/, " UTC");

function drawGap(context, area, left, right, length, css) {
  context.save();
  context.beginPath();
  context.rect(left, area.top, right - left, area.height);
  context.clip();
  context.beginPath();
  for (let at = left - area.height; at < right; at += 8.5) {
    context.moveTo(at, area.bottom);
    context.lineTo(at + area.height, area.top);
  }
  context.strokeStyle = css("--strong");
  context.stroke();
  if (right - left > 40) labelGap(context, area, left, right, length, css);
  context.restore();
}

function labelGap(context, area, left, right, length, css) {
  const middle = (left + right) / 2, height = area.top + area.height / 2;
  context.fillStyle = css("--panel");
  context.fillRect(middle - 27, height - 17, 54, 34);
  context.fillStyle = css("--muted");
  context.textAlign = "center";
  context.fillText("no data", middle, height - 3);
  context.fillText(length, middle, height + 11);
}

function drawLimit(context, area, height, label, css) {
  context.save();
  context.strokeStyle = context.fillStyle = css("--red");
  context.lineWidth = 1.2;
  context.setLineDash([6, 4]);
  context.beginPath();
  context.moveTo(area.left, height);
  context.lineTo(area.right, height);
  context.stroke();
  context.textAlign = "right";
  context.fillText(label, area.right - 3, height - 5);
  context.restore();
}

function gapsAndLimits(source, css) {
  return {
    id: "gapsAndLimits",
    beforeDatasetsDraw({ ctx, chartArea, scales: { x, y } }) {
      ctx.font = `11px ${css("font-family")}`;
      for (const [start, end, length] of source.gaps) {
        drawGap(ctx, chartArea, x.getPixelForValue(start), x.getPixelForValue(end), length, css);
      }
      for (const [value, label] of source.limits) {
        drawLimit(ctx, chartArea, y.getPixelForValue(value), label, css);
      }
    },
  };
}

function dataset(source, css) {
  const points = source.segments.flatMap((segment, index) => [
    ...(index ? [{ x: source.gaps[index - 1][0], y: null }] : []),
    ...segment.map(([x, y, z, level]) => ({ x, y, z, level, alone: segment.length === 1 })),
  ]);
  const look = (place, otherwise) => points.map((p) => MARKS[p.level]?.[place] ?? otherwise(p));
  const colours = look(2, () => "--series").map(css);
  return {
    data: points, spanGaps: false, tension: 0, clip: 8,
    borderColor: css("--series"), borderWidth: 1.6, borderJoinStyle: "round",
    pointStyle: look(0, () => "circle"), pointRadius: look(1, (p) => (p.alone ? 2 : 0)),
    pointHoverRadius: look(1, () => 4), pointBackgroundColor: colours,
    pointHoverBackgroundColor: colours, pointBorderColor: css("--panel"),
    pointHoverBorderColor: css("--panel"), pointBorderWidth: 1, pointHoverBorderWidth: 1,
  };
}

function axis([min, max], ticks, css, more) {
  return {
    type: "linear", min, max, border: { display: false },
    grid: { color: css("--line"), drawTicks: false },
    afterBuildTicks(scale) { scale.ticks = ticks.map(([value, label]) => ({ value, label })); },
    ticks: {
      color: css("--muted"), font: { size: 11 }, padding: 6, maxRotation: 0,
      callback: (_, index, shown) => shown[index].label, ...more,
    },
  };
}

function draw() {
  drawn.forEach((chart) => chart.destroy());
  drawn = data.map((source, index) => {
    const figure = figures[index];
    const css = (name) => getComputedStyle(figure).getPropertyValue(name).trim();
    Chart.defaults.font.family = css("font-family");
    const y = axis(source.y, source.value_ticks, css, { autoSkip: false });
    y.afterFit = (scale) => { scale.width = 48; };
    const says = ({ y, z, level }) =>
      `${y.toLocaleString("en")} ${source.unit}, ${level}, z ${z.toFixed(2)}`;
    return new Chart(figure.querySelector("canvas"), {
      type: "line",
      data: { datasets: [dataset(source, css)] },
      plugins: [gapsAndLimits(source, css)],
      options: {
        animation: false, maintainAspectRatio: false, parsing: false, normalized: true,
        layout: { padding: { right: 12 } },
        interaction: { mode: "nearest", axis: "x", intersect: false },
        scales: { x: axis(source.x, source.time_ticks, css, { autoSkipPadding: 12 }), y },
        plugins: {
          legend: { display: false },
          tooltip: {
            displayColors: false, backgroundColor: css("--panel"), borderWidth: 1,
            borderColor: css("--strong"), titleColor: css("--muted"), bodyColor: css("--text"),
            callbacks: { title: ([{ raw }]) => utc(raw.x), label: ({ raw }) => says(raw) },
          },
        },
      },
    });
  });
}

if (window.Chart) {
  document.documentElement.classList.add("scripted");
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}
"""
