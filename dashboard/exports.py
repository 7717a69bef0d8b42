"""The raw data back: a stream of readings as CSV, filtered like everything else."""

import re
import threading
from collections.abc import Generator
from typing import Annotated, Literal

import polars as pl
from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from dashboard.answers import ContextDependency, FilterDependency, nothing_in
from dashboard.problems import documented
from pipeline.errors import DatabaseUnavailable
from pipeline.rig import Rig
from pipeline.stores.base import Range, Store
from pipeline.timestamps import RFC3339_FORMAT

router = APIRouter(prefix="/api", tags=["readings"], responses=documented(400, 404, 503))

# What a spreadsheet takes for the beginning of a formula.
_FORMULA = r"^[=+\-@\t\r]"


@router.get(
    "/download",
    summary="Readings as a file",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}, "description": "A header line and all rows."}},
)
def download(
    asked: FilterDependency,
    context: ContextDependency,
    format: Annotated[Literal["csv"], Query(description="Only `csv` in this version.")] = "csv",
) -> Response:
    """Every selected reading as it is stored, at full resolution; times are RFC 3339 in UTC."""
    # Notices a database that has gone, or that another one has taken the place of.
    context.store.version()
    stored, selection = asked.selection(context)
    if context.store.extent(selection) is None:
        raise nothing_in(stored, selection)
    name = f"{_file_name(selection, asked.date)}.{format}"
    if not _at_once.acquire(blocking=False):
        raise DatabaseUnavailable(f"{_MOST_AT_ONCE} downloads are under way; try again later")
    return Download(_csv(context.store, selection, stored.rig), name)


# Each holds a connection and a frame of readings for as long as its client takes.
_MOST_AT_ONCE = 8
_at_once = threading.BoundedSemaphore(_MOST_AT_ONCE)


class Download(StreamingResponse):
    """A CSV file made piece by piece; its source is closed even when the client has gone."""

    def __init__(self, pieces: Generator[bytes], file_name: str) -> None:
        super().__init__(
            pieces,
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{file_name}"'},
        )
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            # Left to the garbage collector, it would keep its connection for some time.
            self._pieces.close()
            _at_once.release()


def _csv(store: Store, selection: Range, rig: Rig) -> Generator[bytes]:
    columns = ["rig", "timestamp", *rig.value_columns]
    yield (",".join(columns) + "\n").encode()
    # A text that begins like a formula gets a quote before it, so that no spreadsheet runs it.
    name = pl.col("rig")
    safe = pl.when(name.str.contains(_FORMULA)).then(pl.lit("'") + name).otherwise(name)
    for frame in store.readings(selection):
        rows = frame.select(columns).with_columns(safe.alias("rig"))
        text = rows.write_csv(include_header=False, datetime_format=RFC3339_FORMAT)
        yield text.encode()


def _file_name(selection: Range, date: str | None) -> str:
    parts = [selection.rig]
    if date is not None:
        parts.append(date)
    else:
        moments = (selection.start, selection.end)
        parts += [f"{moment:%Y%m%dT%H%M%SZ}" for moment in moments if moment is not None]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "_".join(parts)).strip("-.") or "readings"
