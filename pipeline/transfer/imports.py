"""Exported readings back into a store: verbatim, scores and levels too, as a load of the ledger."""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import SmartSensorError, SourceError
from pipeline.rig import Rig
from pipeline.scoring import Moments, measure
from pipeline.stores import Store
from pipeline.stores.base import Incoming, LoadOutcome, SourceIdentity
from pipeline.stores.rollup_state import refuse_pruned
from pipeline.summary import SourceSummary
from pipeline.timestamps import from_microseconds
from pipeline.transfer.archive import Archive
from pipeline.transfer.export import METADATA, VERSION
from pipeline.transfer.files import Progress, no_progress, one_line_errors
from pipeline.transfer.parquet import ParquetReader

# Not of the etl: the same file loaded by it is another load.
_SETTINGS = json.dumps({"import": VERSION})


@dataclass(frozen=True)
class _Part:
    """Readings of rigs with the same channels: one load. `spans` are rows, first, last by rig."""

    rig: Rig
    interval_s: float | None
    spans: dict[str, tuple[int, int, int]]

    @property
    def rows(self) -> int:
        return sum(rows for rows, _, _ in self.spans.values())

    @property
    def incoming(self) -> Incoming:
        one = len(self.spans) == 1
        return Incoming(
            self.rows,
            {
                name: (from_microseconds(first), from_microseconds(last))
                for name, (_, first, last) in self.spans.items()
            },
            # Of several rigs it is the first one's.
            dict.fromkeys(self.spans, self.interval_s) if self.interval_s and one else {},
        )


def import_readings(
    store: Store, path: Path, force: bool = False, progress: Progress = no_progress
) -> Iterator[SourceSummary]:
    """Store the readings of a file that `export` or `backup` has made, as one iterates.

    One load, or one for each set of channels where rigs have different ones. A file that was
    imported already changes nothing, unless it is to be done again by `force`. Raises SourceError
    for any other file, in one line, and OlderThanRetentionError before anything is stored.
    """
    with one_line_errors(path), path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    exported = _opened(path)
    with closing(exported):
        parts = [
            (part, SourceIdentity(str(path), digest, part.rig, _SETTINGS))
            for part in exported.parts()
        ]
        retained_from = store.retained_from()
        for part, identity in parts:
            if force or store.known_load(identity) is None:
                for rig, (first, _) in part.incoming.spans.items():
                    refuse_pruned(retained_from.get(rig), rig, first, str(path))
        for part, identity in parts:
            yield _load(store, path, identity, exported, part, force, progress)


def _load(
    store: Store,
    path: Path,
    identity: SourceIdentity,
    exported: "_Exported",
    part: _Part,
    force: bool,
    progress: Progress,
) -> SourceSummary:
    moments: dict[str, dict[str, Moments]] = {}
    done = 0

    def watched() -> Iterator[pl.DataFrame]:
        nonlocal done
        for frame in exported.frames(part):
            for each in frame.partition_by("rig", maintain_order=True):
                _measure(each, part.rig, moments)
                yield each
                done += len(each)
                progress("importing", done, part.rows)

    with store.loading(identity, part.incoming, again=force) as load:
        if load is not None:
            load.add_readings(watched())
            if done != part.rows:
                raise SourceError(f"{path}: has {done:,} readings, its footer says {part.rows:,}")
            load.finish(LoadOutcome(done, done, {}, moments))
    if load is None:
        return SourceSummary(str(path), "already loaded", store.known_load(identity))
    return SourceSummary(str(path), "loaded", load.load_id, done, done)


def _measure(frame: pl.DataFrame, rig: Rig, moments: dict[str, dict[str, Moments]]) -> None:
    known = moments.setdefault(frame["rig"][0], {})
    for channel, found in measure(frame, rig).items():
        known[channel] = known.get(channel, Moments()).merged(found)


class _Exported:
    """What an export holds: definitions of rigs, spans of their readings, and the readings."""

    def __init__(
        self, path: Path, definitions: dict[str, Any], spans: dict[str, tuple[int, int, int]]
    ) -> None:
        self._path = path
        try:
            self._rigs = {
                name: (Rig.model_validate(each["definition"]), each["interval_s"])
                for name, each in definitions.items()
            }
            self._spans = {name: (int(a), int(b), int(c)) for name, (a, b, c) in spans.items()}
        except (ValueError, TypeError, KeyError) as error:
            raise SourceError(f"{path}: what it says of its rigs is damaged: {error}") from None

    def parts(self) -> list[_Part]:
        """The loads that it makes, each of rigs with equal channels."""
        groups: dict[str, list[str]] = {}
        for name in sorted(self._spans):
            if name not in self._rigs:
                raise SourceError(f"{self._path}: has readings of rig {name!r}, not what it is")
            same = self._rigs[name][0].renamed("same").model_dump_json(exclude={"label"})
            groups.setdefault(same, []).append(name)
        return [
            _Part(*self._rigs[names[0]], {name: self._spans[name] for name in names})
            for names in groups.values()
        ]

    def frames(self, part: _Part) -> Iterator[pl.DataFrame]:
        """The readings of a part, with the columns of its rigs."""
        columns = ["rig", "timestamp", *part.rig.value_columns]
        names = list(part.spans)
        for frame in self._all_frames(columns):
            found = frame.filter(pl.col("rig").is_in(names)) if len(self._spans) > 1 else frame
            if len(found):
                yield found

    def _all_frames(self, columns: list[str]) -> Iterator[pl.DataFrame]:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class _ExportedFile(_Exported):
    """A Parquet file that `smart-sensor export` has written."""

    def __init__(self, path: Path) -> None:
        self._reader = ParquetReader(path, str(path))
        if METADATA not in self._reader.metadata:
            self._reader.close()
            raise SourceError(
                f"{path}: is not an export of Smart Sensor; `smart-sensor etl {path}` reads, "
                "checks and scores files of others"
            )
        try:
            ours = json.loads(self._reader.metadata[METADATA])
            version, rigs, spans = int(ours["version"]), ours["rigs"], ours["spans"]
        except (ValueError, TypeError, KeyError) as error:
            raise SourceError(f"{path}: what it says of its rigs is damaged: {error}") from None
        if version > VERSION:
            raise SourceError(f"{path}: was exported by a newer version of Smart Sensor")
        super().__init__(path, rigs, spans)

    def _all_frames(self, columns: list[str]) -> Iterator[pl.DataFrame]:
        missing = [name for name in columns if name not in self._reader.columns]
        if missing:
            raise SourceError(f"{self._path}: has no column {', '.join(missing)}")
        return self._reader.frames(columns)

    def close(self) -> None:
        self._reader.close()


class _ExportedArchive(_Exported):
    """An archive that `smart-sensor backup` has written; only its readings are taken."""

    def __init__(self, path: Path) -> None:
        self._archive = Archive(path)
        rows = [row for frame in self._archive.frames("rigs") for row in frame.to_dicts()]
        definitions = {
            row["name"]: {
                "definition": json.loads(row["definition"]),
                "interval_s": row["interval_s"],
            }
            for row in rows
        }
        super().__init__(path, definitions, self._spans_of_readings())

    def _spans_of_readings(self) -> dict[str, tuple[int, int, int]]:
        spans: dict[str, tuple[int, int, int]] = {}
        for frame in self._archive.frames("readings"):
            times = pl.col("timestamp").dt.epoch("us")
            groups = frame.group_by("rig").agg(
                pl.len(), times.min().alias("first"), times.max().alias("last")
            )
            for rig, rows, first, last in groups.iter_rows():
                known = spans.get(rig, (0, first, last))
                spans[rig] = known[0] + rows, min(known[1], first), max(known[2], last)
        return spans

    def _all_frames(self, columns: list[str]) -> Iterator[pl.DataFrame]:
        return (frame.select(columns) for frame in self._archive.frames("readings"))

    def close(self) -> None:
        self._archive.close()


def _opened(path: Path) -> _Exported:
    with path.open("rb") as file:
        beginning = file.read(16)
    if beginning.startswith(b"SQLite format 3"):
        raise SmartSensorError(
            f"{path}: is a SQLite file; `smart-sensor restore` brings it back as a whole"
        )
    if zipfile.is_zipfile(path):
        return _ExportedArchive(path)
    if beginning.startswith(b"PAR1"):
        return _ExportedFile(path)
    raise SourceError(
        f"{path}: is not an export of Smart Sensor; `smart-sensor etl {path}` reads, checks and "
        "scores files of others"
    )
