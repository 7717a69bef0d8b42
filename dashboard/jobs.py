"""Loads in the background: one after the other, in the order in which they came.

A job is done by the process that took it, in a thread. Where there are several (`--workers`) one
of them loads at a time, and all of them know all jobs (dashboard/board.py). Files that wait, and
one whose load was interrupted, are on disk with a note: after a stop, or `kill -9`, the next start
of the server loads them. A load is one transaction, so that nothing half is there in between.
"""

import asyncio
import errno
import logging
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from anyio.to_thread import run_sync
from starlette.exceptions import HTTPException

from dashboard.answers import Context
from dashboard.board import Board, Job
from dashboard.uploads import Upload, Uploads
from pipeline.errors import (
    DatabaseFullError,
    NothingFoundError,
    OtherUnitError,
    Retryable,
    SmartSensorError,
)
from pipeline.etl_pipeline import load_source
from pipeline.retention import apply_retention
from pipeline.rig import Rig
from pipeline.sources import open_source
from pipeline.sources.first_part import FirstPart
from pipeline.summary import SourceSummary
from pipeline.words import counted

logger = logging.getLogger(__name__)

Tell = Callable[[dict[str, Any]], None]

_MOST_WAITING = 16
_MOST_FINISHED = 100
# A file that has ended the server so often is not loaded once more.
_MOST_STARTS = 3
_TELL_EVERY_S = 0.25
_ASK_FOR_TURN_S = 0.1
# A database or a disk that is away may be back after that.
_TRY_AGAIN_S = 5.0
# Of a full disk each try takes the rest: others need it meanwhile.
_LONGEST_PAUSE_S = 60.0
# How often is looked for files that have been kept for too long.
_LOOK_EVERY_S = 60.0
_RETRY_AFTER = {"Retry-After": "10"}
_OF_ANOTHER_UNIT = (
    "Load it under another name. Or whoever runs this server can have the values converted: by "
    "the stored unit in the rig file, and the unit of the file as that of the channel's source."
)


@dataclass
class _Work:
    """What a job is made of."""

    upload: Upload
    rig: Rig
    force: bool
    created_at: datetime
    starts: int = 0
    # Whether the last start counts: until it is known that it has not ended the server.
    is_counted: bool = False
    # How often it has been tried without success.
    tries: int = 0


class Jobs:
    """The jobs of this process, and what is known of others. Ended ones are kept for a while."""

    def __init__(self, context: Context, uploads: Uploads, tell: Tell) -> None:
        self._context = context
        self._uploads = uploads
        self._tell = tell
        self._board = Board(uploads.jobs_folder)
        self._told_of: dict[str, Job] = {}
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._work: dict[str, _Work] = {}
        self._waiting: deque[str] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._told_at = 0.0
        self._thread = threading.Thread(target=self._run, name="loads", daemon=True)

    def start(self, left: list[tuple[Upload, dict[str, Any]]]) -> None:
        """Begin to work; first with what an earlier process has left."""
        self._tidy_board()
        for upload, wanted in left:
            try:
                rig = Rig.model_validate(wanted["rig"])
                created_at = datetime.fromisoformat(wanted["created_at"])
                work = _Work(upload, rig, bool(wanted["force"]), created_at, int(wanted["starts"]))
                self._enqueue(str(wanted["job"]), work)
            except (KeyError, ValueError) as error:
                logger.warning("%s: its note cannot be read (%s); not loaded", upload.name, error)
                self._uploads.remove(upload)
        if left:
            logger.info("%s on", counted(len(left), "load goes", "loads go"))
        self._thread.start()

    def stop(self, within_s: float) -> None:
        """Interrupt the load that runs, whose transaction is rolled back, and wait for that."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(within_s)
        if self._thread.is_alive():
            self._leave_running()
        if self._work:
            loads = counted(len(self._work), "load goes", "loads go")
            logger.info("%s on at the next start", loads)

    def _leave_running(self) -> None:
        """Write down that a load which waits for its database has not ended the server. Should it
        have ended by now, a note without its file is nothing."""
        with self._changed:
            for name, work in self._work.items():
                if name not in self._waiting and self._jobs[name].stage == "loading":
                    with suppress(OSError):
                        self._has_not_ended_us(name, work)

    def _has_not_ended_us(self, name: str, work: _Work) -> None:
        """Its start does not count: of several threads that find so the first one says it."""
        with self._changed:
            if work.is_counted:
                work.starts -= 1
                work.is_counted = False
                self._note(name, work)

    def refuse_full(self) -> None:
        """Raises HTTPException (503) when no more jobs are taken, of all processes together."""
        # One of them is being loaded.
        if len(self._uploads.noted()) > _MOST_WAITING:
            detail = f"{_MOST_WAITING} loads are waiting already; try again later"
            raise HTTPException(503, detail, {**_RETRY_AFTER, "Connection": "close"})

    def add(self, upload: Upload, rig: Rig, force: bool) -> Job:
        """Queue a load. From here on the file is ours. Raises HTTPException (503)."""
        self.refuse_full()
        work = _Work(upload, rig, force, datetime.now(UTC))
        name = secrets.token_hex(8)
        self._note(name, work)
        return self._enqueue(name, work)

    def get(self, name: str) -> Job:
        """Raises NothingFoundError for a job that is not known."""
        jobs = {job.job: job for job in self.all()}
        if name not in jobs:
            raise NothingFoundError(
                f"there is no job {name!r}, or it has ended long ago; the ledger, /api/loads, "
                "has what was loaded"
            )
        return jobs[name]

    def all(self) -> list[Job]:
        """Those of all processes, the newest first."""
        with self._changed:
            known = {**self._others(), **self._jobs}
        jobs = sorted(known.values(), key=lambda job: job.created_at)
        waiting = [job.job for job in jobs if job.status == "queued"]
        return [
            replace(job, position=waiting.index(job.job) + 1) if job.job in waiting else job
            for job in reversed(jobs)
        ]

    async def watch(self) -> None:
        """Tell the clients of this process of the jobs of others, until cancelled."""
        while True:
            await run_sync(self._tell_of_others)
            await asyncio.sleep(_TELL_EVERY_S)

    def _tell_of_others(self) -> None:
        with self._changed:
            known = self._others()
        before, self._told_of = self._told_of, known
        for name, job in known.items():
            if before.get(name) != job:
                self._tell(_message(job))

    def _others(self) -> dict[str, Job]:
        return {job.job: job for job in self._board.read() if job.job not in self._jobs}

    def _tidy_board(self) -> None:
        """Forget what nobody will do any more, and what has ended long ago."""
        to_do = {str(wanted.get("job")) for wanted in self._uploads.noted()}
        jobs = sorted(self._board.read(), key=lambda job: job.created_at)
        ended = [job for job in jobs if job.finished_at is not None]
        lost = [job for job in jobs if job.finished_at is None and job.job not in to_do]
        for job in (*lost, *ended[:-_MOST_FINISHED]):
            self._board.remove(job.job)
        self._told_of = self._others()

    def _enqueue(self, name: str, work: _Work) -> Job:
        upload, created_at = work.upload, work.created_at
        job = Job(name, "queued", 0, upload.name, work.rig.name, upload.size_bytes, created_at)
        with self._changed:
            self._jobs[name] = job
            self._work[name] = work
            self._waiting.append(name)
            self._board.write(job)
            self._changed.notify_all()
        job = self.get(name)
        self._tell(_message(job))
        return job

    def _note(self, name: str, work: _Work) -> None:
        wanted = {
            "job": name,
            "created_at": work.created_at.isoformat(timespec="microseconds"),
            "rig": work.rig.model_dump(mode="json"),
            "force": work.force,
            "starts": work.starts,
        }
        self._uploads.note(work.upload, wanted)

    def _run(self) -> None:
        while True:
            if not self._wait():
                return
            try:
                with self._uploads.turn() as ours:
                    pause = 0.0 if ours and self._is_ours_next() else _ASK_FOR_TURN_S
                    if not pause:
                        pause = self._load_next()
            except OSError as error:
                logger.warning("loads wait: %s", error)
                pause = _TRY_AGAIN_S
            with self._changed:
                self._changed.wait_for(lambda: self._stopping, pause)

    def _is_ours_next(self) -> bool:
        """Whether no other process has a load that was asked for earlier."""
        waiting, ours = [each.get("job") for each in self._uploads.noted()], self._waiting[0]
        return ours not in waiting or waiting[0] == ours

    def _load_next(self) -> float:
        """Load what is next, or keep it for later; returns after how many seconds to go on."""
        with self._changed:
            name = self._waiting.popleft()
        work = self._work[name]
        try:
            self._load(name)
            return 0.0
        except _Stopped:
            self._has_not_ended_us(name, work)
            return 0.0
        except Exception as error:
            if _may_pass(error):
                logger.warning("load %s waits: %s", name, error)
                with self._changed:
                    self._waiting.appendleft(name)
                self._update(name, status="queued", stage=None, started_at=None, error=str(error))
                # Were the server stopped while it waits, that would count as one of its ends.
                self._has_not_ended_us(name, work)
                work.tries += 1
                longer = _TRY_AGAIN_S if isinstance(error, Retryable) else _TRY_AGAIN_S * work.tries
                return min(longer, _LONGEST_PAUSE_S)
            if not isinstance(error, SmartSensorError):
                logger.exception("load %s failed", name)
                error = SmartSensorError("an error of ours; it is in the server's log")
            logger.warning("load %s: %s", name, error)
            self._finish(name, status="failed", error=in_words(error))
            return 0.0

    def _wait(self) -> bool:
        """Until there is something to load; False when the server stops."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping, _LOOK_EVERY_S)
                if self._stopping or self._waiting:
                    return not self._stopping
            self._uploads.forget_old()

    def _load(self, name: str) -> None:
        work = self._work[name]
        if work.starts >= _MOST_STARTS:
            raise SmartSensorError(
                f"{work.upload.name}: the server has ended {work.starts} times while it was "
                "loaded; it is not tried again"
            )
        with self._changed:
            work.starts += 1
            work.is_counted = True
            self._note(name, work)
        started_at = datetime.now(UTC)
        self._update(name, status="running", stage="reading", started_at=started_at, error=None)
        context = self._context
        path = str(work.upload.path)
        source = FirstPart(open_source(path, work.rig, name=work.upload.name))

        def progress(stage: str, done: int, total: int) -> None:
            if self._stopping:
                raise _Stopped
            if stage == "reading":
                # A source may be read a little further than what it has given.
                read = min(done, work.upload.size_bytes)
                self._update(name, bytes_read=read, rows_read=source.rows_read)
            else:
                self._update(
                    name, stage="loading", accepted=done, rows_read=total,
                    bytes_read=work.upload.size_bytes,
                )  # fmt: skip

        found = load_source(
            source, work.rig, context.settings, context.store, force=work.force, progress=progress
        )
        self._complete(name, found)
        self._retain()

    def _retain(self) -> None:
        """Delete what is too old; whatever comes of that, the load before it has ended."""
        try:
            apply_retention(self._context.store, self._context.settings)
        except SmartSensorError as error:
            logger.warning("RETENTION waits: %s", error)
        except Exception:
            logger.exception("RETENTION waits")

    def _complete(self, name: str, found: SourceSummary) -> None:
        known = found.status == "already loaded"
        self._finish(
            name,
            status="known" if known else "complete",
            load_id=found.load_id,
            rows_read=found.rows_read,
            accepted=found.accepted,
            rejected=found.rejected,
            rejected_by_reason=dict(found.rejected_by_reason),
            bytes_read=0 if known else self._jobs[name].size_bytes,
        )

    def _finish(self, name: str, **changes: Any) -> None:
        with self._changed:
            ended = self._jobs[name].finished_at is not None
            work = self._work.pop(name, None)
        if work is not None:
            self._uploads.remove(work.upload)
        if not ended:
            self._update(name, stage=None, finished_at=datetime.now(UTC), **changes)
        with self._changed:
            finished = [each.job for each in self._jobs.values() if each.finished_at is not None]
            for old in finished[:-_MOST_FINISHED]:
                del self._jobs[old]
                self._board.remove(old)

    def _update(self, name: str, **changes: Any) -> None:
        """Change what is shown of a job, and tell of it; of mere progress not too often."""
        with self._changed:
            before = self._jobs[name]
            job = self._jobs[name] = replace(before, **changes)
        now = time.monotonic()
        if job.status != before.status or now - self._told_at >= _TELL_EVERY_S:
            self._told_at = now
            self._board.write(job)
            self._tell(_message(job))


class _Stopped(BaseException):
    """The server stops: the load ends where it is. No error, so that nobody tries again."""


def _may_pass(error: Exception) -> bool:
    """Whether a database is only away, or a disk full: what was accepted is loaded later then."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return full or isinstance(error, (Retryable, DatabaseFullError))


def in_words(error: SmartSensorError) -> str:
    """What is shown of an error, to people who have no command line."""
    if isinstance(error, OtherUnitError):
        return f"{error.problem}. {_OF_ANOTHER_UNIT}"
    return str(error)


def _message(job: Job) -> dict[str, Any]:
    return {"type": "load", **asdict(job)}
