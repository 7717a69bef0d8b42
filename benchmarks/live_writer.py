"""A live source; `python -m benchmarks.live_writer HERTZ SECONDS [READINGS]`, or `--on-request`.

Writes with the LiveWriter of the product, one commit an update, into the database of the settings.
Prints as JSON the time of the first reading of each update with the moments, by the monotonic clock
that processes of a machine share, at which the write was called and had returned. An update that
cannot be written in time is not left out: the next ones follow as soon as they can. On
request it writes one for each line of its input, and then says so in a line.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

import polars as pl

from pipeline import simulate
from pipeline.rig import configured_rig
from pipeline.settings import get_settings
from pipeline.stores import Store, open_store
from pipeline.stores.base import Range
from pipeline.streaming import LiveWriter
from pipeline.timestamps import rfc3339

_STEP = timedelta(milliseconds=100)


def following(store: Store, rig: str, step: timedelta) -> Iterator[simulate.Reading]:
    """The simulated rig goes on from its newest reading, one a step."""
    (stored,) = [each for each in store.rigs(counted=False) if each.rig.name == rig]
    assert stored.last_timestamp is not None
    newest = pl.concat(store.readings(Range(rig, start=stored.last_timestamp)))
    last = simulate.Reading(*newest.select(*simulate.Reading.__annotations__).row(-1))
    times = (last.timestamp + count * step for count in range(1, sys.maxsize))
    return simulate.stream(1, last, times)


@contextmanager
def live_source() -> Iterator[tuple[LiveWriter, Iterator[simulate.Reading]]]:
    """A writer into the database of the settings, and what it is to write."""
    settings = get_settings()
    rig = configured_rig(settings)
    with closing(open_store(settings)) as store:
        yield LiveWriter(store, rig, "benchmark"), following(store, rig.name, _STEP)


def steadily(hertz: float, seconds: float, readings: int = 1) -> list[tuple[str, float, float]]:
    """Write so many updates a second, each of so many readings."""
    written = []
    with live_source() as (writer, source):
        started = time.monotonic()
        for number in range(round(hertz * seconds)):
            rows = pl.DataFrame([next(source) for _ in range(readings)])
            time.sleep(max(0.0, started + number / hertz - time.monotonic()))
            before = time.monotonic()
            writer.write(rows)
            written.append((rfc3339(rows["timestamp"][0]), before, time.monotonic()))
    return written


def on_request() -> None:
    """Write one update a line."""
    with live_source() as (writer, source):
        for _ in sys.stdin:
            writer.write(pl.DataFrame([next(source)]))
            print("written", flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["--on-request"]:
        on_request()
    else:
        hertz, seconds, *more = sys.argv[1:]
        print(json.dumps(steadily(float(hertz), float(seconds), *map(int, more))))
