"""Readings over time for a chart: every reading, or the ones that matter, and gaps as gaps."""

from collections.abc import Iterable
from typing import Any

import polars as pl

from pipeline.kpis import GAP_FACTOR
from pipeline.rig import KNOWN_CHANNELS, Rig
from pipeline.timestamps import RFC3339_FORMAT


def trend_rows(
    frames: Iterable[pl.DataFrame],
    rig: Rig,
    interval_s: float | None,
    bucket_s: float | None = None,
) -> pl.DataFrame:
    """Readings in time order with `step` (microseconds since the one before) and `after_gap`.

    With `bucket_s`, of each bucket of that length only the readings that are first, last,
    minimum or maximum of any channel stay, and those beside its two longest gaps.
    """
    kept: list[pl.DataFrame] = []
    last: int | None = None
    longest = GAP_FACTOR * (interval_s or float("inf")) * 1e6
    for frame in frames:
        if frame.is_empty():
            continue
        times = pl.col("timestamp").dt.epoch("us")
        step = times.diff().fill_null(times - pl.lit(last, pl.Int64))
        marked = frame.with_columns(step.alias("step")).with_columns(
            (pl.col("step") > longest).fill_null(False).alias("after_gap")
        )
        kept.append(marked if bucket_s is None else _thinned(marked, rig, bucket_s))
        last = marked.select(times).item(-1, 0)
    if kept:
        return pl.concat(kept)
    values = dict.fromkeys(rig.value_columns, pl.Float64())
    return pl.DataFrame(
        schema={
            "timestamp": pl.Datetime("us", "UTC"),
            **values,
            "step": pl.Int64(),
            "after_gap": pl.Boolean(),
        }
    )


def _thinned(frame: pl.DataFrame, rig: Rig, bucket_s: float) -> pl.DataFrame:
    # A frame may end inside a bucket: then its last reading and the next one's first stay too.
    bucket = pl.col("timestamp").dt.epoch("us") // max(1, round(bucket_s * 1e6))
    place = pl.int_range(pl.len()).over("bucket")
    extreme = [
        place == getattr(pl.col(channel.name), which)().over("bucket")
        for channel in rig.channels
        for which in ("arg_min", "arg_max")
    ]
    # Of many gaps in one bucket the two longest stay: else a wrong interval would keep it all.
    rank = pl.when("after_gap").then(pl.col("step")).rank("ordinal", descending=True)
    gap = pl.col("after_gap") & (rank.over("bucket") <= 2).fill_null(False)
    beside_gap = gap | gap.shift(-1).fill_null(True)
    end = (place == 0) | (place == pl.len().over("bucket") - 1)
    stays = pl.any_horizontal(end, beside_gap, *extreme).fill_null(False)
    return frame.with_columns(bucket.alias("bucket")).filter(stays).drop("bucket")


def trend_series(rows: pl.DataFrame, rig: Rig, interval_s: float | None) -> dict[str, Any]:
    """What a chart needs, as parallel lists: see `prepare_trend_data`."""
    interval = pl.duration(microseconds=round((interval_s or 0) * 1e6))
    before = pl.col("timestamp") - pl.duration(microseconds="step")
    gaps = rows.filter("after_gap").select(
        (before + interval).alias("start"), pl.col("timestamp").alias("end")
    )
    # One empty entry a gap, so that no line is drawn across it.
    breaks = gaps.select(pl.col("start").alias("timestamp"))
    whole = pl.concat([rows, breaks], how="diagonal").sort("timestamp", maintain_order=True)
    channels = {
        channel.name: {
            "label": channel.title,
            "unit": channel.unit,
            "values": whole[channel.name].to_list(),
            "zscores": _list(whole, channel.zscore_column),
            "levels": _list(whole, channel.alert_column),
        }
        for channel in rig.channels
        if channel.name in whole.columns
    }
    return {
        "timestamps": _text(whole["timestamp"]),
        **_known_fields(channels),
        "gaps": [
            {"start": start, "end": end, "hours": hours}
            for start, end, hours in zip(
                _text(gaps["start"]),
                _text(gaps["end"]),
                ((gaps["end"] - gaps["start"]).dt.total_microseconds() / 3.6e9).to_list(),
                strict=True,
            )
        ],
        "channels": channels,
    }


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
