"""Readings as they are stored into a file of one format: Parquet, which comes back, or CSV."""

import gzip
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol, cast

import polars as pl

from pipeline.errors import NothingFoundError, SmartSensorError
from pipeline.stores import Store
from pipeline.stores.base import Range, StoredRig
from pipeline.timestamps import RFC3339_FORMAT
from pipeline.transfer.files import Progress, no_progress, one_line_errors, replacing
from pipeline.transfer.parquet import ParquetWriter

Format = Literal["parquet", "csv"]
_ENDINGS: dict[str, Format] = {".parquet": "parquet", ".csv": "csv", ".csv.gz": "csv"}
# In the footer of a file of ours.
METADATA = "smart-sensor"
VERSION = 1


class _Writer(Protocol):
    def write(self, frame: pl.DataFrame) -> None: ...

    def close(self) -> None: ...


def export_readings(
    store: Store,
    path: Path | None,
    format: Format,
    selections: Sequence[tuple[StoredRig, Range]],
    progress: Progress = no_progress,
) -> int:
    """Write the readings of ranges of rigs to a file, or CSV to standard output; how many.

    The file appears when it is complete. Columns: `rig` (in CSV only where there are several),
    `timestamp` in UTC, then channels, scores and levels. Everything is of one moment. Raises
    NothingFoundError where there is no reading.
    """
    with store.snapshot() as records:
        counts = {
            selection.rig: records.count("readings", selection) for _, selection in selections
        }
        total, done = sum(counts.values()), 0
        if not total:
            raise NothingFoundError("no reading is stored in that selection")
        chosen = [each for each in selections if counts[each[1].rig]]
        rigs = [stored for stored, _ in chosen]
        present = records.columns("readings")
        columns = {name: present[name] for name in _columns(rigs) if name in present}
        with _writer(path, format, columns, rigs) as writer:
            for _, selection in chosen:
                for frame in records.frames("readings", selection):
                    writer.write(frame)
                    done += len(frame)
                    progress("exporting", done, total)
    return total


def _columns(rigs: Sequence[StoredRig]) -> list[str]:
    """Key and value columns of all rigs, each once."""
    names = ["rig", "timestamp", *(name for each in rigs for name in each.rig.value_columns)]
    return list(dict.fromkeys(names))


@contextmanager
def _writer(
    path: Path | None, format: Format, columns: dict[str, pl.DataType], rigs: Sequence[StoredRig]
) -> Iterator[_Writer]:
    if path is None:
        yield _CsvWriter(sys.stdout.buffer, columns, len(rigs) > 1)
        sys.stdout.buffer.flush()
        return
    with replacing(path) as temporary, one_line_errors(path):
        if format == "csv":
            with temporary.open("wb", buffering=1 << 20) as file, ExitStack() as stack:
                target: BinaryIO = file
                if path.suffix.lower() == ".gz":
                    # Without a name and a time in it: equal readings are equal files.
                    zipped = gzip.GzipFile("", "wb", 6, file, mtime=0)
                    target = cast(BinaryIO, stack.enter_context(zipped))
                yield _CsvWriter(target, columns, len(rigs) > 1)
            return
        writer = ExportWriter(temporary, columns, rigs)
        yield writer
        writer.close()


class _CsvWriter:
    def __init__(self, file: BinaryIO, columns: dict[str, pl.DataType], several: bool) -> None:
        self._file = file
        self._columns = [name for name in columns if several or name != "rig"]
        self._file.write((",".join(self._columns) + "\n").encode())

    def write(self, frame: pl.DataFrame) -> None:
        # Through memory: Polars closes what it writes to when the reader has gone.
        text = frame.select(self._columns).write_csv(
            include_header=False, datetime_format=RFC3339_FORMAT
        )
        self._file.write(text.encode())

    def close(self) -> None:
        self._file.flush()


class ExportWriter(ParquetWriter):
    """Parquet with what `import` needs in its footer: rigs, and the span of each one's readings.

    Fields of channels say their unit; a file of one rig says its name and time zone.
    """

    def __init__(
        self, target: Any, columns: dict[str, pl.DataType], rigs: Sequence[StoredRig]
    ) -> None:
        # For those who read it with something else.
        about = {"rig": rigs[0].rig.name, "time_zone": rigs[0].rig.time_zone}
        super().__init__(target, columns, _units(rigs), about if len(rigs) == 1 else None)
        self._rigs = rigs
        self._spans: dict[str, list[int]] = {}

    def write(self, frame: pl.DataFrame) -> None:
        super().write(frame)
        rig = frame["rig"][0]
        times = frame["timestamp"].dt.epoch("us")
        known = self._spans.setdefault(rig, [0, times[0], times[-1]])
        self._spans[rig] = [known[0] + len(frame), known[1], times[-1]]

    def close(self, metadata: dict[str, str] | None = None) -> None:
        ours = {
            "version": VERSION,
            "rigs": {
                each.rig.name: {
                    "definition": each.rig.model_dump(mode="json"),
                    "interval_s": each.interval_s,
                }
                for each in self._rigs
            },
            "spans": self._spans,
        }
        super().close({METADATA: json.dumps(ours), **(metadata or {})})


def _units(rigs: Sequence[StoredRig]) -> dict[str, str]:
    """Units of channels, of those in which all rigs agree."""
    found: dict[str, set[str]] = {}
    for each in rigs:
        for channel in each.rig.channels:
            found.setdefault(channel.name, set()).add(channel.unit)
    return {name: units.pop() for name, units in found.items() if len(units) == 1}


def format_of(path: str) -> Format:
    """The format that the ending of a name means. Raises SmartSensorError for another ending."""
    for ending, format in _ENDINGS.items():
        if path.lower().endswith(ending):
            return format
    if Path(path).suffix:
        raise SmartSensorError(
            f"{path}: what is it to be? Allowed are the endings {', '.join(_ENDINGS)}, "
            "and every other one with --format"
        )
    return "parquet"


def refuse_format(path: str, format: str) -> None:
    """Raises SmartSensorError where Parquet is to go to standard output."""
    if path == "-" and format != "csv":
        raise SmartSensorError("-: only CSV goes to standard output; add --format csv")
