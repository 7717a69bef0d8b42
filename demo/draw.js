// Draws DATA with Chart.js; both stand before it in the page.
const MARKS = { red: ["rectRot", 5], yellow: ["triangle", 4] };
const FORMATS = { second: "HH:mm:ss", minute: "HH:mm", hour: "HH:mm", day: "d MMM" };
function colour(name) {
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = `var(--${name})`;
  const rgb = getComputedStyle(probe).color;
  probe.remove();
  return rgb;
}
window.smartSensor = { charts: {} };
function draw() {
  for (const [name, { points, levels, limits }] of Object.entries(DATA)) {
    const line = colour(name), grid = { color: colour("line") };
    const ticks = { color: colour("muted"), maxRotation: 0, autoSkipPadding: 24 };
    const paint = levels.map((level) => (MARKS[level] ? colour(level) : line));
    const annotations = limits.map((value) => ({ type: "line", yMin: value, yMax: value,
      borderColor: colour("red"), borderWidth: 1, borderDash: [5, 4] }));
    window.smartSensor.charts[name]?.destroy();
    window.smartSensor.charts[name] = new Chart(document.getElementById(name), {
      type: "line",
      data: { datasets: [{ data: points, borderColor: line, borderWidth: 1.5, tension: 0,
        pointStyle: levels.map((level) => MARKS[level]?.[0] ?? "circle"),
        pointRadius: levels.map((level) => MARKS[level]?.[1] ?? 0),
        pointBackgroundColor: paint, pointBorderColor: paint }] },
      options: { animation: false, maintainAspectRatio: false, parsing: false,
        interaction: { mode: "nearest", axis: "x", intersect: false },
        plugins: { legend: { display: false }, annotation: { annotations } },
        scales: {
          x: { type: "time", adapters: { date: { zone: "utc" } }, grid, ticks,
            time: { displayFormats: FORMATS, tooltipFormat: "d MMM yyyy HH:mm:ss 'UTC'" } },
          y: { grid, ticks, grace: "5%", afterFit: (axis) => { axis.width = 56; } } } },
    });
  }
}
draw();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
