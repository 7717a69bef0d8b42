"""Times: text and numbers of a file to UTC, and UTC to the text that we write.

Inside, a time is a Polars `Datetime("us", "UTC")` or integer microseconds since 1970 in UTC.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from itertools import zip_longest
from zoneinfo import ZoneInfo

import polars as pl

from pipeline.errors import QueryError

UTC_DATETIME = pl.Datetime("us", "UTC")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

# How our files write a time: RFC 3339, a fraction only where there is one.
RFC3339_FORMAT = "%Y-%m-%dT%H:%M:%S%.fZ"

_DATE = r"\d{4}-\d{2}-\d{2}"
_TIME = r"\d{2}:\d{2}"
# Years that no offset can bring to where a `datetime` ends.
_EXACT = (
    rf"^[12]\d{{3}}-\d{{2}}-\d{{2}}[T ]{_TIME}:[0-5]\d(?:\.\d{{1,9}})?(?:Z|[+-]\d{{2}}:\d{{2}})?$"
)
_LOOSE = (
    rf"^({_DATE})(?:[Tt]| +)({_TIME})(?:(:[0-5]\d)(?:[.,](\d{{1,9}}))?)?"
    r" ?([Zz]|[+-]\d{2}:?\d{2}|[+-]\d{2})?$"
)
_INTEGER = r"^[+-]?\d{1,19}$"

# Tokens of a rig file's time_format: what chrono (Polars) calls them, and what they look like.
# chrono alone would read the year 25 for YYYY, and a 60th second.
_TOKENS = {
    "YYYY": ("%Y", "[0-9]{4}"),
    ".SSS": ("%.f", "(?:[.,][0-9]{1,9})?"),
    ",SSS": ("%.f", "(?:[.,][0-9]{1,9})?"),
    "YY": ("%y", "[0-9]{2}"),
    "MM": ("%m", "[0-9]{1,2}"),
    "DD": ("%d", "[0-9]{1,2}"),
    "HH": ("%H", "[0-9]{1,2}"),
    "hh": ("%I", "[0-9]{1,2}"),
    "mm": ("%M", "[0-9]{1,2}"),
    "ss": ("%S", "[0-5]?[0-9]"),
    "A": ("%p", "[AaPp][Mm]"),
}
_TOKEN = re.compile("|".join(map(re.escape, _TOKENS)))


def chrono_format(time_format: str) -> str:
    """A rig file's time format (`DD.MM.YYYY HH:mm:ss`, or with `%`) in chrono's notation."""
    if "%" in time_format:
        return time_format
    return _TOKEN.sub(lambda match: _TOKENS[match.group()][0], time_format)


def check_time_format(time_format: str) -> None:
    """Raises ValueError unless a time written in this format can be read back to its day."""
    if re.search("%[EO]?Z", time_format):
        raise ValueError(
            f"time_format {time_format!r}: names of zones (%Z) are not read, as many zones share "
            "one; write them as part of the text where there is only one (as CEST), or use "
            "offsets (%z)"
        )
    sample = pl.Series([datetime(2031, 7, 19, 16, 43, 25, tzinfo=UTC)])
    text_format = chrono_format(time_format)
    try:
        text = sample.dt.strftime(text_format)
        read = text.str.to_datetime(text_format, time_unit="us", strict=False).dt.date()[0]
    except pl.exceptions.PolarsError:
        read = None
    if read != date(2031, 7, 19):
        raise ValueError(
            f"time_format {time_format!r} does not tell a day and a time; write it as "
            "DD.MM.YYYY HH:mm:ss (also YY, hh with A for AM and PM, .SSS), or as %d.%m.%Y %H:%M:%S"
        )


def parse_times(times: pl.Expr, dtype: pl.DataType, time_format: str | None, zone: str) -> pl.Expr:
    """UTC times of a column as a source gives it; null where it cannot be read.

    Text is ISO 8601 (`T` or blank, with or without fraction and offset), an integer epoch, or
    just `time_format` where given. A time without an offset is in `zone`; of an hour that
    occurs twice there it is the earlier one, in an hour that is skipped it is not a time.
    """
    moment = pl.lit(None, UTC_DATETIME)
    text = times.str.strip_chars()
    if isinstance(dtype, pl.Datetime):
        instant = times.dt.cast_time_unit("us")
        naive = dtype.time_zone is None
        moment = _localize(instant, zone) if naive else instant.dt.convert_time_zone("UTC")
    elif dtype.is_integer():
        moment = _from_epoch(times.cast(pl.Int64, strict=False))
    elif dtype == pl.String and time_format:
        moment = _in_format(text, time_format, zone)
    elif dtype == pl.String:
        number = pl.when(text.str.contains(_INTEGER)).then(text.cast(pl.Int64, strict=False))
        moment = pl.coalesce(_loose(text, zone), _from_epoch(number))
    # What a `datetime` can hold.
    return pl.when(moment.dt.year().is_between(1, 9999)).then(moment)


def parse_exact_times(times: pl.Series, zone: str) -> pl.Expr | None:
    """The quick way for a text column that is written like its first value; null for the rest.

    None when the first value is not ISO 8601 in its most usual form. What it reads it reads as
    `parse_times` does.
    """
    sample = times[0] or ""
    if not re.search(_EXACT, sample):
        return None
    offset = re.search(r"(Z|[+-]\d{2}:\d{2})$", sample)
    suffix = "" if offset is None else "Z" if offset.group() == "Z" else "%:z"
    lengths = times.str.len_bytes()
    # Reading a fraction that may be there takes twice as long.
    fraction = "%.f" if sample[19:20] == "." or lengths.min() != lengths.max() else ""
    text = pl.col(times.name)
    parsed = _formatted(text, f"%Y-%m-%d{sample[10]}%H:%M:%S{fraction}{suffix}", zone)
    # chrono is more lenient than we are: it reads 2025-7-3, and :60 as the next minute.
    return pl.when(text.str.contains(_EXACT)).then(parsed)


def _in_format(text: pl.Expr, time_format: str, zone: str) -> pl.Expr:
    if "%" not in time_format:
        literals = [pl.escape_regex(part).replace(" ", " +") for part in _TOKEN.split(time_format)]
        patterns = [_TOKENS[token][1] for token in _TOKEN.findall(time_format)]
        whole = "".join(map("".join, zip_longest(literals, patterns, fillvalue="")))
        text = pl.when(text.str.contains(f"^{whole}$")).then(text)
        if ",SSS" in time_format:
            text = text.str.replace(r",([0-9]{1,9}(?: *[AaPp][Mm])?)$", ".$1")
    return _formatted(text, chrono_format(time_format), zone)


def _formatted(text: pl.Expr, text_format: str, zone: str) -> pl.Expr:
    parsed = text.str.to_datetime(text_format, time_unit="us", strict=False, exact=True)
    if re.search(r"%:{0,3}#?z|%\+", text_format):
        return parsed.dt.convert_time_zone("UTC")
    return _localize(parsed, "UTC" if text_format.endswith("Z") else zone)


def _loose(text: pl.Expr, zone: str) -> pl.Expr:
    """ISO 8601 in all the forms that we accept, brought to one form first."""
    part = text.str.extract_groups(_LOOSE)
    seconds = part.struct.field("3").fill_null(":00")
    fraction = (pl.lit(".") + part.struct.field("4")).fill_null("")
    local = pl.concat_str(
        part.struct.field("1"), pl.lit("T"), part.struct.field("2"), seconds, fraction
    )
    naive = local.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
    given = part.struct.field("5").str.to_uppercase()
    sign = pl.when(given.str.starts_with("-")).then(-1).otherwise(1)
    digits = given.str.replace_all(r"[+:Z-]", "")
    hours = digits.str.slice(0, 2).cast(pl.Int64, strict=False).fill_null(0)
    minutes = digits.str.slice(2, 2).cast(pl.Int64, strict=False).fill_null(0)
    possible = (hours < 24) & (minutes < 60)
    offset = pl.duration(minutes=pl.when(possible).then(sign * (hours * 60 + minutes)))
    absolute = naive.dt.replace_time_zone("UTC") - offset
    return pl.when(given.is_null()).then(_localize(naive, zone)).otherwise(absolute)


def _localize(naive: pl.Expr, zone: str) -> pl.Expr:
    if zone == "UTC":
        return naive.dt.replace_time_zone("UTC")
    local = naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return local.dt.convert_time_zone("UTC")


def _from_epoch(number: pl.Expr) -> pl.Expr:
    """Seconds, milli-, micro- or nanoseconds since 1970, told apart by their size.

    Seconds reach to the year 5138; a millisecond count below 1e11 would lie before March 1973.
    """
    microseconds = (
        pl.when(number.is_between(-(10**11), 10**11, closed="none"))
        .then(number * 1_000_000)
        .when(number.is_between(-(10**14), 10**14, closed="none"))
        .then(number * 1_000)
        .when(number.is_between(-(10**17), 10**17, closed="none"))
        .then(number)
        .otherwise(number // 1_000)
    )
    return utc_times(microseconds)


def utc_times(microseconds: pl.Expr) -> pl.Expr:
    """UTC times of microseconds since 1970."""
    return microseconds.cast(UTC_DATETIME)


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970 of an aware time, exactly."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def from_microseconds(microseconds: int) -> datetime:
    """The aware UTC time of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=microseconds)


def nearest_moment(microseconds: int) -> datetime:
    """The same, or the first or last time that there is, where it is beyond that."""
    return from_microseconds(
        min(max(microseconds, to_microseconds(EARLIEST)), to_microseconds(LATEST))
    )


def rfc3339(moment: datetime) -> str:
    """Text of an aware time in UTC, such as `2025-07-13T02:48:00Z`; microseconds where needed."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def parse_moment(text: str, zone: ZoneInfo, name: str) -> datetime:
    """An aware time that somebody asks for; without an offset it is in `zone`.

    Raises QueryError, which names the parameter and the format.
    """
    try:
        # A `+` that was not escaped in a URL arrives as a blank.
        moment = datetime.fromisoformat(re.sub(r" (\d{2}:?\d{2})$", r"+\1", text.strip()))
        aware = moment.replace(tzinfo=zone) if moment.tzinfo is None else moment
        return aware.astimezone(UTC)
    except (ValueError, OverflowError):
        raise QueryError(
            f"{name}={text!r} is not a time; write it as 2025-07-13T08:00:00Z, "
            "with an offset or in the rig's zone"
        ) from None


def day_range(text: str, zone: ZoneInfo, name: str = "date") -> tuple[datetime, datetime]:
    """Start and end (exclusive) in UTC of a whole local day: 23 to 25 hours.

    Raises QueryError, which names the format.
    """
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            raise ValueError
        day = date.fromisoformat(text)
        start = datetime.combine(day, time(), zone)
        end = datetime.combine(day + timedelta(days=1), time(), zone)
        return start.astimezone(UTC), end.astimezone(UTC)
    except (ValueError, OverflowError):
        raise QueryError(
            f"{name}={text!r} is not a day; write it as YYYY-MM-DD, such as 2025-07-13"
        ) from None
