"""Accept or reject each row, with the reason. The one place that decides a row's fate.

The rules and their order are those of docs/transform.md: the first reason that applies counts.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

import polars as pl

from pipeline.rig import Bounds, Channel, Rig
from pipeline.sources.base import Batch
from pipeline.timestamps import UTC_DATETIME, parse_exact_times, parse_times

REASONS = (
    "wrong_field_count",
    "missing_value",
    "unparsable",
    "not_finite",
    "out_of_range",
    "older_than_retention",
    "duplicate_timestamp",
    "outlier",
)
REJECT_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "line": pl.Int64,
    "rig": pl.String,
    "timestamp": UTC_DATETIME,
    "reason": pl.String,
    "detail": pl.String,
    "raw": pl.String,
}
# A valid range that is open ends here: the square of a larger number is not finite.
_LARGEST = 1e150
_RIG_NAME = r"^[^\p{C}]{1,200}$"
_ALL_KEPT: Mapping[str, datetime] = MappingProxyType({})
_MISSING = ("", "na", "n/a", "null", "none")


def reading_schema(rig: Rig) -> dict[str, pl.DataType]:
    """Columns of accepted rows before they are scored, after `line`."""
    values = {channel.name: pl.Float64() for channel in rig.channels}
    return {"line": pl.Int64(), "rig": pl.String(), "timestamp": UTC_DATETIME, **values}


def judge(
    batch: Batch, rig: Rig, retained_from: Mapping[str, datetime] = _ALL_KEPT
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split a batch into accepted readings and rejects, each in the order of the source.

    `retained_from` says of rigs before which time readings have been pruned: a late one cannot be
    compared with what was there.

    Readings have the columns of `reading_schema`, with channel values in the channels' units and
    null for an optional value that is missing; rejects those of REJECT_SCHEMA. Duplicates are
    not looked for here: they may be in different batches.
    """
    rows = batch.rows
    if rows.is_empty():
        return pl.DataFrame(schema=reading_schema(rig)), _misshapen(batch, rig)
    rows = _without_padding(rows)
    quick = rows.select(_quick_values(rows, rig)).with_columns(
        pl.all_horizontal(_plain(channel, rows) for channel in rig.channels)
        .fill_null(False)
        .and_(
            pl.col("timestamp").is_not_null(),
            pl.col("rig").str.contains(_RIG_NAME),
            ~_is_too_old(retained_from),
        )
        .alias("plain")
    )
    columns = list(reading_schema(rig))
    if quick["plain"].all():
        return quick.select(columns), _misshapen(batch, rig)
    doubtful = rows.with_row_index("place").filter(~quick["plain"])
    careful = _careful(doubtful, rig, retained_from)
    accepted = careful.filter(pl.col("reason").is_null())
    readings = quick.filter("plain").select(columns)
    if not accepted.is_empty():
        readings = pl.concat([readings, accepted.select(columns)]).sort("line")
    return readings, _rejects(careful, batch, rig)


def _without_padding(rows: pl.DataFrame) -> pl.DataFrame:
    """Text columns whose first value has blanks around it, without any."""
    text = [name for name, dtype in rows.schema.items() if dtype == pl.String]
    padded = [name for name in text if (value := rows[name][0]) and value != value.strip()]
    return rows.with_columns(pl.col(name).str.strip_chars() for name in padded)


def _quick_values(rows: pl.DataFrame, rig: Rig) -> list[pl.Expr]:
    """Readings by the shortest way; null wherever a value needs a closer look."""
    times = rows["timestamp"]
    exact = None
    if times.dtype == pl.String and rig.files.time_format is None:
        exact = parse_exact_times(times, rig.time_zone)
    if exact is None:
        exact = _times(rows, rig)
    return [
        pl.col("line"),
        _rig_names(rows, rig),
        exact.alias("timestamp"),
        *(_numbers(channel, rows, pl.col(channel.name), rig) for channel in rig.channels),
        *(
            # An optional value that is missing is as good as one that is fine.
            (pl.col(channel.name).fill_null("") == "").alias(f"{channel.name} absent")
            for channel in rig.channels
            if not channel.required and rows.schema.get(channel.name) == pl.String
        ),
    ]


def _plain(channel: Channel, rows: pl.DataFrame) -> pl.Expr:
    """True where the quick value can be accepted as it is."""
    value = pl.col(channel.name)
    fine = value.is_finite() & _within(value, channel.valid)
    if channel.required:
        return fine
    if channel.name not in rows.columns:
        return pl.lit(True)
    absent = f"{channel.name} absent"
    missing = pl.col(absent) if rows.schema[channel.name] == pl.String else value.is_null()
    return missing | fine


def _careful(
    rows: pl.DataFrame, rig: Rig, retained_from: Mapping[str, datetime] = _ALL_KEPT
) -> pl.DataFrame:
    """Every rule in full, for the rows that need it: values, `reason` and `detail`."""
    text = {
        name: pl.col(name).str.strip_chars() if dtype == pl.String else pl.col(name)
        for name, dtype in rows.schema.items()
    }
    missing = {
        name: (text[name].str.to_lowercase().is_in(_MISSING) if dtype == pl.String else False)
        | text[name].is_null()
        for name, dtype in rows.schema.items()
    }
    values = rows.select(
        "place",
        "line",
        _rig_names(rows, rig),
        _times(rows, rig),
        *(
            pl.when(~missing[channel.name])
            .then(_numbers(channel, rows, text[channel.name], rig))
            .alias(channel.name)
            if channel.name in rows.columns
            else _numbers(channel, rows, pl.lit(None), rig)
            for channel in rig.channels
        ),
        *(pl.col(name).cast(pl.String).alias(f"{name} text") for name in text if name != "line"),
        *(missing[name].alias(f"{name} missing") for name in text if name != "line"),
    )
    reasons, details = [], []
    rules = _rules(rows, rig)
    old = _quoted("timestamp", "older than the readings that are kept of the rig")
    rules.append(("older_than_retention", _is_too_old(retained_from), old))
    for reason, condition, detail in rules:
        reasons.append(pl.when(condition).then(pl.lit(reason)))
        details.append(pl.when(condition).then(detail))
    return values.with_columns(
        pl.coalesce(reasons).alias("reason"), pl.coalesce(details).alias("detail")
    )


def _rules(rows: pl.DataFrame, rig: Rig) -> list[tuple[str, pl.Expr, pl.Expr]]:
    """(reason, condition, detail) in the order in which they apply."""
    channels = [channel for channel in rig.channels if channel.name in rows.columns]
    required = [
        "timestamp",
        *(channel.name for channel in channels if channel.required),
    ]
    rules = [
        ("missing_value", pl.col(f"{name} missing"), pl.lit(f"{name} is missing"))
        for name in required
    ]
    if "rig" in rows.columns:
        unnamed = ~pl.col("rig").str.contains(_RIG_NAME)
        rules.append(("unparsable", unnamed, _quoted("rig", "not a name of printable text")))
    rules.append(
        (
            "unparsable",
            pl.col("timestamp").is_null(),
            _quoted(
                "timestamp",
                f"not a time; expected {rig.files.time_format or 'ISO 8601 or an integer epoch'}",
            ),
        )
    )
    rules += [
        (
            "unparsable",
            pl.col(channel.name).is_null() & ~pl.col(f"{channel.name} missing"),
            _quoted(channel.name, "not a number") + _decimal_hint(channel, rig),
        )
        for channel in channels
    ]
    rules += [
        (
            "not_finite",
            ~pl.col(channel.name).is_finite(),
            _quoted(channel.name, "not finite"),
        )
        for channel in channels
    ]
    rules += [
        (
            "out_of_range",
            ~_within(pl.col(channel.name), channel.valid),
            _quoted(channel.name, f"outside {_range_text(channel)}"),
        )
        for channel in channels
    ]
    return rules


def _is_too_old(retained_from: Mapping[str, datetime]) -> pl.Expr:
    if not retained_from:
        return pl.lit(False)
    names, times = list(retained_from), list(retained_from.values())
    limit = pl.col("rig").replace_strict(names, times, default=None, return_dtype=UTC_DATETIME)
    return (pl.col("timestamp") < limit).fill_null(False)


def _quoted(name: str, problem: str) -> pl.Expr:
    """A sentence with the value in it; a long value is cut."""
    value = pl.col(f"{name} text").fill_null("").str.slice(0, 80)
    return pl.concat_str(pl.lit(f"{name} '"), value, pl.lit(f"' is {problem}"))


def _decimal_hint(channel: Channel, rig: Rig) -> pl.Expr:
    """What to do about a decimal comma where none is expected; else an empty text."""
    if rig.files.decimal == ",":
        return pl.lit("")
    comma = pl.col(f"{channel.name} text").str.contains(r"^\s*[+-]?\d+,\d+\s*$")
    hint = '; for decimal commas set decimal = "," under [files] in the rig file'
    return pl.when(comma).then(pl.lit(hint)).otherwise(pl.lit(""))


def _range_text(channel: Channel) -> str:
    low, high = channel.valid.min, channel.valid.max
    unit = f" {channel.unit}" if channel.unit else ""
    if high is None:
        return f"the valid range from {-_LARGEST if low is None else low:g}{unit} up"
    return f"the valid range {f'up to {high:g}' if low is None else f'{low:g} to {high:g}'}{unit}"


def _times(rows: pl.DataFrame, rig: Rig) -> pl.Expr:
    dtype = rows.schema["timestamp"]
    times = parse_times(pl.col("timestamp"), dtype, rig.files.time_format, rig.time_zone)
    return times.alias("timestamp")


def _rig_names(rows: pl.DataFrame, rig: Rig) -> pl.Expr:
    """The source's own rig column wins; where it is empty, the rig's name."""
    if "rig" not in rows.columns:
        return pl.lit(rig.name).alias("rig")
    name = pl.col("rig").cast(pl.String).str.strip_chars()
    return pl.when(name.fill_null("") == "").then(pl.lit(rig.name)).otherwise(name).alias("rig")


def _numbers(channel: Channel, rows: pl.DataFrame, column: pl.Expr, rig: Rig) -> pl.Expr:
    """Values in the channel's unit; null for what is not a number."""
    dtype = rows.schema.get(channel.name)
    if dtype is None:
        return pl.lit(None, pl.Float64).alias(channel.name)
    if dtype == pl.String and rig.files.decimal == ",":
        # A point would be a thousands separator here, and 1.234 a thousand times too small.
        column = pl.when(~column.str.contains(".", literal=True)).then(
            column.str.replace(",", ".", literal=True)
        )
    number = column.cast(pl.Float64, strict=False)
    # Never a division: Polars rounds it differently in a frame of one row than in a longer one.
    shift, scale = channel.conversion
    if shift:
        number = number + shift
    if scale != 1.0:
        number = number * scale
    return number.alias(channel.name)


def _within(value: pl.Expr, valid: Bounds) -> pl.Expr:
    low = -_LARGEST if valid.min is None else valid.min
    high = _LARGEST if valid.max is None else valid.max
    return value.is_between(low, high, closed="both")


def _rejects(careful: pl.DataFrame, batch: Batch, rig: Rig) -> pl.DataFrame:
    """Rejects of a judged batch, with their text, and its misshapen records between them."""
    rejected = careful.filter(pl.col("reason").is_not_null())
    raw = pl.Series("raw", batch.raw(rejected["place"].to_list()), dtype=pl.String)
    rejects = rejected.with_columns(raw).select(list(REJECT_SCHEMA))
    # PostgreSQL can keep any character but this one.
    text = pl.col(pl.String).str.replace_all("\x00", "\N{SYMBOL FOR NULL}", literal=True)
    rejects = rejects.with_columns(text)
    if not batch.misshapen:
        return rejects
    return pl.concat([rejects, _misshapen(batch, rig)]).sort("line")


def _misshapen(batch: Batch, rig: Rig) -> pl.DataFrame:
    rows = [
        {
            "line": line,
            "rig": rig.name,
            "timestamp": None,
            "reason": "wrong_field_count",
            "detail": f"{fields} fields instead of {batch.width}"
            if fields
            else "a stray quote, or one that is never closed",
            "raw": raw,
        }
        for line, fields, raw in batch.misshapen
    ]
    return pl.DataFrame(rows, schema=REJECT_SCHEMA)
