"""Readings that arrive one by one: judged by the same rules, scored against the newest load."""

import polars as pl

from pipeline.quality import judge
from pipeline.rig import Rig
from pipeline.scoring import Moments, score
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
        known = store.baseline(rig.name) or {}
        self._moments = {c.name: known.get(c.name, Moments()) for c in rig.channels}

    def write(self, rows: pl.DataFrame) -> None:
        """Check, score and store rows with the columns of a file of the rig."""
        for batch in FrameSource(rows, self._rig).batches():
            readings, rejects = judge(batch, self._rig)
            scored = score(readings, self._moments, self._rig)
            self._store.append(self._load_id, self._identity, scored, rejects)
