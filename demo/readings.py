"""The readings of a processed CSV: checked, in time order, cut at their gaps."""

import csv
import io
import math
import re
import statistics
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

HOW = "`smart-sensor etl RAW.csv --output NEW.csv` writes such a file"
GAP_FACTOR = 1.5  # a longer silence, in usual intervals, is a gap
TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(?:\.(\d{1,6}))?(?:Z|([+-]\d\d):?(\d\d))?", re.ASCII
)

Row = Dict[str, Any]  # column -> value


class Channel(NamedTuple):
    """A scored channel, with the limits and the red z-score that the default rig has."""

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
YELLOW_ZSCORE = 1.5


class DemoError(Exception):
    """Something that the user can put right; its text is the one line that says so."""


def parse_time(text: str) -> datetime:
    """ISO 8601, taken as UTC where it has no offset. Raises ValueError."""
    found = TIME.fullmatch(text)
    if not found:
        raise ValueError(text)
    date, clock, seconds, fraction, hours, minutes = found.groups()
    plain = f"{date}T{clock}{seconds or ':00'}.{(fraction or '').ljust(6, '0')}"
    offset = f"{hours}:{minutes}" if hours else "+00:00"
    return datetime.fromisoformat(plain + offset).astimezone(timezone.utc)


def parse_number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or "_" in text:
        raise ValueError(text)
    return value


def parse_level(text: str) -> str:
    if text not in ("normal", "yellow", "red"):
        raise ValueError(text)
    return text


_NUMBER = (parse_number, "a number")
_LEVEL = (parse_level, "normal, yellow or red")
# Column -> how it is read, and what is allowed.
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


def read_rows(path: Path) -> List[Row]:
    """All readings in time order. Raises DemoError that names file, line, value and remedy."""
    try:
        lines = _records(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DemoError(f"{path}: {error.strerror}; name a processed CSV with --csv") from None
    except (UnicodeDecodeError, csv.Error):
        raise DemoError(f"{path}: not a CSV file in UTF-8; {HOW}") from None
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


def _records(text: str) -> List[Tuple[int, List[str]]]:
    """Each record with the line where it begins, without blank lines and comments."""
    reader = csv.reader(io.StringIO(text))
    found, line = [], 1
    for cells in reader:
        if ",".join(cells).strip() and not cells[0].startswith("#"):
            found.append((line, cells))
        line = reader.line_num + 1
    return found


def _row(path: Path, line: int, names: List[str], cells: List[str]) -> Row:
    where, remedy = f"{path}, line {line}", f"correct the line, or {HOW}"
    if len(cells) != len(names):
        raise DemoError(f"{where}: {len(cells)} fields, but the header has {len(names)}; {remedy}")
    texts = dict(zip(names, cells))
    return {name: _value(where, name, texts[name].strip(), remedy) for name in COLUMNS}


def _value(where: str, name: str, text: str, remedy: str) -> Any:
    parse, allowed = COLUMNS[name]
    try:
        return parse(text)
    except (ValueError, OverflowError):
        raise DemoError(f"{where}: {name} is {text[:60]!r}, must be {allowed}; {remedy}") from None


class Record:
    """Readings in time order and what lies between them.

    `interval` is the median step, `gaps` are silences longer than 1.5 intervals (each begins an
    interval after the reading before it), `segments` the readings between them.
    """

    def __init__(self, rows: List[Row]) -> None:
        times = [row["timestamp"] for row in rows]
        steps = [after - before for before, after in zip(times, times[1:])]
        self.rows = rows
        self.first, self.last = times[0], times[-1]
        self.interval = statistics.median(steps) if steps else timedelta(0)
        self.segments = [rows[:1]]
        self.gaps: List[Tuple[datetime, datetime]] = []
        for row, step in zip(rows[1:], steps):
            if self.interval and step > GAP_FACTOR * self.interval:
                self.gaps.append((row["timestamp"] - step + self.interval, row["timestamp"]))
                self.segments.append([])
            self.segments[-1].append(row)


def compute_kpis(record: Record) -> Dict[str, Any]:
    """The key figures of the design; running hours count on where uptime began again."""
    uptimes = [row["uptime"] for row in record.rows]
    temperatures = [row["temperature"] for row in record.rows]
    pressures = [row["pressure"] for row in record.rows]
    levels = [row[f"{channel.name}_alert"] for row in record.rows for channel in CHANNELS]
    steps = zip(uptimes, uptimes[1:])
    return {
        "avg_temp": statistics.fmean(temperatures),
        "avg_pressure": statistics.fmean(pressures),
        "temperature_range": {"min": min(temperatures), "max": max(temperatures)},
        "pressure_range": {"min": min(pressures), "max": max(pressures)},
        "alert_count": levels.count("red"),
        "warning_count": levels.count("yellow"),
        "uptime_hours": max(uptimes),
        "running_hours": sum(now - before if now >= before else now for before, now in steps),
        "total_records": len(record.rows),
        "gap_count": len(record.gaps),
        "gap_hours": sum((end - start) / timedelta(hours=1) for start, end in record.gaps),
    }
