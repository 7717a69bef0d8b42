"""Questions about any range of a long record, and what roll-ups cost: a table of its own.

    python benchmarks/scale.py [--backend sqlite|postgres|timescale] [--readings 20000000]
                               [--questions 200] [--cost-rows 2000000] [--url URL]

Readings at 10 Hz, with slow drift, noise, resets of the uptime and a gap a day, are generated and
stored as one load. Random ranges, from a minute to everything, are asked for key figures and for a
trend of 1,000 points: cold (SQLite: the file is put out of the page cache and its connection is
new) and warm (all have been asked once, so that what they read is in memory; no answer is kept).
Beside them stands the plain GROUP BY over the
readings. Then the dashboard's server is asked the same over HTTP, and says how much memory it has
used at most. The cost is that of the same load with roll-ups and without.
"""

import argparse
import gc
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import numpy as np
import polars as pl
import sqlalchemy as sa

from benchmarks.backends import TABLE
from benchmarks.etl import add_backend, opened
from benchmarks.machine import print_machine
from benchmarks.servers import settings_for

START = datetime(2025, 1, 1, tzinfo=UTC)
HERTZ = 10
_STEP_US = 1_000_000 // HERTZ
_A_DAY = 86_400 * HERTZ
_FRAME = 200_000
_POINTS = 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_backend(parser)
    parser.add_argument("--readings", type=int, default=20_000_000)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--cost-rows", type=int, default=2_000_000)
    arguments = parser.parse_args()
    if arguments.backend == "all":
        sys.exit("one backend at a time")
    with tempfile.TemporaryDirectory() as name:
        print_machine(arguments.readings)
        with opened(arguments.backend, Path(name), arguments.url) as found:
            print(found.description)
            os.environ.update(found.environment)
            if arguments.cost_rows:
                cost(found, arguments.cost_rows)
            found.clear()
            seconds = load(arguments.readings)
            print(f"loaded {arguments.readings:,} readings in {seconds:.0f} s")
            ranges = ask(found, arguments.questions)
            ask_server(found, Path(name), ranges)


def frames(readings: int) -> Iterator[pl.DataFrame]:
    """Scored readings of a rig in order of time."""
    generator = np.random.default_rng(1)
    for first in range(0, readings, _FRAME):
        number = np.arange(first, min(first + _FRAME, readings))
        # Ten seconds without any at the end of each day.
        number = number[number % _A_DAY < _A_DAY - 10 * HERTZ]
        time_us = int(START.timestamp()) * 1_000_000 + number * _STEP_US
        day = 2 * np.pi * number / _A_DAY
        noise = generator.standard_normal((2, len(number)))
        temperature = 55 + 10 * np.sin(day) + 3 * noise[0]
        pressure = 1000 + 8 * np.cos(day) + 5 * noise[1]
        frame = pl.DataFrame(
            {
                "timestamp": time_us,
                "temperature": temperature.round(2).clip(0, 150),
                "pressure": pressure.round(2).clip(800, 1200),
                "uptime": (number % _A_DAY / HERTZ / 3600).round(4),
                "temperature_zscore": noise[0],
                "pressure_zscore": noise[1],
            }
        )
        levels = {
            f"{channel}_alert": pl.when(pl.col(f"{channel}_zscore").abs() > 4)
            .then(pl.lit("red"))
            .when(pl.col(f"{channel}_zscore").abs() > 3)
            .then(pl.lit("yellow"))
            .otherwise(pl.lit("normal"))
            for channel in ("temperature", "pressure")
        }
        moment = pl.col("timestamp").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        yield frame.with_columns(moment, pl.lit("rig-1").alias("rig"), **levels)


def load(readings: int) -> float:
    """Seconds of one load of so many readings."""
    from pipeline.rig import load_rig
    from pipeline.settings import default_rig_file, load_settings
    from pipeline.stores import open_store
    from pipeline.stores.base import Incoming, LoadOutcome, SourceIdentity

    rig = load_rig(default_rig_file())
    last = START + readings * timedelta(microseconds=_STEP_US)
    incoming = Incoming(readings, {"rig-1": (START, last)}, {"rig-1": 1 / HERTZ})
    with closing(open_store(load_settings(table_name=TABLE))) as store:
        started = time.perf_counter()
        with store.loading(SourceIdentity("made", "made", rig, "{}"), incoming) as writer:
            assert writer is not None
            accepted = 0

            def counted() -> Iterator[pl.DataFrame]:
                nonlocal accepted
                for frame in frames(readings):
                    accepted += len(frame)
                    yield frame

            writer.add_readings(counted())
            writer.finish(LoadOutcome(accepted, accepted))
        return time.perf_counter() - started


def load_without_rollups(readings: int) -> float:
    """The same without roll-ups."""
    from pipeline.stores.rollup_builder import LoadRollups

    nothing = dict.fromkeys(("begin", "add", "write"), lambda *_: None)
    with patch.multiple(LoadRollups, **nothing):
        return load(readings)


def cost(found: Any, rows: int) -> None:
    """The same load with roll-ups and without, in turn, the best of two."""
    seconds: dict[str, float] = {}
    for name in ("without", "with") * 2:
        found.clear()
        taken = load_without_rollups(rows) if name == "without" else load(rows)
        seconds[name] = min(taken, seconds.get(name, taken))
    more = seconds["with"] / seconds["without"] - 1
    print(
        f"a load of {rows:,} rows: {seconds['without']:.2f} s without roll-ups, "
        f"{seconds['with']:.2f} s with them: {more:.0%} more"
    )


def ask(found: Any, questions: int) -> list[Any]:
    """Time questions about random ranges, cold and warm; returns the ranges."""
    from pipeline.settings import load_settings
    from pipeline.stores import open_store
    from pipeline.stores.base import Range

    settings = load_settings(table_name=TABLE)
    with closing(open_store(settings)) as store:
        (stored,) = store.rigs()
    assert stored.first_timestamp
    assert stored.last_timestamp
    whole = stored.last_timestamp - stored.first_timestamp
    print_sizes(found, stored.total_records or 0)
    chance = random.Random(1)  # noqa: S311  # not secrets
    ranges = []
    for _ in range(questions):
        minutes = whole / timedelta(minutes=1)
        length = timedelta(minutes=minutes ** chance.random())
        start = stored.first_timestamp + chance.random() * (whole - length)
        ranges.append(Range("rig-1", start, start + length))
    kinds: dict[str, Callable[[Any, Range], Any]] = {
        "key figures": lambda store, selection: store.kpis(selection),
        "trend": lambda store, selection: store.trend(selection, _POINTS),
    }
    print(f"{'':14} {'median ms':>10} {'p95 ms':>10} {'longest ms':>10}")
    for name, question in kinds.items():
        if found.kind == "sqlite":
            times = [cold(found.path, settings, question, each) for each in ranges]
            print_times(f"{name}, cold", times)
        with closing(open_store(settings)) as store:
            for each in ranges:
                question(store, each)
            gc.freeze()  # as the server does
            print_times(name, [timed(partial(question, store, each)) for each in ranges])
    print_times("GROUP BY", [plain(settings, each) for each in ranges[:10]])
    return ranges


def ask_server(found: Any, folder: Path, ranges: list[Any]) -> None:
    """The same questions of the dashboard's server: nothing of the answers is cached."""
    from tests.services.server import start_server

    with (
        start_server(folder, **settings_for(found)) as server,
        httpx.Client(base_url=server.url) as client,
    ):
        for path in ("/api/kpis", f"/api/trends?points={_POINTS}"):
            times = []
            for each in ranges:
                between = {"start": each.start.isoformat(), "end": each.end.isoformat()}
                question = httpx.URL(path).copy_merge_params(between)
                times.append(timed(lambda asked=question: client.get(asked).raise_for_status()))
            print_times(f"GET {path[:11]}", times)
        status = Path(f"/proc/{server.process.pid}/status").read_text()
    peak_kb = int(status.partition("VmHWM:")[2].split()[0])
    print(f"memory of the server: {peak_kb / 1024:.0f} MB at most")


def cold(path: Path, settings: Any, question: Callable[[Any, Any], Any], asked: Any) -> float:
    from pipeline.db_utils import dispose_engines
    from pipeline.stores import open_store

    dispose_engines()
    for file in path.parent.glob(f"{path.name}*"):
        with file.open("rb") as opened_file:
            os.fsync(opened_file.fileno())
            os.posix_fadvise(opened_file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    with closing(open_store(settings)) as store:
        return timed(lambda: question(store, asked))


def plain(settings: Any, asked: Any) -> float:
    """The usual way: as many groups, by the database, over the readings."""
    from pipeline.db_utils import get_engine
    from pipeline.stores.schema import Schema, within

    engine = get_engine(settings)
    table = Schema(TABLE).readings_with(["temperature", "pressure", "uptime"])
    width = (asked.end - asked.start) / _POINTS / timedelta(seconds=1)
    if engine.dialect.name == "sqlite":
        seconds: Any = sa.type_coerce(table.c.timestamp, sa.BigInteger) / 1_000_000
    else:
        seconds = sa.extract("epoch", table.c.timestamp)
    bucket = sa.func.floor(seconds / width) if engine.dialect.name != "sqlite" else seconds / width
    figures = [
        figure(table.c[name])
        for name in ("temperature", "pressure", "uptime")
        for figure in (sa.func.avg, sa.func.min, sa.func.max)
    ]
    query = sa.select(sa.cast(bucket, sa.BigInteger).label("bucket"), *figures)
    query = query.where(*within(table, asked)).group_by(sa.text("1"))
    with engine.connect() as connection:
        return timed(lambda: connection.execute(query).all())


def timed(run: Callable[[], Any]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def print_times(name: str, seconds: list[float]) -> None:
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    figures = (statistics.median(ordered), p95, ordered[-1])
    print(f"{name:18} " + " ".join(f"{1000 * figure:10.1f}" for figure in figures))


def print_sizes(found: Any, records: int) -> None:
    """How much of the database the roll-ups are, by their number of bytes a row."""
    engine = sa.create_engine(found.url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        rows = connection.scalar(sa.text(f"SELECT count(*) FROM {TABLE}_rollups")) or 0  # noqa: S608
        if engine.dialect.name != "sqlite":
            whole = "hypertable_size" if found.kind == "timescale" else "pg_total_relation_size"
            sizes = [
                connection.scalar(
                    sa.text(f"SELECT {size}(CAST(:name AS regclass))"),
                    {"name": name},
                )
                or 0
                for size, name in (
                    (whole, TABLE),
                    ("pg_total_relation_size", f"{TABLE}_rollups"),
                )
            ]
            share = f"{sizes[1] / sizes[0]:.1%} of the bytes of the readings"
        else:
            whole = found.size_bytes()
            with tempfile.NamedTemporaryFile() as alone:
                connection.exec_driver_sql("ATTACH ? AS alone", (alone.name,))
                connection.exec_driver_sql(
                    f"CREATE TABLE alone.copied AS SELECT * FROM {TABLE}_rollups"  # noqa: S608
                )
                connection.commit()
                size_bytes = os.path.getsize(alone.name)
            share = (
                f"{size_bytes / (whole - size_bytes):.1%} of the bytes of the rest; "
                f"the file has {whole / max(records, 1):.0f} bytes a reading"
            )
    print(f"{rows:,} roll-ups for {records:,} readings; {share}")


if __name__ == "__main__":
    main()
