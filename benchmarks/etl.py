"""From CSV to committed, scored rows with their key: ours beside the usual way, in one run.

    python benchmarks/etl.py [--backend sqlite|postgres|timescale|all] [--rows 1000000]
                             [--repeat 3] [--only ours|usual] [--url URL]

Ours is `smart-sensor etl`, the usual way is pandas (usual_way.py). Each runs in a process of its
own, in turn and on the same database; the best of the repeats counts. Start-up is what the same
takes with a file of 100 rows; how many times as fast ours is stands there with it and without.
The memory is that of the process alone. Beside the load stage stands what the database itself
needs for the same rows (limits.py).
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.backends import TABLE, Database
from benchmarks.machine import print_machine
from benchmarks.processes import Run, run_module, simulated
from benchmarks.servers import KINDS, database
from tests.services import ServiceUnavailable

WAYS = ("usual", "ours")
# The share of the database's own speed that the load stage should reach.
AIM = 0.6
FEW_ROWS = 100


@dataclass(frozen=True)
class Measured:
    """One run of one way, and what it has left in the database."""

    run: Run
    startup_s: float
    rows: int
    red: int
    size_bytes: int


def main() -> None:
    arguments = parsed()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = simulated(folder / "source.csv", arguments.rows)
        few = simulated(folder / "few.csv", FEW_ROWS)
        print_machine(arguments.rows)
        print(f"{source.stat().st_size / 1e6:.0f} MB of CSV")
        for kind in kinds(arguments):
            with opened(kind, folder, arguments.url) as found:
                print(f"\n{found.description}\n")
                ways = [arguments.only] if arguments.only else list(WAYS)
                measure(found, source, few, arguments.rows, arguments.repeat, ways)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_backend(parser)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", choices=WAYS)
    return parser.parse_args()


def add_backend(parser: argparse.ArgumentParser) -> None:
    """Arguments that say where to measure."""
    parser.add_argument("--backend", choices=[*KINDS, "all"], default="sqlite")
    parser.add_argument(
        "--url", help=f"a server to use instead; its tables {TABLE}* are dropped before and after"
    )


def kinds(arguments: argparse.Namespace) -> list[str]:
    """The backends that were asked for. Exits where the URL does not go with them."""
    if arguments.url and arguments.backend not in ("postgres", "timescale"):
        sys.exit("--url goes with --backend postgres or --backend timescale")
    return list(KINDS) if arguments.backend == "all" else [arguments.backend]


@contextmanager
def opened(kind: str, folder: Path, url: str | None) -> Iterator[Database]:
    """The database, empty at the beginning and at the end. Exits where there is none."""
    try:
        with database(kind, folder, url) as found:
            found.clear()
            yield found
            found.clear()
    except ServiceUnavailable as error:
        sys.exit(f"{kind}: {error}")


def measure(
    found: Database, source: Path, few: Path, rows: int, repeat: int, ways: list[str]
) -> None:
    runs: dict[str, list[Measured]] = {way: [] for way in ways}
    limits: dict[str, list[float]] = {}
    for _ in range(repeat):
        for way in ways:
            startup_s = run_of(way, found, few).seconds
            run = run_of(way, found, source)
            runs[way].append(Measured(run, startup_s, *found.stored(), found.size_bytes()))
        if "ours" in ways:
            seconds = run_module("benchmarks.limits", *found.limit_arguments, environment={}).answer
            for name, each in seconds.items():
                limits.setdefault(name, []).append(each)
    refuse_different([each for way in ways for each in runs[way]])
    print_ways(runs, rows)
    if "ours" in ways:
        print_stages(runs["ours"], limits, rows)


def run_of(way: str, found: Database, source: Path) -> Run:
    """One run into the empty database."""
    found.clear()
    output = source.with_name("processed.csv")
    ways: dict[str, tuple[str, list[str | Path]]] = {
        "ours": ("pipeline.cli", ["etl", source, "--output", output, "--json"]),
        "usual": ("benchmarks.usual_way", [source, found.url, output, found.kind]),
    }
    module, arguments = ways[way]
    return run_module(module, *arguments, environment=found.environment)


def refuse_different(measured: list[Measured]) -> None:
    """Exits where two runs have not stored the same: then their times say nothing."""
    found = {(each.rows, each.red) for each in measured}
    if len(found) > 1:
        sys.exit(f"rows and red temperatures differ: {found}")


def print_ways(runs: dict[str, list[Measured]], rows: int) -> None:
    names = ("way", "seconds", "start-up", "rows/s", "peak MB", "stored", "bytes/row")
    print("{:8} {:>9} {:>9} {:>11} {:>9} {:>12} {:>10}".format(*names))
    best = {}
    for way, several in runs.items():
        seconds = min(each.run.seconds for each in several)
        startup_s = min(each.startup_s for each in several)
        peak = max(each.run.peak_mb for each in several)
        best[way] = seconds, startup_s, peak
        last = several[-1]
        each_row = last.size_bytes / max(last.rows, 1)
        figures = f"{seconds:9.2f} {startup_s:9.2f} {rows / seconds:11,.0f} {peak:9.0f}"
        print(f"{way:8} {figures} {last.rows:12,} {each_row:10.0f}")
    if len(best) == len(WAYS):
        (usual_s, usual_startup_s, usual_mb), (ours_s, ours_startup_s, ours_mb) = (
            best[way] for way in WAYS
        )
        whole = usual_s / ours_s
        work = (usual_s - usual_startup_s) / (ours_s - ours_startup_s)
        print(
            f"ours is {whole:.1f} times as fast, {work:.1f} times without start-up, "
            f"in {ours_mb / usual_mb:.0%} of the memory"
        )


def print_stages(runs: list[Measured], limits: dict[str, list[float]], rows: int) -> None:
    """Our two stages, and the second one beside the database's own limit."""
    stages = [each.run.answer["sources"][0]["seconds"] for each in runs]
    for label, stage in (("read and check", "read"), ("score and store", "load")):
        seconds = min(each[stage] for each in stages)
        print(f"  {label:43} {seconds:7.2f} s {rows / seconds:11,.0f} rows/s")
    for name, several in limits.items():
        print(f"  {name:43} {min(several):7.2f} s {rows / min(several):11,.0f} rows/s")
    limit_s = min(min(several) for several in limits.values())
    share = limit_s / min(each["load"] for each in stages)
    print(f"score and store reaches {share:.2f} of the database's own limit (aim {AIM})")


if __name__ == "__main__":
    main()
