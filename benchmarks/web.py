"""The dashboard's server as its users meet it: three tables in one run.

    python benchmarks/web.py [--backend sqlite|postgres|timescale|all] [--rows 1000000 10000000]
                             [--only api|clients|paint] [--quick] [--url URL]

Every server is the real process, `python dashboard/app.py`, with its defaults.

api: key figures, a trend of 1,000 points, and health, over HTTP. Cold are random ranges from a
minute to everything, each asked once, and everything after a change; SQLite's also while nothing
of the file is in memory. Kept is the same question again. Requests a second stand beside those of
an empty FastAPI route that returns the same bytes, served with the same options, in turn; and
beside a process that answers without reading (http_load.py): what the load generator can do.

clients: 1,000 WebSocket clients, 100 users who poll, and a live source of 10 updates a second;
then with one client that never reads. Times are from before the write to each client.

paint: the page in Chromium, from the start of the server's process, and from the navigation.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.backends import Database
from benchmarks.etl import add_backend, kinds, opened
from benchmarks.machine import print_machine
from benchmarks.processes import simulated
from benchmarks.queries import load
from benchmarks.servers import settings_for
from benchmarks.web_api import FULL, QUICK, measure_api
from benchmarks.web_clients import measure_clients
from benchmarks.web_paint import measure_paint
from tests.services import ServiceUnavailable

PARTS = ("api", "clients", "paint")
_ROWS = [1_000_000, 10_000_000]
_QUICK_ROWS = [100_000]
# In WebAssembly and in memory; and with one session it serves one question at a time.
_MOST_IN_WEBASSEMBLY = 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_backend(parser)
    parser.add_argument("--rows", type=int, nargs="+", help=f"default: {_ROWS}")
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--clients", type=int, default=1_000)
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each run with clients")
    parser.add_argument("--quick", action="store_true", help="to try it: little, and imprecise")
    arguments = parser.parse_args()
    rows = arguments.rows or (_QUICK_ROWS if arguments.quick else _ROWS)
    if arguments.quick:
        arguments.clients, arguments.users = arguments.clients // 10, arguments.users // 10
        arguments.seconds = 5.0
    print_machine(max(rows))
    for kind in kinds(arguments):
        for number in rows:
            if kind == "timescale" and not arguments.url and number > _MOST_IN_WEBASSEMBLY:
                print(f"\ntimescale: {number:,} readings are too many for it in WebAssembly")
                continue
            with (
                tempfile.TemporaryDirectory() as name,
                opened(kind, Path(name), arguments.url) as found,
            ):
                measure(found, Path(name), number, arguments, last=number == rows[0])


def measure(
    found: Database, folder: Path, rows: int, arguments: argparse.Namespace, last: bool
) -> None:
    """All that was asked for on one database; what does not depend on its size only once."""
    parts = [arguments.only] if arguments.only else PARTS
    if not last and parts == ["clients"]:
        return
    print(f"\n{found.description}\nloading {rows:,} readings", flush=True)
    load(found, simulated(folder / "source.csv", rows))
    settings = settings_for(found)
    if "api" in parts:
        measure_api(found, folder, QUICK if arguments.quick else FULL)
    if "paint" in parts:
        print()
        try:
            measure_paint(folder, settings, 2 if arguments.quick else 7)
        except ServiceUnavailable as error:
            print(f"paint: {error}", file=sys.stderr)
    if "clients" in parts and last:
        print()
        measure_clients(folder, settings, arguments.clients, arguments.users, arguments.seconds)


if __name__ == "__main__":
    main()
