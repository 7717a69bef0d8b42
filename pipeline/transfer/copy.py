"""From one store to another, verbatim: piece by piece, again after an interruption, then compared.

The readings come across in spans of whole UTC days of a rig, each in a transaction of its own.
Then all days are compared on both sides. What has changed meanwhile, and the ledger, come last,
in one transaction: until then the target has no ledger, and a mark that it is unfinished.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import polars as pl

from pipeline.errors import DatabaseError
from pipeline.stores import Store
from pipeline.stores.foreign import NOBODY
from pipeline.stores.records import TABLES, Records
from pipeline.transfer.days import Day, Digest, Span, day_digests, days_of, spans_of
from pipeline.transfer.files import Progress, no_progress

Columns = dict[str, pl.DataType]


@dataclass
class Copied:
    """What a copy has done; `missed_changes` came to the source after its last moment."""

    readings: int = 0
    days: int = 0
    rejects: int = 0
    loads: int = 0
    copied_readings: int = 0
    missed_changes: int = 0


def copy_store(source: Store, target: Store, progress: Progress = no_progress) -> Copied:
    """Bring everything of `source` into `target`, which is empty or an unfinished copy of it.

    Can be killed at any moment and started again. Raises DatabaseError where the target has
    something else, where the two differ in the end, or where a time cannot be copied.
    """
    with source.snapshot() as there:
        there.refuse_beyond()
        identity, columns, days = there.identity(), there.columns("readings"), days_of(there)
    with target.rewriting() as here:
        _begin(here, identity, columns)
    copied = Copied()
    _copy_missing(source, target, days, copied, progress)
    sequence = _compare_all(source, target, columns, copied, progress)
    _finish(source, target, columns, sequence, copied, progress)
    return copied


def _begin(here: Records, identity: str, columns: Columns) -> None:
    """Mark the target as an unfinished copy, if it is not; with all columns, and the key."""
    if here.identity() == identity:
        raise DatabaseError(f"{here.database}: is the source itself; give another database")
    unfinished = here.copy_of()
    if unfinished is None:
        if not here.is_empty():
            raise DatabaseError(f"{here.database}: is not empty; give an empty database")
        here.begin_copy(identity)
    elif unfinished != identity:
        raise DatabaseError(
            f"{here.database}: is an unfinished copy of another database; give an empty database"
        )
    elif here.last_load():
        raise DatabaseError(
            f"{here.database}: is an unfinished copy that has got loads of its own; "
            "give an empty database"
        )
    here.make_columns(columns)
    here.settle()


def _copy_missing(
    source: Store, target: Store, days: dict[Day, int], copied: Copied, progress: Progress
) -> None:
    """Copy the days of which the target has another number of readings."""
    with target.snapshot() as here:
        present = days_of(here)
    bar = _Bar(progress, "copying", sum(days.values()))
    for span in spans_of(days):
        if all(present.get(day) == days[day] for day in span.days):
            bar.add(span.rows)
            continue
        with source.snapshot() as there, target.rewriting() as here:
            _copy(there, here, span, copied, bar)


def _compare_all(
    source: Store, target: Store, columns: Columns, copied: Copied, progress: Progress
) -> int:
    """Compare all days, and copy those that differ; returns the source's sequence at that time."""
    with source.snapshot() as there:
        sequence, days = there.last_sequence(), days_of(there)
        with target.snapshot() as here:
            days = {**dict.fromkeys(days_of(here), 0), **days}
        bar = _Bar(progress, "comparing", sum(days.values()))
        for span in spans_of(days):
            digests = day_digests(there, span, columns)
            bar.add(span.rows)
            if _digests_of(target, span, columns) == digests:
                continue
            with target.rewriting() as here:
                _copy(there, here, span, copied, _Bar(no_progress, "", 0))
            _refuse_days(span, digests, _digests_of(target, span, columns))
    return sequence


def _finish(
    source: Store,
    target: Store,
    columns: Columns,
    sequence: int,
    copied: Copied,
    progress: Progress,
) -> None:
    """What has changed since, and the ledger, in one transaction; then it is a copy no longer."""
    with source.snapshot() as there, target.rewriting() as here:
        if here.last_load():
            raise DatabaseError(
                f"{here.database}: has got loads of its own meanwhile; nothing was lost"
            )
        touched = _touched(there, here, sequence)
        bar = _Bar(progress, "catching up", sum(span.rows for span in touched))
        for span in touched:
            _copy(there, here, span, copied, bar)
            _refuse_days(span, day_digests(there, span, columns), day_digests(here, span, columns))
        for table in TABLES:
            if table != "readings":
                here.add(table, there.frames(table))
        here.settle()
        _refuse_difference(there, here)
        here.end_copy()
        final, days = there.last_sequence(), days_of(there)
        copied.days, copied.readings = len(days), sum(days.values())
        copied.rejects, copied.loads = there.count("rejects"), there.count("loads")
    copied.missed_changes = source.last_sequence() - final


def _touched(there: Records, here: Records, sequence: int) -> list[Span]:
    """Days that may have changed since: those of later changes, and those that differ in number."""
    ours, theirs = days_of(there), days_of(here)
    days = {**dict.fromkeys(theirs, 0), **ours}
    touched = {day for day in days if ours.get(day) != theirs.get(day)}
    changes = pl.concat([*there.frames("changes"), pl.DataFrame(schema=there.columns("changes"))])
    oldest = changes["sequence"].min()
    if isinstance(oldest, int) and oldest > max(sequence, 1):
        return spans_of(days)  # old changes are not kept: some may be missing
    later = changes.filter(pl.col("sequence") > sequence)
    if NOBODY in later["rig"]:
        return spans_of(days)  # another program has written, nobody knows where
    for rig, first, last in later.select("rig", "first_timestamp", "last_timestamp").iter_rows():
        within = (day for day in days if day.rig == rig)
        touched |= {day for day in within if first.date() <= day.date <= last.date()}
    return spans_of({day: days[day] for day in sorted(touched)}, alone=True)


def _copy(there: Records, here: Records, span: Span, copied: Copied, bar: "_Bar") -> None:
    def watched() -> Iterator[pl.DataFrame]:
        for frame in there.frames("readings", span.range):
            yield frame
            copied.copied_readings += len(frame)
            bar.add(len(frame))

    here.remove(span.range)
    here.add("readings", watched())


def _digests_of(store: Store, span: Span, columns: Columns) -> dict[date, Digest]:
    with store.snapshot() as records:
        return day_digests(records, span, columns)


def _refuse_days(span: Span, ours: dict[date, Digest], theirs: dict[date, Digest]) -> None:
    different = sorted(day for day in {*ours, *theirs} if ours.get(day) != theirs.get(day))
    if different:
        raise DatabaseError(
            f"readings of rig {span.rig!r} on {different[0]} are not the same after they were "
            "copied; does another program write to the target?"
        )


def _refuse_difference(there: Records, here: Records) -> None:
    for table in TABLES:
        ours, theirs = there.count(table), here.count(table)
        if ours != theirs:
            raise DatabaseError(
                f"the source has {ours:,} {table}, the target {theirs:,}: nothing was finished; "
                "start again"
            )


class _Bar:
    """One stage of a progress bar, of which parts are done."""

    def __init__(self, progress: Progress, stage: str, total: int) -> None:
        self._progress, self._stage, self._total = progress, stage, total
        self._done = 0

    def add(self, rows: int) -> None:
        self._done += rows
        self._progress(self._stage, min(self._done, self._total), self._total)
