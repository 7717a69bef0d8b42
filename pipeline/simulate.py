"""A realistic propulsion rig, reproducible from a seed.

Nothing here reads a clock: the caller says when. Values are rounded well above the last digit in
which platforms may differ.
"""

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

SAMPLE_START = datetime(2025, 7, 13, tzinfo=UTC)
SAMPLE_INTERVAL = timedelta(minutes=6)
SAMPLE_SLOTS = 120
SAMPLE_SPAN = (SAMPLE_SLOTS - 1) * SAMPLE_INTERVAL
_STOP = range(50, 70)

# Slot of the sample -> what goes wrong there.
_TEMPERATURE_ANOMALIES = {28: 84.3, 29: 81.2, 96: 28.6}
_PRESSURE_ANOMALIES = {38: 1108.0, 104: 934.0}

# Of the stream: readings that an excursion takes, and how often one begins.
_EXCURSION = 15
_EXCURSION_RATE = 1 / 300
_OFF_AFTER = timedelta(hours=1)

_HEADER = "timestamp,temperature,pressure,uptime"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ROWS_AT_ONCE = 1_000_000


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
    lines = [_HEADER]
    lines += [
        f"{reading.timestamp:%Y-%m-%dT%H:%M:%SZ},{reading.temperature:.1f},"
        f"{reading.pressure:.1f},{reading.uptime:.1f}"
        for reading in readings
    ]
    return "\n".join(lines) + "\n"


@dataclass
class _Wander:
    """A channel that drifts around its usual value with inertia, and now and then leaves it.

    An excursion rises and falls over `_EXCURSION` readings: some reach yellow, some red, as
    scored against the sample.
    """

    value: float
    usual: float
    push: float
    noise: float
    valid: tuple[float, float]
    heights: tuple[tuple[float, float], ...]
    _speed: float = 0.0
    _height: float = 0.0
    _place: int = 0

    def step(self, chance: random.Random) -> float:
        """The next reading, rounded to one decimal, within the valid range."""
        # Drawn back with a time constant of about fifty readings; the speed keeps 90 %.
        pull = 0.002 * (self.usual - self.value)
        self._speed = 0.9 * self._speed + pull + chance.gauss(0, self.push)
        self.value += self._speed
        seen = self.value + self._excursion(chance) + chance.gauss(0, self.noise)
        lowest, highest = self.valid
        return round(min(max(seen, lowest), highest), 1)

    def _excursion(self, chance: random.Random) -> float:
        if self._place == 0:
            if chance.random() >= _EXCURSION_RATE:
                return 0.0
            self._height = chance.uniform(*chance.choice(self.heights)) * chance.choice((1, -1))
        self._place = (self._place + 1) % _EXCURSION
        return self._height * math.sin(math.pi * self._place / _EXCURSION)


def stream(seed: int, after: Reading, times: Iterable[datetime]) -> Iterator[Reading]:
    """Readings at the given times that go on from `after`: drift with inertia, rare anomalies.

    Meant for a reading every few seconds. A clock that jumps is the caller's: uptime counts what
    passes, and never backwards.
    """
    chance = random.Random(seed)  # noqa: S311  # weather, not secrets
    temperature = _Wander(after.temperature, 59, 0.03, 0.08, (0, 150), ((10, 11), (24, 32)))
    pressure = _Wander(after.pressure, 1016, 0.1, 0.4, (800, 1200), ((36, 40), (88, 105)))
    uptime, last = after.uptime, after.timestamp
    for timestamp in times:
        elapsed = max(timestamp - last, timedelta(0))
        # After a silence the rig has been off in between: its counter begins again.
        uptime = uptime + elapsed / timedelta(hours=1) if elapsed < _OFF_AFTER else 0.0
        last = timestamp
        yield Reading(timestamp, temperature.step(chance), pressure.step(chance), round(uptime, 4))


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

    `start` is aware. `fault_rate` is the share of rows that the ETL has to reject: missing,
    unparsable or out-of-range values, and repeated timestamps.
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    of_faults = np.random.default_rng([seed, 1])  # its own: the other rows stay as they are
    microsecond = timedelta(microseconds=1)
    first, step = (start - _EPOCH) // microsecond, interval // microsecond
    with path.open("wb") as file:
        file.write(f"{_HEADER}\n".encode())
        for offset in range(0, rows, _ROWS_AT_ONCE):
            number = np.arange(offset, min(offset + _ROWS_AT_ONCE, rows), dtype=np.int64)
            frame = _rows(number, first, step, generator)
            if fault_rate:
                frame = _with_faults(frame, fault_rate, of_faults)
            frame.write_csv(file, include_header=False)


def _rows(
    number: "np.ndarray[Any, Any]", first: int, step: int, generator: "np.random.Generator"
) -> "pl.DataFrame":
    """Rows of these numbers; `first` and `step` in microseconds."""
    import numpy as np
    import polars as pl

    hours = number * (step / 3.6e9)
    day = 2 * np.pi * hours / 24
    temperature = 55 + 8 * np.sin(day) + generator.normal(0, 2, len(number))
    pressure = 1012 + 15 * np.cos(day) + generator.normal(0, 8, len(number))
    temperature[generator.random(len(number)) < 0.001] += 30
    return pl.DataFrame(
        {
            "timestamp": first + number * step,
            "temperature": np.clip(temperature, 0, 150).round(2),
            "pressure": np.clip(pressure, 800, 1200).round(2),
            "uptime": hours.round(4),
        }
    ).with_columns(pl.from_epoch("timestamp", "us").dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ"))


def _with_faults(
    frame: "pl.DataFrame", rate: float, generator: "np.random.Generator"
) -> "pl.DataFrame":
    """1: a missing value, 2: an unparsable one, 3: one out of range, 4: the time before it."""
    import numpy as np
    import polars as pl

    kinds = generator.integers(1, 5, len(frame))
    fault = np.where(generator.random(len(frame)) < rate, kinds, 0)
    # A time repeats only that of a sound row: after a faulty one, or none, it would be new.
    before = np.concatenate(([1], fault[:-1]))
    fault[(fault == 4) & (before != 0)] = 1
    marked = frame.with_columns(pl.Series("fault", fault))
    text = pl.col("temperature").cast(pl.String)
    return marked.with_columns(
        pl.col("fault")
        .replace_strict({1: None, 2: "n.a.", 3: "999"}, default=text)
        .alias("temperature"),
        pl.when(pl.col("fault") == 4)
        .then(pl.col("timestamp").shift(1))
        .otherwise(pl.col("timestamp"))
        .alias("timestamp"),
    ).drop("fault")
