"""A processed CSV as one self-contained page. Python 3.8 or newer, and nothing else.

`python demo/run_demo.py` serves the sample and opens a browser; `--output FILE` writes the page,
which works offline. Charts are Chart.js where the project has built it, else inline SVG.
"""

import argparse
import csv
import html
import http.server
import io
import itertools
import json
import math
import re
import socketserver
import statistics
import string
import sys
import threading
import webbrowser
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, NoReturn, Optional, Sequence, Tuple, Type

ROOT = Path(__file__).resolve().parent.parent
# In a checkout, and in an installed wheel.
SAMPLES = tuple(
    ROOT / folder / "simulated_processed.csv" for folder in ("data", "pipeline/_bundled/data")
)
BUNDLE = ROOT / "dashboard" / "static" / "vendor" / "charts.bundle.min.js"
HOW = "smart-sensor etl RAW.csv --output NEW.csv writes such a file"
PORTS = 100  # how many are tried after the first
MOST_POINTS = 2_000  # of a chart; more readings are thinned to the lowest and highest
MOST_ENTRIES = 100  # of the list
GAP_FACTOR = 1.5  # a longer silence, in usual intervals, is a gap
YELLOW_ZSCORE = 1.5
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(?:\.(\d{1,6}))?(?:Z|([+-]\d\d):?(\d\d))?", re.ASCII
)
TIME_STEPS_S = (1, 5, 15, 30, 60, 300, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)

Row = Dict[str, Any]  # of the CSV: column -> value


class Channel(NamedTuple):
    """A scored channel, with the default limits of the rig."""

    name: str
    label: str
    unit: str
    low: float
    high: float
    red_zscore: float


CHANNELS = (
    Channel("temperature", "Temperature", "°C", 10, 80, 2.0),
    Channel("pressure", "Pressure", "hPa", 900, 1100, 2.5),
)


class DemoError(Exception):
    """Something that the user can put right; the text is the one line to say so."""


def parse_time(text: str) -> datetime:
    """ISO 8601, in UTC where it has no offset. Raises ValueError."""
    found = TIME.fullmatch(text)
    if not found:
        raise ValueError(text)
    date, clock, seconds, fraction, hours, minutes = found.groups()
    plain = f"{date}T{clock}{seconds or ':00'}.{(fraction or '').ljust(6, '0')}"
    offset = f"{hours}:{minutes}" if hours else "+00:00"
    return datetime.fromisoformat(plain + offset).astimezone(timezone.utc)


def parse_number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def parse_level(text: str) -> str:
    if text not in ("normal", "yellow", "red"):
        raise ValueError(text)
    return text


_NUMBER = (parse_number, "a finite number")
_LEVEL = (parse_level, "normal, yellow or red")
COLUMNS: Dict[str, Tuple[Callable[[str], Any], str]] = {
    "timestamp": (parse_time, "a time such as 2025-07-13T00:00:00Z"),
    "temperature": _NUMBER,
    "pressure": _NUMBER,
    "uptime": _NUMBER,
    "temperature_zscore": _NUMBER,
    "pressure_zscore": _NUMBER,
    "temperature_alert": _LEVEL,
    "pressure_alert": _LEVEL,
}


def default_csv() -> Path:
    found = next((path for path in SAMPLES if path.is_file()), None)
    if found is None:
        raise DemoError(f"{SAMPLES[0]}: not found; name another file with --csv, or {HOW}")
    return found


def read_rows(path: Path) -> List[Row]:
    """All readings in time order. Raises DemoError that names file, line, value and remedy."""
    try:
        reader = csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig")))
        lines = [(reader.line_num, cells) for cells in reader if "".join(cells).strip()]
    except OSError as error:
        raise DemoError(f"{path}: {error.strerror}; name a processed CSV with --csv") from None
    except (UnicodeDecodeError, csv.Error):
        raise DemoError(f"{path}: not a CSV file in UTF-8; {HOW}") from None
    lines = [(line, cells) for line, cells in lines if not cells[0].startswith("#")]
    if not lines:
        raise DemoError(f"{path}: is empty; {HOW}")
    names = [name.strip().lower() for name in lines[0][1]]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise DemoError(
            f"{path}: has no column {', '.join(missing)}; it has {', '.join(names)[:200]}; {HOW}"
        )
    rows = [_row(path, line, names, cells) for line, cells in lines[1:]]
    if not rows:
        raise DemoError(f"{path}: has a header but no rows; {HOW}")
    return sorted(rows, key=lambda row: row["timestamp"])


def _row(path: Path, line: int, names: List[str], cells: List[str]) -> Row:
    where, remedy = f"{path}, line {line}", f"correct the line, or {HOW}"
    if len(cells) != len(names):
        raise DemoError(f"{where}: {len(cells)} fields, but the header has {len(names)}; {remedy}")
    row: Row = dict(zip(names, cells))
    for name, (parse, allowed) in COLUMNS.items():
        try:
            row[name] = parse(row[name].strip())
        except (ValueError, OverflowError):
            value = repr(row[name][:60])
            raise DemoError(f"{where}: {name} is {value}, must be {allowed}; {remedy}") from None
    return row


class Record:
    """Readings in time order, cut at the gaps: silences longer than 1.5 usual intervals."""

    def __init__(self, rows: List[Row]) -> None:
        times = [row["timestamp"] for row in rows]
        steps = [after - before for before, after in zip(times, times[1:])]
        self.rows = rows
        self.interval = statistics.median(steps) if steps else timedelta(0)
        self.first, self.last = times[0], times[-1]
        self.segments = [rows[:1]]
        self.gaps: List[Tuple[datetime, datetime]] = []
        for row, step in zip(rows[1:], steps):
            if self.interval and step > GAP_FACTOR * self.interval:
                self.gaps.append((row["timestamp"] - step + self.interval, row["timestamp"]))
                self.segments.append([])
            self.segments[-1].append(row)


def compute_kpis(record: Record) -> Dict[str, Any]:
    """The key figures; uptime counts on where the counter began again."""
    uptimes = [row["uptime"] for row in record.rows]
    levels = [row[f"{channel.name}_alert"] for row in record.rows for channel in CHANNELS]
    values = {channel.name: [row[channel.name] for row in record.rows] for channel in CHANNELS}
    return {
        "average": {name: statistics.mean(found) for name, found in values.items()},
        "range": {name: (min(found), max(found)) for name, found in values.items()},
        "alert_count": levels.count("red"),
        "warning_count": levels.count("yellow"),
        "uptime_hours": max(uptimes),
        "running_hours": sum(
            after - before if after >= before else after
            for before, after in zip(uptimes, uptimes[1:])
        ),
        "total_records": len(record.rows),
        "gap_count": len(record.gaps),
        "gap_hours": sum((end - start) / timedelta(hours=1) for start, end in record.gaps),
    }


class Entry(NamedTuple):
    """A line of the list: consecutive readings of a channel at one level, or a gap."""

    time: datetime
    kind: str
    title: str
    reason: str


def find_entries(record: Record) -> List[Entry]:
    """All entries, newest first."""
    found = []
    for channel, segment in itertools.product(CHANNELS, record.segments):
        name = channel.name
        for level, group in itertools.groupby(segment, lambda row: row[f"{name}_alert"]):
            rows = list(group)
            if level == "normal":
                continue
            worst = max(rows, key=lambda row: abs(row[f"{name}_zscore"]))
            title = f"{channel.label} {number(worst[name])} {channel.unit}"
            reason = explain(channel, worst[name], worst[f"{name}_zscore"])
            reason = f"{len(rows)} readings; the farthest: {reason}" if len(rows) > 1 else reason
            found.append(Entry(rows[0]["timestamp"], level, title, reason))
    for (start, end), before, after in zip(record.gaps, record.segments, record.segments[1:]):
        again = after[0]["uptime"] < before[-1]["uptime"]
        reason = f"Until {moment(end)}. " + "The uptime counter began again." * again
        found.append(Entry(start, "gap", f"No data for {duration(end - start)}", reason))
    return sorted(found, key=lambda entry: entry.time, reverse=True)


def explain(channel: Channel, value: float, zscore: float) -> str:
    """One sentence: by how much, and against what."""
    score = f"z = {number(zscore, 2)}"
    for limit, side, name in ((channel.high, 1, "above the high"), (channel.low, -1, "below the low")):
        if side * (value - limit) > 0:
            beyond = f"{number(abs(value - limit))} {channel.unit} {name} limit"
            return f"{beyond} of {limit:,g} {channel.unit}; {score}."
    for name, threshold in (("red", channel.red_zscore), ("yellow", YELLOW_ZSCORE)):
        if abs(zscore) > threshold:
            return f"{score}, beyond the {name} threshold of {threshold:g}."
    return f"{score}; scored with thresholds of its own."


def number(value: float, decimals: int = 1) -> str:
    return f"{value:,.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def clock(time: datetime) -> str:
    return f"{time:%H:%M:%S}" if time.second or time.microsecond else f"{time:%H:%M}"


def moment(time: datetime) -> str:
    return f"{time.day} {time:%b} {clock(time)}"


def duration(length: timedelta) -> str:
    """In the largest unit that it reaches: `2 h`, `1.5 d`, `40 ms`."""
    seconds = length.total_seconds()
    units = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    size, unit = next((unit for unit in units if seconds >= unit[0]), (0.001, "ms"))
    return f"{seconds / size:.3g} {unit}"


def milliseconds(time: datetime) -> float:
    return (time - EPOCH) / timedelta(milliseconds=1)


def make_chart(channel: Channel, record: Record) -> Dict[str, Any]:
    """All that both kinds of chart draw: points by segment, axes, limits and gaps."""
    name, size = channel.name, math.ceil(4 * len(record.rows) / MOST_POINTS)
    segments = [
        [
            [milliseconds(row["timestamp"]), row[name], row[f"{name}_zscore"], row[f"{name}_alert"]]
            for row in thinned(segment, name, size)
        ]
        for segment in record.segments
    ]
    values = [row[name] for row in record.rows]
    y, yticks, limits = value_axis(channel, min(values), max(values))
    margin = record.interval / 2 if len(record.rows) > 1 else timedelta(minutes=1)
    x = [milliseconds(record.first), milliseconds(max(record.last, record.first + margin))]
    gaps = [[milliseconds(a), milliseconds(b), duration(b - a)] for a, b in record.gaps]
    return {
        "unit": channel.unit, "segments": segments, "gaps": gaps, "limits": limits,
        "x": x, "xticks": time_ticks(x[0] / 1000, x[1] / 1000), "y": y, "yticks": yticks,
    }  # fmt: skip


def thinned(rows: List[Row], name: str, size: int) -> List[Row]:
    """First, last, lowest and highest of every `size` rows, so that no spike is lost."""
    kept = []
    for at in range(0, len(rows), size):
        values = [row[name] for row in rows[at : at + size]]
        ends = {0, len(values) - 1, values.index(min(values)), values.index(max(values))}
        kept += [rows[at + place] for place in sorted(ends)]
    return rows if size <= 4 else kept
