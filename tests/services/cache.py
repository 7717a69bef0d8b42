"""Folders that are costly to make: made once for all processes, in one step, under `.cache`."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"


def digest(*parts: str | Path) -> str:
    """16 hexadecimal digits that stand for these texts and the contents of these files."""
    contents = (part.read_bytes() if isinstance(part, Path) else part.encode() for part in parts)
    return hashlib.sha256(b"\0".join(contents)).hexdigest()[:16]


def cached(folder: Path, key: str, fill: Callable[[Path], None]) -> Path:
    """`folder/key`, made by `fill` at the first call; what other keys have left is removed.

    Whatever `fill` raises goes to the caller, and then nothing is left of the attempt.
    """
    target = folder / key
    if not target.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / "lock"):
            if not target.is_dir():
                _remove_folders(folder)
                with tempfile.TemporaryDirectory(dir=folder) as temporary:
                    built = Path(temporary, "built")
                    built.mkdir()
                    fill(built)
                    built.rename(target)
    return target


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold `path` against every other process; the system lets go if this one dies."""
    import fcntl  # does not exist on Windows, where this is never called

    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remove_folders(folder: Path) -> None:
    for stale in folder.iterdir():
        if stale.is_dir():
            shutil.rmtree(stale)
