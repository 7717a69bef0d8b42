"""A load in a process of its own, for tests that kill it or let two of them meet."""

import multiprocessing
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from pipeline.etl_pipeline import run_etl
from pipeline.rig import load_rig
from pipeline.settings import default_rig_file, load_settings

# One process imports everything once; each load is a fork of it.
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload([__name__])


class Loading:
    """A process that is ready to load a file, and waits to be told so."""

    def __init__(self, path: Path, database_url: str) -> None:
        self._ours, theirs = context.Pipe()
        self.process: ForkServerProcess = context.Process(
            target=_load, args=(theirs, path, database_url)
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


def _load(pipe: multiprocessing.connection.Connection, path: Path, database_url: str) -> None:
    settings = load_settings(database_url=database_url)
    rig = load_rig(default_rig_file())
    pipe.send("ready")
    pipe.recv()
    run_etl([str(path)], settings=settings, rig=rig)
