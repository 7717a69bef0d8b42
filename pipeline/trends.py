"""Readings over time for a chart: every reading, or the ones that matter, and gaps as gaps."""

from typing import Any

import numpy as np
import polars as pl
from polars import selectors

from pipeline.kpis import GAP_FACTOR
from pipeline.rig import KNOWN_CHANNELS, Channel, Rig
from pipeline.rollups import Integers
from pipeline.timestamps import RFC3339_FORMAT, UTC_DATETIME, utc_times

GAPS = {"start": UTC_DATETIME, "end": UTC_DATETIME}


def gaps_of(times: pl.Series, interval_s: float | None) -> pl.DataFrame:
    """`start` and `end` of each gap: from a usual interval after a reading to the next reading."""
    instants = times.to_physical().to_numpy()
    return silences(instants, instants, round((interval_s or 0) * 1e6))


def silences(
    first: Integers, last: Integers, interval_us: int, belongs: Integers | None = None
) -> pl.DataFrame:
    """The same between stretches in order of time, given by their first and last times (in us).

    `belongs` is a number for each; between two of different numbers there is no gap.
    """
    if not interval_us:
        return pl.DataFrame(schema=GAPS)
    is_gap = first[1:] - last[:-1] > GAP_FACTOR * interval_us
    if belongs is not None:
        is_gap &= belongs[1:] == belongs[:-1]
    gaps = {"start": last[:-1][is_gap] + interval_us, "end": first[1:][is_gap]}
    return pl.DataFrame(gaps).with_columns(utc_times(pl.col(name)) for name in GAPS)


def every_reading(
    readings: pl.DataFrame, rig: Rig, gaps: pl.DataFrame, plain: bool = True
) -> dict[str, Any]:
    """What a chart of all readings needs: see `prepare_trend_data`. Without `plain` the lists
    beside `channels` are empty."""
    # One empty entry a gap, so that no line is drawn across it.
    breaks = gaps.select(pl.col("start").alias("timestamp"))
    whole = pl.concat([readings, breaks], how="diagonal").sort("timestamp", maintain_order=True)
    times = _text(whole["timestamp"])
    channels = {
        channel.name: {
            **_named(channel),
            "timestamps": times,
            "values": whole[channel.name].to_list(),
            "zscores": _list(whole, channel.zscore_column),
            "levels": _list(whole, channel.alert_column),
            "red_buckets": None,
        }
        for channel in rig.channels
        if channel.name in whole.columns
    }
    return {
        "timestamps": times if plain else [],
        **_known_fields(channels if plain else {}),
        "gaps": _gap_list(gaps),
        "channels": channels,
    }


def thinned(
    buckets: pl.DataFrame, width_s: float, rig: Rig, gaps: pl.DataFrame, plain: bool = True
) -> dict[str, Any]:
    """The same of summaries of buckets: first, last, lowest and highest reading of each.

    M4: Jugel, Jerzak, Hackenbroich, Markl, VLDB 7 (2014). Each channel has its own times. The
    plain fields have two entries a bucket, at its start and its middle: the lowest and the highest
    value in the order in which they came, and an empty entry where buckets are empty.
    """
    channels = {}
    # All columns in one go: each step of Polars has its price.
    numbers = buckets.with_columns(selectors.datetime().to_physical())
    breaks = gaps["start"].to_physical().to_numpy()
    for channel in rig.channels:
        times, values = _outermost(numbers, channel.name, breaks)
        red = buckets[f"{channel.name}_red"] > 0
        channels[channel.name] = {
            **_named(channel),
            "timestamps": _text(times),
            "values": values.to_list(),
            "zscores": None,
            "levels": None,
            "red_buckets": _text(buckets["bucket"].filter(red)),
        }
    return {
        **(_plain(buckets, width_s, rig) if plain else {"timestamps": [], **_known_fields({})}),
        "gaps": _gap_list(gaps),
        "channels": channels,
    }


def _plain(buckets: pl.DataFrame, width_s: float, rig: Rig) -> dict[str, Any]:
    shared = _pairs(buckets, width_s, rig)
    nothing: list[None] = [None] * len(shared)
    channels = {
        channel.name: {"values": shared[channel.name].to_list(), "zscores": nothing}
        | {"levels": nothing}
        for channel in rig.channels
    }
    return {"timestamps": _text(shared["time"]), **_known_fields(channels)}


def _outermost(buckets: pl.DataFrame, name: str, breaks: Integers) -> tuple[pl.Series, pl.Series]:
    """Times and values of the readings that stand for each bucket, in order of time; an empty one
    at each of the breaks. The times of the buckets are microseconds."""
    if buckets[f"{name}_first_at"].null_count():
        buckets = buckets.filter(pl.col(f"{name}_first_at").is_not_null())
    fields = ("first", "min", "max", "last")
    # Of one reading that is several of them only the first is taken.
    times, places = np.unique(
        np.concatenate([buckets[f"{name}_{field}_at"].to_numpy() for field in fields]),
        return_index=True,
    )
    values = np.concatenate([buckets[f"{name}_{field}"].to_numpy() for field in fields])[places]
    times = np.append(times, breaks)
    values = np.append(values, np.full(len(breaks), np.nan))
    order = np.argsort(times, kind="stable")
    return pl.Series(times[order]).cast(UTC_DATETIME), pl.Series(values[order]).fill_nan(None)


def _pairs(buckets: pl.DataFrame, width_s: float, rig: Rig) -> pl.DataFrame:
    """Lowest and highest value of each channel and bucket, on times that channels share."""
    width = pl.duration(microseconds=round(width_s * 1e6))
    falling = {
        channel.name: pl.col(f"{channel.name}_max_at") < pl.col(f"{channel.name}_min_at")
        for channel in rig.channels
    }
    ends = {name: (pl.col(f"{name}_max"), pl.col(f"{name}_min")) for name in falling}
    first = {n: pl.when(falling[n]).then(high).otherwise(low) for n, (high, low) in ends.items()}
    second = {n: pl.when(falling[n]).then(low).otherwise(high) for n, (high, low) in ends.items()}
    middle = pl.col("bucket") + pl.duration(microseconds=round(width_s * 5e5))
    after = pl.col("bucket") + width
    empty = buckets.filter(after < pl.col("bucket").shift(-1))
    return pl.concat(
        [
            buckets.select(pl.col("bucket").alias("time"), **first),
            buckets.select(middle.alias("time"), **second),
            empty.select(after.alias("time")),
        ],
        how="diagonal",
    ).sort("time", maintain_order=True)


def red_marks(red: pl.DataFrame, channel: Channel) -> dict[str, list[Any]]:
    """The red readings of one channel, for marks on a chart."""
    mine = red.filter(pl.col("channel") == channel.name)
    return {
        "timestamps": _text(mine["timestamp"]),
        "values": mine["value"].to_list(),
        "zscores": mine["zscore"].to_list(),
    }


def _named(channel: Channel) -> dict[str, str]:
    return {"label": channel.title, "unit": channel.unit}


def _gap_list(gaps: pl.DataFrame) -> list[dict[str, Any]]:
    hours = (gaps["end"] - gaps["start"]).dt.total_microseconds() / 3.6e9
    rows = zip(_text(gaps["start"]), _text(gaps["end"]), hours.to_list(), strict=True)
    return [{"start": start, "end": end, "hours": length} for start, end, length in rows]


def _known_fields(channels: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The fields that users know by name; empty lists where the rig has no such channel."""
    fields = {}
    for name, field in KNOWN_CHANNELS.items():
        channel = channels.get(name, {})
        fields[field] = channel.get("values", [])
        if name != "uptime":
            fields[f"{name}_zscores"] = channel.get("zscores") or []
            fields[f"{name}_levels"] = channel.get("levels") or []
    return fields


def _list(frame: pl.DataFrame, column: str) -> list[Any] | None:
    return frame[column].to_list() if column in frame.columns else None


def _text(times: pl.Series) -> list[str]:
    return times.dt.strftime(RFC3339_FORMAT).to_list()
