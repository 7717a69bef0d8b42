"""Frames kept on disk between the two passes of a transform."""

import io
import tempfile
import weakref
from collections.abc import Iterator

import polars as pl

from pipeline.errors import SmartSensorError


class Spool:
    """Frames in an unnamed temporary file, read back by number; gone when the process is."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()
        # Whoever fails half-way need not think of it.
        weakref.finalize(self, self._file.close)
        self._places: list[tuple[int, int]] = []
        self._end = 0

    def append(self, frame: pl.DataFrame) -> None:
        """Keep a frame. Raises SmartSensorError when the disk is full."""
        buffer = io.BytesIO()
        frame.rechunk().write_ipc(buffer, compression="uncompressed")
        try:
            self._file.seek(self._end)
            self._file.write(buffer.getbuffer())
            self._file.flush()
        except OSError as error:
            raise SmartSensorError(
                f"{tempfile.gettempdir()}: {error.strerror}; the transform keeps its rows there "
                "between two passes (about 40 bytes each); set TMPDIR to a larger disk"
            ) from None
        size = buffer.getbuffer().nbytes
        self._places.append((self._end, size))
        self._end += size

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: int) -> pl.DataFrame:
        start, size = self._places[number]
        self._file.seek(start)
        return pl.read_ipc(io.BytesIO(self._file.read(size)))

    def __iter__(self) -> Iterator[pl.DataFrame]:
        return (self[number] for number in range(len(self)))

    def close(self) -> None:
        self._file.close()
