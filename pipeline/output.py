"""The processed CSV: scored readings as a file, complete or not there at all."""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import polars as pl

from pipeline.errors import SmartSensorError
from pipeline.rig import Rig
from pipeline.timestamps import RFC3339_FORMAT

_SUFFIX = ".partial"
_DAY_S = 86_400


class ProcessedCsv(AbstractContextManager["ProcessedCsv"]):
    """Rows go to a temporary file beside `path`, which takes its place when published.

    Without a path nothing is written. A path that is one of the `sources`, or anything but a
    file, is refused.
    """

    def __init__(self, path: Path | None, rig: Rig, sources: Sequence[str | None] = ()) -> None:
        self.wanted = path is not None
        self._path = path
        self._sources = [Path(source) for source in sources if source not in (None, "-")]
        self._columns = ["timestamp", *rig.value_columns]
        self._rows = 0
        self._temporary: Path | None = None
        self._file: BinaryIO | None = None

    def __enter__(self) -> "ProcessedCsv":
        if self._path is not None:
            self._refuse_to_destroy(self._path)
            with self._one_line_errors():
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._remove_leftovers(self._path)
                handle, name = tempfile.mkstemp(
                    dir=self._path.parent, prefix=f".{self._path.name}.", suffix=_SUFFIX
                )
                self._temporary = Path(name)
                # mkstemp makes it private; the file is for whoever may read the folder.
                os.chmod(name, 0o644)
            self._file = os.fdopen(handle, "wb", buffering=1 << 20)
            self._file.write((",".join(self._columns) + "\n").encode())
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            # What is left to write of a file that is not wanted need not fit on the disk.
            with suppress(OSError):
                self._file.close()
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)

    def add(self, readings: pl.DataFrame) -> None:
        """Append scored readings."""
        if self._file is not None:
            self._rows += len(readings)
            with self._one_line_errors():
                readings.select(self._columns).write_csv(
                    self._file, include_header=False, datetime_format=RFC3339_FORMAT
                )

    @property
    def place(self) -> tuple[int, int]:
        """How much has been added so far: bytes and rows; for `back_to`."""
        return (self._file.tell() if self._file is not None else 0), self._rows

    def back_to(self, place: tuple[int, int]) -> None:
        """Take back all that was added since `place`."""
        if self._file is not None:
            self._file.seek(place[0])
            self._file.truncate()
        self._rows = place[1]

    def publish(self) -> None:
        """Put the complete file in its place, in one step; an empty one never replaces anything."""
        if self._file is None or self._temporary is None or self._path is None or not self._rows:
            return
        with self._one_line_errors():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._temporary.replace(self._path)
        self._temporary = None

    def _refuse_to_destroy(self, path: Path) -> None:
        if not path.exists():
            return
        if not path.is_file():
            raise SmartSensorError(f"{path}: is not a file; give another one for the processed CSV")
        if any(source.exists() and path.samefile(source) for source in self._sources):
            raise SmartSensorError(
                f"{path}: is a source of this load; the processed CSV would replace its raw data"
            )

    def _remove_leftovers(self, path: Path) -> None:
        """Temporary files of runs that were killed: older than any run lasts."""
        for leftover in path.parent.glob(f".{path.name}.*{_SUFFIX}"):
            if time.time() - leftover.stat().st_mtime > _DAY_S:
                leftover.unlink(missing_ok=True)

    @contextmanager
    def _one_line_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SmartSensorError(f"{self._path}: {error.strerror or error}") from None
