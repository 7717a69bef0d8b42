"""The JSON API: key figures, trends, statistics, alerts, rigs and health."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Request, Response

from dashboard import models
from dashboard.answers import (
    Context,
    ContextDependency,
    FilterDependency,
    answered,
    nothing_in,
    question,
)
from dashboard.channels import Channels, with_channels
from dashboard.kept import to_json
from dashboard.live import Live
from dashboard.problems import documented
from pipeline import __version__
from pipeline.episodes import episodes
from pipeline.errors import DatabaseError
from pipeline.rig import Channel
from pipeline.stores.base import StoredRig
from pipeline.trends import every_reading, red_marks, thinned

router = APIRouter(prefix="/api", tags=["readings"], responses=documented(400, 404, 503))

# Readings that follow each other are one entry; a long one should not be cut.
_ROWS_AN_ENTRY = 10
_FEWEST_ROWS = 5_000

Points = Annotated[
    int,
    Query(
        ge=10,
        le=10_000,
        description="With more readings than this the answer is thinned: to as many buckets, "
        "with up to four readings a channel each.",
    ),
]
Readings = Annotated[
    int,
    Query(ge=0, le=50_000, description="Up to so many readings are not thinned in any case."),
]
Limit = Annotated[int, Query(ge=1, le=1_000, description="At most so many entries.")]


@router.get("/kpis", response_model=models.KpisModel, summary="Key figures")
def kpis(
    request: Request,
    asked: FilterDependency,
    context: ContextDependency,
    compare: Annotated[
        Literal["previous"] | None,
        Query(description="`previous`: also of the range before, which is as long."),
    ] = None,
) -> Response:
    """Averages, alerts, hours, quality and gaps of the selected readings."""

    def build() -> dict[str, Any]:
        stored, selection = asked.selection(context)
        found = context.store.kpis(selection)
        if found is None:
            raise nothing_in(stored, selection)
        answer = {**question(asked, selection), **found, "timestamp": datetime.now(UTC)}
        if compare is not None:
            before = asked.before(selection, found["last_timestamp"], stored.rig.zone)
            earlier = None if before is None else context.store.kpis(before)
            answer["previous"] = None
            if before is not None and earlier is not None:
                answer["previous"] = {"start": before.start, "end": before.end, **earlier}
        return answer

    return answered(request, build)


@router.get("/trends", response_model=models.Trends, summary="Readings over time")
def trends(
    request: Request,
    asked: FilterDependency,
    context: ContextDependency,
    points: Points = 1_000,
    readings: Readings = 0,
    channels: Channels = None,
    plain: Annotated[
        bool, Query(description="`false` leaves the lists beside `channels` empty.")
    ] = True,
) -> Response:
    """Every reading, or of as many buckets as there may be points the ones that matter."""

    def build() -> dict[str, Any]:
        stored, selection = asked.selection(context)
        rig = with_channels(stored.rig, channels)
        found = context.store.trend(selection, points, readings)
        if found is None:
            raise nothing_in(stored, selection)
        if found.bucket_s is None:
            series = every_reading(found.rows, rig, found.gaps, plain)
        else:
            series = thinned(found.rows, found.bucket_s, rig, found.gaps, plain)
        for channel in rig.channels:
            series["channels"][channel.name] |= {
                "red": red_marks(found.red, channel),
                "red_count": found.red_counts.get(channel.name, 0),
            }
        return {
            **question(asked, selection),
            **series,
            "record_count": found.records,
            "gap_count": found.gap_count,
            "downsampled": found.bucket_s is not None,
            "resolution_s": found.bucket_s,
        }

    return answered(request, build)


@router.get("/summary", response_model=models.SummaryModel, summary="Statistics a channel")
def summary(request: Request, asked: FilterDependency, context: ContextDependency) -> Response:
    """Count, mean, deviation, extremes, median and trend of each channel."""

    def build() -> dict[str, Any]:
        stored, selection = asked.selection(context)
        extent = context.store.extent(selection)
        if extent is None:
            raise nothing_in(stored, selection)
        found = context.store.summary(selection)
        return {
            **question(asked, selection),
            "record_count": extent.records,
            "channels": {
                channel.name: {
                    "label": channel.title,
                    "unit": channel.unit,
                    **found[channel.name],
                }
                for channel in stored.rig.channels
            },
        }

    return answered(request, build)


@router.get("/alerts", response_model=models.Alerts, summary="Red and yellow readings, and why")
def alerts(
    request: Request,
    asked: FilterDependency,
    context: ContextDependency,
    limit: Limit = 100,
    level: Annotated[
        Literal["yellow", "red"] | None, Query(description="Only entries of this level.")
    ] = None,
) -> Response:
    """What went beyond a limit or threshold, newest first, with the reason in one sentence."""

    def build() -> dict[str, Any]:
        stored, selection = asked.selection(context)
        found = context.store.kpis(selection)
        if found is None:
            raise nothing_in(stored, selection)
        levels = ("yellow", "red") if level is None else (level,)
        rows = context.store.alerts(selection, levels, max(_ROWS_AN_ENTRY * limit, _FEWEST_ROWS))
        listed = episodes(rows, stored.rig, stored.interval_s)
        totals = {"red": found["alert_count"], "yellow": found["warning_count"]}
        total = sum(totals[each] for each in levels)
        return {
            **question(asked, selection),
            "total_red": totals["red"],
            "total_yellow": totals["yellow"],
            "alerts": [asdict(episode) for episode in listed[:limit]],
            "truncated": len(listed) > limit or total > len(rows),
        }

    return answered(request, build)


@router.get("/rigs", response_model=models.Rigs, summary="Rigs and their channels")
def rigs(request: Request, context: ContextDependency) -> Response:
    """Every rig that is stored, the configured one first: channels, limits, span of readings."""

    def build() -> dict[str, Any]:
        stored = sorted(context.store.rigs(), key=lambda each: each.rig.name != context.rig.name)
        return {"rigs": [_rig(each) for each in stored]}

    return answered(request, build)


@router.get(
    "/health",
    response_model=models.Health,
    responses={503: {"model": models.Health}},
    tags=["operation"],
    summary="Is it working?",
)
@router.head("/health", include_in_schema=False)
def health(request: Request, context: ContextDependency) -> Response:
    """200 when the database answers, else 503; for load balancers and people in a hurry."""
    live: Live = request.app.state.live
    now = {"live_clients": live.clients, "live_messages_dropped": live.dropped}
    try:
        kept = orjson.loads(context.answers.get("health", lambda: _health(context)).body)
        if not request.state.may_read:
            kept |= {"rows": None, "last_reading": None}
        return Response(to_json({**kept, **now}), media_type="application/json")
    except DatabaseError:
        body = {
            "status": "unavailable",
            "database": "unreachable",
            "backend": context.store.backend,
            "rows": None,
            "last_reading": None,
            "version": __version__,
            **now,
        }
        return Response(to_json(body), 503, media_type="application/json")


def _health(context: Context) -> dict[str, Any]:
    stored = context.store.rigs(counted=False)
    last = [rig.last_timestamp for rig in stored if rig.last_timestamp]
    return {
        "status": "ok",
        "database": "reachable",
        "backend": context.store.backend,
        "rows": context.store.total_records(),
        "last_reading": max(last, default=None),
        "version": __version__,
    }


def _rig(stored: StoredRig) -> dict[str, Any]:
    return {
        "name": stored.rig.name,
        "label": stored.rig.label,
        "time_zone": stored.rig.time_zone,
        "interval_s": stored.interval_s,
        "total_records": stored.total_records,
        "first_timestamp": stored.first_timestamp,
        "last_timestamp": stored.last_timestamp,
        "channels": [_channel(channel) for channel in stored.rig.channels],
    }


def _channel(channel: Channel) -> dict[str, Any]:
    z_score = channel.z_score
    return {
        "name": channel.name,
        "label": channel.title,
        "unit": channel.unit,
        "kind": channel.kind,
        "required": channel.required,
        "scored": channel.scored,
        "valid_range": channel.valid.model_dump(),
        "limits": channel.limits.model_dump(),
        "z_score": z_score.model_dump() if z_score else {"yellow": None, "red": None},
    }
