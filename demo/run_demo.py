"""The processed readings as one self-contained page: `python demo/run_demo.py`.

Needs nothing but Python 3.8: no installation, no network. Imports only the standard library.
"""

import argparse
import csv
import errno
import html
import http.server
import json
import sys
import webbrowser
from datetime import datetime, timezone
from pathlib import Path
from string import Template
from typing import Any, Dict, List, Tuple, Type

HERE = Path(__file__).resolve().parent
SAMPLE = "data/simulated_processed.csv"
# In a checkout beside this folder, in an installed wheel inside the pipeline package.
SAMPLES = (HERE.parent / SAMPLE, HERE.parent / "pipeline" / "_bundled" / SAMPLE)
CHARTS = HERE.parent / "dashboard" / "static" / "vendor" / "charts.bundle.min.js"
FIRST_PORT = 8080
PORTS_TRIED = 100
GAP_FACTOR = 1.5
LEVELS = ("normal", "yellow", "red")
COLUMNS = ("timestamp", "temperature", "pressure", "uptime", "temperature_alert", "pressure_alert")
# name, label, unit, low limit, high limit
CHANNELS = (
    ("temperature", "Temperature", "\u00b0C", 10.0, 80.0),
    ("pressure", "Pressure", "hPa", 900.0, 1100.0),
)


Row = Dict[str, Any]
Rows = List[Row]
Gaps = List[Tuple[int, float]]
Channel = Tuple[str, str, str, float, float]


class DemoError(Exception):
    """What a user has to know, in one line."""


def main() -> None:
    arguments = parse_arguments()
    try:
        page = build_page(arguments.csv)
        if arguments.output:
            write_page(page, arguments.output)
        else:
            serve_page(page, arguments.port, open_browser=not arguments.no_browser)
    except DemoError as error:
        print(f"run_demo: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("\nStopped.")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run_demo.py", description=__doc__.splitlines()[0])
    sample = next((path for path in SAMPLES if path.is_file()), SAMPLES[0])
    parser.add_argument("--csv", type=Path, default=sample, help="processed CSV to show")
    parser.add_argument("--output", type=Path, help="write the page to this file and do no more")
    parser.add_argument("--port", type=int, default=FIRST_PORT, help="first port to try")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    return parser.parse_args()


# Reading


def read_rows(path: Path) -> Rows:
    """Rows of the processed CSV with parsed values, in time order. Raises DemoError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            header = reader.fieldnames
            if not header:
                raise DemoError(f"{path}: is empty; expected a processed CSV")
            missing = [name for name in COLUMNS if name not in header]
            if missing:
                there, hint = ", ".join(header), "`smart-sensor etl --output FILE` writes them"
                raise DemoError(f"{path}: line 1: no {', '.join(missing)} among {there}; {hint}")
            rows = [parse_row(row, path, reader.line_num) for row in reader]
    except OSError as error:
        hint = "give another file with --csv, or make it with `smart-sensor etl`"
        raise DemoError(f"{path}: {error.strerror}; {hint}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DemoError(f"{path}: not a CSV file in UTF-8: {error}") from None
    if not rows:
        raise DemoError(f"{path}: has a header but no rows")
    return sorted(rows, key=lambda row: row["time"])


def parse_row(row: Row, path: Path, line: int) -> Row:
    parsed: Row = {"time": parse_time(row["timestamp"], path, line)}
    for name in ("temperature", "pressure", "uptime"):
        parsed[name] = parse_number(row[name], name, path, line)
    for name, _, _, _, _ in CHANNELS:
        level = row[name + "_alert"]
        if level not in LEVELS:
            raise bad_value(path, line, name + "_alert", level, "normal, yellow or red")
        parsed[name + "_level"] = level
        score = row.get(name + "_zscore")
        parsed[name + "_z"] = parse_number(score, name + "_zscore", path, line) if score else None
    return parsed


def parse_time(text: str, path: Path, line: int) -> datetime:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except (ValueError, AttributeError):
        allowed = "a time such as 2025-07-13T00:00:00Z"
        raise bad_value(path, line, "timestamp", text, allowed) from None
    if moment.tzinfo is None:
        return moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc)


def parse_number(text: str, name: str, path: Path, line: int) -> float:
    try:
        value = float(text)
    except (ValueError, TypeError):
        raise bad_value(path, line, name, text, "a number") from None
    if value != value or value in (float("inf"), float("-inf")):
        raise bad_value(path, line, name, text, "a finite number")
    return value


def bad_value(path: Path, line: int, name: str, value: object, allowed: str) -> DemoError:
    hint = "correct the file, or make it anew with `smart-sensor etl`"
    return DemoError(f"{path}: line {line}: {name}={value!r}: expected {allowed}; {hint}")


# Figures


def find_gaps(rows: Rows) -> Tuple[float, Gaps]:
    """Usual interval in seconds, and (index of the row before, seconds of silence) of each gap."""
    steps = [(b["time"] - a["time"]).total_seconds() for a, b in zip(rows, rows[1:])]
    if not steps:
        return 0.0, []
    ordered = sorted(steps)
    middle = len(ordered) // 2
    usual = ordered[middle] if len(ordered) % 2 else sum(ordered[middle - 1 : middle + 1]) / 2
    gaps = [(i, step - usual) for i, step in enumerate(steps) if step > GAP_FACTOR * usual]
    return usual, gaps


def key_figures(rows: Rows, gaps: Gaps) -> List[Any]:
    """(title, value, unit, note) of each tile."""
    tiles = []
    for name, label, unit, _, _ in CHANNELS:
        values = [row[name] for row in rows]
        tiles.append(
            (
                "Average " + label.lower(),
                "{:,.1f}".format(sum(values) / len(values)),
                unit,
                "{:,.1f} to {:,.1f}".format(min(values), max(values)),
            )
        )
    levels = [row[name + "_level"] for row in rows for name, _, _, _, _ in CHANNELS]
    yellow = "{} yellow".format(levels.count("yellow"))
    tiles.append(("Alerts", str(levels.count("red")), "red", yellow))
    uptimes = [row["uptime"] for row in rows]
    # Where the counter falls it began again from zero.
    running = sum(b - a if b >= a else b for a, b in zip(uptimes, uptimes[1:]))
    tiles.append(("Uptime", "{:.1f}".format(max(uptimes)), "h", "{:.1f} h running".format(running)))
    hours = sum(seconds for _, seconds in gaps) / 3600
    noun = "gap" if len(gaps) == 1 else "gaps"
    note = "{} {}, {:.3g} h".format(len(gaps), noun, hours) if gaps else "no gaps"
    tiles.append(("Readings", "{:,}".format(len(rows)), "", note))
    return tiles


def alert_lines(rows: Rows) -> List[Any]:
    """(level, when, what, why) of each red and yellow reading, newest first."""
    lines = []
    for row in reversed(rows):
        for name, label, unit, low, high in CHANNELS:
            level = row[name + "_level"]
            if level == "normal":
                continue
            value, score = row[name], row[name + "_z"]
            why = "" if score is None else "z = {:.2f}".format(score).replace("-", "\u2212")
            if value > high:
                why = "{:.4g} {} above the limit of {:g}; ".format(value - high, unit, high) + why
            elif value < low:
                why = "{:.4g} {} below the limit of {:g}; ".format(low - value, unit, low) + why
            what = "{} {:,.1f} {}".format(label, value, unit)
            lines.append(
                (level, "{:%d %b %Y %H:%M:%S}".format(row["time"]), what, why.rstrip("; "))
            )
    return lines


# The page


def build_page(path: Path) -> str:
    """The whole page as one HTML document without any reference to another file."""
    rows = read_rows(path)
    usual, gaps = find_gaps(rows)
    charts = read_text(CHARTS) if CHARTS.is_file() else ""
    span = "{:%d %b %Y %H:%M} to {:%d %b %Y %H:%M} UTC".format(rows[0]["time"], rows[-1]["time"])
    tiles = "".join(
        "<div class=panel><h2>{}</h2><p class=value>{} <small>{}</small></p><p class=note>{}</p>"
        "</div>".format(*map(html.escape, tile))
        for tile in key_figures(rows, gaps)
    )
    alerts = "".join(
        "<li class={0}><svg viewBox='-6 -6 12 12'>{1}</svg><b>{2}</b><time>{3}</time><p>{4}</p>"
        "</li>".format(level, mark(level, 0, 0), *map(html.escape, (what, when, why)))
        for level, when, what, why in alert_lines(rows)
    )
    panels = "".join(chart_panel(channel, rows, gaps, bool(charts)) for channel in CHANNELS)
    data = json.dumps(chart_data(rows, gaps, usual)).replace("<", "\\u003c")
    script = "<script>{}</script><script>const DATA = {};\n{}</script>".format(
        charts.replace("</script", "<\\/script"), data, read_text(HERE / "draw.js")
    )
    return Template(read_text(HERE / "page.html")).substitute(
        name=html.escape(path.name),
        span=span,
        tiles=tiles,
        panels=panels,
        alerts=alerts or "<li>Every reading is normal.</li>",
        script=script if charts else "",
    )


def read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def chart_panel(channel: Channel, rows: Rows, gaps: Gaps, with_canvas: bool) -> str:
    name, label, unit, low, high = channel
    heading = "{}, {} \u00b7 limits {:g} to {:g}".format(label, unit, low, high)
    if with_canvas:
        drawing = "<canvas id={} role=img aria-label='{} over time'></canvas>".format(name, label)
    else:
        drawing = svg_chart(channel, rows, gaps)
    return "<section class=panel><h2>{}</h2><div class=plot>{}</div></section>".format(
        html.escape(heading), drawing
    )


def chart_data(rows: Rows, gaps: Gaps, usual: float) -> Dict[str, Any]:
    """Points for Chart.js: one empty point a gap, so that no line is drawn across it."""
    after_gap = {index for index, _ in gaps}
    data = {}
    for name, _, _, low, high in CHANNELS:
        points, levels = [], []
        for index, row in enumerate(rows):
            milliseconds = row["time"].timestamp() * 1000
            points.append({"x": milliseconds, "y": row[name]})
            levels.append(row[name + "_level"])
            if index in after_gap:
                points.append({"x": milliseconds + usual * 1000, "y": None})
                levels.append(None)
        data[name] = {"points": points, "levels": levels, "limits": [low, high]}
    return data


def svg_chart(
    channel: Channel, rows: Rows, gaps: Gaps, width: int = 1100, height: int = 280
) -> str:
    """The same chart without any library."""
    name, label, _, low, high = channel
    values = [row[name] for row in rows]
    bottom, top = min([low, *values]), max([high, *values])
    margin = (top - bottom or 1) * 0.08
    bottom, top = bottom - margin, top + margin
    first = rows[0]["time"].timestamp()
    seconds = rows[-1]["time"].timestamp() - first or 1

    def x_of(row: Row) -> float:
        return 60 + float(row["time"].timestamp() - first) / seconds * (width - 80)

    def y_of(value: float) -> float:
        return 10 + float((top - value) / (top - bottom)) * (height - 40)

    parts = []
    for value in [bottom + (top - bottom) * i / 4 for i in range(5)]:
        parts.append("<path class=grid d='M60 {0:.1f}H{1}'/>".format(y_of(value), width - 20))
        parts.append("<text x=52 y={:.1f} class=end>{:,.0f}</text>".format(y_of(value) + 4, value))
    limits = (y_of(low), y_of(high))
    parts += [f"<path class=limit d='M60 {y:.1f}H{width - 20}'/>" for y in limits]
    for i in range(5):
        moment = datetime.fromtimestamp(first + seconds * i / 4, timezone.utc)
        place = 60 + (width - 80) * i / 4
        parts.append("<text x={:.1f} y={}>{:%H:%M}</text>".format(place, height - 8, moment))
    breaks = {index + 1 for index, _ in gaps} | {0}
    line = "".join(
        "{}{:.1f} {:.1f}".format("M" if i in breaks else "L", x_of(row), y_of(row[name]))
        for i, row in enumerate(rows)
    )
    parts.append("<path class='line {}' d='{}'/>".format(name, line))
    parts += [mark(row[name + "_level"], x_of(row), y_of(row[name])) for row in rows]
    return "<svg viewBox='0 0 {} {}' role=img aria-label='{} over time'>{}</svg>".format(
        width, height, label, "".join(parts)
    )


def mark(level: str, x: float, y: float) -> str:
    """A diamond for red, a triangle for yellow: told apart by shape as well as colour."""
    shapes = {"red": "m0-5l5 5l-5 5l-5-5z", "yellow": "m0-5l5 9h-10z"}
    if level not in shapes:
        return ""
    return "<path class='mark {}' d='M{:.1f} {:.1f}{}'/>".format(level, x, y, shapes[level])


# Serving


def write_page(page: str, output: Path) -> None:
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(page, encoding="utf-8")
    except OSError as error:
        raise DemoError(f"{output}: {error.strerror}") from None
    print(f"Wrote {output}: open it in any browser, it needs no network.")


def serve_page(page: str, first_port: int, open_browser: bool) -> None:
    body = page.encode("utf-8")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path.split("?")[0] in ("/", "/index.html")
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body) if found else 0))
            self.end_headers()
            if found:
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = listen(first_port, Handler)
    address = f"http://127.0.0.1:{server.server_address[1]}/"
    print(f"Smart Sensor demo: {address}  (Ctrl+C stops it)", flush=True)
    if open_browser:
        webbrowser.open(address)
    try:
        server.serve_forever()
    finally:
        server.server_close()


def listen(
    first_port: int, handler: Type[http.server.BaseHTTPRequestHandler]
) -> http.server.ThreadingHTTPServer:
    """A server on the first free port, on this machine only."""
    last_port = min(first_port + PORTS_TRIED, 65535)
    for port in range(first_port, last_port + 1):
        try:
            return http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        except OSError as error:  # noqa: PERF203  # a port that is taken is the exception
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise DemoError(f"port {port}: {error.strerror}") from None
    hint = "give another with --port, or use --output FILE"
    raise DemoError(f"no free port from {first_port} to {last_port}; {hint}")


if __name__ == "__main__":
    main()
