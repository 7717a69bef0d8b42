"""Readings as a file of each format, made piece by piece in bounded memory."""

import io
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from pipeline.stores.base import StoredRig
from pipeline.timestamps import RFC3339_FORMAT, UTC_DATETIME

Name = Literal["csv", "parquet", "json", "ndjson"]
Frames = Iterable[pl.DataFrame]
Pieces = Generator[bytes]

# Small enough to be compressed and sent without holding up others.
_PIECE_BYTES = 256 << 10
# What a spreadsheet takes for the beginning of a formula.
_FORMULA = r"^[=+\-@\t\r]"


@dataclass(frozen=True)
class Format:
    """`make` takes frames of readings, the rig, and the columns that are wanted of them."""

    media_type: str
    make: Callable[[Frames, StoredRig, Sequence[str]], Pieces]


def no_formula(column: str) -> pl.Expr:
    """A column of texts; those that begin like a formula get a quote, so that none is run."""
    text = pl.col(column)
    quoted = pl.lit("'") + text
    return pl.when(text.str.contains(_FORMULA)).then(quoted).otherwise(text).alias(column)


def _csv(frames: Frames, stored: StoredRig, columns: Sequence[str]) -> Pieces:
    yield (",".join(columns) + "\n").encode()
    for frame in frames:
        rows = frame.select(columns).with_columns(no_formula("rig"))
        text = io.BytesIO()
        rows.write_csv(text, include_header=False, datetime_format=RFC3339_FORMAT)
        yield from _cut(text.getvalue())


def _ndjson(frames: Frames, stored: StoredRig, columns: Sequence[str]) -> Pieces:
    for frame in frames:
        yield from _cut(_lines(frame, columns))


def _json(frames: Frames, stored: StoredRig, columns: Sequence[str]) -> Pieces:
    """An array of records, as `pandas.read_json` and `jq` take it."""
    before = b"[\n"
    for frame in frames:
        # Line breaks inside of texts are escaped: these are the ends of records.
        yield from _cut(before + _lines(frame, columns)[:-1].replace(b"\n", b",\n"))
        before = b",\n"
    yield b"\n]\n"


def _lines(frame: pl.DataFrame, columns: Sequence[str]) -> bytes:
    """A record a line; numbers in full, those that JSON has no form for as null."""
    text = io.BytesIO()
    times = pl.col("timestamp").dt.strftime(RFC3339_FORMAT)
    frame.select(columns).with_columns(times).write_ndjson(text)
    return text.getvalue()


def _parquet(frames: Frames, stored: StoredRig, columns: Sequence[str]) -> Pieces:
    """What `smart-sensor export` writes, and `import` reads: the rig's definition is in it."""
    # It brings PyArrow along, which would hold up the start of the server.
    from pipeline.transfer.export import ExportWriter

    levels = {channel.alert_column for channel in stored.rig.scored_channels}
    kinds = {name: pl.String() if name in levels else pl.Float64() for name in columns}
    sink = _Sink()
    writer = ExportWriter(sink, {**kinds, "rig": pl.String(), "timestamp": UTC_DATETIME}, [stored])
    for frame in frames:
        writer.write(frame)
        yield from _cut(sink.taken())
    writer.close()
    yield from _cut(sink.taken())


class _Sink:
    """A file to write to, whose content is taken away again and again."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""

    def taken(self) -> bytes:
        """What was written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _cut(data: bytes) -> Pieces:
    for start in range(0, len(data), _PIECE_BYTES):
        yield data[start : start + _PIECE_BYTES]


FORMATS: dict[Name, Format] = {
    "csv": Format("text/csv; charset=utf-8", _csv),
    "parquet": Format("application/vnd.apache.parquet", _parquet),
    "json": Format("application/json", _json),
    "ndjson": Format("application/x-ndjson", _ndjson),
}
