"""Z-scores and alert levels, and the sentence that says why a reading is red or yellow."""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

from pipeline.rig import LEVELS, Channel, Rig
from pipeline.timestamps import UTC_DATETIME

_SYMBOLS = {"degC": "°C", "degF": "°F", "percent": "%"}


@dataclass(frozen=True)
class Moments:
    """Count, mean, M2 (sum of squared deviations from the mean) and extremes of values."""

    count: int = 0
    mean: float = 0.0
    m2: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf

    @classmethod
    def of(cls, values: pl.Series) -> "Moments":
        """Moments of a series of finite numbers; nulls are left out."""
        # numpy adds pairwise in an order that depends on nothing but the length.
        x = values.drop_nulls().to_numpy()
        if not len(x):
            return cls()
        mean = float(x.mean())
        deviations = x - mean
        # The second term takes out what rounding the mean has put in (Chan et al. 1983, eq. 1.7).
        m2 = float(np.square(deviations).sum()) - float(deviations.sum()) ** 2 / len(x)
        return cls(len(x), mean, max(m2, 0.0), float(x.min()), float(x.max()))

    def merged(self, other: "Moments") -> "Moments":
        """Moments of both sets of values together.

        Chan, Golub, LeVeque: Algorithms for computing the sample variance, The American
        Statistician 37 (1983), equations 2.1a and 2.1b.
        """
        if not self.count or not other.count:
            return self if self.count else other
        count = self.count + other.count
        delta = other.mean - self.mean
        return Moments(
            count,
            self.mean + delta * (other.count / count),
            self.m2 + other.m2 + delta * delta * (self.count * other.count / count),
            min(self.minimum, other.minimum),
            max(self.maximum, other.maximum),
        )

    @property
    def standard_deviation(self) -> float:
        """Sample standard deviation (ddof = 1); 0 for fewer than two values or all the same."""
        if self.count < 2 or self.minimum == self.maximum:
            return 0.0
        return math.sqrt(self.m2 / (self.count - 1))


def measure(readings: pl.DataFrame, rig: Rig) -> dict[str, Moments]:
    """Moments of each channel over all given readings."""
    return {channel.name: Moments.of(readings[channel.name]) for channel in rig.channels}


def scored_schema(rig: Rig) -> dict[str, pl.DataType]:
    """Columns of scored readings, and of stored ones: rig, timestamp, values, scores, levels."""
    levels = {channel.alert_column for channel in rig.scored_channels}
    values = {
        name: pl.Enum(LEVELS) if name in levels else pl.Float64() for name in rig.value_columns
    }
    return {"rig": pl.String(), "timestamp": UTC_DATETIME, **values}


def score(readings: pl.DataFrame, moments: dict[str, Moments], rig: Rig) -> pl.DataFrame:
    """The readings with `<channel>_zscore` and `<channel>_alert` for each scored channel.

    z = (x - mean) / sample standard deviation, 0 where the deviation is 0; both null where the
    value is. Levels are those of docs/transform.md.
    """
    zscores = [_zscore(channel, moments[channel.name]) for channel in rig.scored_channels]
    levels = [_level(channel) for channel in rig.scored_channels]
    return readings.with_columns(zscores).with_columns(levels)


def _zscore(channel: Channel, moments: Moments) -> pl.Expr:
    value = pl.col(channel.name)
    deviation = moments.standard_deviation
    if not deviation:
        return pl.when(value.is_not_null()).then(0.0).alias(channel.zscore_column)
    # Not divided: Polars rounds a quotient differently in a frame of one row than in a longer one.
    return ((value - moments.mean) * (1 / deviation)).alias(channel.zscore_column)


def _level(channel: Channel) -> pl.Expr:
    value, z = pl.col(channel.name), pl.col(channel.zscore_column).abs()
    low, high = channel.limits.low, channel.limits.high
    red = pl.lit(False)
    yellow = pl.lit(False)
    if low is not None:
        red = red | (value < low)
    if high is not None:
        red = red | (value > high)
    if channel.z_score:
        red = red | (z > channel.z_score.red)
        yellow = z > channel.z_score.yellow
    level = pl.when(red).then(pl.lit("red")).when(yellow).then(pl.lit("yellow"))
    return (
        pl.when(value.is_not_null())
        .then(level.otherwise(pl.lit("normal")))
        .cast(pl.Enum(LEVELS))
        .alias(channel.alert_column)
    )


def is_outlier(rig: Rig) -> pl.Expr:
    """True for scored readings with a red z-score in any channel."""
    red = [
        pl.col(channel.zscore_column).abs() > channel.z_score.red
        for channel in rig.scored_channels
        if channel.z_score
    ]
    return pl.any_horizontal(pl.lit(False), *red).fill_null(False)


def explain(channel: Channel, value: float, zscore: float | None) -> str:
    """One sentence: what a yellow or red reading is compared with, and by how much it is beyond."""
    unit = unit_symbol(channel.unit)
    beyond = ""
    if channel.limits.high is not None and value > channel.limits.high:
        beyond = _beyond(value - channel.limits.high, "above the high", channel.limits.high, unit)
    elif channel.limits.low is not None and value < channel.limits.low:
        beyond = _beyond(channel.limits.low - value, "below the low", channel.limits.low, unit)
    if zscore is None:
        return f"{beyond}." if beyond else "No threshold of the present rig file is exceeded."
    z = f"z = {zscore:.2f}".replace("-", "\N{MINUS SIGN}")
    if beyond:
        return f"{beyond}; {z}."
    if channel.z_score:
        for name, threshold in (("red", channel.z_score.red), ("yellow", channel.z_score.yellow)):
            if abs(zscore) > threshold:
                return f"{z}, beyond the {name} threshold of {threshold:g}."
    return f"{z}; no threshold of the present rig file is exceeded."


def _beyond(distance: float, side: str, limit: float, unit: str) -> str:
    suffix = unit if unit in ("", "%") else f" {unit}"
    return f"{distance:.4g}{suffix} {side} limit of {limit:g}{suffix}"


def unit_symbol(unit: str) -> str:
    """The unit as people write it."""
    return _SYMBOLS.get(unit, unit)
