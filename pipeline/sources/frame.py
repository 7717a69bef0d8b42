"""A frame in memory as a source: one batch, typed or text."""

import hashlib
from collections.abc import Iterator, Sequence

import polars as pl

from pipeline.rig import Rig
from pipeline.sources.base import Batch, ColumnMap


class FrameSource:
    """A Polars frame with the columns of a file of the rig; lines are row numbers, from 1."""

    name = "frame"

    def __init__(self, frame: pl.DataFrame, rig: Rig) -> None:
        self.columns = ColumnMap.find(frame.columns, rig, self.name)
        self.size_bytes = self.bytes_read = int(frame.estimated_size())
        self._frame = frame

    def batches(self) -> Iterator[Batch]:
        header = self.columns.header
        names = {header[position]: name for name, position in self.columns.positions.items()}
        rows = self._frame.select(list(names)).rename(names).with_row_index("line", offset=1)

        def raw(positions: Sequence[int]) -> list[str]:
            return self._frame[list(positions)].write_ndjson().splitlines() if positions else []

        yield Batch(rows.with_columns(pl.col("line").cast(pl.Int64)), raw, len(header))

    def sha256(self) -> str:
        return hashlib.sha256(self._frame.write_ipc(None).getvalue()).hexdigest()

    def describe(self) -> dict[str, str]:
        return {"format": "frame", "rows": f"{len(self._frame):,}"}
