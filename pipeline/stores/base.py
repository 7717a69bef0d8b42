"""What every backend can do, and the values that go in and out. Callers never ask which it is."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from pipeline.rig import Rig
from pipeline.rollups import Integers
from pipeline.scoring import Moments
from pipeline.tokens import Token

if TYPE_CHECKING:
    from pipeline.stores.records import Records
    from pipeline.stores.reject_queries import WantedRejects


@dataclass(frozen=True)
class Range:
    """Readings of one rig with `start` <= timestamp < `end` (aware times); None is open."""

    rig: str
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True)
class Extent:
    """Number of readings of a selection, and the times of its first and last."""

    records: int
    first_timestamp: datetime
    last_timestamp: datetime


@dataclass(frozen=True)
class StoredRig:
    """A rig as the database knows it: its definition and what is stored of it.

    `total_records` is None unless it was asked for: counting takes time.
    """

    rig: Rig
    interval_s: float | None
    total_records: int | None
    first_timestamp: datetime | None
    last_timestamp: datetime | None


@lru_cache(maxsize=64)
def rig_of(definition: str) -> Rig:
    """A rig as it is stored. Every question needs its rig, and rigs seldom change."""
    return Rig.model_validate(json.loads(definition))


@dataclass(frozen=True)
class SourceIdentity:
    """What makes a load the same load again: content, rig with its version, and settings."""

    name: str
    sha256: str | None
    rig: Rig
    settings: str


@dataclass(frozen=True)
class Incoming:
    """What a load will bring: at most so many readings, and each rig's first and last time.

    `intervals` are the median steps of rigs in seconds, where the source is in order of time.
    """

    rows: int
    spans: dict[str, tuple[datetime, datetime]]
    intervals: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """One commit of readings: what came in, between which times (both inclusive)."""

    sequence: int
    rig: str
    first_timestamp: datetime
    last_timestamp: datetime
    rows: int


@dataclass(frozen=True)
class Status:
    """Facts of a database; `readings` are numbers by rig, `loads` numbers by status."""

    backend: str
    server_version: str
    table: str
    schema_step: str
    readings: dict[str, int]
    rejects: int
    loads: dict[str, int]
    size_bytes: int
    last_timestamp: datetime | None
    last_sequence: int
    unfinished_copy: bool


@dataclass(frozen=True)
class Accounts:
    """The ledger as a whole: loads by status, and rejected rows of all but superseded ones."""

    loads: dict[str, int]
    rejected_by_reason: dict[str, int]


@dataclass(frozen=True)
class Connections:
    """Connections of a pool: in use, kept for the next question, and beyond the pool's size."""

    in_use: int
    idle: int
    overflow: int


@dataclass(frozen=True)
class Finding:
    """What a check has found: something wrong, or something worth knowing."""

    text: str
    wrong: bool = True


@dataclass(frozen=True)
class Trend:
    """What a chart of a range shows.

    `rows` are all its `records` readings, or with `bucket_s` the summaries of buckets of so many
    seconds (columns: pipeline/rollups.py, of channels at least CHART_FIELDS). `gaps` have `start`
    and `end`; `gap_count` counts more where gaps are too many, and too short, to be listed. `red`
    are the newest red readings of each channel (timestamp, channel, value, zscore); `red_counts`
    are their numbers by channel.
    """

    records: int
    bucket_s: float | None
    rows: pl.DataFrame
    gaps: pl.DataFrame
    gap_count: int
    red: pl.DataFrame
    red_counts: dict[str, int]


@dataclass(frozen=True)
class Pruned:
    """Numbers of readings and rejects that were, or would be, deleted for their age."""

    readings: int = 0
    rejects: int = 0

    def __add__(self, other: "Pruned") -> "Pruned":
        return Pruned(self.readings + other.readings, self.rejects + other.rejects)

    def __bool__(self) -> bool:
        return bool(self.readings or self.rejects)


@dataclass(frozen=True)
class Rebuilt:
    """How far a rebuild of roll-ups has come, of how much; the unit is nobody's business."""

    at: int
    of: int
    done: bool = False


@dataclass
class LoadOutcome:
    """What a load reports when all its rows are written."""

    rows_read: int = 0
    accepted: int = 0
    rejected_by_reason: dict[str, int] = field(default_factory=dict)
    moments: dict[str, dict[str, Moments]] = field(default_factory=dict)


class LoadWriter(Protocol):
    """One load inside its transaction; `load_id` is known when its readings are in."""

    load_id: int

    def add_readings(self, frames: Iterable[pl.DataFrame]) -> None:
        """Insert or replace scored readings, each frame of one rig; to be called once."""

    def add_rejects(self, frames: Iterable[pl.DataFrame]) -> None:
        """Insert rejected rows (columns of REJECT_SCHEMA), after the readings."""

    def finish(self, outcome: LoadOutcome) -> None:
        """Complete the ledger row and record the change; committed when the block ends."""


class Store(Protocol):
    """A database of readings. Opening it brings its schema up to date."""

    backend: str

    def close(self) -> None: ...

    def known_load(self, identity: SourceIdentity) -> int | None:
        """Ledger number of an equal load that is complete, else None."""

    def loading(
        self, identity: SourceIdentity, incoming: Incoming, again: bool = False
    ) -> AbstractContextManager[LoadWriter | None]:
        """A load: visible to readers as a whole when the block ends, not at all if it raises.

        None where an equal load is complete already, unless it is to be done `again`. What
        earlier loads of equal content brought is taken back.
        """

    def append(
        self, load_id: int, source: SourceIdentity, readings: pl.DataFrame, rejects: pl.DataFrame
    ) -> None:
        """Add what a live source has sent to its ledger row, in one short transaction."""

    def begin_live(self, identity: SourceIdentity) -> int:
        """Open the ledger row of a live source and register its rig; returns its number."""

    def retained_from(self) -> dict[str, datetime]:
        """Of rigs whose older readings have been pruned: from which time on they are kept."""

    def baseline(self, rig: str) -> dict[str, Moments] | None:
        """Statistics of the rig's newest complete load: what live readings are scored against."""

    def rigs(self, counted: bool = True) -> list[StoredRig]: ...

    def rig(self, name: str) -> StoredRig | None:
        """The rig of a name, not counted; None for one that is not stored."""

    def definitions(self) -> dict[str, Rig]:
        """The rigs in order of their names, without what there is of their readings."""

    def total_records(self) -> int: ...

    def extent(self, selection: Range) -> Extent | None:
        """How many readings there are, and the first and last; None for none."""

    def readings(self, selection: Range) -> Iterator[pl.DataFrame]:
        """Readings in time order, in frames of bounded size: rig, timestamp, and all columns."""

    def first_readings(self, rig: Rig, selection: Range, limit: int) -> list[dict[str, Any]]:
        """The first few readings of a rig's range, by column: quicker than a stream of frames."""

    def kpis(self, selection: Range) -> dict[str, Any] | None:
        """The figures of the design over a range, in SQL; None where there is no reading."""

    def trend(self, selection: Range, points: int, readings: int = 0) -> Trend | None:
        """All readings, or with more of them than `points` as many buckets at most.

        All of them, too, where they are no more than `readings`.
        """

    def bucket_summaries(self, selection: Range, bounds: Integers) -> pl.DataFrame:
        """Summaries of the buckets between bounds (in us) that have readings, by `group`.

        Group n is from bound n to bound n + 1. Columns: pipeline/rollups.py.
        """

    def summary(self, selection: Range) -> dict[str, dict[str, Any]]: ...

    def alerts(self, selection: Range, levels: Sequence[str], limit: int) -> pl.DataFrame:
        """The newest `limit` readings of single channels that are red or yellow, as `levels` say.

        Columns: timestamp, channel, level, value, zscore, and place: those of readings that
        follow each other follow each other, too.
        """

    def loads(self, limit: int, rig: str | None = None) -> list[dict[str, Any]]:
        """The newest rows of the ledger: all, or those for a rig or with readings of it."""

    def rejects(
        self, wanted: "WantedRejects", limit: int, before: int | None = None
    ) -> list[dict[str, Any]]:
        """The newest rejected rows, or those older than the one with the id `before`."""

    def reject_counts(self, wanted: "WantedRejects") -> dict[str, int]:
        """How many rejected rows there are of each reason."""

    def accounts(self) -> Accounts:
        """What all loads together have brought and rejected, as the ledger says."""

    def connections(self) -> dict[str, Connections]:
        """Connections of this process, by what they are for; asks nothing of the database."""

    def is_current(self) -> bool:
        """Whether the schema is the one that this version makes. Raises DatabaseError."""

    def changes_after(self, sequence: int, limit: int) -> list[Change]: ...

    def last_sequence(self) -> int: ...

    def snapshot(self) -> AbstractContextManager["Records"]:
        """The tables verbatim as they are at one moment, for as long as the block lasts."""

    def rewriting(self) -> AbstractContextManager["Records"]:
        """The tables in one transaction that writes: all of the block is there, or nothing."""

    def status(self) -> Status:
        """Facts of the database. Counts the readings, which takes time where there are many."""

    def check(self, deep: bool = False) -> list[Finding]:
        """What is wrong with the database, or worth knowing; `deep` looks at roll-ups, too."""

    def rebuild_rollups(self, rig: str) -> Iterator[Rebuilt]:
        """Make the roll-ups of a rig anew, a transaction a step; goes on where one has stopped."""

    def expired(self, before: datetime, rig: str | None) -> Pruned:
        """How much is older than a time: what `prune_some` would delete in the end.

        Readings that are in roll-ups go by whole buckets of the longest level: later than asked.
        """

    def prune_some(self, before: datetime, rig: str | None) -> Pruned:
        """Delete a bounded number of readings and rejects older than a time, in one transaction.

        Returns what was deleted: nothing when nothing is left.
        """

    def unfinished_rollups(self, before: datetime) -> list[str]:
        """Rigs with readings older than a time that have not all the roll-ups they could have."""

    def impossible_rollups(self, before: datetime) -> dict[str, float | None]:
        """Rigs with readings older than a time that can have no roll-ups, and their usual
        intervals: too long, or not known."""

    def prune_rollups(self, rig: str, ages: Mapping[int, datetime]) -> int:
        """Delete roll-ups of a rig, by level, that are older than a time; returns how many.

        Those of which something shorter, or readings, are kept stay.
        """

    def tokens(self) -> list[Token]:
        """All tokens by name, revoked ones as well."""

    def add_token(self, token: Token) -> None:
        """Keep a token. Raises SmartSensorError where its name is taken, or there are too many."""

    def revoke_token(self, name: str, now: datetime) -> bool:
        """Refuse a token from now on; False where it is revoked already.

        Raises NothingFoundError, which names those that there are.
        """

    def note_use(self, name: str, now: datetime) -> None:
        """Record that a token was used. In SQLite every page notices: do it rarely."""

    def version(self) -> int:
        """A number that differs from the last one when anybody has committed anything since.

        Cheap enough for every request. Raises DatabaseUnavailable when the database is gone.
        """

    def version_at_once(self) -> int | None:
        """The same where it is known without waiting for a server, else None."""

    @property
    def hears(self) -> bool:
        """Whether `version_at_once` tells of each change by itself.

        In PostgreSQL a moment later: until the notice is heard it is still the one before, and then
        None until `version` is asked.
        """


def span(readings: pl.DataFrame) -> tuple[datetime, datetime, int]:
    """First and last time of a frame, and its number of readings."""
    first, last = readings["timestamp"].min(), readings["timestamp"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    return first, last, len(readings)
