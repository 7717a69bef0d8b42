"""What becomes of loads, written down for all processes of the server: a file a job.

The process that has a job writes, all others read. So any of them can be asked, tells its own
clients, and after a start it is still known how the last loads ended.
"""

import contextlib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

Status = Literal["queued", "running", "complete", "known", "failed"]

_SUFFIX = ".job"


@dataclass(frozen=True)
class Job:
    """One load as it is shown; `stage` is what a running one does at the moment."""

    job: str
    status: Status
    position: int
    source: str
    rig: str
    size_bytes: int
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    stage: Literal["reading", "loading"] | None = None
    bytes_read: int = 0
    rows_read: int = 0
    accepted: int = 0
    rejected: int = 0
    rejected_by_reason: dict[str, int] = field(default_factory=dict)
    load_id: int | None = None
    error: str | None = None


_as_json = TypeAdapter(Job)


class Board:
    """The jobs in a folder. Reading is for one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[int, Job]] = {}

    def write(self, job: Job) -> None:
        """Show a job, or what has become of it. A disk that is full ends no load."""
        path = self._folder / f"{job.job}{_SUFFIX}"
        draft = path.with_suffix(".draft")
        with contextlib.suppress(OSError):
            draft.write_bytes(_as_json.dump_json(job))
            draft.replace(path)

    def remove(self, name: str) -> None:
        with contextlib.suppress(OSError):
            (self._folder / f"{name}{_SUFFIX}").unlink()

    def read(self) -> list[Job]:
        """All jobs; only what has been written since the last time is read from disk."""
        found: dict[str, tuple[int, Job]] = {}
        for path in self._folder.glob(f"*{_SUFFIX}"):
            try:
                written = path.stat().st_mtime_ns
                before = self._known.get(path.stem)
                if before is not None and before[0] == written:
                    found[path.stem] = before
                else:
                    found[path.stem] = written, _as_json.validate_json(path.read_bytes())
            except (OSError, ValidationError):
                continue  # it has just gone, or is not ours
        self._known = found
        return [job for _, job in found.values()]
