"""The answers of the API, documented field by field. Times are RFC 3339 in UTC."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

Level = Literal["normal", "yellow", "red"]
Name = Annotated[str, Field(examples=["rig-1"])]
Time = Annotated[str, Field(examples=["2025-07-13T02:48:00Z"])]
OptionalTime = Annotated[str | None, Field(examples=["2025-07-13T02:48:00Z"])]
Label = Annotated[str, Field(description="The name for people.", examples=["Temperature"])]
Unit = Annotated[str, Field(examples=["degC"])]
Value = Annotated[float | None, Field(examples=[54.8])]
Count = Annotated[int, Field(examples=[4])]


class MinMax(BaseModel):
    """Lowest and highest; null where there is none."""

    min: Value = Field(examples=[28.6])
    max: Value = Field(examples=[84.3])


class LowHigh(BaseModel):
    """Limits; a value strictly beyond one is red."""

    low: Value = Field(examples=[10.0])
    high: Value = Field(examples=[80.0])


class YellowRed(BaseModel):
    """Thresholds of |z|."""

    yellow: Value = Field(examples=[1.5])
    red: Value = Field(examples=[2.0])


class ChannelModel(BaseModel):
    """A channel of a rig."""

    name: str = Field(examples=["temperature"])
    label: Label
    unit: Unit
    kind: Literal["gauge", "counter"] = Field(examples=["gauge"])
    required: bool = Field(description="A row of a file without it is rejected.", examples=[True])
    scored: bool = Field(description="Has z-scores and levels.", examples=[True])
    valid_range: MinMax
    limits: LowHigh
    z_score: YellowRed


class RigModel(BaseModel):
    """A rig and what is stored of it."""

    name: Name
    label: str = Field(examples=["Propulsion test rig"])
    time_zone: str = Field(examples=["UTC"])
    interval_s: float | None = Field(
        description="Usual seconds between readings.", examples=[360.0]
    )
    total_records: Count = Field(examples=[100])
    first_timestamp: OptionalTime
    last_timestamp: OptionalTime
    channels: list[ChannelModel]


class Rigs(BaseModel):
    rigs: list[RigModel]


class Filtered(BaseModel):
    """The question that was answered."""

    rig: Name
    date_filter: str | None = Field(examples=["2025-07-13"])
    start: OptionalTime = Field(description="First moment included.")
    end: OptionalTime = Field(description="First moment no longer included.")


class ChannelKpis(BaseModel):
    """Key figures of one channel."""

    label: Label
    unit: Unit
    mean: Value
    min: Value = Field(examples=[28.6])
    max: Value = Field(examples=[84.3])
    last: Value = Field(description="The newest reading.", examples=[61.4])
    alert_count: Count = Field(description="Readings at red.")
    warning_count: Count = Field(description="Readings at yellow.", examples=[11])


class KeyFigures(BaseModel):
    """Key figures of a range of readings."""

    avg_temp: Value
    avg_pressure: Value = Field(examples=[1011.6])
    alert_count: Count = Field(description="Channel readings at red.")
    warning_count: Count = Field(description="Channel readings at yellow.", examples=[11])
    uptime_hours: Value = Field(description="Largest uptime reading.", examples=[4.9])
    running_hours: Value = Field(
        description="Hours gained, counting on across restarts of the counter.", examples=[9.8]
    )
    total_records: Count = Field(examples=[100])
    temperature_range: MinMax
    pressure_range: MinMax
    data_quality_score: float | None = Field(
        description="Accepted rows in percent of all.", examples=[97.1]
    )
    rejected_records: int | None = Field(examples=[3])
    rejected_by_reason: dict[str, int] | None = Field(examples=[{"missing_value": 3}])
    gap_count: int | None = Field(
        description="Silences longer than 1.5 usual intervals.", examples=[1]
    )
    gap_hours: float | None = Field(examples=[2.0])
    first_timestamp: Time
    last_timestamp: Time
    channels: dict[str, ChannelKpis]


class PreviousKpis(KeyFigures):
    """Key figures of the range before."""

    start: Time
    end: Time


class KpisModel(KeyFigures, Filtered):
    """Key figures of the selected readings."""

    timestamp: Time = Field(description="When this was computed.")
    previous: PreviousKpis | None = Field(
        None,
        description="With `compare=previous`: the same of the range before; null where it has no "
        "readings, or where there is no such range.",
    )


class Gap(BaseModel):
    """A silence: from one usual interval after the reading before it to the next reading."""

    start: Time
    end: Time
    hours: float = Field(examples=[2.0])


class RedMarks(BaseModel):
    """The newest red readings of a channel."""

    timestamps: list[str] = Field(examples=[["2025-07-13T00:00:00Z"]])
    values: list[float] = Field(examples=[[84.3]])
    zscores: list[float | None] = Field(examples=[[2.6]])


class Series(BaseModel):
    """One channel as parallel lists; at a gap there is one entry without a value.

    When downsampled these are the first, last, lowest and highest reading of each bucket, at
    their own times, without scores and levels.
    """

    label: Label
    unit: Unit
    timestamps: list[str] = Field(examples=[["2025-07-13T00:00:00Z"]])
    values: list[float | None] = Field(examples=[[54.8, None, 55.1]])
    zscores: list[float | None] | None = Field(examples=[[0.1, None, 0.2]])
    levels: list[Level | None] | None = Field(examples=[["normal", None, "normal"]])
    red: RedMarks
    red_count: Count = Field(
        description="Red readings in the range; more than are in `red` where they are many.",
        examples=[1],
    )
    red_buckets: list[str] | None = Field(
        description="When downsampled, the starts of all buckets that have red readings.",
        examples=[["2025-07-13T00:00:00Z"]],
    )


class Trends(Filtered):
    """Readings over time, channel by channel, and as plain lists on shared times.

    When downsampled a plain list has two entries a bucket, at its start and its middle: the
    lowest and the highest value in the order in which they came; and one empty entry where
    buckets are empty. The first bucket may begin before the range; the times in `channels`, which
    are those of readings, never do.
    """

    timestamps: list[str] = Field(examples=[["2025-07-13T00:00:00Z"]])
    temperatures: list[float | None] = Field(examples=[[54.8]])
    pressures: list[float | None] = Field(examples=[[1011.6]])
    uptime_hours: list[float | None] = Field(examples=[[0.1]])
    temperature_zscores: list[float | None] = Field(examples=[[0.1]])
    pressure_zscores: list[float | None] = Field(examples=[[0.1]])
    temperature_levels: list[Level | None] = Field(examples=[["normal"]])
    pressure_levels: list[Level | None] = Field(examples=[["normal"]])
    record_count: Count = Field(description="Readings in the selection.", examples=[100])
    downsampled: bool = Field(
        description="Of each bucket of `resolution_s` seconds only the readings that are "
        "first, last, lowest or highest of a channel are here.",
        examples=[False],
    )
    resolution_s: float | None = Field(examples=[None])
    gaps: list[Gap]
    gap_count: Count = Field(
        description="Gaps in the range; more than are in `gaps` where many are shorter than a "
        "bucket.",
        examples=[1],
    )
    channels: dict[str, Series]


class ChannelSummary(BaseModel):
    """Statistics of one channel."""

    label: Label
    unit: Unit
    count: Count = Field(examples=[100])
    mean: Value
    standard_deviation: Value = Field(description="Sample (n - 1).", examples=[11.3])
    minimum: Value = Field(examples=[28.6])
    median: Value = Field(examples=[55.2])
    maximum: Value = Field(examples=[84.3])
    slope_per_hour: Value = Field(
        description="Slope of the least-squares line through the readings.", examples=[0.42]
    )


class SummaryModel(Filtered):
    record_count: Count = Field(examples=[100])
    channels: dict[str, ChannelSummary]


class ChannelStatistics(BaseModel):
    """Figures of one channel in one bucket; null where it has no value."""

    count: Count = Field(examples=[3600])
    mean: Value
    standard_deviation: Value = Field(description="Sample (n - 1).", examples=[11.3])
    minimum: Value = Field(examples=[28.6])
    minimum_at: OptionalTime
    maximum: Value = Field(examples=[84.3])
    maximum_at: OptionalTime
    alert_count: Count
    warning_count: Count


class BucketModel(BaseModel):
    """One bucket."""

    local_start: str = Field(
        description="Its start in the time zone of the buckets.",
        examples=["2025-07-13T00:00:00+02:00"],
    )
    start: Time
    end: Time = Field(description="The first moment of the next one.")
    hours: float = Field(description="23 to 25 of a local day.", examples=[24.0])
    record_count: Count = Field(examples=[86400])
    channels: dict[str, ChannelStatistics]


class Statistics(Filtered):
    bucket: str = Field(examples=["1d"])
    time_zone: str = Field(examples=["Europe/Berlin"])
    buckets: list[BucketModel] = Field(
        description="All from the first reading to the last, those without readings, too."
    )


class AlertModel(BaseModel):
    """Consecutive readings of one channel at one level."""

    channel: str = Field(examples=["temperature"])
    label: Label
    unit: Unit
    level: Literal["yellow", "red"] = Field(examples=["red"])
    timestamp: Time = Field(description="The first of them.")
    last_timestamp: Time = Field(description="The last of them.")
    count: Count = Field(examples=[2])
    value: float = Field(description="The one farthest from normal.", examples=[84.3])
    zscore: Value = Field(examples=[2.62])
    reason: str = Field(examples=["4.3 °C above the high limit of 80 °C; z = 2.62."])


class Alerts(Filtered):
    total_red: Count
    total_yellow: Count = Field(examples=[11])
    alerts: list[AlertModel] = Field(description="Newest first.")
    truncated: bool = Field(description="There are more than are listed.", examples=[False])


class Health(BaseModel):
    status: Literal["ok", "unavailable"] = Field(examples=["ok"])
    database: Literal["reachable", "unreachable"] = Field(examples=["reachable"])
    backend: str = Field(examples=["sqlite"])
    rows: int | None = Field(examples=[100])
    last_reading: OptionalTime
    version: str = Field(examples=["0.1.0"])
    live_clients: Count = Field(description="Open WebSocket connections.", examples=[2])
    live_messages_dropped: Count = Field(
        description="Messages that clients were too slow for, since the start.", examples=[0]
    )


class Ready(BaseModel):
    status: Literal["ready", "unavailable"] = Field(examples=["ready"])
    reasons: list[str] = Field(
        description="What is missing; empty when ready.",
        examples=[[], ["live updates: have not looked for changes for 12 s"]],
    )
