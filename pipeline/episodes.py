"""Red and yellow readings as a list for people: consecutive ones are one entry, with the reason."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from pipeline.kpis import GAP_FACTOR
from pipeline.rig import Channel, Rig
from pipeline.scoring import explain


@dataclass
class Episode:
    """Consecutive readings of one channel at one level; `value` is the farthest from normal."""

    channel: str
    label: str
    unit: str
    level: str
    timestamp: datetime
    last_timestamp: datetime
    count: int
    value: float
    zscore: float | None
    reason: str = ""


def episodes(rows: pl.DataFrame, rig: Rig, interval_s: float | None) -> list[Episode]:
    """Entries for alert rows (as `Store.alerts` gives them), newest first.

    Readings belong together when they follow one another, without another one or a gap between.
    """
    longest = timedelta(seconds=GAP_FACTOR * interval_s) if interval_s else timedelta.max
    found: list[Episode] = []
    for channel in rig.scored_channels:
        current: Episode | None = None
        before = -1
        mine = rows.filter(pl.col("channel") == channel.name).sort("timestamp")
        for timestamp, _, level, value, zscore, place in mine.iter_rows():
            near = (
                current is not None
                and place == before + 1
                and timestamp - current.last_timestamp <= longest
            )
            before = place
            if current is None or not near or current.level != level:
                current = Episode(
                    channel.name,
                    channel.title,
                    channel.unit,
                    level,
                    timestamp,
                    timestamp,
                    0,
                    value,
                    zscore,
                )
                found.append(current)
            current.count += 1
            current.last_timestamp = timestamp
            if _severity(channel, value, zscore) > _severity(
                channel, current.value, current.zscore
            ):
                current.value, current.zscore = value, zscore
    for episode in found:
        owner = rig.channel(episode.channel)
        assert owner is not None
        episode.reason = explain(owner, episode.value, episode.zscore)
    return sorted(found, key=lambda episode: (episode.timestamp, episode.channel), reverse=True)


def _severity(channel: Channel, value: float, zscore: float | None) -> tuple[float, float]:
    """How far beyond a limit, then how far from the mean."""
    limits = channel.limits
    above = value - limits.high if limits.high is not None else 0.0
    below = limits.low - value if limits.low is not None else 0.0
    return max(above, below, 0.0), abs(zscore or 0.0)
