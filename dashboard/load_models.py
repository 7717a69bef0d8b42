"""The answers about loads and rejects, documented field by field. Times are RFC 3339 in UTC."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from dashboard.models import Count, Name, OptionalTime, Time

Digest = Annotated[str, Field(description="SHA-256 of the content.", examples=["9f86d081" * 8])]
Sizes = Annotated[int, Field(examples=[48_213])]
ByReason = Annotated[dict[str, int], Field(examples=[{"missing_value": 3}])]
File = Annotated[str, Field(description="As whoever loaded it named it.", examples=["run7.csv"])]
LoadId = Annotated[int | None, Field(description="Its number in the ledger.", examples=[7])]


class LoadModel(BaseModel):
    """A row of the ledger."""

    id: int = Field(examples=[1])
    source: File
    sha256: str | None = Field(
        description="SHA-256 of the content; null for a live source.", examples=["9f86d081" * 8]
    )
    rig: Name
    rig_version: str = Field(
        description="Of what the rig file said then.", examples=["5d41402abc4b2a76"]
    )
    settings: dict[str, Any] = Field(
        description="Settings that decide what is stored.", examples=[{"outliers": "flag"}]
    )
    status: str = Field(
        description="`complete`, `nothing accepted`, `live` (still sending, or was), or "
        "`superseded` by a later load of the same content.",
        examples=["complete"],
    )
    started_at: Time
    finished_at: OptionalTime
    rows_read: Count = Field(examples=[103])
    accepted: Count = Field(examples=[100])
    rejected: Count = Field(examples=[3])
    rejected_by_reason: ByReason
    readings_replaced: Count = Field(
        description="Accepted readings that a later load has replaced.", examples=[0]
    )
    readings_pruned: Count = Field(
        description="Accepted readings that were deleted for their age.", examples=[0]
    )
    rejects_pruned: Count = Field(
        description="Rejected rows that were deleted for their age.", examples=[0]
    )
    first_timestamp: OptionalTime
    last_timestamp: OptionalTime


class Loads(BaseModel):
    loads: list[LoadModel] = Field(description="Newest first.")


class JobModel(BaseModel):
    """A load in the background."""

    job: str = Field(examples=["3f2a9c0b5e7d1846"])
    status: Literal["queued", "running", "complete", "known", "failed"] = Field(
        description="`known`: the same content was loaded already, and nothing was stored.",
        examples=["running"],
    )
    position: Count = Field(
        description="Place among those that wait, from 1; 0 for one that does not.", examples=[0]
    )
    source: File
    rig: Name
    size_bytes: Sizes
    created_at: Time
    started_at: OptionalTime
    finished_at: OptionalTime
    stage: Literal["reading", "loading"] | None = Field(
        description="What a running one does: read and check rows, then store them.",
        examples=["reading"],
    )
    bytes_read: Sizes = Field(description="Of `size_bytes`.")
    rows_read: Count = Field(examples=[103])
    accepted: Count = Field(description="Readings that are stored.", examples=[100])
    rejected: Count = Field(description="Known when it has ended.", examples=[3])
    rejected_by_reason: ByReason
    load_id: LoadId
    error: str | None = Field(
        description="Why it has failed, and what to do.",
        examples=["run7.csv: has a header but no rows"],
    )


class JobsModel(BaseModel):
    jobs: list[JobModel] = Field(description="Newest first; those that have ended for a while.")


class ColumnModel(BaseModel):
    """A column of the file that is read."""

    name: str = Field(description="What it is for us: a channel, `timestamp` or `rig`.",
                      examples=["temperature"])  # fmt: skip
    column: str = Field(description="Its name in the file.", examples=["Temp (F)"])
    unit: str = Field(description="Its unit, and into which one it is converted.",
                      examples=["°F to °C"])  # fmt: skip


class PreviewModel(BaseModel):
    """What a load would do; nothing was stored."""

    upload: str = Field(
        description="`POST /api/loads?upload=` with it loads the file; kept for 30 minutes.",
        examples=["Zy3m0Qx8bQm1kF4n8s2w7g"],
    )
    source: File
    size_bytes: Sizes
    sha256: Digest
    known_load: LoadId = Field(
        description="The ledger's number of an equal load: loading it again does nothing."
    )
    rig: Name
    time_zone: str = Field(description="Of times without offset.", examples=["Europe/Berlin"])
    time_format: str = Field(examples=["ISO 8601, or an integer epoch"])
    format: dict[str, str] = Field(
        examples=[{"format": "CSV", "delimiter": "comma", "encoding": "utf-8"}]
    )
    columns: list[ColumnModel]
    ignored_columns: list[str] = Field(examples=[["Operator"]])
    missing_channels: list[str] = Field(
        description="Optional channels that no column is for.", examples=[["coil_current"]]
    )
    complete: bool = Field(
        description="All rows were looked at; of a large file only the first ones.",
        examples=[True],
    )
    rows_read: Count = Field(examples=[103])
    accepted: Count = Field(examples=[100])
    rejected_by_reason: ByReason
    first_timestamp: OptionalTime
    last_timestamp: OptionalTime
    times_readable: bool = Field(
        description="The time of some row can be read, of one that would be rejected at least.",
        examples=[True],
    )
    first_readings: list[dict[str, Any]] = Field(
        examples=[[{"line": 2, "rig": "rig-1", "timestamp": "2025-07-13T00:00:00Z",
                    "temperature": 53.1}]]
    )  # fmt: skip
    first_rejects: list[dict[str, Any]] = Field(
        examples=[[{"line": 5, "reason": "missing_value", "raw": "2025-07-13T00:06:00Z,,1000,1"}]]
    )


class RejectModel(BaseModel):
    """A row that was not accepted, as it was read."""

    id: int = Field(examples=[12])
    load_id: LoadId
    source: File
    line: int = Field(description="Where it begins in the source, from 1.", examples=[5])
    rig: Name
    timestamp: OptionalTime = Field(description="Null where it cannot be read.")
    reason: str = Field(examples=["missing_value"])
    detail: str = Field(examples=["temperature is missing"])
    raw: str = Field(examples=["2025-07-13T00:06:00Z,,1000,1"])


class Rejects(BaseModel):
    """Rejected rows, newest first."""

    total: Count = Field(description="All that fit, listed or not.", examples=[3])
    by_reason: ByReason
    rejects: list[RejectModel]
    next: int | None = Field(
        description="With `after=` it the next ones come; null when there are none.", examples=[12]
    )
