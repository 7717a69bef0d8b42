"""The raw data back: a stream of readings as a file, filtered like everything else."""

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Annotated

import anyio
import polars as pl
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from dashboard.answers import Context, ContextDependency, FilterDependency, nothing_in
from dashboard.channels import Channels, with_channels
from dashboard.export_formats import FORMATS, Format, Name, Pieces
from dashboard.file_names import disposition
from dashboard.problems import documented
from pipeline.errors import DatabaseUnavailable, SmartSensorError
from pipeline.stores.base import Range, StoredRig

logger = logging.getLogger(__name__)
router = APIRouter(prefix="/api", tags=["readings"], responses=documented(400, 404, 503))

# Each holds a connection and a frame of readings for as long as its client takes.
_MOST_AT_ONCE = 8
_at_once = threading.BoundedSemaphore(_MOST_AT_ONCE)
# A client that takes nothing for so long has gone, whatever the network says.
_STALLED_S = 60.0

FormatQuery = Annotated[
    Name,
    Query(
        description="`csv`; `parquet` with units, zone and rig inside; `json`, an array of "
        "records; `ndjson`, a record a line."
    ),
]


@dataclass(frozen=True)
class _Asked:
    """A download before its readings are looked for."""

    stored: StoredRig
    selection: Range
    columns: list[str]
    format: Format
    headers: dict[str, str]


def _asked_for(
    asked: FilterDependency,
    context: ContextDependency,
    channels: Channels = None,
    format: FormatQuery = "csv",
) -> _Asked:
    # Notices a database that has gone, or that another one has taken the place of.
    context.store.version()
    stored, selection = asked.selection(context)
    columns = ["rig", "timestamp", *with_channels(stored.rig, channels).value_columns]
    name = disposition(selection, asked.date, format)
    return _Asked(stored, selection, columns, FORMATS[format], {"Content-Disposition": name})


_AskedDependency = Annotated[_Asked, Depends(_asked_for)]


@router.get(
    "/download",
    summary="Readings as a file",
    response_class=Response,
    responses={
        200: {
            "content": {each.media_type.partition(";")[0]: {} for each in FORMATS.values()},
            "description": "All rows; every format has the same columns.",
        }
    },
)
def download(wanted: _AskedDependency, context: ContextDependency) -> Response:
    """Every selected reading as it is stored, at full resolution; times are RFC 3339 in UTC."""
    if not _at_once.acquire(blocking=False):
        raise DatabaseUnavailable(f"{_MOST_AT_ONCE} downloads are under way; try again later")
    try:
        frames = _frames(context, wanted)
    except BaseException:
        _at_once.release()
        raise
    pieces = wanted.format.make(frames, wanted.stored, wanted.columns)
    return Download(pieces, wanted.format.media_type, wanted.headers)


@router.head("/download", include_in_schema=False)
def download_head(wanted: _AskedDependency, context: ContextDependency) -> Response:
    """What a download would be called, without making it."""
    if context.store.extent(wanted.selection) is None:
        raise nothing_in(wanted.stored, wanted.selection)
    response = Response(media_type=wanted.format.media_type, headers=wanted.headers)
    # How long it will be nobody knows.
    del response.headers["content-length"]
    return response


def _frames(context: Context, wanted: _Asked) -> Iterator[pl.DataFrame]:
    """The readings; what goes wrong at first can still be answered with a problem."""
    frames = context.store.readings(wanted.selection)
    first = next(frames, None)
    if first is None:
        raise nothing_in(wanted.stored, wanted.selection)
    return chain([first], frames)


class Download(StreamingResponse):
    """A file made piece by piece; its source is closed when the client has gone, or stalls.

    A file that cannot be completed is cut off: the connection is closed without the last chunk,
    which every client takes for an error.
    """

    def __init__(self, pieces: Pieces, media_type: str, headers: dict[str, str]) -> None:
        super().__init__(pieces, media_type=media_type, headers=headers)
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def patiently(message: Message) -> None:
            with anyio.fail_after(_STALLED_S):
                await send(message)

        try:
            await super().__call__(scope, receive, patiently)
        except TimeoutError:
            logger.warning("/api/download: a client took nothing for %g s", _STALLED_S)
        except SmartSensorError as error:
            logger.error("/api/download: cut off: %s", error)
        finally:
            # Left to the garbage collector, it would keep its connection for some time.
            with anyio.CancelScope(shield=True):
                await run_sync(self._pieces.close)
            _at_once.release()
