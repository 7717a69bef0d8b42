"""The questions people ask: readings of a day, key figures, and series for a chart.

They know nothing of HTTP. Frames may be pandas, Polars or Arrow.
"""

from contextlib import closing
from typing import Any

import numpy as np
import polars as pl

from pipeline.db_utils import existing_tables, get_engine
from pipeline.errors import UnknownTableError
from pipeline.frames import FrameKind, from_polars, to_polars
from pipeline.kpis import GAP_FACTOR, Kpis, counter_gain, kpi_fields
from pipeline.rig import Channel, Rig, configured_rig
from pipeline.scoring import scored_schema
from pipeline.settings import Settings, get_settings
from pipeline.stores import open_store
from pipeline.stores.base import Range, StoredRig
from pipeline.timestamps import day_range, to_microseconds
from pipeline.trends import every_reading, gaps_of


def load_sensor_data(
    table_name: str | None = None,
    date_filter: str | None = None,
    *,
    settings: Settings | None = None,
    kind: FrameKind = "pandas",
) -> Any:
    """All stored readings, or those of one day (`YYYY-MM-DD`, in each rig's time zone).

    Columns: rig, timestamp (UTC), then channels, z-scores and levels. Raises ValueError for a
    malformed date, UnknownTableError when there is no such table of readings.
    """
    settings = settings or get_settings()
    name = table_name or settings.table_name
    tables = existing_tables(get_engine(settings))
    if name not in tables:
        there = ", ".join(tables) or "none yet: run `smart-sensor etl`"
        raise UnknownTableError(f"no table of readings is named {name!r}; there are: {there}")
    with closing(open_store(settings.model_copy(update={"table_name": name}))) as store:
        frames = [
            frame
            for stored in store.rigs(counted=False)
            for frame in store.readings(_day(stored, date_filter))
        ]
    if not frames:
        rig = configured_rig(settings)
        if date_filter is not None:
            # A malformed date is one even when nothing is stored.
            day_range(date_filter, rig.zone)
        frames = [pl.DataFrame(schema=scored_schema(rig))]
    return from_polars(pl.concat(frames), kind)


def compute_kpis(df: Any, *, rig: Rig | None = None) -> Kpis:
    """The key figures of a frame of readings; `data_quality_score` is None: rejects are not in it.

    Channels are those of `rig` (default: the configured one) that the frame has. The usual
    interval is the rig's, else the median step. Raises ValueError for an empty frame or one
    without timestamps.
    """
    frame = _in_time_order(df)
    rig = _present(rig or configured_rig(get_settings()), frame)
    step = _steps(frame).to_numpy()
    interval = round(_interval_s(rig, frame) * 1e6)
    silence = step[step > GAP_FACTOR * interval] - interval if interval else step[:0]
    counter = rig.uptime_channel
    return kpi_fields(
        rig,
        _aggregates(frame, rig),
        last={channel.name: frame[channel.name][-1] for channel in rig.channels},
        running=_gained(frame, counter) if counter else None,
        gaps=(len(silence), int(silence.sum()) / 3.6e9),
        rejected=None,
    )


def prepare_trend_data(
    df: Any, *, rig: Rig | None = None, interval_s: float | None = None
) -> dict[str, Any]:
    """Every reading of a frame as lists for a chart, with gaps.

    `timestamps` (RFC 3339 UTC), `temperatures`, `pressures`, `uptime_hours`,
    `<channel>_zscores` and `<channel>_levels`, `channels` with the same for any rig, `gaps`, and
    `record_count`. At a gap all lists have one empty entry, a usual interval after the reading
    before it. The frame holds readings of one rig.
    """
    frame = _in_time_order(df)
    rig = _present(rig or configured_rig(get_settings()), frame)
    interval = interval_s or _interval_s(rig, frame)
    found = every_reading(frame, rig, gaps_of(frame["timestamp"], interval))
    return {**found, "record_count": len(frame)}


def _day(stored: StoredRig, date_filter: str | None) -> Range:
    if date_filter is None:
        return Range(stored.rig.name)
    return Range(stored.rig.name, *day_range(date_filter, stored.rig.zone))


def _in_time_order(df: Any) -> pl.DataFrame:
    frame, _ = to_polars(df)
    if "timestamp" not in frame.columns or not isinstance(frame.schema["timestamp"], pl.Datetime):
        raise ValueError(
            "a column `timestamp` of times is needed; there are: " + ", ".join(frame.columns)
        )
    if frame.is_empty():
        raise ValueError("no readings in this frame")
    zone = frame.schema["timestamp"].time_zone
    times = pl.col("timestamp").dt.cast_time_unit("us")
    aware = times.dt.replace_time_zone("UTC") if zone is None else times.dt.convert_time_zone("UTC")
    return frame.with_columns(aware).sort("timestamp")


def _present(rig: Rig, frame: pl.DataFrame) -> Rig:
    """The rig with just the channels that the frame has."""
    channels = tuple(channel for channel in rig.channels if channel.name in frame.columns)
    return rig.model_copy(update={"channels": channels})


def _steps(frame: pl.DataFrame) -> pl.Series:
    """Microseconds from reading to reading, within each rig."""
    step = pl.col("timestamp").dt.epoch("us").diff()
    return (
        frame.select(step.over("rig") if "rig" in frame.columns else step).to_series().drop_nulls()
    )


def _interval_s(rig: Rig, frame: pl.DataFrame) -> float:
    if rig.interval_s is not None:
        return rig.interval_s
    steps = _steps(frame)
    return float(np.median(steps.to_numpy())) / 1e6 if len(steps) else 0.0


def _aggregates(frame: pl.DataFrame, rig: Rig) -> dict[str, Any]:
    found: dict[str, Any] = {
        "total_records": len(frame),
        "first_timestamp": to_microseconds(frame["timestamp"][0]),
        "last_timestamp": to_microseconds(frame["timestamp"][-1]),
    }
    for channel in rig.channels:
        values = frame[channel.name]
        found[f"{channel.name} mean"] = values.mean()
        found[f"{channel.name} min"] = values.min()
        found[f"{channel.name} max"] = values.max()
        if channel.alert_column in frame.columns:
            for level in ("red", "yellow"):
                matches = frame[channel.alert_column].cast(pl.String) == level
                found[f"{channel.name} {level}"] = matches.sum()
    return found


def _gained(frame: pl.DataFrame, counter: Channel) -> float:
    """What a counter gained; where it falls it began again from zero."""
    value = pl.col(counter.name)
    before = value.shift().over("rig") if "rig" in frame.columns else value.shift()
    gained = counter_gain(value, before)
    return float(frame.filter(value.is_not_null()).select(gained.sum()).item())
