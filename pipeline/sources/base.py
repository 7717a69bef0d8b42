"""What every source gives: batches of rows under our names, and the row as it was read."""

import difflib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import polars as pl

from pipeline.errors import SourceError
from pipeline.rig import Rig, convert

# Below it two names have nothing to do with each other: `Operator` is no temperature.
_ALIKE = 0.7


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
    def find(cls, header: Sequence[str], rig: Rig, source: str) -> "ColumnMap":
        """Match the header with the rig's columns, ignoring case and surrounding blanks.

        Raises SourceError when a required column is missing (with a proposal) or there twice.
        """
        places: dict[str, list[int]] = {}
        for position, column in enumerate(header):
            places.setdefault(_key(column), []).append(position)
        positions: dict[str, int] = {}
        missing: dict[str, str] = {}
        wanted = {"timestamp": (rig.files.time_column, True), "rig": ("rig", False)}
        wanted |= {c.name: (c.column, c.required) for c in rig.channels}
        converted = {c.name for c in rig.channels if c.conversion != (0.0, 1.0)}
        taken = {_key(column) for column, _ in wanted.values()}
        for name, (column, required) in wanted.items():
            found = places.get(_key(column))
            if not found and _key(name) not in taken and name not in converted:
                # A channel's own name serves too: it is what our own exports write, in its unit.
                found = places.get(_key(name))
            if found and len(found) > 1:
                raise SourceError(f"{source}: column {column!r} is there {len(found)} times")
            if found:
                positions[name] = found[0]
            elif required:
                missing[name] = column
        if missing:
            raise SourceError(_missing_message(source, header, rig, missing))
        used = set(positions.values())
        ignored = tuple(column for i, column in enumerate(header) if i not in used)
        return cls(positions, tuple(header), ignored)


def _key(column: str) -> str:
    return column.strip().casefold()


def _missing_message(source: str, header: Sequence[str], rig: Rig, missing: dict[str, str]) -> str:
    found = ", ".join(repr(column.strip()) for column in header)
    wanted = ", ".join(repr(column) for column in missing.values())
    proposal = _proposal(header, rig, missing)
    file = rig.file or "the rig file"
    return (
        f"{source}: required column missing: {wanted}. Columns found: {found}.\n"
        f"If they are there under other names, copy {file}, put these lines into its "
        f"tables of the same names, and give the copy with --rig-file:\n\n{proposal}"
    )


def _proposal(header: Sequence[str], rig: Rig, missing: dict[str, str]) -> str:
    """Lines for a rig file that map the likeliest columns; a guess for a person to check."""
    left = [column.strip() for column in header]
    lines = []
    if "timestamp" in missing:
        time_column = _likeliest(left, ["timestamp", "datetime", "date", "time"]) or "..."
        lines += ["    [files]", f"    time_column = {_toml(time_column)}"]
    for channel in rig.channels:
        if channel.name not in missing:
            continue
        guess = _likeliest(left, [channel.name, channel.title, channel.column], channel.unit)
        if guess is None:
            lines += [
                f"    [channels.{channel.name}]",
                "    required = false    # no such column",
            ]
        else:
            unit = _unit_in(guess, channel.unit) or channel.unit
            lines += [
                f"    [channels.{channel.name}]",
                f"    source = {{ column = {_toml(guess)}, unit = {_toml(unit)} }}"
                "  # check the unit",
            ]
    return "\n".join(lines)


def _toml(text: str) -> str:
    # JSON's escapes are among TOML's.
    return json.dumps(text, ensure_ascii=False)


def _unit_in(column: str, unit: str) -> str | None:
    """The unit in brackets in a column's name, where it measures what `unit` does."""
    found = re.search(r"[(\[]([^)\]]+)[)\]]", column)
    if found is None or not unit:
        return None
    text = re.sub(r"\N{DEGREE SIGN}\s*", "deg", found[1].strip())
    for name in (text, text.lower(), f"deg{text}"):  # C alone is the coulomb
        try:
            convert(1.0, name, unit)
        except ValueError:
            continue
        return name
    return None


def _likeliest(columns: list[str], names: Sequence[str], unit: str = "") -> str | None:
    """The column most like one of the names, or with a fitting unit; taken out of `columns`."""

    def likeness(column: str) -> float:
        low = column.casefold()
        bare = re.sub(r"[(\[].*", "", low).strip()
        lower = [name.casefold() for name in names]
        contained = any(name in low for name in lower)
        shortened = any(
            name.startswith(word)
            for name in lower
            for word in re.findall(r"[^\W\d_]{3,}", bare)  # `Temp` is short for temperature
        )
        ratio = max(difflib.SequenceMatcher(None, bare, name).ratio() for name in lower)
        return ratio + (contained or shortened) + (_unit_in(column, unit) is not None)

    best = max(columns, key=likeness, default=None)
    if best is None or likeness(best) < _ALIKE:
        return None
    columns.remove(best)
    return best
