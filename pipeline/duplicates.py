"""Readings of one source with the same rig and timestamp: found in bounded memory.

A source is kept in pieces, each of one rig. Where timestamps rise strictly from piece to piece
there can be no duplicate. Otherwise only pieces whose time ranges overlap are compared: a clock
that was set back by an hour costs a look at that hour, not at the whole file.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import polars as pl

from pipeline.spool import Spool

_ROWS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Piece:
    """What is known of one frame of a spool: its rig, and its timestamps in microseconds."""

    number: int
    rig: str
    rows: int
    first: int
    last: int
    rising: bool

    @classmethod
    def of(cls, number: int, readings: pl.DataFrame) -> "Piece":
        """Describe a frame that holds at least one reading, all of one rig."""
        times = readings["timestamp"].dt.epoch("us")
        first, last = times.min(), times.max()
        assert isinstance(first, int)
        assert isinstance(last, int)
        rising = bool((times.diff().slice(1) > 0).all())
        return cls(number, readings["rig"][0], len(readings), first, last, rising)


def find_duplicates(pieces: Iterable[Piece], spool: Spool) -> dict[int, pl.Series]:
    """Lines of the readings that repeat an earlier key, by the number of their piece."""
    lines: dict[int, list[pl.Series]] = {}
    for group in overlapping(pieces):
        parts = -(-sum(piece.rows for piece in group) // _ROWS_AT_ONCE)
        for part in range(parts):
            for number, found in _repeated(group, spool, part, parts):
                lines.setdefault(number, []).append(found)
    return {number: pl.concat(found) for number, found in lines.items()}


def overlapping(pieces: Iterable[Piece]) -> list[list[Piece]]:
    """Groups of pieces, in source order, in which a key may be there twice."""
    groups: list[list[Piece]] = []
    last = 0
    for piece in sorted(pieces, key=lambda piece: (piece.rig, piece.first)):
        if groups and groups[-1][0].rig == piece.rig and piece.first <= last:
            groups[-1].append(piece)
            last = max(last, piece.last)
        else:
            groups.append([piece])
            last = piece.last
    doubtful = [group for group in groups if len(group) > 1 or not group[0].rising]
    return [sorted(group, key=lambda piece: piece.number) for group in doubtful]


def _repeated(
    group: list[Piece], spool: Spool, part: int, parts: int
) -> Iterator[tuple[int, pl.Series]]:
    """Repeated keys among those whose hash falls into `part` of `parts`."""
    frames = []
    for piece in group:
        keys = spool[piece.number].select("timestamp", "line", piece=pl.lit(piece.number))
        if parts > 1:
            keys = keys.filter(pl.col("timestamp").hash() % parts == part)
        frames.append(keys)
    repeated = pl.concat(frames).filter(~pl.col("timestamp").is_first_distinct())
    for (number,), found in repeated.group_by("piece", maintain_order=True):
        assert isinstance(number, int)
        yield number, found["line"]
