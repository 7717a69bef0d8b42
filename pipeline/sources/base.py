"""What every source gives: batches of rows under our names, and the row as it was read."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import polars as pl

from pipeline.errors import SourceError, UnfitColumnsError
from pipeline.rig import Rig
from pipeline.sources.proposal import Sample, key_of, proposed_rig_file


class Misshapen(NamedTuple):
    """A record with the wrong number of fields: it cannot be assigned to columns."""

    line: int
    fields: int
    raw: str


@dataclass(frozen=True)
class Batch:
    """Some consecutive rows of a source.

    `rows` has the columns `line` (Int64: physical line on which the record begins, from 1),
    `timestamp`, `rig` if the source has it, and a column for each channel that the source has;
    values are text as written, or typed where the format has types. `raw` gives the text of
    rows by their position in `rows`; `width` is the number of fields that a record should have.
    """

    rows: pl.DataFrame
    raw: Callable[[Sequence[int]], list[str]]
    width: int = 0
    misshapen: list[Misshapen] = field(default_factory=list)


class Source(Protocol):
    """A file, or anything else that can be read more than once from its beginning."""

    name: str
    size_bytes: int
    bytes_read: int
    columns: "ColumnMap"

    def batches(self) -> Iterator[Batch]:
        """All rows, in order, in batches of bounded size. Raises SourceError."""

    def sha256(self) -> str:
        """Hash of the content as stored, as 64 hexadecimal digits."""

    def describe(self) -> dict[str, str]:
        """How it is read (delimiter, encoding, ...), for a preview."""


@dataclass(frozen=True)
class ColumnMap:
    """Which column of a source is which of ours: our name -> position, and what is left over."""

    positions: dict[str, int]
    header: tuple[str, ...]
    ignored: tuple[str, ...]

    @classmethod
    def find(
        cls,
        header: Sequence[str],
        rig: Rig,
        source: str,
        look: Callable[[], Sample] = Sample,
    ) -> "ColumnMap":
        """Match the header with the rig's columns, ignoring case and surrounding blanks.

        Raises SourceError when a required column is missing or there twice; UnfitColumnsError in
        the former case, with a rig file for what `look` gives of the source.
        """
        places: dict[str, list[int]] = {}
        for position, column in enumerate(header):
            places.setdefault(key_of(column), []).append(position)
        positions: dict[str, int] = {}
        missing: dict[str, str] = {}
        wanted = {"timestamp": (rig.files.time_column, True), "rig": ("rig", False)}
        wanted |= {c.name: (c.column, c.required) for c in rig.channels}
        converted = {c.name for c in rig.channels if c.conversion != (0.0, 1.0)}
        taken = {key_of(column) for column, _ in wanted.values()}
        for name, (column, required) in wanted.items():
            found = places.get(key_of(column))
            if not found and key_of(name) not in taken and name not in converted:
                # A channel's own name serves too: it is what our own exports write, in its unit.
                found = places.get(key_of(name))
            if found and len(found) > 1:
                raise SourceError(f"{source}: column {column!r} is there {len(found)} times")
            if found:
                positions[name] = found[0]
            elif required:
                missing[name] = column
        if missing:
            raise _unfit(source, header, rig, missing, look())
        used = set(positions.values())
        ignored = tuple(column for i, column in enumerate(header) if i not in used)
        return cls(positions, tuple(header), ignored)


def _unfit(
    source: str, header: Sequence[str], rig: Rig, missing: dict[str, str], sample: Sample
) -> UnfitColumnsError:
    found = ", ".join(repr(column.strip()) for column in header)
    wanted = ", ".join(repr(column) for column in missing.values())
    return UnfitColumnsError(
        f"{source}: required column missing: {wanted}. Columns found: {found}.",
        proposed_rig_file(header, rig, source, sample),
    )
