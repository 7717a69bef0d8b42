"""A command in a process of its own, for tests that kill it."""

import multiprocessing
import multiprocessing.connection
import os
from multiprocessing.context import ForkServerProcess

import pipeline.stores
import pipeline.stores.postgres
import pipeline.transfer.backup
import pipeline.transfer.copy
import pipeline.transfer.restore  # noqa: F401  # imported once for all of them
from pipeline.cli import run
from pipeline.settings import get_settings

# One process imports everything once; each command is a fork of it.
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload([__name__])


class Running:
    """A process that has begun a command."""

    def __init__(self, url: str, *arguments: str) -> None:
        self._ours, theirs = context.Pipe()
        self.process: ForkServerProcess = context.Process(
            target=_run, args=(theirs, url, arguments)
        )
        self.process.start()
        theirs.close()
        assert self._ours.recv() == "begins"

    def finish(self) -> int | None:
        """Wait for the end and give the exit code."""
        self.process.join(60)
        self._ours.close()
        return self.process.exitcode

    def kill(self) -> None:
        """`kill -9`."""
        self.process.kill()
        self.finish()


def _run(pipe: multiprocessing.connection.Connection, url: str, arguments: tuple[str, ...]) -> None:
    os.environ["DATABASE_URL"] = url
    get_settings.cache_clear()
    pipe.send("begins")
    run(arguments)
