"""Frames as Parquet, in row groups of bounded size, with checksums that a reader verifies."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import SourceError
from pipeline.timestamps import UTC_DATETIME

_ROWS_A_GROUP = 100_000
_ROWS_READ_AT_ONCE = 50_000
_KINDS = {
    pl.String(): pa.string(),
    UTC_DATETIME: pa.timestamp("us", "UTC"),
    pl.Int32(): pa.int32(),
    pl.Int64(): pa.int64(),
    pl.Float64(): pa.float64(),
}
NOT_PARQUET = (pa.ArrowException, OSError, pl.exceptions.PolarsError)


class ParquetWriter:
    """One Parquet file, written frame by frame to a path or anything with `write`.

    `units` of columns go into the metadata of their fields, `about` into that of the schema.
    """

    def __init__(
        self,
        target: Any,
        columns: dict[str, pl.DataType],
        units: Mapping[str, str] | None = None,
        about: Mapping[str, str] | None = None,
    ) -> None:
        self._columns = columns
        fields = {name: {"unit": unit} for name, unit in (units or {}).items()}
        self._schema = pa.schema(
            [
                pa.field(name, _KINDS[kind], metadata=fields.get(name))
                for name, kind in columns.items()
            ],
            metadata=about,
        )
        self._writer = pq.ParquetWriter(
            target, self._schema, compression="zstd", write_page_checksum=True
        )
        self._waiting: list[pl.DataFrame] = []
        self._waiting_rows = 0
        self.rows = 0

    def write(self, frame: pl.DataFrame) -> None:
        self._waiting.append(frame.select(list(self._columns)).cast(pl.Schema(self._columns)))
        self._waiting_rows += len(frame)
        self.rows += len(frame)
        if self._waiting_rows >= _ROWS_A_GROUP:
            self._flush()

    def close(self, metadata: dict[str, str] | None = None) -> None:
        """Write what is waiting, and the footer with `metadata`."""
        self._flush()
        if metadata:
            self._writer.add_key_value_metadata(metadata)
        self._writer.close()

    def _flush(self) -> None:
        if self._waiting:
            table = pl.concat(self._waiting).to_arrow().cast(self._schema)
            self._writer.write_table(table, row_group_size=_ROWS_A_GROUP)
        self._waiting, self._waiting_rows = [], 0


class ParquetReader:
    """One Parquet file: its columns and metadata, and its rows in frames of bounded size.

    Raises SourceError with the `name` where it cannot be read.
    """

    def __init__(self, source: Any, name: str) -> None:
        self._name = name
        try:
            self._file = pq.ParquetFile(source, page_checksum_verification=True)
        except NOT_PARQUET as error:
            raise self._unreadable(error) from None
        self.rows: int = self._file.metadata.num_rows
        self.columns: list[str] = list(self._file.schema_arrow.names)
        raw = self._file.metadata.metadata or {}
        self.metadata = {
            key.decode(errors="replace"): value.decode(errors="replace")
            for key, value in raw.items()
        }

    def frames(self, columns: Iterable[str] | None = None) -> Iterator[pl.DataFrame]:
        names = None if columns is None else list(columns)
        try:
            for batch in self._file.iter_batches(
                batch_size=_ROWS_READ_AT_ONCE, columns=names, use_threads=False
            ):
                frame = pl.from_arrow(batch)
                assert isinstance(frame, pl.DataFrame)
                yield frame
        except NOT_PARQUET as error:
            raise self._unreadable(error) from None

    def close(self) -> None:
        self._file.close()

    def _unreadable(self, error: Exception) -> SourceError:
        line = (str(error).splitlines() or [type(error).__name__])[0]
        return SourceError(f"{self._name}: not a readable Parquet file: {line}")
