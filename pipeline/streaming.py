"""Readings that arrive one by one: judged by the same rules, scored against the newest load."""

import polars as pl

from pipeline.errors import OlderThanRetentionError
from pipeline.quality import judge
from pipeline.rig import Rig
from pipeline.scoring import Moments, score
from pipeline.sources.base import Batch
from pipeline.sources.frame import FrameSource
from pipeline.stores.base import SourceIdentity, Store


class LiveWriter:
    """Writes what one live source sends; the ledger has one row for all of it.

    The mean and deviation are those of the rig's newest complete load. Where there is none all
    z-scores are 0, and only limits make a reading red.
    """

    def __init__(self, store: Store, rig: Rig, source: str) -> None:
        self._store = store
        self._rig = rig
        self._identity = SourceIdentity(source, None, rig, "{}")
        self._load_id = store.begin_live(self._identity)
        self._moments: dict[str, dict[str, Moments]] = {}

    def write(self, rows: pl.DataFrame) -> None:
        """Check, score and store rows with the columns of a file of the rig."""
        for batch in FrameSource(rows, self._rig).batches():
            try:
                self._append(batch)
            except OlderThanRetentionError:
                # Pruned since it was judged: what was kept then is too old now.
                self._append(batch)

    def _append(self, batch: Batch) -> None:
        readings, rejects = judge(batch, self._rig, self._store.retained_from())
        first = readings.select(pl.struct("rig", "timestamp").is_first_distinct()).to_series()
        repeated = _repeated(readings.filter(~first), batch)
        scored = [
            score(part, self._moments_of(part["rig"][0]), self._rig)
            for part in readings.filter(first).partition_by("rig", maintain_order=True)
        ]
        self._store.append(
            self._load_id,
            self._identity,
            pl.concat(scored) if scored else readings,
            pl.concat([rejects, repeated]),
        )

    def _moments_of(self, rig: str) -> dict[str, Moments]:
        if rig not in self._moments:
            known = self._store.baseline(rig) or {}
            self._moments[rig] = {c.name: known.get(c.name, Moments()) for c in self._rig.channels}
        return self._moments[rig]


def _repeated(readings: pl.DataFrame, batch: Batch) -> pl.DataFrame:
    """Rejects of readings whose time another one, sent together with them, has already."""
    # Lines of a frame are positions, from 1.
    raw = batch.raw([line - 1 for line in readings["line"]])
    return readings.select(
        "line",
        "rig",
        "timestamp",
        reason=pl.lit("duplicate_timestamp"),
        detail=pl.lit("an earlier row has this time"),
        raw=pl.Series(raw, dtype=pl.String),
    )
