"""UTC days of rigs: what is on them, and checksums that two databases can be compared by."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

import polars as pl

from pipeline.stores.base import Range
from pipeline.stores.records import Records

# So many readings are one transaction: less than a second, and what an interruption repeats.
_ROWS_A_SPAN = 200_000
_WRAP = 1 << 64


class Day(NamedTuple):
    """One UTC day of a rig."""

    rig: str
    date: date


class Digest(NamedTuple):
    """Number of rows, and the sum of their hashes, which does not depend on their order."""

    rows: int
    total: int

    def __add__(self, other: "Digest") -> "Digest":  # type: ignore[override]  # not a tuple's
        return Digest(self.rows + other.rows, (self.total + other.total) % _WRAP)


@dataclass(frozen=True)
class Span:
    """Days of one rig that are handled together; `rows` are the readings on them."""

    rig: str
    dates: tuple[date, ...]
    rows: int

    @property
    def days(self) -> Iterator[Day]:
        return (Day(self.rig, each) for each in self.dates)

    @property
    def range(self) -> Range:
        """From the beginning of the first day to the end of the last one."""
        start = datetime.combine(self.dates[0], time(), UTC)
        end = datetime.combine(self.dates[-1], time(), UTC) + timedelta(days=1)
        return Range(self.rig, start, end)


def days_of(records: Records) -> dict[Day, int]:
    """Number of readings of each rig on each UTC day that has some, in order."""
    return {
        Day(rig, each): rows
        for rig in records.rigs()
        for each, rows in sorted(records.days(rig).items())
    }


def spans_of(days: dict[Day, int], alone: bool = False) -> list[Span]:
    """The days in spans of a bounded number of readings, or of one day; `alone`: each its own."""
    spans: list[Span] = []
    for day, rows in sorted(days.items()):
        last = spans[-1] if spans else None
        if last and not alone and last.rig == day.rig and last.rows + rows <= _ROWS_A_SPAN:
            spans[-1] = Span(day.rig, (*last.dates, day.date), last.rows + rows)
        else:
            spans.append(Span(day.rig, (day.date,), rows))
    return spans


def day_digests(
    records: Records, span: Span, columns: dict[str, pl.DataType]
) -> dict[date, Digest]:
    """The digest of each day that has readings, over the values of these columns."""
    digests: dict[date, Digest] = {}
    for frame in records.frames("readings", span.range):
        for day, digest in digests_of(frame, columns):
            digests[day] = digests.get(day, Digest(0, 0)) + digest
    return digests


def digests_of(
    frame: pl.DataFrame, columns: dict[str, pl.DataType]
) -> Iterator[tuple[date, Digest]]:
    """Days of a frame, and the digest of its rows on them."""
    # In one type for all databases; the hash is the same for the life of this process.
    hashes = frame.select(sorted(columns)).hash_rows(seed=1)
    # Sums of halves cannot overflow.
    halves = pl.DataFrame(
        {
            "day": frame["timestamp"].dt.date(),
            "low": hashes & 0xFFFFFFFF,
            "high": hashes // (1 << 32),
        }
    )
    sums = halves.group_by("day").agg(pl.len(), pl.col("low").sum(), pl.col("high").sum())
    for day, rows, low, high in sums.iter_rows():
        yield day, Digest(rows, (low + (high << 32)) % _WRAP)
