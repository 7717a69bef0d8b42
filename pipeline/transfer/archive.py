"""A backup of all tables in one file: a zip of Parquet parts, with a manifest that proves them.

Nothing in it depends on a database. `manifest.json` comes last and names every part, with its
number of rows and its SHA-256; the zip itself is not compressed, the parts are.
"""

import hashlib
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import polars as pl
import pyarrow as pa

from pipeline import __version__
from pipeline.errors import SmartSensorError
from pipeline.stores.migrations import MIGRATIONS
from pipeline.stores.records import TABLES, Records
from pipeline.timestamps import UTC_DATETIME, rfc3339
from pipeline.transfer.files import Progress
from pipeline.transfer.parquet import ParquetReader, ParquetWriter

FORMAT = "smart-sensor archive"
VERSION = 1
MANIFEST = "manifest.json"
# A part is read as a whole: about 20 megabytes.
_ROWS_A_PART = 500_000
_LARGEST_MANIFEST = 1 << 28
_TYPES = {
    "text": pl.String(),
    "time": UTC_DATETIME,
    "integer": pl.Int32(),
    "bigint": pl.Int64(),
    "real": pl.Float64(),
}
_NAMES = {kind: name for name, kind in _TYPES.items()}
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, KeyError, TypeError, ValueError,
    NotImplementedError, RuntimeError, OSError,
)  # fmt: skip


class _Unsound(ValueError):
    """What is wrong with an archive, in words of ours."""


def write_archive(records: Records, path: Path, backend: str, progress: Progress) -> int:
    """Write all tables to a zip file; returns the number of readings. Raises DatabaseError."""
    records.refuse_beyond()
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "made_at": rfc3339(datetime.now(UTC)),
        "made_by": f"smart-sensor {__version__}",
        "backend": backend,
        "schema_step": max(MIGRATIONS),
        "tables": {},
    }
    total, done = sum(records.count(table) for table in TABLES), 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for table in TABLES:
            columns = records.columns(table)
            with closing(_Parts(archive, table, columns)) as parts:
                for frame in records.frames(table):
                    parts.write(frame)
                    done += len(frame)
                    progress("backing up", done, total)
                manifest["tables"][table] = {
                    "columns": {name: _NAMES[kind] for name, kind in columns.items()},
                    "rows": parts.rows,
                    "parts": parts.finish(),
                }
        archive.writestr(MANIFEST, json.dumps(manifest, indent=1))
    return int(manifest["tables"]["readings"]["rows"])


class _Parts:
    """Rows of one table in Parquet parts of bounded size, one after the other."""

    def __init__(
        self, archive: zipfile.ZipFile, table: str, columns: dict[str, pl.DataType]
    ) -> None:
        self._archive, self._table, self._columns = archive, table, columns
        self._found: list[dict[str, Any]] = []
        self._sink: _Sink | None = None
        self.rows = 0

    def write(self, frame: pl.DataFrame) -> None:
        while len(frame):
            if self._sink is None:
                self._begin()
            part = frame.head(_ROWS_A_PART - self._writer.rows)
            self._writer.write(part)
            self.rows += len(part)
            if self._writer.rows >= _ROWS_A_PART:
                self.finish()
            frame = frame.slice(len(part))

    def _begin(self) -> None:
        name = f"{self._table}/{len(self._found):06d}.parquet"
        self._sink = _Sink(self._archive.open(name, "w", force_zip64=True))
        self._writer = ParquetWriter(self._sink, self._columns)
        self._found.append({"name": name})

    def finish(self) -> list[dict[str, Any]]:
        """End the open part; returns all parts so far, as the manifest has them."""
        if self._sink is not None:
            self._writer.close()
            self._sink.end()
            self._found[-1] |= {
                "rows": self._writer.rows,
                "bytes": self._sink.size,
                "sha256": self._sink.hash.hexdigest(),
            }
            self._sink = None
        return self._found

    def close(self) -> None:
        """After an error: the zip could not be closed with an open part in it."""
        if self._sink is not None:
            self._sink.end()


class _Sink:
    """A file to write to that knows its size and hash. Parquet's writer does not close it."""

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._ended = False
        self.size = 0
        self.hash = hashlib.sha256()

    def write(self, data: Any) -> int:
        raw = memoryview(data)
        if self._ended:
            return raw.nbytes  # after an error, the footer of a part that nobody will read
        self.hash.update(raw)
        self.size += raw.nbytes
        self._file.write(raw)
        return raw.nbytes

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        """Parquet asks for it; there is nothing to do before the end."""

    def close(self) -> None:
        """Ended by `end`."""

    def end(self) -> None:
        self._ended = True
        self._file.close()


class Archive:
    """A backup that can be read. Raises SmartSensorError, in one line, wherever it is damaged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._damage():
            self._zip = zipfile.ZipFile(path)
        with self._damage():
            manifest = self._manifest()
            # Older ones have no roll-ups.
            tables = {"rollups": {"parts": [], "rows": 0, "columns": {}}, **manifest["tables"]}
            self._parts = {name: tables[name]["parts"] for name in TABLES}
            self._rows = {name: int(tables[name]["rows"]) for name in TABLES}
            self._columns = {
                name: {column: _TYPES[kind] for column, kind in tables[name]["columns"].items()}
                for name in TABLES
            }
            self.made_at = str(manifest["made_at"])

    def close(self) -> None:
        self._zip.close()

    def columns(self, table: str) -> dict[str, pl.DataType]:
        return self._columns[table]

    def count(self, table: str) -> int:
        return self._rows[table]

    def frames(self, table: str) -> Iterator[pl.DataFrame]:
        """Rows of a table in frames of bounded size; each part is verified once more."""
        for part in self._parts[table]:
            with self._damage():
                raw = self._verified(part)
            reader = ParquetReader(pa.BufferReader(raw), f"{self._path}: {part['name']}")
            if reader.columns != list(self._columns[table]):
                raise self._damaged(f"{part['name']} has other columns than the manifest says")
            for frame in reader.frames():
                yield frame.cast(pl.Schema(self._columns[table]))

    def verify(self, progress: Progress) -> None:
        """Read all of it, before anything is done with it."""
        total, done = sum(self._rows.values()), 0
        for table in TABLES:
            rows = 0
            for part in self._parts[table]:
                with self._damage():
                    raw = self._verified(part)
                    reader = ParquetReader(pa.BufferReader(raw), part["name"])
                    if reader.rows != part["rows"]:
                        raise _Unsound(f"{part['name']} has not the rows that the manifest says")
                    rows += reader.rows
                progress("verifying", done + rows, total)
            if rows != self._rows[table]:
                raise self._damaged(f"the parts of {table} have not the rows that it should have")
            done += rows

    def _manifest(self) -> dict[str, Any]:
        if self._zip.getinfo(MANIFEST).file_size > _LARGEST_MANIFEST:
            raise _Unsound("its manifest is too large")
        manifest = json.loads(self._zip.read(MANIFEST))
        if manifest["format"] != FORMAT:
            raise _Unsound("its manifest is of something else")
        if manifest["version"] > VERSION or manifest["schema_step"] not in MIGRATIONS:
            raise SmartSensorError(
                f"{self._path}: was made by a newer version ({manifest['made_by']}); "
                "install that one to restore it"
            )
        found: dict[str, Any] = manifest
        return found

    def _verified(self, part: dict[str, Any]) -> bytes:
        if self._zip.getinfo(part["name"]).file_size != part["bytes"]:
            raise _Unsound(f"{part['name']} has another size than the manifest says")
        raw = self._zip.read(part["name"])
        if hashlib.sha256(raw).hexdigest() != part["sha256"]:
            raise _Unsound(f"{part['name']} is not what the manifest says (SHA-256)")
        return raw

    def _damaged(self, what: str) -> SmartSensorError:
        return SmartSensorError(
            f"{self._path}: the backup is damaged: {what}; nothing was changed, use another backup"
        )

    @contextmanager
    def _damage(self) -> Iterator[None]:
        try:
            yield
        except SmartSensorError:
            raise
        except _Unsound as error:
            raise self._damaged(str(error)) from None
        except _DAMAGED:
            raise self._damaged("it is cut off, or parts of it were changed") from None
