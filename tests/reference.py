"""The transform once more: slow, obvious, in plain Python, from the rules of the design alone.

Nothing of `pipeline` is used except the description of the rig. Text is read by a state machine,
times by a regular expression and `zoneinfo`, statistics with exact fractions.
"""

import math
import re
import statistics
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from pipeline.rig import Channel, Rig

MISSING = {"", "na", "n/a", "null", "none"}
NUMBER = re.compile(
    r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(inf|infinity|nan)", re.I
)
ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[Tt]| +)([0-9]{2}):([0-9]{2})"
    r"(?::([0-5][0-9])(?:[.,]([0-9]{1,9}))?)?"
    r" ?(?:([Zz])|([+-])([0-9]{2}):?([0-9]{2})?)?"
)
# Where a valid range that is open ends: the square of a larger number is not finite.
LARGEST = 1e150
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Exact: (value in the file's unit) -> value in the channel's.
CONVERSIONS: dict[tuple[str, str], Callable[[Fraction], Fraction]] = {
    ("degF", "degC"): lambda x: (x - 32) * 5 / 9,
    ("bar", "hPa"): lambda x: x * 1000,
    ("min", "h"): lambda x: x / 60,
    ("micrometer", "mm"): lambda x: x / 1000,
}


@dataclass
class Accepted:
    line: int
    rig: str
    timestamp: datetime
    values: dict[str, float | None]
    zscores: dict[str, float | None] = field(default_factory=dict)
    levels: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Rejected:
    line: int
    rig: str
    timestamp: datetime | None
    reason: str
    raw: str


@dataclass(frozen=True)
class Record:
    line: int
    fields: list[str]  # none: a quote is never closed
    raw: str


@dataclass
class Outcome:
    rows_read: int = 0
    accepted: list[Accepted] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


class Rejection(Exception):
    """Carries the reason why a row is rejected."""


def transform(text: str, rig: Rig, delimiter: str = ",", outliers: str = "flag") -> Outcome:
    """What becomes of every row of a CSV text."""
    header, *found = records(text, delimiter, rig)
    positions = columns(header.fields, rig)
    outcome = Outcome(rows_read=len(found))
    seen: set[tuple[str, datetime]] = set()
    for record in found:
        judge(record, len(header.fields), positions, rig, seen, outcome)
    raw = {record.line: record.raw for record in found}
    for name in {row.rig for row in outcome.accepted}:
        score([row for row in outcome.accepted if row.rig == name], rig)
    if outliers == "reject":
        reject_outliers(outcome, rig, raw)
    outcome.rejected.sort(key=lambda row: row.line)
    return outcome


def records(text: str, delimiter: str, rig: Rig) -> list[Record]:
    """All records, header first, without blank lines and comments."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    lines = text.removesuffix("\n").split("\n")
    width: int | None = None
    found: list[Record] = []
    number = 0
    while number < len(lines):
        line = lines[number]
        if line.startswith("#") or not line.replace(delimiter, "x").strip():
            number += 1
            continue
        used, fields = record(lines[number:], delimiter)
        if used > 1 and len(fields) != width:
            # A stray quote: the following lines are rows of their own.
            used, fields = 1, []
        found.append(Record(number + 1, fields, "\n".join(lines[number : number + used])))
        width = width if width is not None else len(fields)
        number += used
    return found


def record(lines: list[str], delimiter: str) -> tuple[int, list[str]]:
    """Number of lines and the fields of the record at the beginning of `lines`.

    No fields where a quote is a stray: never closed, or closed in the middle of a field.
    """
    fields: list[str] = []
    current, state = "", "start of field"
    for used, line in enumerate(lines, 1):
        for character in line:
            if state == "quoted":
                if character == '"':
                    state = "quote in quoted"
                else:
                    current += character
            elif state == "quote in quoted" and character == '"':
                current += '"'
                state = "quoted"
            elif state == "quote in quoted" and character != delimiter:
                return used, []  # text after a closing quote: the opening one was a stray
            elif character == delimiter:
                fields.append(current)
                current, state = "", "start of field"
            elif state == "start of field" and character == '"':
                state = "quoted"
            else:
                current += character
                state = "in field"
        if state != "quoted":
            return used, [*fields, current]
        current += "\n"
    return len(lines) + 1, []


def columns(header: list[str], rig: Rig) -> dict[str, int]:
    """Our names -> positions in the header."""
    folded = [name.strip().casefold() for name in header]
    positions = {}
    names = [("timestamp", rig.files.time_column), ("rig", "rig")]
    names += [(channel.name, channel.column) for channel in rig.channels]
    for name, column in names:
        for wanted in (name, column):
            if wanted.casefold() in folded:
                positions[name] = folded.index(wanted.casefold())
    return positions


def judge(
    record: Record,
    width: int,
    positions: dict[str, int],
    rig: Rig,
    seen: set[tuple[str, datetime]],
    outcome: Outcome,
) -> None:
    """Put one record into the one place where it belongs."""
    name, moment = rig.name, None
    try:
        if len(record.fields) != width:
            raise Rejection("wrong_field_count")
        row = {ours: record.fields[position].strip() for ours, position in positions.items()}
        name = row.get("rig") or rig.name
        moment = parse_time(row["timestamp"], rig)
        values = parse_row(row, name, moment, rig)
        assert moment is not None
        if (name, moment) in seen:
            raise Rejection("duplicate_timestamp")
    except Rejection as rejection:
        reason = str(rejection)
        outcome.rejected.append(Rejected(record.line, name, moment, reason, record.raw))
    else:
        seen.add((name, moment))
        outcome.accepted.append(Accepted(record.line, name, moment, values))


def parse_row(
    row: dict[str, str], name: str, moment: datetime | None, rig: Rig
) -> dict[str, float | None]:
    """Values in the channels' units. Raises Rejection with the first reason that applies."""
    required = ["timestamp", *(channel.name for channel in rig.channels if channel.required)]
    if any(row[name].lower() in MISSING for name in required):
        raise Rejection("missing_value")
    values: dict[str, float | None] = {channel.name: None for channel in rig.channels}
    given = [
        channel
        for channel in rig.channels
        if channel.name in row and row[channel.name].lower() not in MISSING
    ]
    for channel in given:
        values[channel.name] = parse_number(row[channel.name], channel, rig)
    named = len(name) <= 200 and not any(unicodedata.category(c).startswith("C") for c in name)
    if not named or moment is None or any(values[channel.name] is None for channel in given):
        raise Rejection("unparsable")
    present = [(values[channel.name], channel.valid) for channel in given]
    if any(value is not None and not math.isfinite(value) for value, _ in present):
        raise Rejection("not_finite")
    for value, valid in present:
        low = -LARGEST if valid.min is None else valid.min
        high = LARGEST if valid.max is None else valid.max
        if value is not None and not low <= value <= high:
            raise Rejection("out_of_range")
    return values


def parse_number(text: str, channel: Channel, rig: Rig) -> float | None:
    if rig.files.decimal == ",":
        if "." in text:
            return None
        text = text.replace(",", ".", 1)
    if not NUMBER.fullmatch(text):
        return None
    value = float(text)
    if channel.source.unit in (None, channel.unit) or not math.isfinite(value):
        return value
    return float(CONVERSIONS[channel.source.unit, channel.unit](Fraction(value)))


def parse_time(text: str, rig: Rig) -> datetime | None:
    """The aware UTC time of a text; None where it is none."""
    try:
        if rig.files.time_format is not None:
            assert rig.files.time_format == "DD.MM.YYYY HH:mm:ss"
            found = re.fullmatch(r"([0-9]{2})\.([0-9]{2})\.([0-9]{4}) ([0-9:]{8})", text)
            if not found:
                return None
            day, month, year, clock = found.groups()
            return from_local(datetime.fromisoformat(f"{year}-{month}-{day}T{clock}"), rig.zone)
        if re.fullmatch(r"[+-]?[0-9]{1,19}", text):
            return from_epoch(int(text))
        return from_iso(text, rig.zone)
    except (ValueError, OverflowError):
        return None


def from_epoch(number: int) -> datetime | None:
    if not -(2**63) <= number < 2**63:
        return None
    for most, microseconds in ((10**11, 10**6), (10**14, 1000), (10**17, 1)):
        if abs(number) < most:
            return EPOCH + timedelta(microseconds=number * microseconds)
    return EPOCH + timedelta(microseconds=number // 1000)


def from_iso(text: str, zone: ZoneInfo) -> datetime | None:
    found = ISO.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zulu, sign, hours, minutes = found.groups()
    # What is finer than a microsecond is cut off.
    microsecond = int(((fraction or "") + "000000")[:6])
    clock = datetime(  # noqa: DTZ001  # local or absolute: decided below
        int(year), int(month), int(day), int(hour), int(minute), int(second or 0), microsecond
    )
    if zulu:
        return clock.replace(tzinfo=UTC)
    if sign is None:
        return from_local(clock, zone)
    if int(hours) > 23 or int(minutes or 0) > 59:
        return None
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
    return clock.replace(tzinfo=UTC) - (offset if sign == "+" else -offset)


def from_local(clock: datetime, zone: ZoneInfo) -> datetime | None:
    """The earlier of two, and None in an hour that a change to summer time leaves out."""
    possible = []
    for fold in (0, 1):
        moment = clock.replace(tzinfo=zone, fold=fold).astimezone(UTC)
        if moment.astimezone(zone).replace(tzinfo=None) == clock:
            possible.append(moment)
    return min(possible, default=None)


def score(rows: list[Accepted], rig: Rig) -> None:
    """Z-scores and levels of the accepted rows of one rig."""
    for channel in rig.channels:
        if channel.kind == "counter":
            continue
        exact = [Fraction(row.values[channel.name]) for row in with_value(rows, channel)]
        mean = statistics.mean(exact) if exact else Fraction(0)
        deviation = statistics.stdev(exact) if len(exact) > 1 else 0.0
        for row in rows:
            value = row.values[channel.name]
            if value is None:
                row.zscores[channel.name] = row.levels[channel.name] = None
                continue
            zscore = float((Fraction(value) - mean) / Fraction(deviation)) if deviation else 0.0
            row.zscores[channel.name] = zscore
            row.levels[channel.name] = level(channel, value, zscore)


def with_value(rows: list[Accepted], channel: Channel) -> Iterator[Accepted]:
    return (row for row in rows if row.values[channel.name] is not None)


def level(channel: Channel, value: float, zscore: float) -> str:
    limits, thresholds = channel.limits, channel.z_score
    if limits.low is not None and value < limits.low:
        return "red"
    if limits.high is not None and value > limits.high:
        return "red"
    if thresholds is None or abs(zscore) <= thresholds.yellow:
        return "normal"
    return "red" if abs(zscore) > thresholds.red else "yellow"


def reject_outliers(outcome: Outcome, rig: Rig, raw: dict[int, str]) -> None:
    """OUTLIERS=reject: readings with a red z-score go to the rejects."""
    kept = []
    for row in outcome.accepted:
        red = (
            abs(row.zscores[channel.name] or 0.0) > channel.z_score.red
            for channel in rig.channels
            if channel.z_score and channel.kind == "gauge"
        )
        if any(red):
            rejected = Rejected(row.line, row.rig, row.timestamp, "outlier", raw[row.line])
            outcome.rejected.append(rejected)
        else:
            kept.append(row)
    outcome.accepted = kept
