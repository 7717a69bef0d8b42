"""Loads and commands in processes of their own, for tests that kill them or let two meet."""

import multiprocessing
import multiprocessing.connection
import os
import random
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pipeline.stores.postgres
import pipeline.transfer.backup
import pipeline.transfer.copy
import pipeline.transfer.restore  # noqa: F401  # imported once for all of them
from pipeline.cli import run
from pipeline.etl_pipeline import run_etl
from pipeline.rig import load_rig
from pipeline.settings import default_rig_file, get_settings, load_settings

# One process imports everything once; each child is a fork of it.
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload([__name__])


class Child:
    """A process that is ready to do its work, and waits to be told so."""

    def __init__(self, work: Callable[..., object], *arguments: Any) -> None:
        self._ours, theirs = context.Pipe()
        self.process: ForkServerProcess = context.Process(
            target=_when_told, args=(theirs, work, arguments)
        )
        self.process.start()
        theirs.close()
        assert self._ours.recv() == "ready"

    def begin(self) -> None:
        self._ours.send("go")

    def finish(self) -> int | None:
        """Wait for the end and give the exit code."""
        self.process.join(60)
        self._ours.close()
        return self.process.exitcode

    def kill(self) -> None:
        """`kill -9`."""
        self.process.kill()
        self.finish()


def loading(path: Path, database_url: str) -> Child:
    """A load of one file, which waits for `begin`."""
    return Child(_load, path, database_url)


def command(database_url: str, *arguments: str) -> Child:
    """A `smart-sensor` command that has begun."""
    child = Child(_run, database_url, arguments)
    child.begin()
    return child


def moments(seconds: float, count: int) -> Iterator[float]:
    """When to kill: at once, so that one kill surely comes before the end, and at random."""
    yield 0.0
    for _ in range(count - 1):
        yield random.uniform(0, seconds)  # noqa: S311  # not secrets


def _when_told(
    pipe: multiprocessing.connection.Connection,
    work: Callable[..., object],
    arguments: tuple[Any, ...],
) -> None:
    pipe.send("ready")
    pipe.recv()
    work(*arguments)


def _load(path: Path, database_url: str) -> None:
    settings = load_settings(database_url=database_url)
    run_etl([str(path)], settings=settings, rig=load_rig(default_rig_file()))


def _run(database_url: str, arguments: tuple[str, ...]) -> None:
    os.environ["DATABASE_URL"] = database_url
    get_settings.cache_clear()
    run(arguments)
