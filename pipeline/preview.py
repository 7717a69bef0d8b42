"""What a load would do, without doing it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from pipeline.rig import Rig
from pipeline.scoring import unit_symbol
from pipeline.sources import Source
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
    rows_read: int = 0
    accepted: int = 0
    rejected_by_reason: dict[str, int] = field(default_factory=dict)
    first_readings: list[dict[str, Any]] = field(default_factory=list)
    first_rejects: list[dict[str, Any]] = field(default_factory=list)


def preview(source: Source, rig: Rig, outliers: Outliers, progress: Progress) -> Preview:
    """Read and judge all rows of a source; nothing is stored. Raises SourceError."""
    with transform(source, rig, outliers, progress) as outcome:
        shown = ["line", "rig", "timestamp", *(channel.name for channel in rig.channels)]
        readings = _first(frame.select(shown) for frame in outcome.readings())
        rejects = _first(outcome.rejects())
        return Preview(
            source=source.name,
            rig=rig.name,
            time_zone=rig.time_zone,
            time_format=rig.files.time_format or "ISO 8601, or an integer epoch",
            format=source.describe(),
            columns=_columns(source, rig),
            ignored_columns=list(source.columns.ignored),
            rows_read=outcome.rows_read,
            accepted=outcome.accepted,
            rejected_by_reason=dict(outcome.rejected),
            first_readings=readings,
            first_rejects=rejects,
        )


def _first(frames: Iterable[pl.DataFrame]) -> list[dict[str, Any]]:
    """The first rows as plain values; all frames are taken, because that counts them."""
    rows: list[dict[str, Any]] = []
    for frame in frames:
        rows += map(_plain, frame.head(_ROWS_SHOWN - len(rows)).to_dicts())
    return rows


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
    row["timestamp"] = row["timestamp"] and rfc3339(row["timestamp"])
    return row
