"""What the API answers with, cold and kept, and how often, beside an empty route."""

import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlencode

import orjson

from benchmarks.backends import Database
from benchmarks.figures import median, quantile
from benchmarks.http_load import Connection, bare_server, connected, load
from benchmarks.processes import ROOT
from benchmarks.servers import settings_for
from tests.services.server import Server, start_server

POINTS = 1_000
# What users are promised, and what we aim at.
PROMISES_MS = {"key figures": 100, "trend": 500, "health": 50}
COLD_TREND_MS = 200
SHARE = 0.7
CONNECTIONS = 16
_RANGED = {"key figures": "/api/kpis", "trend": f"/api/trends?points={POINTS}"}
_PATHS = {**_RANGED, "health": "/api/health"}
# Imports at the first question and the like are not what is asked for.
_WARMING = 3
_ROUNDS = 3
# A server is told of a change by another connection.
_NOTICED_S = 0.1
_A_MINUTE = timedelta(minutes=1)
Between: TypeAlias = tuple[datetime, datetime]
_EMPTY_ROUTE = ("-m", "benchmarks.empty_route")


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    questions: int
    changes: int
    kept: int
    load_s: float


QUICK = Size(questions=40, changes=5, kept=300, load_s=1.0)
FULL = Size(questions=400, changes=100, kept=3_000, load_s=5.0)


def measure_api(found: Database, folder: Path, size: Size) -> None:
    """Tables of times and of requests a second of one database that has been loaded."""
    print(f"{'milliseconds':44} {'median':>8} {'p99':>8} {'longest':>8} {'promise':>8}")
    with start_server(folder, **settings_for(found)) as server:
        with connected(server.port) as connection:
            ranges = [*random_ranges(connection, size.questions)]
            for name, path in _RANGED.items():
                ask_ranges(connection, name, path, ranges, found.kind)
                if found.kind == "sqlite":
                    ask_disk(connection, name, path, ranges[: size.questions // 4], folder)
        with changing(found) as change, connected(server.port) as connection:
            for name, path in _PATHS.items():
                seconds = []
                for _ in range(size.changes):
                    change()
                    seconds.append(connection.ask(path)[0])
                print_times(name, "cold, everything after a change", seconds)
        with connected(server.port) as connection:
            for name, path in _PATHS.items():
                seconds = [connection.ask(path)[0] for _ in range(size.kept)]
                # The first one was not kept.
                print_times(name, "kept", seconds[1:])
        print()
        beside_empty_route(server, folder, size)


def ask_ranges(
    connection: Connection, name: str, path: str, ranges: list[Between], kind: str
) -> None:
    """Each range once: no answer to it can have been kept."""
    for start, end in ranges[:_WARMING]:
        connection.ask(question(path, start, end + timedelta(microseconds=1)))
    seconds = [connection.ask(question(path, *each))[0] for each in ranges]
    print_times(name, "cold, random ranges", seconds)
    if name == "trend":
        print_longest(seconds, ranges, kind)


def ask_disk(
    connection: Connection, name: str, path: str, ranges: list[Between], folder: Path
) -> None:
    """The same of SQLite's file while the system has nothing of it in memory."""
    seconds = []
    for start, end in ranges:
        forget(folder)
        # A little more than before, or the answer would be a kept one.
        asked = question(path, start, end + timedelta(microseconds=2))
        seconds.append(connection.ask(asked)[0])
    print_times(name, "cold, file not in memory", seconds)


def random_ranges(connection: Connection, number: int) -> Iterator[Between]:
    """Ranges from a minute to everything, of which each length is as likely as its double."""
    (rig,) = orjson.loads(connection.ask("/api/rigs?")[1])["rigs"]
    first, last = (datetime.fromisoformat(rig[f"{name}_timestamp"]) for name in ("first", "last"))
    whole = last - first
    chance = random.Random(1)  # noqa: S311  # not secrets
    for _ in range(number):
        length = _A_MINUTE * math.exp(chance.random() * math.log(whole / _A_MINUTE))
        start = first + chance.random() * (whole - length)
        yield start, start + length


def question(path: str, start: datetime, end: datetime) -> str:
    """The path with a range, of times in UTC."""
    between = {"start": start.astimezone(UTC).isoformat(), "end": end.astimezone(UTC).isoformat()}
    return f"{path}{'&' if '?' in path else '?'}{urlencode(between)}"


def forget(folder: Path) -> None:
    """Put the files of a database out of the system's memory; the server's own caches stay."""
    for file in folder.glob("benchmark.db*"):
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@contextmanager
def changing(found: Database) -> Iterator[Callable[[], None]]:
    """Something that commits one reading when it is called, by another process."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.live_writer", "--on-request"],
        env={**os.environ, **found.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        wanted, written = process.stdin, process.stdout

        def change() -> None:
            wanted.write(b"\n")
            wanted.flush()
            if not written.readline():
                sys.exit("the live source has ended")
            time.sleep(_NOTICED_S)

        yield change
        wanted.close()


def beside_empty_route(server: Server, folder: Path, size: Size) -> None:
    """Answers a second that are kept, beside a route that does nothing but return these bytes."""
    print(
        f"{'requests/s, ' + str(CONNECTIONS) + ' connections':28} {'kept':>9} {'p99 ms':>8} "
        f"{'empty':>9} {'p99 ms':>8} {'share':>7} {'nothing':>9}"
    )
    for name, path in _PATHS.items():
        # Anew: a connection that nobody has used for five seconds is closed.
        with connected(server.port) as connection:
            body = connection.ask(path)[1]
        file = folder / "answer"
        file.write_bytes(body)
        nowhere = folder / "nowhere.db"
        with (
            start_server(folder, *_EMPTY_ROUTE, str(file), database=nowhere) as empty,
            bare_server(body) as bare,
        ):
            ours, theirs, ratios = [], [], []
            # In turn, so that what else the machine does is not one of them's alone.
            for _ in range(_ROUNDS):
                ours.append(load(server.port, path, CONNECTIONS, size.load_s))
                theirs.append(load(empty.port, "/api/health", CONNECTIONS, size.load_s))
                ratios.append(ours[-1].rate / theirs[-1].rate)
            nothing = load(bare, "/", CONNECTIONS, size.load_s).rate
        cells = []
        for several in (ours, theirs):
            latencies = sorted(1000 * each for run in several for each in run.latencies_s)
            rate = median([run.rate for run in several])
            cells.append(f"{rate:9,.0f} {quantile(latencies, 0.99):8.1f}")
        share = median(ratios)
        verdict = ""
        if name == "key figures":
            verdict = f"  {'met' if share >= SHARE else 'missed'} (aim {SHARE:.0%})"
        print(f"{name:28} {' '.join(cells)} {share:7.0%} {nothing:9,.0f}{verdict}", flush=True)


def print_times(name: str, label: str, seconds: list[float]) -> None:
    ordered = sorted(1000 * each for each in seconds)
    promise_ms = PROMISES_MS[name]
    p99 = quantile(ordered, 0.99)
    figures = f"{median(ordered):8.1f} {p99:8.1f} {ordered[-1]:8.1f} {promise_ms:8}"
    verdict = "met" if p99 < promise_ms else "missed"
    print(f"{f'{name}, {label}':44} {figures}  {verdict}", flush=True)


def print_longest(seconds: list[float], ranges: list[Between], kind: str) -> None:
    """Which range took longest; on SQLite there is an aim for any."""
    longest = max(range(len(seconds)), key=seconds.__getitem__)
    start, end = ranges[longest]
    aim = ""
    if kind == "sqlite":
        verdict = "met" if 1000 * seconds[longest] < COLD_TREND_MS else "missed"
        aim = f"; below {COLD_TREND_MS} ms for any range: {verdict}"
    print(f"    longest: {end - start} from {start.isoformat()}{aim}")
