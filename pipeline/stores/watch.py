"""Has anybody changed the SQLite file? Answered in microseconds, for every request."""

import sqlite3
import threading
from pathlib import Path

from pipeline.errors import DatabaseUnavailable

# A connection's own data_version stays below this.
_ANOTHER_FILE = 1 << 32


def is_other_file(version: int, before: int) -> bool:
    """Whether between two versions of a Watch another file has taken the place."""
    return version // _ANOTHER_FILE != before // _ANOTHER_FILE


class Watch:
    """Looks at one SQLite file through a connection of its own, which never writes.

    `PRAGMA data_version` changes with every commit of any other connection, of any process.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._base = 0

    def look(self) -> tuple[bool, int]:
        """Whether another file has taken the path since the last look, and a version number.

        Raises DatabaseUnavailable when there is no file, or none that can be read.
        """
        with self._lock:
            file = self._identity()
            replaced = self._file is not None and file != self._file
            if self._connection is None or replaced:
                self._reopen(file)
            return replaced, self._base + self._data_version()

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _identity(self) -> tuple[int, int]:
        try:
            status = self._path.stat()
        except OSError as error:
            raise DatabaseUnavailable(f"{self._path}: {error.strerror}") from None
        return status.st_dev, status.st_ino

    def _reopen(self, file: tuple[int, int]) -> None:
        if self._connection is not None:
            # A new connection counts from its own beginning: never repeat a number.
            self._base += _ANOTHER_FILE
            self._connection.close()
            self._connection = None
        uri = self._path.resolve().as_uri() + "?mode=rw"
        try:
            self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False, timeout=1.0)
        except sqlite3.Error as error:
            raise DatabaseUnavailable(f"{self._path}: {error}") from error
        self._file = file

    def _data_version(self) -> int:
        assert self._connection is not None
        try:
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error as error:
            raise DatabaseUnavailable(f"{self._path}: {error}") from error
