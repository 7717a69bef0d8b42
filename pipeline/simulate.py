"""A realistic propulsion rig, reproducible from a seed.

Nothing here reads a clock: the caller says when. Values are rounded well above the last digit in
which platforms may differ.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

SAMPLE_START = datetime(2025, 7, 13, tzinfo=UTC)
SAMPLE_INTERVAL = timedelta(minutes=6)
SAMPLE_SLOTS = 120
SAMPLE_SPAN = (SAMPLE_SLOTS - 1) * SAMPLE_INTERVAL
_STOP = range(50, 70)

# Slot of the sample -> what goes wrong there.
_TEMPERATURE_ANOMALIES = {28: 84.3, 29: 81.2, 96: 28.6}
_PRESSURE_ANOMALIES = {38: 1108.0, 104: 934.0}


@dataclass(frozen=True)
class Reading:
    """One reading of the default rig: degC, hPa, h."""

    timestamp: datetime
    temperature: float
    pressure: float
    uptime: float


def sample(start: datetime = SAMPLE_START, seed: int = 42) -> list[Reading]:
    """The 100 readings of the sample: drift, a few anomalies, and a stop of two hours.

    120 slots of six minutes, of which twenty in the middle are missing; the uptime counter
    begins again after them.
    """
    chance = random.Random(seed)  # noqa: S311  # weather, not secrets
    readings = []
    for slot in range(SAMPLE_SLOTS):
        # Drawn for every slot, so that one slot's values do not depend on another's fate.
        noise_t, noise_p = chance.gauss(0, 1.6), chance.gauss(0, 5.5)
        if slot in _STOP:
            continue
        hours = slot / 10
        since_start = hours if slot < _STOP.start else hours - 7
        temperature = _temperature(hours) + noise_t
        pressure = 1012 + 22 * math.cos(hours * 0.55) + noise_p
        readings.append(
            Reading(
                start + slot * SAMPLE_INTERVAL,
                round(_TEMPERATURE_ANOMALIES.get(slot, temperature), 1),
                round(_PRESSURE_ANOMALIES.get(slot, pressure), 1),
                round(since_start, 1),
            )
        )
    return readings


def _temperature(hours: float) -> float:
    """Slow drift: warm, easing off before the stop, and warming up again after it."""
    if hours < 5:
        return 55 + 9 * math.sin(hours * 0.7)
    return 66 - 15 * math.exp(-(hours - 7) / 2.2)


def raw_csv(readings: Sequence[Reading]) -> str:
    """The readings as a raw file: RFC 3339 times, one decimal, LF line ends."""
    lines = ["timestamp,temperature,pressure,uptime"]
    lines += [
        f"{reading.timestamp:%Y-%m-%dT%H:%M:%SZ},{reading.temperature:.1f},"
        f"{reading.pressure:.1f},{reading.uptime:.1f}"
        for reading in readings
    ]
    return "\n".join(lines) + "\n"


def stream(seed: int, after: Reading, times: Iterator[datetime]) -> Iterator[Reading]:
    """Readings at the given times that go on from `after`: drift with inertia, rare anomalies.

    A clock that jumps is the caller's: uptime counts what passes, and never backwards.
    """
    chance = random.Random(seed)  # noqa: S311  # weather, not secrets
    temperature, pressure = after.temperature, after.pressure
    uptime, last = after.uptime, after.timestamp
    for timestamp in times:
        # Drawn back to the usual values with a time constant of a hundred readings.
        temperature += 0.01 * (58 - temperature) + chance.gauss(0, 0.25)
        pressure += 0.01 * (1012 - pressure) + chance.gauss(0, 0.9)
        elapsed = max((timestamp - last).total_seconds(), 0.0)
        # After a silence the rig has been off in between: its counter begins again.
        uptime = uptime + elapsed / 3600 if elapsed < 3600 else 0.0
        last = timestamp
        spike_t = chance.choice((28, -26)) if chance.random() < 0.01 else 0.0
        spike_p = chance.choice((92, -78)) if chance.random() < 0.01 else 0.0
        yield Reading(
            timestamp,
            round(min(max(temperature + spike_t, 0.0), 150.0), 1),
            round(min(max(pressure + spike_p, 800.0), 1200.0), 1),
            round(uptime, 4),
        )


def write_csv(
    path: Path,
    rows: int,
    *,
    interval: timedelta = timedelta(seconds=1),
    start: datetime = SAMPLE_START,
    seed: int = 42,
    fault_rate: float = 0.0,
) -> None:
    """A raw file of any size: daily drift, noise, one anomaly in a thousand rows.

    `fault_rate` is the share of rows that the ETL has to reject: missing, unparsable or
    out-of-range values, and repeated timestamps.
    """
    import numpy as np
    import polars as pl

    random_numbers = np.random.default_rng(seed)
    step = interval // timedelta(microseconds=1)
    first = int(start.timestamp() * 1_000_000)
    with path.open("wb") as file:
        file.write(b"timestamp,temperature,pressure,uptime\n")
        for offset in range(0, rows, 1_000_000):
            count = min(1_000_000, rows - offset)
            number = np.arange(offset, offset + count, dtype=np.int64)
            hours = number * (step / 3.6e9)
            day = 2 * np.pi * hours / 24
            temperature = 55 + 8 * np.sin(day) + random_numbers.normal(0, 2, count)
            pressure = 1012 + 15 * np.cos(day) + random_numbers.normal(0, 8, count)
            unusual = random_numbers.random(count) < 0.001
            temperature[unusual] += 30
            frame = pl.DataFrame(
                {
                    "timestamp": first + number * step,
                    "temperature": np.clip(temperature, 0, 150).round(2),
                    "pressure": np.clip(pressure, 800, 1200).round(2),
                    "uptime": hours.round(4),
                }
            ).with_columns(pl.from_epoch("timestamp", "us").dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ"))
            if fault_rate:
                fault = np.where(
                    random_numbers.random(count) < fault_rate,
                    random_numbers.integers(1, 5, count),
                    0,
                )
                frame = _with_faults(frame, pl.Series("fault", fault))
            frame.write_csv(file, include_header=False)


def _with_faults(frame: "pl.DataFrame", fault: "pl.Series") -> "pl.DataFrame":
    """1: a missing value, 2: an unparsable one, 3: one out of range, 4: the time before it."""
    import polars as pl

    text = pl.col("temperature").cast(pl.String)
    faulty = pl.when(pl.col("fault") == 2).then(pl.lit("n.a.")).otherwise(text)
    faulty = pl.when(pl.col("fault") == 3).then(pl.lit("999")).otherwise(faulty)
    faulty = pl.when(pl.col("fault") == 1).then(pl.lit(None)).otherwise(faulty)
    repeated = pl.col("timestamp").shift(1).fill_null(pl.col("timestamp"))
    return (
        frame.with_columns(fault)
        .with_columns(
            faulty.alias("temperature"),
            pl.when(pl.col("fault") == 4).then(repeated).otherwise(pl.col("timestamp")),
        )
        .drop("fault")
    )
