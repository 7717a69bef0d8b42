"""Figures of several processes behind one port: whichever is asked answers for all of them.

Each writes its own down every few seconds, in a folder that their parent has made. What a process
has not written anew for a while is that of one that has ended.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from anyio.to_thread import run_sync
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

# Where the parent says what the folder is.
FOLDER_VARIABLE = "SMART_SENSOR_FIGURES_FOLDER"

_WRITE_EVERY_S = 2.0
_ENDED_AFTER_S = 15.0
_SUFFIX = ".prom"


class WorkerFigures(Collector):
    """The registries of all workers as one, with the number of the process as a label."""

    def __init__(self, folder: Path, own: CollectorRegistry) -> None:
        self._folder = folder
        self._own = own

    def describe(self) -> list[Metric]:
        """Nothing: collecting would be the answer."""
        return []

    def collect(self) -> Iterator[Metric]:
        self._write()
        merged: dict[str, Metric] = {}
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            for family in text_string_to_metric_families(_text(path)):
                if family.name.endswith("_created"):
                    continue  # the format has no name for what OpenMetrics says beside a counter
                empty = Metric(family.name, family.documentation, family.type)
                into = merged.setdefault(family.name, empty)
                for sample in family.samples:
                    labels = {**sample.labels, "worker": path.stem}
                    into.add_sample(sample.name, labels, sample.value)
        yield from merged.values()

    async def keep_written(self) -> None:
        """Write what this process has done, until cancelled."""
        while True:
            await run_sync(self._write)
            await asyncio.sleep(_WRITE_EVERY_S)

    def _write(self) -> None:
        path = self._folder / f"{os.getpid()}{_SUFFIX}"
        draft = path.with_suffix(f".{time.monotonic_ns()}")
        try:
            draft.write_bytes(generate_latest(self._own))
            draft.replace(path)
        except OSError:
            # A disk that is full takes nothing but these figures.
            with contextlib.suppress(OSError):
                draft.unlink()


def _text(path: Path) -> str:
    """What a process has written; of one that has ended nothing, any more."""
    try:
        if time.time() - path.stat().st_mtime < _ENDED_AFTER_S:
            return path.read_text(encoding="utf-8")
        path.unlink()
    except OSError:
        pass
    return ""
