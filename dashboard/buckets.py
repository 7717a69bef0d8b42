"""Statistics of hours, days, weeks and months, in anybody's time zone."""

import io
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import polars as pl
from fastapi import APIRouter, Query, Request, Response

from dashboard import models
from dashboard.answers import (
    Context,
    ContextDependency,
    Filter,
    FilterDependency,
    answered,
    nothing_in,
    question,
)
from dashboard.problems import documented
from pipeline.calendar_buckets import calendar_bounds
from pipeline.errors import QueryError
from pipeline.rig import Rig
from pipeline.stores.base import Range
from pipeline.timestamps import RFC3339_FORMAT, utc_times

router = APIRouter(prefix="/api", tags=["readings"], responses=documented(400, 404, 503))

Bucket = Literal["15m", "1h", "6h", "1d", "1w", "1mo"]
Format = Literal["json", "csv"]

_LOCAL = "%Y-%m-%dT%H:%M:%S%:z"
# Fields of a channel in the answer: what they are of a summary.
_FIELDS = {
    "count": "count",
    "mean": "mean",
    "standard_deviation": "standard_deviation",
    "minimum": "min",
    "minimum_at": "min_at",
    "maximum": "max",
    "maximum_at": "max_at",
    "alert_count": "red",
    "warning_count": "yellow",
}


@router.get(
    "/statistics",
    response_model=models.Statistics,
    summary="Hours, days, weeks and months",
    responses={200: {"content": {"text/csv": {}}}},
)
def statistics(
    request: Request,
    asked: FilterDependency,
    context: ContextDependency,
    bucket: Annotated[Bucket, Query(description="Length of a bucket.")] = "1h",
    tz: Annotated[
        str | None, Query(description="Time zone of the buckets; default: the rig's.")
    ] = None,
    format: Annotated[Format, Query(description="JSON, or a CSV file.")] = "json",
) -> Response:
    """Mean, deviation, extremes and alerts of each bucket; a local day has 23 to 25 hours."""

    def build() -> dict[str, Any]:
        return _statistics(asked, context, bucket, tz)

    if format == "csv":
        found = _statistics(asked, context, bucket, tz)
        return Response(
            _csv(found),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="statistics_{bucket}.csv"'},
        )
    return answered(request, build)


def _statistics(asked: Filter, context: Context, bucket: Bucket, tz: str | None) -> dict[str, Any]:
    stored, selection = asked.selection(context)
    zone = _zone(tz, stored.rig)
    extent = context.store.extent(selection)
    if extent is None:
        raise nothing_in(stored, selection)
    bounds = calendar_bounds(extent.first_timestamp, extent.last_timestamp, bucket, zone)
    summaries = context.store.bucket_summaries(selection, bounds)
    # Every bucket, so that an empty one is seen.
    every = pl.DataFrame({"group": range(len(bounds) - 1), "start": bounds[:-1], "end": bounds[1:]})
    whole = every.join(summaries, on="group", how="left", maintain_order="left")
    rows = whole.with_columns(utc_times(pl.col("start")), utc_times(pl.col("end"))).with_columns(
        pl.col("start").dt.convert_time_zone(zone.key).dt.strftime(_LOCAL).alias("local_start")
    )
    return {
        **question(asked, selection),
        "bucket": bucket,
        "time_zone": zone.key,
        "buckets": [_bucket(row, stored.rig, selection) for row in rows.iter_rows(named=True)],
    }


def _zone(tz: str | None, rig: Rig) -> ZoneInfo:
    if tz is None:
        return rig.zone
    try:
        pl.Series([0]).cast(pl.Datetime("us", tz)).dt.convert_time_zone("UTC")
        return ZoneInfo(tz)
    except (KeyError, ValueError, OSError, pl.exceptions.PolarsError):
        raise QueryError(f"tz={tz!r} is no time zone; write it as Europe/Berlin or UTC") from None


def _bucket(row: dict[str, Any], rig: Rig, selection: Range) -> dict[str, Any]:
    return {
        "local_start": row["local_start"],
        "start": row["start"],
        "end": row["end"],
        "hours": (row["end"] - row["start"]).total_seconds() / 3600,
        "record_count": row["readings"] or 0,
        "channels": {channel.name: _channel(row, channel.name) for channel in rig.channels},
    }


def _channel(row: dict[str, Any], name: str) -> dict[str, Any]:
    count = row[f"{name}_count"] or 0
    row = {f"{name}_standard_deviation": None, **row}
    if count > 1:
        row[f"{name}_standard_deviation"] = (row[f"{name}_m2"] / (count - 1)) ** 0.5
    found = {field: row[f"{name}_{source}"] for field, source in _FIELDS.items()}
    counts = ("count", "alert_count", "warning_count")
    return {**found, **{field: found[field] or 0 for field in counts}}


def _csv(found: dict[str, Any]) -> bytes:
    rows = [
        {
            "rig": found["rig"],
            **{
                name: bucket[name]
                for name in ("local_start", "start", "end", "hours", "record_count")
            },
            **{
                f"{name}_{field}": value
                for name, channel in bucket["channels"].items()
                for field, value in channel.items()
            },
        }
        for bucket in found["buckets"]
    ]
    file = io.BytesIO()
    frame = pl.DataFrame(rows, infer_schema_length=None)
    frame.write_csv(file, datetime_format=RFC3339_FORMAT)
    return file.getvalue()
