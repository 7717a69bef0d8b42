"""TimescaleDB: our table of roll-ups beside its continuous aggregates, in one run.

    python benchmarks/continuous_aggregates.py [--readings 500000] [--late 500] [--url URL]

The same readings, at 10 Hz, are loaded with our roll-ups, and without them into a hypertable that
has hierarchical, real-time continuous aggregates of 1, 15 and 360 minutes. Asked are the key
figures of random ranges, once from each; then late readings come, one in ten seconds of a stretch
that is already materialised, and a range over them is asked at once. What an aggregate cannot have
(gaps, what counters gained, deviations that can be merged) is not asked.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from benchmarks.backends import TABLE, connected
from benchmarks.etl import opened
from benchmarks.machine import print_machine
from benchmarks.scale import HERTZ, START, load, load_without_rollups, print_times, timed
from pipeline.timestamps import from_microseconds, to_microseconds

_CHANNELS = ("temperature", "pressure", "uptime")
_LEVELS = {1: TABLE, 15: f"{TABLE}_every_1", 360: f"{TABLE}_every_15"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--readings", type=int, default=500_000)
    parser.add_argument("--late", type=int, default=500)
    parser.add_argument("--url", help="a server to use instead")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        opened("timescale", Path(name), arguments.url) as found,
    ):
        print_machine(arguments.readings)
        print(found.description)
        os.environ.update(found.environment)
        compare(found, arguments.readings, arguments.late)


def compare(found: Any, readings: int, late: int) -> None:
    from pipeline.rig import load_rig
    from pipeline.settings import default_rig_file, load_settings
    from pipeline.stores import open_store
    from pipeline.streaming import LiveWriter

    ours_s = load(readings)
    span = timedelta(seconds=readings / HERTZ)
    chance = random.Random(1)  # noqa: S311  # not secrets
    ranges = []
    for _ in range(50):
        length = span * chance.random()
        start = START + chance.random() * (span - length)
        ranges.append((start, start + length))
    batch = late_readings(late)
    middle = START, START + timedelta(seconds=10 * late + 60)
    with closing(open_store(load_settings(table_name=TABLE))) as store:
        print(f"ours: loaded in {ours_s:.2f} s")
        print_times("key figures", [timed(partial(kpis, store, each)) for each in ranges])
        before = kpis(store, middle)["total_records"]
        writer = LiveWriter(store, load_rig(default_rig_file()), "late")
        seconds = timed(partial(writer.write, batch))
        seen = kpis(store, middle)["total_records"] - before
        print(f"{late:,} late readings in {seconds:.2f} s; {seen:,} are in the next answer\n")
    found.clear()
    aggregated(found, readings, ranges, middle, late)


def kpis(store: Any, between: tuple[datetime, datetime]) -> Any:
    from pipeline.stores.base import Range

    return store.kpis(Range("rig-1", *between))


def late_readings(count: int) -> pl.DataFrame:
    """Readings between those that are there, in the first part of the record."""
    times = [START + timedelta(seconds=10 * n, microseconds=50_000) for n in range(count)]
    return pl.DataFrame({"timestamp": times, "temperature": 55.0, "pressure": 1000.0, "uptime": 1})


def aggregated(
    found: Any, readings: int, ranges: list[Any], middle: tuple[datetime, datetime], late: int
) -> None:
    """The same with continuous aggregates."""
    seconds = load_without_rollups(readings)
    with connected(found.url) as connection:
        started = time.perf_counter()
        for minutes, source in _LEVELS.items():
            connection.exec_driver_sql(view(minutes, source))
            refresh(connection, minutes)
        made_s = time.perf_counter() - started
        print(
            f"continuous aggregates: loaded in {seconds + made_s:.2f} s,"
            f" {made_s:.2f} s of it theirs"
        )
        print_times("key figures", [timed(partial(asked, connection, each)) for each in ranges])
        before = asked(connection, middle)
        columns = "rig, timestamp, temperature, pressure, uptime"
        rows = [("rig-1", *row) for row in late_readings(late).rows()]
        insert = f"INSERT INTO {TABLE} ({columns}) VALUES (%s, %s, %s, %s, %s)"  # noqa: S608
        seconds = timed(lambda: connection.exec_driver_sql(insert, rows))
        seen = asked(connection, middle) - before
        print(f"{late:,} late readings in {seconds:.2f} s; {seen:,} are in the next answer")
        for minutes in _LEVELS:
            seconds += timed(partial(refresh, connection, minutes))
        seen = asked(connection, middle) - before
        print(f"{seen:,} are in the answer after a refresh, {seconds:.2f} s in all")
        for minutes in reversed(_LEVELS):
            connection.exec_driver_sql(f"DROP MATERIALIZED VIEW {TABLE}_every_{minutes}")


def view(minutes: int, source: str) -> str:
    """A continuous aggregate of buckets of so many minutes, of readings or of a shorter one."""
    raw = source == TABLE
    time_column = "timestamp" if raw else "bucket"
    figures = ["count(*) AS readings" if raw else "sum(readings) AS readings"]
    for name in _CHANNELS:
        if raw:
            figures += [f"sum({name}) AS {name}_sum", f"count({name}) AS {name}_count"]
            figures += [f"min({name}) AS {name}_min", f"max({name}) AS {name}_max"]
        else:
            figures += [f"sum({name}_{each}) AS {name}_{each}" for each in ("sum", "count")]
            figures += [f"{each}({name}_{each}) AS {name}_{each}" for each in ("min", "max")]
    return (
        f"CREATE MATERIALIZED VIEW {TABLE}_every_{minutes}"  # noqa: S608
        " WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS"
        f" SELECT rig, time_bucket('{minutes} minutes', {time_column}) AS bucket,"
        f" {', '.join(figures)} FROM {source} GROUP BY 1, 2 WITH NO DATA"
    )


def refresh(connection: sa.Connection, minutes: int) -> None:
    connection.exec_driver_sql(
        f"CALL refresh_continuous_aggregate('{TABLE}_every_{minutes}', NULL, NULL)"
    )


def asked(connection: sa.Connection, between: tuple[datetime, datetime]) -> int:
    """Number, means and extremes of a range, put together as ours are: as few rows as possible."""
    from pipeline.stores.rollup_queries import cover

    sums = ", ".join(
        f"sum({n}_sum) / sum({n}_count), min({n}_min), max({n}_max)" for n in _CHANNELS
    )
    raw = ", ".join(f"{n}, 1, {n}, {n}" for n in _CHANNELS)
    summed = ", ".join(f"{n}_sum, {n}_count, {n}_min, {n}_max" for n in _CHANNELS)
    start, end = map(to_microseconds, between)
    parts, values = [], []
    for piece in cover(start, end, [60 * minutes for minutes in _LEVELS], {}):
        time, what = (
            ("timestamp", f"1, {raw}") if not piece.level else ("bucket", f"readings, {summed}")
        )
        source = f"{TABLE}_every_{piece.level // 60}" if piece.level else TABLE
        parts.append(
            f"SELECT {what} FROM {source} WHERE rig = 'rig-1' AND {time} >= %s AND {time} < %s"  # noqa: S608
        )
        values += [from_microseconds(end or 0) for end in (piece.start, piece.end)]
    statement = (
        f"WITH parts (readings, {summed}) AS ({' UNION ALL '.join(parts)})"  # noqa: S608
        f" SELECT sum(readings), {sums} FROM parts"
    )
    row = connection.exec_driver_sql(statement, tuple(values)).one()
    return int(row[0] or 0)


if __name__ == "__main__":
    sys.exit(main())
