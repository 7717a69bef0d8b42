"""A file that is complete or not there at all."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import SmartSensorError

# stage, done, total
Progress = Callable[[str, int, int], None]

_SUFFIX = ".partial"
_DAY_S = 86_400


def no_progress(stage: str, done: int, total: int) -> None:
    """Tells nobody."""


def refuse_existing(path: Path, force: bool) -> None:
    """Raises SmartSensorError for a file that is there, unless it is to be replaced by `force`."""
    if path.is_file() and not force:
        raise SmartSensorError(
            f"{path}: is there already; give another name, or --force to replace it"
        )


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, which takes its place when the block ends well.

    Raises SmartSensorError for what the file system refuses, in the block too.
    """
    if path.exists() and not path.is_file():
        raise SmartSensorError(f"{path}: is not a file; give another name")
    with one_line_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_SUFFIX)
        os.close(handle)
        temporary = Path(name)
        try:
            # mkstemp makes it private; the file is for whoever may read the folder.
            temporary.chmod(0o644)
            yield temporary
            with temporary.open("rb+") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
            _sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def one_line_errors(path: Path) -> Iterator[None]:
    """What the file system says of a path, as one line."""
    try:
        yield
    except OSError as error:
        raise SmartSensorError(f"{path}: {error.strerror or error}") from None


def _remove_leftovers(path: Path) -> None:
    """Temporary files of runs that were killed: older than any run lasts."""
    for leftover in path.parent.glob(f".{path.name}.*{_SUFFIX}"):
        if time.time() - leftover.stat().st_mtime > _DAY_S:
            leftover.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """The new name outlives a power cut; Windows has no such call and needs none."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
