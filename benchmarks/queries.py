"""What the dashboard asks, answered by the store, beside the same with pandas' `read_sql`.

    python benchmarks/queries.py [--backend sqlite|postgres|timescale|all] [--rows 1000000]
                                 [--only ours|usual] [--url URL]

Loads readings, one a second, with `smart-sensor etl`, and asks every question of each way in a
process of its own (questions.py). Cold is the first answer of a process, imports not included but
the connection is; warm the median of the next five. The memory is that of the process, not of a
server.
"""

import argparse
import math
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.backends import Database
from benchmarks.etl import WAYS, add_backend, kinds, opened
from benchmarks.machine import print_machine
from benchmarks.processes import Run, run_module, simulated

# When the simulated readings begin.
_BEGINNING = datetime(2025, 7, 13, tzinfo=UTC)
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
_ROWS_A_DAY = 86_400


@dataclass(frozen=True)
class Question:
    """What is asked, and of which range; None is open."""

    label: str
    name: str
    start: datetime | None = None
    end: datetime | None = None

    @property
    def arguments(self) -> list[str]:
        moments = (self.start, self.end)
        return [self.name, *(moment.isoformat() if moment else "" for moment in moments)]


def questions(rows: int) -> list[Question]:
    """The questions to so many readings, of which a day and an hour lie in the middle."""
    day = _BEGINNING + rows // _ROWS_A_DAY // 2 * _DAY
    # Of 100,000 readings the middle day is the second, which is not complete.
    day = min(day, _BEGINNING + (rows // _ROWS_A_DAY - 1) * _DAY)
    hour = day + 12 * _HOUR
    return [
        Question("figures of everything", "kpis"),
        Question("figures of a day", "kpis", day, day + _DAY),
        Question("figures of an hour", "kpis", hour, hour + _HOUR),
        Question("chart of a day", "trend", day, day + _DAY),
        Question("chart of an hour", "trend", hour, hour + _HOUR),
        Question("latest reading", "latest"),
        Question("number of readings", "count"),
        Question("statistics of everything", "summary"),
        Question("export of everything as CSV", "export"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_backend(parser)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", choices=WAYS)
    arguments = parser.parse_args()
    if arguments.rows < _ROWS_A_DAY:
        sys.exit(f"--rows {arguments.rows}: a day of readings is needed, {_ROWS_A_DAY} or more")
    ways = [arguments.only] if arguments.only else list(WAYS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = simulated(folder / "source.csv", arguments.rows)
        print_machine(arguments.rows)
        for kind in kinds(arguments):
            with opened(kind, folder, arguments.url) as found:
                print(f"\n{found.description}\n")
                load(found, source)
                ask_all(found, arguments.rows, ways)


def load(found: Database, source: Path) -> None:
    run_module("pipeline.cli", "etl", source, "--json", environment=found.environment)
    rows, _ = found.stored()
    print(f"{rows:,} readings stored, {found.size_bytes() / rows:.0f} bytes each on disk\n")


def ask_all(found: Database, rows: int, ways: list[str]) -> None:
    print(f"{'':28} {'ours (ms, MB)':>24} {'pandas (ms, MB)':>26}")
    columns = ("cold", "warm", "peak")
    heads = " ".join(f"{name:>8}" for name in columns * 2)
    print(f"{'question':28} {heads} {'times':>7}")
    for question in questions(rows):
        runs = {way: ask(found, question, way) for way in reversed(ways)}
        refuse_different(question, runs)
        print_line(question, runs)
        if question.name == "export":
            print_rates(runs, rows)


def ask(found: Database, question: Question, way: str) -> Run:
    environment = found.environment | {"DATABASE_URL": found.url}
    return run_module("benchmarks.questions", way, *question.arguments, environment=environment)


def refuse_different(question: Question, runs: dict[str, Run]) -> None:
    """Exits where the two ways do not agree: then their times say nothing."""
    first, *others = [run.answer["answer"] for run in runs.values()]
    for other in others:
        for name, value in first.items():
            if not math.isclose(value, other[name], rel_tol=1e-6, abs_tol=1e-9):
                sys.exit(f"{question.label}: {name} is {value} or {other[name]}")


def print_line(question: Question, runs: dict[str, Run]) -> None:
    cells = []
    for way in reversed(WAYS):
        if way in runs:
            answer = runs[way].answer
            milliseconds = [f"{1000 * answer[name]:8,.1f}" for name in ("cold_s", "warm_s")]
            cells += [*milliseconds, f"{runs[way].peak_mb:8,.0f}"]
        else:
            cells += [" " * 8] * 3
    ratio = ""
    if len(runs) == len(WAYS):
        ratio = f"{runs['usual'].answer['warm_s'] / runs['ours'].answer['warm_s']:7.2f}"
    print(f"{question.label:28} {' '.join(cells)} {ratio}", flush=True)


def print_rates(runs: dict[str, Run], rows: int) -> None:
    for way, run in runs.items():
        rate = rows / run.answer["warm_s"]
        print(f"  {way}: {rate:,.0f} rows/s into a file, {run.peak_mb:.0f} MB at most")


if __name__ == "__main__":
    main()
