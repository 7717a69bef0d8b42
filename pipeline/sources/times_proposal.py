"""Which column of a source has the time, and how it is written: a guess from its first rows."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product

import polars as pl

from pipeline.rig import Rig
from pipeline.timestamps import parse_times

_NAMES = ("timestamp", "datetime", "date", "time", "zeitstempel", "zeitpunkt", "zeit", "datum")
_ALIKE = 0.7
_MOSTLY = 0.9
# Whole numbers are an epoch only where they make a time of measurements: a counter is none.
_FIRST, _LAST = datetime(1980, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
# Of dates that can be read in two ways the usual one of more countries comes first.
_DATES = [
    *(f"DD{sign}MM{sign}YYYY" for sign in "./-"),
    *(f"MM{sign}DD{sign}YYYY" for sign in "/-."),
    *(f"YYYY{sign}MM{sign}DD" for sign in "/.-"),
    *(f"DD{sign}MM{sign}YY" for sign in "./-"),
    *(f"MM{sign}DD{sign}YY" for sign in "/-"),
    "YYYYMMDD",
]
_CLOCKS = ["HH:mm:ss", "HH:mm", "hh:mm:ss A", "hh:mm A", "HHmmss", "HH.mm.ss"]
# `1.2.25 9:05` has no fewer.
_LEAST_DIGITS = 7
_BETWEEN = [" ", "T", ", "]


@dataclass(frozen=True)
class TimeColumn:
    """A column of times; `format` is None for what is read anyway: ISO 8601, an epoch, or types."""

    name: str
    format: str | None = None
    remark: str = ""


@dataclass(frozen=True)
class _Reading:
    """A way to read a column: how much of it is times so, and from when to when."""

    format: str | None
    share: float
    first: datetime
    last: datetime


def find_time_column(found: dict[str, pl.Series | None], rig: Rig) -> TimeColumn | None:
    """The column of times whose name is most like that of one; by its name where none is read."""
    names = (rig.files.time_column, *_NAMES)
    ranked = sorted(found, key=lambda name: -_likeness(name, names))
    for name in ranked:
        values = found[name]
        if values is not None and (time := _read(name, values, rig)) is not None:
            return time
    best = ranked[0] if ranked else None
    if best is None or _likeness(best, names) < _ALIKE:
        return None
    known = found[best] is None
    return TimeColumn(best, None, "" if known else "its times cannot be read: set time_format")


def _likeness(column: str, names: Sequence[str]) -> float:
    low = column.casefold()
    bare = re.sub(r"[(\[].*", "", low).strip()
    contained = any(name in low for name in names)
    ratios = [difflib.SequenceMatcher(None, bare, name.casefold()).ratio() for name in names]
    # Of names that fit as well the one that comes first.
    return max(r - place / 1000 for place, r in enumerate(ratios)) + contained


def _read(name: str, values: pl.Series, rig: Rig) -> TimeColumn | None:
    """How a column is read as times; None where it is none of times."""
    if values.dtype == pl.String:
        values = values.str.strip_chars()
        values = values.filter(values != "")
    values = values.drop_nulls()
    usual = _reading(values, None, rig.time_zone)
    if usual is not None and (
        not _is_integer(values) or _FIRST < usual.first <= usual.last < _LAST
    ):
        return TimeColumn(name)
    if values.dtype != pl.String:
        return None
    formats = [rig.files.time_format] if rig.files.time_format else []
    ways = [
        reading
        for text in [*formats, *_formats(values)]
        if text and (reading := _reading(values, text, rig.time_zone)) is not None
    ]
    if not ways:
        return None
    # A log is of one stretch of time: what makes it shortest is how it was meant.
    best = min(ways, key=lambda way: (-way.share, way.last - way.first))
    other = next((w for w in ways if w != best and w.share == best.share), None)
    remark = f"or {other.format}?" if other and other.first != best.first else ""
    return TimeColumn(name, best.format, remark)


def _reading(values: pl.Series, time_format: str | None, zone: str) -> _Reading | None:
    if values.is_empty():
        return None
    frame = values.alias("time").to_frame()
    times = (
        frame.select(parse_times(pl.col("time"), values.dtype, time_format, zone))
        .to_series()
        .drop_nulls()
    )
    share = len(times) / len(values)
    first, last = times.min(), times.max()
    if share < _MOSTLY or not isinstance(first, datetime) or not isinstance(last, datetime):
        return None
    return _Reading(time_format, share, first, last)


def _is_integer(values: pl.Series) -> bool:
    if values.dtype != pl.String:
        return values.dtype.is_integer()
    return bool(values.str.contains(r"^[+-]?\d+$").all())


def _formats(values: pl.Series) -> list[str]:
    """Those that look like the first value: its signs, and a fraction where it has one."""
    first = str(values[0])
    found = re.match(r"(\d+)([./-]?)\d", first)
    if found is None or len(re.findall(r"\d", first)) < _LEAST_DIGITS:
        return []
    dates = [date for date in _DATES if found[2] in date and (found[2] or date.isalpha())]
    fraction = re.search(r":\d\d([.,])\d+", first)
    clocks = [
        clock.replace("ss", f"ss{fraction[1]}SSS") if fraction else clock for clock in _CLOCKS
    ]
    return ["".join(parts) for parts in product(dates, _BETWEEN, clocks)]
