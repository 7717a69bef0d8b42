"""A rig file for a source that nobody has described yet: a guess from its header and first rows.

It reads the source that it was made for; names, units, limits and the time zone are for a person
to check.
"""

import difflib
import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import polars as pl

from pipeline.rig import Channel, ChannelSource, Rig, channel_name_fits
from pipeline.sources.times_proposal import TimeColumn, find_time_column
from pipeline.units import convert

# So many rows are looked at.
SAMPLE_ROWS = 1_000
# Below it two names have nothing to do with each other: `Operator` is no temperature.
_ALIKE = 0.7
# Of a column of numbers, so much is numbers: loggers write words between them.
_MOSTLY = 0.9
_MISSING = ("", "na", "n/a", "null", "none")
_SUFFIXES = {".csv", ".gz", ".parquet", ".tsv", ".txt"}
# What a time is called says nothing of a counter of hours.
_TIME_WORDS = {"date", "datetime", "time", "timestamp", "datum", "zeit"}

# What is in brackets is evaluated as an expression: not every one has an end.
_LIKE_A_UNIT = re.compile(r"(?!.*(\*\*|\d\d))[\w°µ%/*^·. -]{1,30}")

Decimal = Literal[".", ","]


@dataclass(frozen=True)
class Sample:
    """The first rows of a source, column by column, and how its file is written.

    Without rows only the columns that are named like the rig's are proposed.
    """

    columns: Sequence[pl.Series] = ()
    delimiter: str | None = None
    encoding: str = "utf-8"


@dataclass(frozen=True)
class _Column:
    """A column of numbers: its name, its values as numbers, and whether each row has one."""

    name: str
    values: pl.Series | None = None
    complete: bool = True


@dataclass
class _Proposed:
    """A channel, and what a person should look at."""

    channel: Channel
    remark: str = ""


@dataclass
class _Left:
    """Columns that no channel is for yet."""

    columns: list[_Column] = field(default_factory=list)

    def take(self, channel: Channel) -> _Column | None:
        """The column that the rig itself reads, or else the one most like the channel."""
        own = {key_of(channel.column), key_of(channel.name)}
        exact = next((c for c in self.columns if key_of(c.name) in own), None)
        found = exact or self._likeliest(channel)
        if found is not None:
            self.columns.remove(found)
        return found

    def _likeliest(self, channel: Channel) -> _Column | None:
        names = [channel.name, channel.title, channel.column]
        likeness = {c.name: _likeness(c.name, names, channel.unit) for c in self.columns}
        best = max(self.columns, key=lambda column: likeness[column.name], default=None)
        return best if best is not None and likeness[best.name] >= _ALIKE else None


def proposed_rig_file(header: Sequence[str], rig: Rig, source: str, sample: Sample) -> str | None:
    """The text of a rig file for a source with such a header; None without times or channels.

    Channels like those of `rig` keep their names, units and limits where the values fit.
    """
    found = _series(header, sample)
    decimal = _decimal(found, rig)
    time = find_time_column(found, rig)
    if time is None:
        return None
    left = _Left(_columns_of_numbers(found, decimal, time.name))
    proposed = []
    for channel in rig.channels:
        column = left.take(channel)
        if column is not None:
            proposed.append(_like(channel, column))
    if sample.columns:
        names = {each.channel.name for each in proposed}
        for column in left.columns:
            proposed.append(_new(column, names))
            names.add(proposed[-1].channel.name)
    if not proposed:
        return None
    read = {"rig", *(key_of(each.channel.column) for each in proposed)}
    ignored = [name.strip() for name in header if key_of(name) not in read | {key_of(time.name)}]
    head = _head(source, rig, ignored)
    return "\n\n".join([head, _files(time, decimal, sample), *map(_table, proposed)]) + "\n"


def key_of(column: str) -> str:
    """By which columns are compared: case and blanks around do not count."""
    return column.strip().casefold()


def _series(header: Sequence[str], sample: Sample) -> dict[str, pl.Series | None]:
    """The columns that can be read, in order, with their first values where these are known."""
    times = Counter(map(key_of, header))
    values: Sequence[pl.Series | None] = sample.columns or [None] * len(header)
    return {
        name.strip(): column
        for name, column in zip(header, values, strict=True)
        if times[key_of(name)] == 1 and name.strip() and key_of(name) != "rig"
    }


def _decimal(found: dict[str, pl.Series | None], rig: Rig) -> Decimal:
    """The sign with which more columns hold numbers; as the rig has it where it makes no odds."""
    text = [column for column in found.values() if column is not None and column.dtype == pl.String]
    counts: dict[Decimal, int] = {
        sign: sum(_numbers(column, sign) is not None for column in text) for sign in (".", ",")
    }
    if counts["."] == counts[","]:
        return rig.files.decimal
    return "." if counts["."] > counts[","] else ","


def _columns_of_numbers(
    found: dict[str, pl.Series | None], decimal: Decimal, time: str
) -> list[_Column]:
    columns = []
    for name, values in found.items():
        if name == time:
            continue
        if values is None:
            columns.append(_Column(name))
        elif (numbers := _numbers(values, decimal)) is not None:
            columns.append(_Column(name, numbers.drop_nulls(), not _missing(values).any()))
    return columns


def _missing(values: pl.Series) -> pl.Series:
    if values.dtype != pl.String:
        return values.is_null()
    return values.str.strip_chars().str.to_lowercase().is_in(_MISSING).fill_null(True)


def _numbers(values: pl.Series, decimal: Decimal) -> pl.Series | None:
    """The values of a column that holds numbers; None for another one."""
    if values.dtype == pl.String:
        text = values.filter(~_missing(values)).str.strip_chars()
        if decimal == ",":
            # A point would be a thousands separator there.
            text = text.set(text.str.contains(".", literal=True), None)
            text = text.str.replace(",", ".", literal=True)
        numbers = text.cast(pl.Float64, strict=False)
    elif values.dtype.is_numeric():
        numbers = values.drop_nulls().cast(pl.Float64)
    else:
        return None
    finite = int(numbers.is_finite().sum())
    return numbers if finite and finite >= _MOSTLY * len(numbers) else None


def _like(channel: Channel, column: _Column) -> _Proposed:
    """A channel of the rig, read from a column: with its limits where the values fit."""
    unit = _unit_like(column.name, channel.unit)
    same = key_of(column.name) == channel.name
    remark = "" if unit or same else "check the unit"
    source = {} if same else {"column": column.name, "unit": unit or channel.unit or None}
    fitting = Channel.model_validate(
        {**channel.model_dump(), "required": column.complete, "source": source}
    )
    if _is_valid(fitting, column):
        return _Proposed(fitting, remark)
    # What it measures here is of another size: its own unit, and limits are for a person to set.
    own = unit_in(column.name)
    bare = Channel(
        name=channel.name,
        label=channel.label,
        unit=unit or own,
        required=column.complete,
        source=ChannelSource(column=column.name),
    )
    return _Proposed(bare, "" if bare.unit else "which unit?")


def _is_valid(channel: Channel, column: _Column) -> bool:
    if column.values is None:
        return True
    shift, scale = channel.conversion
    values = (column.values + shift) * scale
    low, high = channel.valid.min, channel.valid.max
    fitting = values.is_between(
        -math.inf if low is None else low, math.inf if high is None else high
    )
    return int(fitting.sum()) >= _MOSTLY * len(values)


def _new(column: _Column, taken: set[str]) -> _Proposed:
    """A channel for a column that none of the rig's is like."""
    label = re.sub(r"\s*[(\[].*", "", column.name).strip() or column.name
    channel = Channel(
        name=_free_name(label, taken),
        label=label,
        unit=unit_in(column.name),
        required=column.complete,
        source=ChannelSource(column=column.name),
    )
    return _Proposed(channel)


def _free_name(label: str, taken: set[str]) -> str:
    plain = unicodedata.normalize("NFKD", label.casefold())
    slug = re.sub(r"[^a-z0-9]+", "_", "".join(c for c in plain if not unicodedata.combining(c)))
    slug = slug.strip("_")[:30]
    for name in (slug, f"channel_{slug}".strip("_")):
        if channel_name_fits(name) and name not in taken:
            return name
    number = 2
    while not channel_name_fits(name := f"channel_{number}") or name in taken:
        number += 1
    return name


def unit_in(column: str) -> str:
    """The unit in brackets in a column's name, by its usual name; empty for none."""
    found = re.search(r"[(\[]([^)\]]+)[)\]]", column)
    if found is None:
        return ""
    text = found[1].strip()
    if not _LIKE_A_UNIT.fullmatch(text):
        return ""
    usual = {"%": "percent", "C": "degC", "F": "degF"}
    bare = re.sub(r"\N{DEGREE SIGN}\s*", "deg", text)
    for name in (usual.get(text, bare), bare.lower()):
        try:
            convert(1.0, name, name)
        except ValueError:
            continue
        return name
    return text


def _unit_like(column: str, unit: str) -> str | None:
    """The unit in brackets in a column's name, where it measures what `unit` does."""
    found = unit_in(column)
    if not found or not unit:
        return None
    try:
        convert(1.0, found, unit)
    except ValueError:
        return None
    return found


def _likeness(column: str, names: Sequence[str], unit: str) -> float:
    low = column.casefold()
    bare = re.sub(r"[(\[].*", "", low).strip()
    fits = _unit_like(column, unit) is not None
    if bare in _TIME_WORDS and not fits:
        return 0.0
    lower = [name.casefold() for name in names]
    contained = any(name in low for name in lower)
    shortened = any(
        name.startswith(word)
        for name in lower
        for word in re.findall(r"[^\W\d_]{3,}", bare)  # `Temp` is short for temperature
    )
    ratio = max(difflib.SequenceMatcher(None, bare, name).ratio() for name in lower)
    return ratio + (contained or shortened) + fits


def _head(source: str, rig: Rig, ignored: list[str]) -> str:
    lines = ["# A guess: check names, units, limits, valid ranges and the time zone."]
    if ignored:
        lines.append(f"# Not read: {', '.join(map(_toml, ignored))}")
    return "\n".join(
        [
            *lines,
            f"name = {_toml(_rig_name(source))}",
            f"time_zone = {_toml(rig.time_zone)}  # of times without an offset",
        ]
    )


def _rig_name(source: str) -> str:
    path = Path(source)
    while path.suffix.casefold() in _SUFFIXES:
        path = path.with_suffix("")
    return "".join(c for c in path.name if c.isprintable()).strip()[:200] or "new-rig"


def _files(time: TimeColumn, decimal: Decimal, sample: Sample) -> str:
    remark = f"  # {time.remark}" if time.remark else ""
    lines = [f"time_column = {_toml(time.name)}{remark if not time.format else ''}"]
    if time.format:
        lines.append(f"time_format = {_toml(time.format)}{remark}")
    if sample.delimiter not in (None, ",", decimal):
        lines.append(f"delimiter = {_toml(str(sample.delimiter))}")
    if decimal != ".":
        lines.append(f"decimal = {_toml(decimal)}")
    if sample.encoding != "utf-8":
        lines.append(f"encoding = {_toml(sample.encoding)}")
    return "\n".join(["[files]", *lines])


def _table(proposed: _Proposed) -> str:
    channel = proposed.channel
    remark = f"  # {proposed.remark}" if proposed.remark else ""
    lines = [f"[channels.{channel.name}]"]
    if channel.label:
        lines.append(f"label = {_toml(channel.label)}")
    lines.append(f"unit = {_toml(channel.unit)}{remark if not channel.source.unit else ''}")
    if channel.kind != "gauge":
        lines.append(f"kind = {_toml(channel.kind)}")
    if not channel.required:
        lines.append("required = false  # some rows have none")
    for name in ("valid", "limits", "z_score"):
        part = getattr(channel, name)
        given = part.model_dump(exclude_none=True) if part else {}
        if given:
            lines.append(
                f"{name} = {_inline({key: _number(value) for key, value in given.items()})}"
            )
    source = {key: _toml(value) for key, value in channel.source.model_dump().items() if value}
    if source:
        lines.append(f"source = {_inline(source)}{remark if channel.source.unit else ''}")
    return "\n".join(lines)


def _inline(entries: dict[str, str]) -> str:
    return "{ " + ", ".join(f"{key} = {value}" for key, value in entries.items()) + " }"


def _number(value: float) -> str:
    """Every digit of it, and none too many."""
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e15 else repr(value)


def _toml(text: str) -> str:
    # JSON's escapes are among TOML's; it leaves this character, which TOML does not.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
