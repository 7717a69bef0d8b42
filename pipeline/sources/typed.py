"""Rows of sources whose columns have types: what may be in a column, and a row as text."""

import json
from collections.abc import Sequence

import polars as pl

from pipeline.errors import SourceError
from pipeline.sources.base import ColumnMap

_AS_TEXT = (pl.Categorical, pl.Enum, pl.Date, pl.Time)


def typed_rows(
    frame: pl.DataFrame, columns: ColumnMap, first_line: int, source: str
) -> pl.DataFrame:
    """The rows of a batch: our columns under our names, with `line` counted from `first_line`.

    Raises SourceError for a column that holds neither numbers nor text (nor, as a time, times).
    """
    names = {columns.header[position]: name for name, position in columns.positions.items()}
    rows = frame.select(list(names)).rename(names)
    for theirs, ours in names.items():
        if not _readable(rows.schema[ours], ours):
            kind = "times, whole numbers or text" if ours == "timestamp" else "numbers or text"
            raise SourceError(
                f"{source}: column {theirs!r} holds {rows.schema[ours]}; {kind} are needed"
            )
    text = [name for name, dtype in rows.schema.items() if isinstance(dtype, _AS_TEXT)]
    line = pl.int_range(first_line, first_line + pl.len(), dtype=pl.Int64).alias("line")
    return rows.with_columns(pl.col(text).cast(pl.String)).select(line, pl.all())


def _readable(dtype: pl.DataType, name: str) -> bool:
    if isinstance(dtype, pl.Datetime):
        return name == "timestamp"
    return dtype.is_numeric() or isinstance(dtype, (pl.String, pl.Null, *_AS_TEXT))


def json_rows(frame: pl.DataFrame, positions: Sequence[int]) -> list[str]:
    """Rows by position as JSON, one object each, with all their columns."""
    if not positions:
        return []
    rows = frame[list(positions)].iter_rows(named=True)
    return [json.dumps(row, ensure_ascii=False, default=str) for row in rows]
