"""Hours, days, weeks and months of a time zone, with all that changes of its clocks do to them."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from pipeline.errors import QueryError
from pipeline.rollups import Integers
from pipeline.timestamps import to_microseconds

# Since 1972 every offset of a zone, and so every beginning of a local hour, is a multiple of this.
_STEP_US = 15 * 60 * 1_000_000
MOST = 5_000
_DAYS = ("1d", "1w", "1mo")
_SHORTEST = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(minutes=30),
    "6h": timedelta(hours=5),
    "1d": timedelta(hours=23),
    "1w": timedelta(days=6),
    "1mo": timedelta(days=27),
}


def calendar_bounds(first: datetime, last: datetime, bucket: str, zone: ZoneInfo) -> Integers:
    """Bounds, in us, of the buckets from the one that holds `first` to the one that holds `last`.

    A day is a local day of 23 to 25 hours, a week begins on Monday. An hour in which the clock is
    changed ends there. Raises QueryError for more than 5,000.
    """
    if (last - first) / _SHORTEST[bucket] > 2 * MOST:
        raise _too_many(bucket)
    longest = timedelta(days=32) if bucket == "1mo" else timedelta(days=8)
    earliest = max(first, _EARLIEST + longest) - longest
    latest = min(last, _LATEST - longest) + longest
    if bucket in _DAYS:
        bounds = _days_begin(earliest, latest, bucket, zone)
    else:
        bounds = _hours_begin(earliest, latest, bucket, zone)
    # From the last bound that is not after the first reading to the first one after the last.
    low = max(int(np.searchsorted(bounds, to_microseconds(first), side="right")) - 1, 0)
    high = int(np.searchsorted(bounds, to_microseconds(last), side="right"))
    found: Integers = bounds[low : high + 1]
    if len(found) - 1 > MOST:
        raise _too_many(bucket)
    return found


def _days_begin(first: datetime, last: datetime, bucket: str, zone: ZoneInfo) -> Integers:
    """Where the local days, weeks or months of a range begin."""
    days = pl.date_range(
        first.astimezone(zone).date(), last.astimezone(zone).date(), eager=True, interval="1d"
    )
    if bucket == "1w":
        days = days.filter(days.dt.weekday() == 1)
    if bucket == "1mo":
        days = days.filter(days.dt.day() == 1)
    # A day that a zone has left out begins with the next one.
    begins = {to_microseconds(datetime.combine(day, time(), zone)) for day in days}
    return np.array(sorted(begins), np.int64)


def _hours_begin(first: datetime, last: datetime, bucket: str, zone: ZoneInfo) -> Integers:
    """Where the stretches of 15 minutes, an hour or six hours of a range begin."""
    start = to_microseconds(first) // _STEP_US * _STEP_US
    end = to_microseconds(last) // _STEP_US * _STEP_US
    instants = np.arange(start, end + 1, _STEP_US)
    local = (
        pl.Series(instants)
        .cast(pl.Datetime("us"))
        .dt.replace_time_zone("UTC")
        .dt.convert_time_zone(zone.key)
    )
    begins = _labels(local, bucket)
    bounds: Integers = instants[np.append(False, begins[1:] != begins[:-1])]
    return bounds


def _labels(local: pl.Series, bucket: str) -> Integers:
    """A number for each local time, another one in each bucket."""
    if bucket == "15m":
        return np.arange(len(local))
    hours = local.dt.hour().cast(pl.Int64) // (6 if bucket == "6h" else 1)
    days = local.dt.date().cast(pl.Int64)
    # In an hour that the clock has twice the offset tells one from the other.
    offset = local.dt.base_utc_offset() + local.dt.dst_offset()
    minutes = offset.dt.total_minutes() if bucket == "1h" else offset.dt.total_minutes() * 0
    return ((days * 24 + hours) * 10_000 + minutes).to_numpy()


_EARLIEST = datetime(1, 2, 2, tzinfo=ZoneInfo("UTC"))
_LATEST = datetime(9999, 11, 29, tzinfo=ZoneInfo("UTC"))


def _too_many(bucket: str) -> QueryError:
    return QueryError(
        f"bucket={bucket!r} makes more than {MOST:,} buckets of this range; "
        "take longer ones or a shorter range"
    )
