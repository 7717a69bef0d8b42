"""Files that clients send: on disk in a private folder, bounded, gone when nobody needs them.

A process has a folder of its own among those beside the data, and a lock on it for as long as it
lives. The next one to start takes over what dead ones have left: files with a note are still to be
loaded (dashboard/jobs.py), all others are deleted. A file that a preview has kept is found by all
processes. A client's name for a file is only ever shown.
"""

import contextlib
import errno
import hashlib
import json
import logging
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

import anyio
from anyio.to_thread import run_sync
from starlette.exceptions import HTTPException

from pipeline.errors import NothingFoundError

logger = logging.getLogger(__name__)

# Of what arrives in small pieces, so much is written at once.
_PIECE_BYTES = 1 << 20
# What stays free for the database and for everybody else.
_RESERVE_BYTES = 256 << 20
_LOOK_AT_DISK_BYTES = 64 << 20
# A client that sends nothing for so long has gone.
_SILENCE_S = 60.0
_MOST_KEPT = 8
_KEPT_FOR_S = 30 * 60
_NOTE = ".json"
# A file with such a note is for whoever knows its id.
_KEPT = ".kept"
_FILE = ".upload"
_PART = ".part"
# Ids come from clients too, and become paths.
_ID = re.compile(r"[\w-]{1,64}", re.ASCII)
# Beside the folders of processes: what all of them know of jobs, and whose turn it is.
_JOBS = "jobs"
_TURN = "turn"
_OWNER = "owner"


@dataclass(frozen=True)
class Upload:
    """A file that has arrived as a whole; `name` is the client's, for people to read."""

    id: str
    name: str
    path: Path
    size_bytes: int
    sha256: str


class Uploads:
    """The files of this process. Those that are kept for later are few, and not kept for long."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._root = folder
        self._most_bytes = most_bytes
        self._folder = folder
        self._owner: IO[bytes] | None = None

    @property
    def jobs_folder(self) -> Path:
        """Where all processes write what becomes of their loads; there once it is open."""
        return self._root / _JOBS

    def open(self) -> list[tuple[Upload, dict[str, Any]]]:
        """Make the folder; returns what dead processes have left to load, the oldest first.

        Where it cannot be made, everything but uploads works.
        """
        try:
            return self._open()
        except OSError as error:
            logger.warning("%s: %s; no files can be uploaded", self._root, error.strerror)
            return []

    def _open(self) -> list[tuple[Upload, dict[str, Any]]]:
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _wait_for_lock(self._root / "lock"):
            abandoned = [each for each in self._root.iterdir() if _is_abandoned(each)]
            self._folder = self._root / secrets.token_hex(8)
            self._folder.mkdir(mode=0o700)
            self.jobs_folder.mkdir(mode=0o700, exist_ok=True)
            self._owner = _wait_for_lock(self._folder / _OWNER)
            for folder in abandoned:
                _take_over(folder, self._folder)
        notes = self._folder.glob(f"*{_NOTE}")
        return sorted(filter(None, map(_read, notes)), key=lambda found: order_of(found[1]))

    def close(self) -> None:
        """Delete what is kept for later; what is still to be loaded stays for the next start."""
        for note in self._folder.glob(f"*{_KEPT}"):
            _delete(note)
        if self._owner is not None:
            self._owner.close()
            if not any(self._folder.glob(f"*{_NOTE}")):
                shutil.rmtree(self._folder, ignore_errors=True)

    async def receive(self, pieces: AsyncIterator[bytes], name: str, length: int | None) -> Upload:
        """Write a body to disk as it comes.

        `length` is how long it says it is. Raises HTTPException: 413 for more than is taken, 507
        where the disk has no room, 408 when nothing comes any more.
        """
        if self._owner is None:
            detail = "the server has no folder for uploads; its log says why"
            raise HTTPException(503, detail, {"Retry-After": "60", "Connection": "close"})
        if length is not None:
            self._refuse_large(length)
        await run_sync(self._refuse_full, length or 0)
        arriving = await run_sync(_Arriving, self._folder)
        try:
            async for piece in _joined(pieces):
                self._refuse_large(arriving.size_bytes + len(piece))
                if length is None and arriving.is_to_look_at_disk(len(piece)):
                    await run_sync(self._refuse_full, 0)
                await run_sync(arriving.write, piece)
            return await run_sync(arriving.finished, name)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            self._refuse_full(arriving.size_bytes)
            raise
        finally:
            arriving.discard()

    def keep(self, upload: Upload) -> None:
        """Hold a file for whoever knows its id, for a while."""
        _write(upload.path.with_suffix(_KEPT), upload, {})
        for note in self._all_kept()[:-_MOST_KEPT]:
            _delete(note)

    def keep_on(self, upload: Upload) -> None:
        """Hold a file that is kept for a while from now on; if somebody has taken it, it is his."""
        with contextlib.suppress(FileNotFoundError):
            os.utime(upload.path.with_suffix(_KEPT))

    def kept(self, upload_id: str) -> Upload:
        """A file that is kept. Raises NothingFoundError for one that is not, or no longer."""
        self.forget_old()
        if _ID.fullmatch(upload_id):
            for note in self._root.glob(f"*/{upload_id}{_KEPT}"):
                if found := _read(note):
                    return found[0]
        raise NothingFoundError(
            f"upload={upload_id!r} is not here (any more): a file is kept for "
            f"{_KEPT_FOR_S // 60} minutes after its preview; send it again"
        )

    def take(self, upload_id: str) -> Upload:
        """The same, and it is the caller's from here on."""
        upload = self.kept(upload_id)
        try:
            # Of all who want it, one succeeds.
            upload.path.with_suffix(_KEPT).unlink()
            ours = self._folder / upload.path.name
            upload.path.rename(ours)
        except FileNotFoundError:
            raise NothingFoundError(f"upload={upload_id!r} is being loaded already") from None
        return replace(upload, path=ours)

    def forget_old(self) -> None:
        """Delete what has been kept for too long, by any process."""
        oldest = time.time() - _KEPT_FOR_S
        for note in self._all_kept():
            if _written_at(note) < oldest:
                _delete(note)

    def note(self, upload: Upload, wanted: dict[str, Any]) -> None:
        """Write down what is to be done with a file, so that it outlives this process."""
        _write(upload.path.with_suffix(_NOTE), upload, wanted)

    def noted(self) -> list[dict[str, Any]]:
        """What is to be done with files, in all processes that live; the oldest first."""
        notes = [
            note
            for owner in self._root.glob(f"*/{_OWNER}")
            if owner.parent == self._folder or _is_held(owner)
            for note in owner.parent.glob(f"*{_NOTE}")
        ]
        return sorted((found[1] for note in notes if (found := _read(note))), key=order_of)

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """One process at a time has it; False where another one does. Raises OSError."""
        try:
            held = _lock(self._root / _TURN)
        except BlockingIOError:
            yield False
            return
        with held:
            yield True

    def remove(self, upload: Upload) -> None:
        """Delete a file and its note."""
        _delete(upload.path.with_suffix(_NOTE))

    def _all_kept(self) -> list[Path]:
        """Notes of the files that are kept, the oldest first."""
        return sorted(self._root.glob(f"*/*{_KEPT}"), key=_written_at)

    def _refuse_large(self, size_bytes: int) -> None:
        if size_bytes > self._most_bytes:
            raise HTTPException(
                413,
                f"{size_bytes:,} bytes are more than {self._most_bytes:,}, the most of a file; "
                "load it on the server with `smart-sensor etl`, or set MAX_UPLOAD_MB there",
                # What has not been read of the body is not read any more.
                {"Connection": "close"},
            )

    def _refuse_full(self, size_bytes: int) -> None:
        needed, free = size_bytes + _RESERVE_BYTES, shutil.disk_usage(self._folder).free
        if needed > free:
            raise HTTPException(
                507,
                f"the server's disk has {free:,} bytes free, {needed:,} are needed; "
                "make room there, or load a smaller file",
                {"Connection": "close"},
            )


class _Arriving:
    """A file of which more is to come."""

    def __init__(self, folder: Path) -> None:
        self.size_bytes = 0
        # What knows it can load the file: nobody guesses it.
        self._id = secrets.token_urlsafe(16)
        self._path = folder / f"{self._id}{_PART}"
        self._hash = hashlib.sha256()
        self._file = os.fdopen(
            os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
        )

    def is_to_look_at_disk(self, more_bytes: int) -> bool:
        after = self.size_bytes + more_bytes
        return after // _LOOK_AT_DISK_BYTES > self.size_bytes // _LOOK_AT_DISK_BYTES

    def write(self, piece: bytes) -> None:
        self._file.write(piece)
        self._hash.update(piece)
        self.size_bytes += len(piece)

    def finished(self, name: str) -> Upload:
        self._file.close()
        path = self._path.with_suffix(_FILE)
        self._path.rename(path)
        return Upload(self._id, name, path, self.size_bytes, self._hash.hexdigest())

    def discard(self) -> None:
        """Delete it, unless it is finished."""
        with contextlib.suppress(OSError):
            self._file.close()
        self._path.unlink(missing_ok=True)


async def _joined(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in larger pieces. Raises HTTPException (408) after a long silence."""
    waiting = bytearray()
    while True:
        try:
            with anyio.fail_after(_SILENCE_S):
                piece = await anext(pieces, None)
        except TimeoutError:
            detail = f"nothing has come for {_SILENCE_S:g} s; send the file again"
            raise HTTPException(408, detail, {"Connection": "close"}) from None
        waiting += piece or b""
        if waiting and (piece is None or len(waiting) >= _PIECE_BYTES):
            yield bytes(waiting)
            waiting.clear()
        if piece is None:
            return


def order_of(wanted: dict[str, Any]) -> tuple[str, str]:
    """Where what a note wants stands in the queue: by when it was asked for."""
    return str(wanted.get("created_at")), str(wanted.get("job"))


def _write(note: Path, upload: Upload, wanted: dict[str, Any]) -> None:
    known = {**asdict(upload), "path": upload.path.name, "wanted": wanted}
    draft = note.with_suffix(".draft")
    draft.write_text(json.dumps(known), encoding="utf-8")
    draft.replace(note)


def _delete(note: Path) -> None:
    """A note and its file; the file first, as without it a note is nothing."""
    with contextlib.suppress(OSError):
        note.with_suffix(_FILE).unlink(missing_ok=True)
        note.unlink(missing_ok=True)


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0  # it has just gone


def _read(note: Path) -> tuple[Upload, dict[str, Any]] | None:
    """What a note says, where its file is there."""
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
        wanted: dict[str, Any] = known.pop("wanted")
        upload = Upload(**{**known, "path": note.parent / known["path"]})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (upload, wanted) if upload.path.is_file() else None


def _take_over(abandoned: Path, folder: Path) -> None:
    """Move files with a note to another folder, and delete everything else.

    Whenever it is interrupted, one of the two folders has a file and its note; and so that the
    next start finds what could not be moved, its folder stays.
    """
    try:
        for note in abandoned.glob(f"*{_NOTE}"):
            file, ours = note.with_suffix(_FILE), folder / f"{note.stem}{_FILE}"
            if file.exists():
                _link(file, ours)
                note.rename(folder / note.name)
    except OSError as error:
        logger.warning("%s: %s; its files wait for the next start", abandoned, error.strerror)
    else:
        shutil.rmtree(abandoned, ignore_errors=True)


def _link(file: Path, other: Path) -> None:
    """The same file under another name too; where there is no such thing, a copy."""
    try:
        os.link(file, other)
    except OSError:
        shutil.copyfile(file, other)


def _is_abandoned(folder: Path) -> bool:
    """Whether the process that had this folder is no more."""
    return folder.is_dir() and folder.name != _JOBS and not _is_held(folder / _OWNER)


def _is_held(lock: Path) -> bool:
    try:
        _lock(lock).close()
    except OSError:
        return True
    return False


def _wait_for_lock(path: Path) -> IO[bytes]:
    """A lock that somebody may have for a moment. Raises OSError."""
    deadline = time.monotonic() + _SILENCE_S
    while True:
        try:
            return _lock(path)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _lock(path: Path) -> IO[bytes]:
    """A file that nobody else can lock until it is closed.

    Raises BlockingIOError where somebody has it, OSError where there can be no such file.
    """
    file = path.open("ab")
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise BlockingIOError(error.errno, error.strerror) from None
    return file
