"""A frame in memory as a source: one batch, typed or text."""

import hashlib
from collections.abc import Iterator
from functools import partial

import polars as pl

from pipeline.rig import Rig
from pipeline.sources.base import Batch, ColumnMap
from pipeline.sources.proposal import SAMPLE_ROWS, Sample
from pipeline.sources.typed import json_rows, typed_rows


class FrameSource:
    """A Polars frame with the columns of a file of the rig; lines are row numbers, from 1."""

    name = "frame"

    def __init__(self, frame: pl.DataFrame, rig: Rig) -> None:
        first = Sample(frame.head(SAMPLE_ROWS).get_columns())
        self.columns = ColumnMap.find(frame.columns, rig, self.name, lambda: first)
        self.size_bytes = self.bytes_read = int(frame.estimated_size())
        self._frame = frame

    def batches(self) -> Iterator[Batch]:
        rows = typed_rows(self._frame, self.columns, 1, self.name)
        yield Batch(rows, partial(json_rows, self._frame), len(self.columns.header))

    def sha256(self) -> str:
        return hashlib.sha256(self._frame.write_ipc(None).getvalue()).hexdigest()

    def describe(self) -> dict[str, str]:
        return {"format": "frame", "rows": f"{len(self._frame):,}"}
