"""Parquet files: typed columns, read in slices of bounded size."""

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import polars as pl

from pipeline.errors import FormatError, SourceError
from pipeline.rig import Rig
from pipeline.sources.base import Batch, ColumnMap
from pipeline.sources.proposal import SAMPLE_ROWS, Sample
from pipeline.sources.typed import json_rows, typed_rows

_ROWS = 131_072


class ParquetSource:
    """One Parquet file; its line numbers are row numbers, from 1."""

    def __init__(self, path: Path, rig: Rig, name: str | None = None) -> None:
        self.name = str(path) if name is None else name
        self.size_bytes = path.stat().st_size
        self.bytes_read = 0
        self._path = path
        try:
            header = list(pl.read_parquet_schema(path))
            self._rows = int(pl.scan_parquet(path).select(pl.len()).collect().item())
        except (pl.exceptions.PolarsError, OSError) as error:
            raise FormatError(
                f"{self.name}: not a readable Parquet file: {_first_line(error)}"
            ) from None
        self.columns = ColumnMap.find(header, rig, self.name, self._sample)
        if not self._rows:
            raise SourceError(f"{self.name}: has columns but no rows")

    def _sample(self) -> Sample:
        try:
            return Sample(pl.scan_parquet(self._path).head(SAMPLE_ROWS).collect().get_columns())
        except (pl.exceptions.PolarsError, OSError) as error:
            raise SourceError(f"{self.name}: {_first_line(error)}") from None

    def batches(self) -> Iterator[Batch]:
        frame = pl.scan_parquet(self._path)
        for start in range(0, self._rows, _ROWS):
            try:
                whole = frame.slice(start, _ROWS).collect()
            except (pl.exceptions.PolarsError, OSError) as error:
                raise SourceError(f"{self.name}: row {start + 1}: {_first_line(error)}") from None
            rows = typed_rows(whole, self.columns, start + 1, self.name)
            yield Batch(rows, partial(json_rows, whole), len(self.columns.header))
            self.bytes_read = self.size_bytes * (start + len(whole)) // self._rows

    def sha256(self) -> str:
        with self._path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def describe(self) -> dict[str, str]:
        return {"format": "Parquet", "rows": f"{self._rows:,}"}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
