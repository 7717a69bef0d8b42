"""What a load would do, without doing it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

import polars as pl

from pipeline.rig import Rig
from pipeline.scoring import unit_symbol
from pipeline.sources import Source
from pipeline.stores.base import span
from pipeline.timestamps import rfc3339
from pipeline.transform import Outliers, Progress, transform

_ROWS_SHOWN = 5


@dataclass(frozen=True)
class Preview:
    """How a source is read, and what becomes of its rows."""

    source: str
    rig: str
    time_zone: str
    time_format: str
    format: dict[str, str]
    columns: list[dict[str, str]]
    ignored_columns: list[str]
    missing_channels: list[str]
    rows_read: int = 0
    accepted: int = 0
    rejected_by_reason: dict[str, int] = field(default_factory=dict)
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    times_readable: bool = False
    first_readings: list[dict[str, Any]] = field(default_factory=list)
    first_rejects: list[dict[str, Any]] = field(default_factory=list)


def preview(
    source: Source,
    rig: Rig,
    outliers: Outliers,
    progress: Progress,
    retained_from: Mapping[str, datetime] = MappingProxyType({}),
) -> Preview:
    """Read and judge all rows of a source; nothing is stored.

    `retained_from` says of rigs from which time on readings are kept. Raises SourceError.
    """
    with transform(source, rig, outliers, progress, retained_from) as outcome:
        shown = ["line", "rig", "timestamp", *(channel.name for channel in rig.channels)]
        readings = _First()
        readings.see(frame.select(shown) for frame in outcome.readings())
        rejects = _First()
        rejects.see(outcome.rejects())
        found = source.columns.positions
        return Preview(
            source=source.name,
            rig=rig.name,
            time_zone=rig.time_zone,
            time_format=rig.files.time_format or "ISO 8601, or an integer epoch",
            format=source.describe(),
            columns=_columns(source, rig),
            ignored_columns=list(source.columns.ignored),
            missing_channels=[
                channel.name for channel in rig.channels if channel.name not in found
            ],
            rows_read=outcome.rows_read,
            accepted=outcome.accepted,
            rejected_by_reason=outcome.rejected_by_reason,
            first_timestamp=_text(readings.earliest),
            last_timestamp=_text(readings.latest),
            times_readable=(readings.earliest or rejects.earliest) is not None,
            first_readings=readings.rows,
            first_rejects=rejects.rows,
        )


class _First:
    """The first rows of frames as plain values, and the earliest and latest time of all."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.earliest: datetime | None = None
        self.latest: datetime | None = None

    def see(self, frames: Iterator[pl.DataFrame]) -> None:
        """All frames are taken, because that counts them."""
        for frame in frames:
            self.rows += map(_plain, frame.head(_ROWS_SHOWN - len(self.rows)).to_dicts())
            times = frame["timestamp"].drop_nulls()
            if len(times):
                first, last, _ = span(frame)
                self.earliest = min(first, self.earliest or first)
                self.latest = max(last, self.latest or last)


def _columns(source: Source, rig: Rig) -> list[dict[str, str]]:
    """One entry a column that is read: ours, theirs, and what happens to the unit."""
    found = []
    for name, position in source.columns.positions.items():
        channel = rig.channel(name)
        unit = channel.unit if channel else ""
        theirs = (channel and channel.source.unit) or unit
        found.append(
            {
                "name": name,
                "column": source.columns.header[position].strip(),
                "unit": unit_symbol(theirs)
                if theirs == unit
                else f"{unit_symbol(theirs)} to {unit_symbol(unit)}",
            }
        )
    return found


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    row["timestamp"] = _text(row["timestamp"])
    return row


def _text(time: datetime | None) -> str | None:
    return None if time is None else rfc3339(time)
