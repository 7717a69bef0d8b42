"""Rejected rows as they were read, with where they stood and why."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import polars as pl
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from dashboard import load_models
from dashboard.answers import Context, ContextDependency, Filter, answered
from dashboard.export_formats import no_formula
from dashboard.problems import documented
from pipeline.errors import QueryError
from pipeline.quality import REASONS
from pipeline.stores.base import Store
from pipeline.stores.reject_queries import WantedRejects
from pipeline.timestamps import UTC_DATETIME, parse_moment, rfc3339

router = APIRouter(prefix="/api", tags=["loads"], responses=documented(400, 404, 503))

_ROWS_AT_ONCE = 5_000
_TEXT = ("source", "rig", "detail", "raw")
_COLUMNS: dict[str, type[pl.DataType] | pl.DataType] = {
    "id": pl.Int64,
    "load_id": pl.Int64,
    "source": pl.String,
    "line": pl.Int64,
    "rig": pl.String,
    "timestamp": UTC_DATETIME,
    "reason": pl.String,
    "detail": pl.String,
    "raw": pl.String,
}


@router.get(
    "/rejects",
    summary="Rejected rows",
    response_model=load_models.Rejects,
    responses={200: {"content": {"text/csv": {}}, "description": "With `format=csv`, all of them"}},
)
def rejects(
    request: Request,
    context: ContextDependency,
    rig: Annotated[str | None, Query(description="Only of this rig.")] = None,
    load: Annotated[
        int | None, Query(ge=1, lt=1 << 31, description="Only of the load with this number.")
    ] = None,
    reason: Annotated[str | None, Query(description="Only rows rejected for this reason.")] = None,
    start: Annotated[
        str | None, Query(description="First moment; rows whose time cannot be read are left out.")
    ] = None,
    end: Annotated[
        str | None, Query(description="First moment that is no longer included.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1_000, description="At most so many rows.")] = 100,
    after: Annotated[
        int | None,
        Query(ge=1, lt=1 << 62, description="What `next` said: the rows that come after those."),
    ] = None,
    format: Annotated[
        Literal["json", "csv"], Query(description="`csv`: all rows as a file; without `limit`.")
    ] = "json",
) -> Response:
    """What was not accepted, newest first: the row as it was read, its line, and the reason."""
    if format == "csv":
        wanted = _wanted(context, rig, load, reason, start, end)
        # Notices a database that has gone, or that another one has taken the place of.
        context.store.version()
        headers = {"Content-Disposition": 'attachment; filename="rejects.csv"'}
        pieces = _csv(context.store, wanted, after)
        return StreamingResponse(pieces, media_type="text/csv; charset=utf-8", headers=headers)

    def build() -> dict[str, Any]:
        wanted = _wanted(context, rig, load, reason, start, end)
        counts = context.store.reject_counts(wanted)
        rows = context.store.rejects(wanted, limit + 1, after)
        return {
            "total": sum(counts.values()),
            "by_reason": counts,
            "rejects": [{name: row[name] for name in _COLUMNS} for row in rows[:limit]],
            "next": rows[limit - 1]["id"] if len(rows) > limit else None,
        }

    return answered(request, build)


def _wanted(
    context: Context,
    rig: str | None,
    load: int | None,
    reason: str | None,
    start: str | None,
    end: str | None,
) -> WantedRejects:
    """Raises QueryError for what is malformed, NothingFoundError for a rig that is not there."""
    if reason is not None and reason not in REASONS:
        raise QueryError(f"reason={reason!r} does not exist; there are: {', '.join(REASONS)}")
    zone = context.rig.zone if rig is None else Filter(rig).find_rig(context).rig.zone
    first = None if start is None else parse_moment(start, zone, "start")
    last = None if end is None else parse_moment(end, zone, "end")
    if first is not None and last is not None and first >= last:
        raise QueryError(f"start={start!r} is not before end={end!r}")
    return WantedRejects(rig, load, reason, first, last)


def _csv(store: Store, wanted: WantedRejects, after: int | None) -> Iterator[bytes]:
    """All rows, a question a piece: no connection is held while a client takes its time."""
    yield (",".join(_COLUMNS) + "\n").encode()
    while rows := store.rejects(wanted, _ROWS_AT_ONCE, after):
        frame = pl.DataFrame(rows, schema=_COLUMNS, infer_schema_length=None)
        times = [time and rfc3339(time) for time in frame["timestamp"]]
        safe = frame.with_columns(
            pl.Series("timestamp", times, dtype=pl.String),
            *map(no_formula, _TEXT),
        )
        yield safe.write_csv(include_header=False).encode()
        after = rows[-1]["id"]
