"""Rigs and their channels: names, units, valid ranges and limits, read from a TOML file.

The only place that knows what channels there are. Channel values are in the channel's own unit
throughout; `Channel.conversion` brings a file's values to it.
"""

import hashlib
import re
import tomllib
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

import polars as pl
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from pipeline.errors import OtherUnitError, RigError
from pipeline.settings import Settings, default_rig_file
from pipeline.units import converted, hours_in

Level = Literal["normal", "yellow", "red"]
LEVELS: tuple[Level, ...] = ("normal", "yellow", "red")

# Fields of the API that users know by name -> the channel they stand for.
KNOWN_CHANNELS = {
    "temperature": "temperatures",
    "pressure": "pressures",
    "uptime": "uptime_hours",
}

Number = Annotated[float, Field(allow_inf_nan=False)]
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
# Columns of ours that a channel would stand in the way of.
_RESERVED = {"rig", "timestamp", "load_id", "line", "place", "plain", "reason", "detail", "raw"}
_RESERVED |= {"batch", "bucket", "piece", "step", "after_gap"}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Bounds(_Part):
    """An inclusive range; an absent side is open."""

    min: Number | None = None
    max: Number | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
        return self


class Limits(_Part):
    """Red lines: a value strictly beyond one is red."""

    low: Number | None = None
    high: Number | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        return self


class ZScores(_Part):
    """Thresholds of |z|: strictly above `yellow` is yellow, strictly above `red` is red."""

    yellow: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.5
    red: Annotated[float, Field(gt=0, allow_inf_nan=False)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.yellow >= self.red:
            raise ValueError(f"yellow {self.yellow:g} is not below red {self.red:g}")
        return self


class ChannelSource(_Part):
    """How a file writes the channel: its column, and its unit where it differs."""

    column: str | None = None
    unit: str | None = None


def channel_name_fits(name: str) -> bool:
    """Whether a channel can be called so: it becomes columns of tables that have others too."""
    fits = _NAME.fullmatch(name) is not None and name not in _RESERVED
    return fits and not name.endswith(("_zscore", "_alert"))


class Channel(_Part):
    """One measured quantity of a rig."""

    name: str
    label: str = ""
    unit: str = ""
    kind: Literal["gauge", "counter"] = "gauge"
    required: bool = True
    valid: Bounds = Bounds()
    limits: Limits = Limits()
    z_score: ZScores | None = None
    source: ChannelSource = ChannelSource()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not channel_name_fits(self.name):
            raise ValueError(
                f"channel name {self.name!r}: lower-case letters, digits and underscores, "
                "beginning with a letter, at most 40, not ending in _zscore or _alert, not one of "
                + ", ".join(sorted(_RESERVED))
            )
        _ = self.conversion
        return self

    @property
    def scored(self) -> bool:
        """Whether readings of it get a z-score and a level: every gauge does, no counter."""
        return self.kind == "gauge"

    @property
    def title(self) -> str:
        """The name that people read."""
        return self.label or self.name.replace("_", " ").capitalize()

    @property
    def column(self) -> str:
        """The column of a file that holds it."""
        return self.source.column or self.name

    @property
    def zscore_column(self) -> str:
        return f"{self.name}_zscore"

    @property
    def alert_column(self) -> str:
        return f"{self.name}_alert"

    @cached_property
    def conversion(self) -> tuple[float, float]:
        """(a, b) such that (x + a) * b is in the channel's unit for x in the file's unit."""
        if self.source.unit is None or self.source.unit == self.unit:
            return 0.0, 1.0
        zero, one = (converted(Fraction(x), self.source.unit, self.unit) for x in (0, 1))
        # The shift first: 302 degF is 150 degC, and not a little more.
        return float(zero / (one - zero)), float(one - zero)


class Files(_Part):
    """How the rig's files are written."""

    time_column: str = "timestamp"
    time_format: str | None = None
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    decimal: Literal[".", ","] = "."
    encoding: str = "utf-8"

    @model_validator(mode="after")
    def _known_encoding(self) -> Self:
        try:
            "".encode(self.encoding)
        except LookupError:
            raise ValueError(
                f"encoding {self.encoding!r} is unknown; try utf-8, cp1252 or utf-16"
            ) from None
        if self.time_format is not None:
            # Polars is imported only where it is used.
            from pipeline.timestamps import check_time_format

            check_time_format(self.time_format)
        if self.delimiter and (not self.delimiter.isascii() or self.delimiter in '"#\r\n'):
            raise ValueError(f"{self.delimiter!r} cannot be the delimiter; use , or ; or a tab")
        if self.delimiter == self.decimal:
            raise ValueError(f"{self.decimal!r} cannot be both delimiter and decimal sign")
        return self


class Rig(_Part):
    """A test rig: where and how it measures."""

    name: Annotated[str, Field(min_length=1, max_length=200)] = "rig-1"
    label: str = ""
    time_zone: str = "UTC"
    interval_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    files: Files = Files()
    channels: tuple[Channel, ...]
    _file: str = PrivateAttr("")

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            ZoneInfo(self.time_zone)
            # Polars knows fewer names: `localtime` and `right/...` are not zones to it.
            pl.Series([0]).cast(pl.Datetime("us", self.time_zone)).dt.convert_time_zone("UTC")
        except (KeyError, ValueError, OSError, pl.exceptions.PolarsError):
            raise ValueError(
                f"time_zone {self.time_zone!r} is unknown; write it as Europe/Berlin or UTC"
            ) from None
        if not self.channels:
            raise ValueError("no channels; add at least one [channels.NAME] table")
        if not self.name.strip() or not self.name.isprintable():
            raise ValueError(f"name {self.name!r} has to be printable text")
        _refuse_shared_columns(self)
        return self

    @property
    def file(self) -> str:
        """The rig file that was configured; empty for a rig that comes from elsewhere."""
        return self._file

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def scored_channels(self) -> tuple[Channel, ...]:
        return tuple(channel for channel in self.channels if channel.scored)

    @property
    def uptime_channel(self) -> Channel | None:
        """The first counter of hours, or of another unit of time; cycles are not uptime."""
        counters = (channel for channel in self.channels if channel.kind == "counter")
        return next((channel for channel in counters if hours_in(channel.unit)), None)

    @property
    def value_columns(self) -> tuple[str, ...]:
        """Columns of a reading after (rig, timestamp), in the order they are stored and written."""
        scored = self.scored_channels
        return (
            *(channel.name for channel in self.channels),
            *(channel.zscore_column for channel in scored),
            *(channel.alert_column for channel in scored),
        )

    @property
    def version(self) -> str:
        """Short hash of everything that decides what a load stores; part of a load's identity."""
        content = self.model_dump_json(exclude={"name"})
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def channel(self, name: str) -> Channel | None:
        return next((channel for channel in self.channels if channel.name == name), None)

    def renamed(self, name: str | None) -> "Rig":
        """The same rig under another name."""
        return self if name in (None, self.name) else _validated(self.model_dump(), {"name": name})


def _refuse_shared_columns(rig: Rig) -> None:
    readers = {"rig": "the rig's name"}
    columns = [("the time", rig.files.time_column)]
    columns += [(f"channel {channel.name}", channel.column) for channel in rig.channels]
    for reader, column in columns:
        first = readers.setdefault(column.strip().casefold(), reader)
        if first != reader:
            raise ValueError(f"{first} and {reader} are both read from column {column.strip()!r}")


def parse_rig(text: str, name: str) -> Rig:
    """The rig that a rig file's text describes; `name` of the file is for error messages.

    Raises RigError that says which entry is wrong and why.
    """
    try:
        content: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RigError(f"{name}: not valid TOML: {error}{_line_of(error, text)}") from None
    tables = content.get("channels", {})
    if not isinstance(tables, dict):
        raise RigError(f"{name}: channels: write one [channels.NAME] table a channel")
    content["channels"] = [
        {**table, "name": key} if isinstance(table, dict) else {"name": key, "?": table}
        for key, table in tables.items()
    ]
    try:
        return Rig.model_validate(content)
    except ValidationError as error:
        raise RigError(f"{name}: {_explain(error, list(tables))}") from None


def _line_of(error: tomllib.TOMLDecodeError, text: str) -> str:
    """The line where it was found: what is there twice is not named by tomllib itself."""
    found = re.search(r"\(at line (\d+),", str(error))
    # tomllib may have found it only at the end of the document.
    lines = text.rstrip().splitlines()[: int(found[1]) if found else None]
    line = lines[-1].strip()[:80] if lines else ""
    if "overwrite" in str(error) or "twice" in str(error):
        return f": {line}; a table, and a key in it, can be there once only"
    return f": {line}" if line else ""


def load_rig(path: Path) -> Rig:
    """Read a rig file. Raises RigError when it is missing, unreadable or wrong."""
    try:
        return parse_rig(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        shipped = ", ".join(sorted(file.name for file in default_rig_file().parent.glob("*.toml")))
        raise RigError(f"{path}: no such rig file; shipped in rigs/ are {shipped}") from None
    except UnicodeDecodeError as error:
        raise RigError(f"{path}: byte {error.start} is not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise RigError(f"{path}: {error.strerror}") from None


def configured_rig(
    settings: Settings, rig_file: Path | None = None, name: str | None = None
) -> Rig:
    """The rig to use: `rig_file` or the settings' one, under `name` if given.

    The threshold settings override the channels of the default rig only.
    """
    path = rig_file or settings.rig_file
    bundled = default_rig_file().parent / path.name
    if not path.exists() and bundled.exists():
        path = bundled
    rig = load_rig(path)
    if path.exists() and default_rig_file().exists() and path.samefile(default_rig_file()):
        rig = _with_overrides(rig, settings.channel_overrides)
    found = rig.renamed(name).model_copy()
    found._file = str(path)
    return found


def _with_overrides(rig: Rig, overrides: dict[str, dict[str, float]]) -> Rig:
    channels = []
    for channel in rig.channels:
        data = channel.model_dump()
        given = overrides.get(channel.name, {})
        for key, target, field in (
            ("limit_low", "limits", "low"),
            ("limit_high", "limits", "high"),
            ("z_red", "z_score", "red"),
        ):
            if key in given:
                data[target] = {**(data[target] or {}), field: given[key]}
        channels.append(data)
    return _validated(rig.model_dump(), {"channels": channels})


def refuse_other_units(rig: Rig, stored: Rig) -> None:
    """Values of two units must never meet in one column under one rig's name.

    Raises OtherUnitError.
    """
    for channel in rig.channels:
        known = stored.channel(channel.name)
        if known and (known.unit, known.kind) != (channel.unit, channel.kind):
            raise OtherUnitError(
                f"rig {rig.name!r}: channel {channel.name!r} is stored as {known.kind} in "
                f"{known.unit!r}, the rig file says {channel.kind} in {channel.unit!r}"
            )


def _validated(data: dict[str, Any], changes: dict[str, Any]) -> Rig:
    try:
        return Rig.model_validate({**data, **changes})
    except ValidationError as error:
        names = [channel["name"] for channel in data["channels"]]
        raise RigError(f"rig {data['name']}: {_explain(error, names)}") from None


def _explain(error: ValidationError, channel_names: list[str]) -> str:
    """The first thing that is wrong, with its place written as in the file."""
    first = error.errors(include_url=False)[0]
    place = list(first["loc"])
    if len(place) > 1 and place[0] == "channels" and isinstance(place[1], int):
        place[1] = channel_names[place[1]]
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = "unknown entry; check its spelling"
    where = ".".join(str(part) for part in place)
    shown = first["input"]
    value = f" = {shown!r}" if isinstance(shown, str | int | float | bool) else ""
    return f"{where}{value}: {message}" if where else message
