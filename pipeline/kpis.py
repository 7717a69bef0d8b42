"""The key figures: their names, and what they are made of, whoever adds up the readings."""

from typing import Any

import polars as pl

from pipeline.rig import Channel, Rig
from pipeline.timestamps import from_microseconds
from pipeline.units import hours_in

# A silence longer than this many usual intervals is a gap.
GAP_FACTOR = 1.5

Kpis = dict[str, Any]


def counter_gain(value: pl.Expr, before: pl.Expr) -> pl.Expr:
    """What a counter gained since the reading before; where it falls it began again from zero."""
    return pl.when(value >= before).then(value - before).when(before.is_not_null()).then(value)


def kpi_fields(
    rig: Rig,
    found: dict[str, Any],
    *,
    last: dict[str, float | None],
    running: float | None,
    gaps: tuple[int | None, float | None],
    rejected: dict[str, int] | None,
) -> Kpis:
    """The key figures of a selection that holds at least one reading.

    `found` has `total_records`, `first_timestamp` and `last_timestamp` (microseconds), and for
    each channel `<name> mean`, `<name> min`, `<name> max`, `<name> red`, `<name> yellow`.
    `last` is the newest reading, `running` what the counter gained (in its unit), `gaps` their
    number and hours, `rejected` the rejects by reason, None where they are not known.
    """
    channels = {channel.name: _channel(channel, found, last) for channel in rig.channels}
    temperature, pressure = channels.get("temperature"), channels.get("pressure")
    counter = rig.uptime_channel
    total = found["total_records"]
    faulty = None if rejected is None else sum(rejected.values())
    return {
        "avg_temp": temperature and temperature["mean"],
        "avg_pressure": pressure and pressure["mean"],
        "alert_count": sum(channel["alert_count"] for channel in channels.values()),
        "warning_count": sum(channel["warning_count"] for channel in channels.values()),
        "uptime_hours": counter and _hours(channels[counter.name]["max"], counter),
        "running_hours": counter and _settled(_hours(running, counter)),
        "total_records": total,
        "temperature_range": _range(temperature),
        "pressure_range": _range(pressure),
        "data_quality_score": None if faulty is None else 100 * total / (total + faulty),
        "rejected_records": faulty,
        "rejected_by_reason": rejected,
        "gap_count": gaps[0],
        "gap_hours": gaps[1],
        "first_timestamp": from_microseconds(found["first_timestamp"]),
        "last_timestamp": from_microseconds(found["last_timestamp"]),
        "channels": channels,
    }


def _channel(
    channel: Channel, found: dict[str, Any], last: dict[str, float | None]
) -> dict[str, Any]:
    name = channel.name
    return {
        "label": channel.title,
        "unit": channel.unit,
        "mean": _settled(found[f"{name} mean"]),
        "min": found[f"{name} min"],
        "max": found[f"{name} max"],
        "last": last.get(name),
        "alert_count": found.get(f"{name} red", 0),
        "warning_count": found.get(f"{name} yellow", 0),
    }


def _range(channel: dict[str, Any] | None) -> dict[str, float | None]:
    if channel is None:
        return {"min": None, "max": None}
    return {"min": channel["min"], "max": channel["max"]}


def _hours(value: float | None, counter: Channel) -> float | None:
    return None if value is None else value * (hours_in(counter.unit) or 1.0)


def _settled(value: float | None) -> float | None:
    """A sum or mean without the digits that depend on the order in which somebody added.

    Where two orders still lead to two answers, those are at most 1e-12 of the value apart.
    """
    return None if value is None else float(f"{value:.13g}")
