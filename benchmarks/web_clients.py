"""Many clients at one process: WebSockets, users who poll, and one client that never reads."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from benchmarks.figures import median, quantile
from benchmarks.processes import ROOT
from tests.services.server import Server, start_server

PROMISE_MS = 250
HERTZ = 10
_SAMPLED_EVERY_S = 0.5
# What the last messages may take after the last commit.
_SETTLED_S = 2.0
_GONE_WITHIN_S = 30.0
_HEAD = ("clients", "median", "p99", "longest", "missed", "median", "p99", "CPU", "MB", "dropped")


@dataclass
class Sampled:
    """Memory and processor time of a process while something ran."""

    memory_mb: list[float] = field(default_factory=list)
    processor_s: float = 0.0
    seconds: float = 0.0


@contextmanager
def sampled(process: int) -> Iterator[Sampled]:
    """Look at the memory of a process every half second, for the block."""
    found, ended = Sampled(), threading.Event()

    def look() -> None:
        while True:
            found.memory_mb.append(memory_mb(process))
            if ended.wait(_SAMPLED_EVERY_S):
                return

    thread = threading.Thread(target=look)
    before, started = processor_s(process), time.monotonic()
    thread.start()
    try:
        yield found
    finally:
        found.processor_s = processor_s(process) - before
        found.seconds = time.monotonic() - started
        ended.set()
        thread.join()


def memory_mb(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def processor_s(process: int) -> float:
    """Processor seconds that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_clients(
    folder: Path, settings: dict[str, Any], clients: int, users: int, seconds: float
) -> None:
    """One process with as many clients as asked for, all of which read; then with one that does
    not; and a table of what each of them saw."""
    print(
        f"{clients:,} WebSocket clients, {HERTZ} updates a second, {users} users who poll key "
        f"figures and a trend every second, {seconds:.0f} s each; ms"
    )
    print(f"{'':22} {'from commit to client':^37} {'poll':^17} {'server':^26}")
    print(f"{_HEAD[0]:22} " + " ".join(f"{name:>8}" for name in _HEAD[1:]), flush=True)
    with start_server(folder, **settings) as server:
        environment = {name.upper(): str(value) for name, value in settings.items()}
        memory = [memory_mb(server.process.pid)]
        for label, silent in (("all read", 0), ("one never reads", 1), ("all read again", 0)):
            seen = phase(server, environment, clients - silent, silent, users, seconds)
            print_phase(label, seen, clients - silent)
            memory.append(seen["memory_mb"][-1])
        shown = ", ".join(f"{each:.0f}" for each in memory)
        print(f"memory of the server before and at the end of each: {shown} MB", flush=True)


def phase(
    server: Server,
    environment: dict[str, str],
    clients: int,
    silent: int,
    users: int,
    seconds: float,
) -> dict[str, Any]:
    """What clients and users saw while a live source wrote."""
    counts = {"--clients": clients, "--silent": silent, "--users": users}
    arguments = [str(part) for pair in counts.items() for part in pair]
    for path in polled(server):
        arguments += ["--path", path]
    others = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.live_clients", str(server.port), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert others.stdout is not None
    try:
        if others.stdout.readline().strip() != "connected":
            sys.exit("the clients could not connect; they have said why")
        with sampled(server.process.pid) as used:
            written = subprocess.run(
                [sys.executable, "-m", "benchmarks.live_writer", str(HERTZ), str(seconds)],
                env={**os.environ, **environment},
                stdout=subprocess.PIPE,
                check=True,
                cwd=ROOT,
            ).stdout
            time.sleep(_SETTLED_S)
        dropped = httpx.get(f"{server.url}/api/health", timeout=30).json()["live_messages_dropped"]
        output, _ = others.communicate(timeout=60)
    finally:
        others.kill()
        others.wait()
    wait_for_nobody(server)
    seen: dict[str, Any] = json.loads(output)
    if seen["failed"]:
        sys.exit(f"a user who polls has failed: {seen['failed'][0]}")
    more = {"memory_mb": used.memory_mb, "dropped": dropped, "processor_s": used.processor_s}
    more["processor"] = used.processor_s / used.seconds
    return {**seen, **more, "written": json.loads(written)}


def polled(server: Server) -> list[str]:
    """Key figures and trend of the last day, which is what the page shows at first."""
    (rig,) = httpx.get(f"{server.url}/api/rigs", timeout=30).json()["rigs"]
    start = datetime.fromisoformat(rig["last_timestamp"]) - timedelta(days=1)
    since = start.strftime("start=%Y-%m-%dT%H:%M:%SZ")
    return [f"/api/kpis?{since}", f"/api/trends?points=1000&{since}"]


def wait_for_nobody(server: Server) -> None:
    """Until the server has noticed that all clients have gone: it takes a bounded number."""
    deadline = time.monotonic() + _GONE_WITHIN_S
    while httpx.get(f"{server.url}/api/health", timeout=30).json()["live_clients"]:
        if time.monotonic() > deadline:
            sys.exit(f"clients that have gone are still counted after {_GONE_WITHIN_S:.0f} s")
        time.sleep(_SAMPLED_EVERY_S)


def print_phase(label: str, seen: dict[str, Any], clients: int) -> None:
    """From when the write had been committed; who heard of it before its writer took no time."""
    delays, whole, missed = [], [], 0
    for moment, before, after in seen["written"]:
        arrived = seen["arrivals"].get(moment, [])
        missed += clients - len(arrived)
        delays += [1000 * max(0.0, each - after) for each in arrived]
        whole += [1000 * (each - before) for each in arrived]
    polls = [1000 * each for each in seen["latencies_s"]]
    figures = (
        f"{median(delays):8.1f} {quantile(delays, 0.99):8.1f} {max(delays, default=0):8.1f} "
        f"{missed:8,} "
        f"{median(polls):8.1f} {quantile(polls, 0.99):8.1f} {seen['processor']:8.0%} "
        f"{max(seen['memory_mb']):8.0f} {seen['dropped']:8,}"
    )
    met = "met" if quantile(delays, 0.99) < PROMISE_MS and not missed else "missed"
    print(f"{label:22} {figures}  {met}", flush=True)
    each_kb = seen["bytes"] / max(clients, 1) / 1000
    writes = [1000 * (after - before) for _, before, after in seen["written"]]
    print(
        f"{'':22} the write itself {median(writes):.1f} ms, p99 {quantile(writes, 0.99):.1f}, "
        f"from before it to the client {median(whole):.1f}, p99 {quantile(whole, 0.99):.1f}; "
        f"{each_kb:.0f} kB a client; {1e6 * seen['processor_s'] / max(len(delays), 1):.0f} us of "
        f"the server's processor a message; {len(polls):,} polls; {seen['refreshes']:,} refreshes, "
        f"{seen['lost']} connections lost"
    )
