"""What an ETL run did: for people and for programs."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class SourceSummary:
    """One source: `status` is `loaded`, `already loaded`, `nothing accepted` or `failed`."""

    source: str
    status: str
    load_id: int | None = None
    rows_read: int = 0
    accepted: int = 0
    rejected_by_reason: dict[str, int] = field(default_factory=dict)
    ignored_columns: tuple[str, ...] = ()
    kpis: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    error: str | None = None

    @property
    def rejected(self) -> int:
        return sum(self.rejected_by_reason.values())

    @property
    def rows_per_second(self) -> float | None:
        total = self.seconds.get("total")
        return self.rows_read / total if total else None


@dataclass
class EtlSummary:
    """All sources of a run, in order."""

    sources: list[SourceSummary] = field(default_factory=list)

    def add(self, source: SourceSummary) -> None:
        self.sources.append(source)

    @property
    def accepted(self) -> int:
        return sum(source.accepted for source in self.sources)

    @property
    def rows_read(self) -> int:
        return sum(source.rows_read for source in self.sources)

    @property
    def rejected_by_reason(self) -> dict[str, int]:
        totals: dict[str, int] = {}
        for source in self.sources:
            for reason, count in source.rejected_by_reason.items():
                totals[reason] = totals.get(reason, 0) + count
        return totals

    @property
    def succeeded(self) -> bool:
        """False when a source failed, or nothing was accepted, and nothing had been before."""
        done = any(source.status in ("loaded", "already loaded") for source in self.sources)
        return done and all(source.status != "failed" for source in self.sources)

    @property
    def failed(self) -> list[SourceSummary]:
        """Sources that could not be read as a whole."""
        return [source for source in self.sources if source.error is not None]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "succeeded": self.succeeded,
            "rows_read": self.rows_read,
            "accepted": self.accepted,
            "rejected_by_reason": self.rejected_by_reason,
            "sources": [
                {
                    "source": source.source,
                    "status": source.status,
                    "error": source.error,
                    "load_id": source.load_id,
                    "rows_read": source.rows_read,
                    "accepted": source.accepted,
                    "rejected": source.rejected,
                    "rejected_by_reason": source.rejected_by_reason,
                    "ignored_columns": list(source.ignored_columns),
                    "kpis": source.kpis,
                    "seconds": source.seconds,
                    "rows_per_second": source.rows_per_second,
                }
                for source in self.sources
            ],
        }
