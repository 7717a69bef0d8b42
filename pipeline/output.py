"""The processed CSV: scored readings as a file, complete or not there at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import polars as pl

from pipeline.errors import SmartSensorError
from pipeline.rig import Rig
from pipeline.timestamps import RFC3339_FORMAT


class ProcessedCsv(AbstractContextManager["ProcessedCsv"]):
    """Rows go to a temporary file beside `path`, which takes its place when published.

    Without a path nothing is written. `wanted_again` says whether readings that are stored
    already should be added too: not where the file is there and was made from the same source.
    """

    def __init__(self, path: Path | None, rig: Rig, only_if_new: bool = False) -> None:
        self.wanted_again = path is not None and not only_if_new
        self._path = path
        self._columns = ["timestamp", *rig.value_columns]
        self._rows = 0
        self._temporary: Path | None = None
        self._file: BinaryIO | None = None

    def __enter__(self) -> "ProcessedCsv":
        if self._path is not None:
            with self._one_line_errors():
                self._path.parent.mkdir(parents=True, exist_ok=True)
                handle, name = tempfile.mkstemp(
                    dir=self._path.parent, prefix=f".{self._path.name}."
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

    @contextmanager
    def _one_line_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SmartSensorError(f"{self._path}: {error.strerror or error}") from None
