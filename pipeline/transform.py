"""The transform: from the batches of a source to scored readings, rejects and counts.

Two passes in bounded memory. The first judges every row and keeps what is accepted on disk; then
duplicates are found and the statistics are known; the second scores. Nothing here knows where
rows come from or where they go.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from types import MappingProxyType, TracebackType
from typing import Literal

import polars as pl

from pipeline.ahead import ahead
from pipeline.duplicates import Piece, find_duplicates
from pipeline.errors import SourceError
from pipeline.quality import REASONS, REJECT_SCHEMA, judge
from pipeline.rig import Rig
from pipeline.scoring import Moments, is_outlier, measure, score
from pipeline.sources.base import Source
from pipeline.spool import Spool
from pipeline.stores.base import Incoming, LoadOutcome
from pipeline.tally import Steps, Tally
from pipeline.timestamps import from_microseconds

Outliers = Literal["flag", "reject"]
Progress = Callable[[int], None]
# rig -> channel -> moments
RigMoments = dict[str, dict[str, Moments]]


class Transformed(AbstractContextManager["Transformed"]):
    """The outcome of a transform; a context manager that gives its disk space back.

    `readings()` first, then `rejects()`: outliers become known while readings are scored.
    `rejected` counts by reason; it, `tallies` (by rig) and `accepted_moments` are complete after
    `readings()`. `moments` are those that the z-scores are made with, outliers included.
    """

    def __init__(
        self, source: Source, rig: Rig, outliers: Outliers, retained_from: Mapping[str, datetime]
    ) -> None:
        self.rig = rig
        self.rows_read = 0
        self.accepted = 0
        self.rejected: Counter[str] = Counter()
        self.moments: RigMoments = {}
        self.accepted_moments: RigMoments = {}
        self.tallies: dict[str, Tally] = {}
        self._source = source
        self._outliers = outliers
        self._retained_from = retained_from
        self._kept = Spool()
        self._early = Spool()
        self._late = Spool()
        self._outlying = Spool()
        self._pieces: list[Piece] = []
        self._batch_of_piece: list[int] = []
        self._duplicates: dict[int, pl.Series] = {}
        self._steps: dict[str, Steps] = {}

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for spool in (self._kept, self._early, self._late, self._outlying):
            spool.close()

    @property
    def incoming(self) -> Incoming:
        """What `readings()` will give, outliers included."""
        spans: dict[str, tuple[datetime, datetime]] = {}
        for piece in self._pieces:
            first, last = from_microseconds(piece.first), from_microseconds(piece.last)
            known = spans.get(piece.rig, (first, last))
            spans[piece.rig] = min(first, known[0]), max(last, known[1])
        medians = {name: steps.median_s for name, steps in self._steps.items()}
        intervals = {name: median for name, median in medians.items() if median is not None}
        return Incoming(sum(piece.rows for piece in self._pieces), spans, intervals)

    @property
    def rejected_by_reason(self) -> dict[str, int]:
        """Rejects by reason, in the order in which reasons apply."""
        return {reason: self.rejected[reason] for reason in REASONS if self.rejected[reason]}

    @property
    def load_outcome(self) -> LoadOutcome:
        """What a load reports, when all is written."""
        return LoadOutcome(self.rows_read, self.accepted, self.rejected_by_reason, self.moments)

    def readings(self) -> Iterator[pl.DataFrame]:
        """Accepted, scored readings in source order; each frame holds readings of one rig.

        Can be asked for again, from the beginning: all that counts them begins anew.
        """
        self._forget_readings()
        for piece in self._pieces:
            scored = score(self._without_duplicates(piece), self.moments[piece.rig], self.rig)
            if self._outliers == "reject":
                red = scored.select(is_outlier(self.rig)).to_series()
                outliers = scored.filter(red)
                self._reject_late(self._outlying, piece, outliers, "outlier", "a red z-score")
                scored = scored.filter(~red)
                _add_moments(self.accepted_moments, piece.rig, scored, self.rig)
            self.accepted += len(scored)
            if len(scored):
                self.tallies.setdefault(piece.rig, Tally(self.rig)).add(scored)
                yield scored

    def _forget_readings(self) -> None:
        self.accepted = 0
        self.tallies = {}
        self.rejected.pop("outlier", None)
        self._outlying.close()
        self._outlying = Spool()
        if self._outliers == "reject":
            self.accepted_moments = {}

    def rejects(self) -> Iterator[pl.DataFrame]:
        """Rejected rows with the columns of REJECT_SCHEMA; to be called after `readings()`."""
        yield from self._early
        yield from self._late_with_text()

    def _judge_all(self, progress: Progress) -> None:
        for number, batch in enumerate(ahead(self._source.batches())):
            readings, rejects = judge(batch, self.rig, self._retained_from)
            self.rows_read += len(batch.rows) + len(batch.misshapen)
            pieces = [readings] if "rig" not in batch.rows.columns else _by_rig(readings)
            for frame in pieces:
                if len(frame):
                    self._pieces.append(Piece.of(len(self._kept), frame))
                    self._batch_of_piece.append(number)
                    self._kept.append(frame)
            if len(rejects):
                self.rejected.update(dict(rejects["reason"].value_counts().iter_rows()))
                self._early.append(rejects)
            progress(self._source.bytes_read)

    def _find_duplicates(self) -> None:
        self._duplicates = find_duplicates(self._pieces, self._kept)
        for piece in self._pieces:
            if piece.number in self._duplicates:
                frame = self._kept[piece.number]
                repeated = frame.filter(self._is_duplicate(piece))
                detail = "an earlier row has this time"
                self._reject_late(self._late, piece, repeated, "duplicate_timestamp", detail)

    def _measure(self) -> None:
        for piece in self._pieces:
            readings = self._without_duplicates(piece)
            _add_moments(self.moments, piece.rig, readings, self.rig)
            if len(readings):
                steps = self._steps.setdefault(piece.rig, Steps())
                steps.add(readings["timestamp"].dt.epoch("us"))
        # Where outliers are rejected, what is left of the readings is measured on the way.
        self.accepted_moments = {} if self._outliers == "reject" else self.moments

    def _without_duplicates(self, piece: Piece) -> pl.DataFrame:
        frame = self._kept[piece.number]
        if piece.number not in self._duplicates:
            return frame
        return frame.filter(~self._is_duplicate(piece))

    def _is_duplicate(self, piece: Piece) -> pl.Expr:
        return pl.col("line").is_in(self._duplicates[piece.number].implode())

    def _reject_late(
        self, spool: Spool, piece: Piece, rows: pl.DataFrame, reason: str, detail: str
    ) -> None:
        if rows.is_empty():
            return
        assert reason in REASONS
        self.rejected[reason] += len(rows)
        spool.append(
            rows.select(
                pl.lit(self._batch_of_piece[piece.number]).alias("batch"),
                "line",
                "rig",
                "timestamp",
                pl.lit(reason).alias("reason"),
                pl.lit(detail).alias("detail"),
            )
        )

    def _late_with_text(self) -> Iterator[pl.DataFrame]:
        """Rejects that were first accepted: their text is read from the source once more."""
        wanted: dict[int, list[tuple[Spool, int]]] = {}
        for spool in (self._late, self._outlying):
            for number, frame in enumerate(spool):
                wanted.setdefault(frame["batch"][0], []).append((spool, number))
        if not wanted:
            return
        for number, batch in enumerate(self._source.batches()):
            places = batch.rows.select("line").with_row_index("place")
            for spool, late in wanted.pop(number, []):
                known = spool[late]
                rejects = known.join(places, on="line", maintain_order="left")
                if len(rejects) != len(known):
                    raise self._changed()
                raw = pl.Series("raw", batch.raw(rejects["place"].to_list()), dtype=pl.String)
                yield rejects.with_columns(raw).select(list(REJECT_SCHEMA))
        if wanted:
            raise self._changed()

    def _changed(self) -> SourceError:
        return SourceError(f"{self._source.name}: changed while it was read; load it again")


def transform(
    source: Source,
    rig: Rig,
    outliers: Outliers = "flag",
    progress: Progress = lambda bytes_read: None,
    retained_from: Mapping[str, datetime] = MappingProxyType({}),
) -> Transformed:
    """Judge and measure all rows of a source; score them when they are asked for.

    `progress` is called with the number of bytes read so far; `retained_from` says of rigs from
    which time on readings are kept. Raises SourceError.
    """
    outcome = Transformed(source, rig, outliers, retained_from)
    try:
        outcome._judge_all(progress)
        outcome._find_duplicates()
        outcome._measure()
    except BaseException:
        outcome.__exit__(None, None, None)
        raise
    return outcome


def _add_moments(total: RigMoments, name: str, readings: pl.DataFrame, rig: Rig) -> None:
    found = measure(readings, rig)
    known = total.get(name, {})
    total[name] = {c: known.get(c, Moments()).merged(moments) for c, moments in found.items()}


def _by_rig(readings: pl.DataFrame) -> list[pl.DataFrame]:
    if readings["rig"].n_unique() <= 1:
        return [readings]
    return readings.partition_by("rig", maintain_order=True)
