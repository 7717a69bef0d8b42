"""What people read: numbers, times, and a list of what happened, each with its reason."""

import itertools
from datetime import datetime, timedelta
from typing import List, NamedTuple, Tuple

from demo.readings import CHANNELS, YELLOW_ZSCORE, Channel, Record, Row


def number(value: float, decimals: int = 1) -> str:
    return f"{value:,.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def count(many: int, one: str) -> str:
    return f"{many:,} {one}" if many == 1 else f"{many:,} {one}s"


def clock(time: datetime) -> str:
    """As exact as it needs to be: `02:48`, `02:48:10`, `02:48:10.25`."""
    if time.microsecond:
        return f"{time:%H:%M:%S.%f}".rstrip("0")
    return f"{time:%H:%M:%S}" if time.second else f"{time:%H:%M}"


def day(time: datetime) -> str:
    return f"{time.day} {time:%b}"


def span(first: datetime, last: datetime) -> str:
    """`13 Jul 2025, 00:00 to 11:54`, with the second day where there is one."""
    end = clock(last) if first.date() == last.date() else f"{day(last)} {last.year}, {clock(last)}"
    return f"{day(first)} {first.year}, {clock(first)} to {end}"


def duration(length: timedelta) -> str:
    """In the largest unit of which it holds one: `2 h`, `1.5 d`, `40 ms`."""
    seconds = length.total_seconds()
    units = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    size, unit = next((each for each in units if seconds >= each[0]), (0.001, "ms"))
    return f"{round(seconds / size, 1):,g} {unit}"


class Entry(NamedTuple):
    """Consecutive readings of a channel at one level, or a gap."""

    time: datetime
    kind: str  # red, yellow or gap
    title: str
    reason: str


def find_entries(record: Record) -> List[Entry]:
    """All that happened, newest first."""
    found = []
    for channel, segment in itertools.product(CHANNELS, record.segments):
        levels = [row[f"{channel.name}_alert"] for row in segment]
        for level, group in itertools.groupby(zip(levels, segment), key=lambda pair: pair[0]):
            if level != "normal":
                found.append(_alert(channel, level, [row for _, row in group]))
    for (start, end), before, after in zip(record.gaps, record.segments, record.segments[1:]):
        reason = f"Readings go on at {day(end)} {clock(end)}."
        if after[0]["uptime"] < before[-1]["uptime"]:
            reason += " The uptime counter began again."
        found.append(Entry(start, "gap", f"No data for {duration(end - start)}", reason))
    return sorted(found, key=lambda entry: entry.time, reverse=True)


def _alert(channel: Channel, level: str, rows: List[Row]) -> Entry:
    farthest = max(rows, key=lambda row: _severity(channel, row))
    value = farthest[channel.name]
    reason = explain(channel, value, farthest[f"{channel.name}_zscore"])
    if len(rows) > 1:
        last = rows[-1]["timestamp"]
        reason += f" The farthest of {len(rows):,} readings until {clock(last)}."
    title = f"{channel.label} {number(value)} {channel.unit}"
    return Entry(rows[0]["timestamp"], level, title, reason)


def _severity(channel: Channel, row: Row) -> Tuple[float, float]:
    """How far beyond a limit, then how far from the mean."""
    value = row[channel.name]
    beyond = max(value - channel.high, channel.low - value, 0)
    return beyond, abs(row[f"{channel.name}_zscore"])


def explain(channel: Channel, value: float, zscore: float) -> str:
    """One sentence: by how much it is beyond, and against what."""
    unit, score = channel.unit, f"z = {number(zscore, 2)}"
    for limit, beyond, side in (
        (channel.high, value - channel.high, "above the high"),
        (channel.low, channel.low - value, "below the low"),
    ):
        if beyond > 0:
            return f"{beyond:,.4g} {unit} {side} limit of {limit:,g} {unit}; {score}."
    for name, threshold in (("red", channel.red_zscore), ("yellow", YELLOW_ZSCORE)):
        if abs(zscore) > threshold:
            return f"{score}, beyond the {name} threshold of {threshold:g}."
    return f"{score}; the file was scored with other thresholds than the usual ones."
