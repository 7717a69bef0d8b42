"""Loads: files sent to the server, previews of them, jobs, and the ledger."""

import gzip
import json
import threading
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

import pyarrow
import pyarrow.parquet as pq
from anyio.to_thread import run_sync
from fastapi import APIRouter, Path, Query, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from dashboard import load_models
from dashboard.answers import Context, ContextDependency, answered
from dashboard.jobs import Jobs, in_words
from dashboard.kept import to_json
from dashboard.problems import UnfitFile, documented, problem
from dashboard.uploads import Upload, Uploads
from pipeline.errors import (
    FormatError,
    OtherUnitError,
    QueryError,
    RigError,
    SourceError,
    UnfitColumnsError,
)
from pipeline.etl_pipeline import identity_of
from pipeline.preview import preview as preview_of
from pipeline.rig import Rig, refuse_other_units
from pipeline.sources import Source, open_source
from pipeline.sources.first_part import FirstPart

router = APIRouter(prefix="/api/loads", tags=["loads"], responses=documented(400, 404, 503))

# So many rows of a file a preview looks at: a second or two.
_MOST_ROWS = 1_000_000
_MOST_AT_ONCE = 4
_LONGEST_NAME = 255
_PIECE_BYTES = 1 << 20
_FOR_WHOEVER_RUNS_IT = (
    "Whoever runs this server can make them known: by a rig file such as the one that goes with "
    "this answer, checked and then used once on the server to load a file of this kind."
)

Found = TypeVar("Found")

_BODY = {
    "description": "The file as it is: CSV, CSV compressed with gzip, or Parquet.",
    "content": {
        kind: {"schema": {"type": "string", "format": "binary"}}
        for kind in ("application/octet-stream", "text/csv", "application/vnd.apache.parquet")
    },
}


@router.get("", response_model=load_models.Loads, summary="The ledger of loads")
def ledger(
    request: Request,
    context: ContextDependency,
    rig: Annotated[
        str | None, Query(description="Only loads for this rig or with readings of it.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1_000, description="At most so many entries.")] = 20,
) -> Response:
    """What was loaded, when, and how many rows were accepted and rejected; newest first."""

    def build() -> dict[str, Any]:
        fields = load_models.LoadModel.model_fields
        rows = context.store.loads(limit, rig)
        listed = [{name: row[name] for name in fields} for row in rows]
        for row in listed:
            row["settings"] = json.loads(row["settings"])
        return {"loads": listed}

    return answered(request, build)


@router.post(
    "",
    summary="Load a file",
    status_code=202,
    response_model=load_models.JobModel,
    responses={
        200: {"model": load_models.PreviewModel, "description": "With `preview`: what would be"},
        **documented(408, 413, 415, 422, 507),
    },
    openapi_extra={"requestBody": _BODY},
)
async def load(
    request: Request,
    context: ContextDependency,
    name: Annotated[
        str,
        Query(
            min_length=1,
            max_length=_LONGEST_NAME,
            description="What the file is called in the ledger.",
            examples=["run7.csv"],
        ),
    ] = "upload",
    rig: Annotated[
        str | None,
        Query(
            description="The rig that it belongs to: one that is stored, with its own columns and "
            "units, or else the configured one under this name; a `rig` column in the file wins.",
        ),
    ] = None,
    force: Annotated[
        bool, Query(description="Load it again where the same content was loaded already.")
    ] = False,
    preview: Annotated[
        bool, Query(description="Say what would happen; store nothing, and keep the file.")
    ] = False,
    upload: Annotated[
        str | None,
        Query(
            max_length=100,
            description="A file that a preview has kept, in place of a body and a name.",
        ),
    ] = None,
) -> Response:
    """Take a file and load it in the background, through the same code as `smart-sensor etl`.

    The body is the file itself. The answer comes when it is here and its columns are understood;
    how the load goes on is told by `GET /api/loads/jobs/{job}` and on the WebSocket.
    """
    jobs: Jobs = request.app.state.jobs
    uploads: Uploads = request.app.state.uploads
    _refuse_control_characters(name)
    used = await run_sync(_rig_of, context, rig)
    with _one_of_few():
        if not preview:
            await run_sync(jobs.refuse_full)
        if upload is not None:
            file = await run_sync(uploads.kept, upload)
        else:
            try:
                file = await _receive(request, uploads, name)
            except ClientDisconnect:
                return problem(request, 400, "the file did not arrive as a whole; send it again")
        try:
            answer = await run_sync(_in_words, lambda: _looked_at(context, file, used, preview))
            if answer is not None:
                await run_sync(uploads.keep if upload is None else uploads.keep_on, file)
                return _json(answer)
            if upload is not None:
                file = await run_sync(uploads.take, upload)
        except BaseException:
            if upload is None:
                uploads.remove(file)
            raise
        try:
            job = await run_sync(jobs.add, file, used, force)
        except BaseException:
            if upload is None:
                uploads.remove(file)
            else:
                uploads.keep(file)
            raise
    return _json(asdict(job), 202, {"Location": f"/api/loads/jobs/{job.job}"})


@router.get("/jobs", response_model=load_models.JobsModel, summary="Loads in the background")
def jobs(request: Request) -> Response:
    """Those that wait, run, or have ended lately."""
    known: Jobs = request.app.state.jobs
    return _json({"jobs": [asdict(job) for job in known.all()]})


@router.get("/jobs/{job}", response_model=load_models.JobModel, summary="A load in the background")
def job(
    request: Request, job: Annotated[str, Path(description="What `POST /api/loads` said.")]
) -> Response:
    """How far a load is, and what has become of it."""
    known: Jobs = request.app.state.jobs
    return _json(asdict(known.get(job)))


async def _receive(request: Request, uploads: Uploads, name: str) -> Upload:
    if request.headers.get("content-type", "").startswith("multipart/"):
        detail = (
            "a form was sent; send the file itself: curl -X POST -T run7.csv "
            "'http://localhost:8000/api/loads?name=run7.csv'"
        )
        raise HTTPException(415, detail, {"Connection": "close"})
    length = request.headers.get("content-length", "")
    return await uploads.receive(request.stream(), name, int(length) if length else None)


def _looked_at(context: Context, file: Upload, rig: Rig, preview: bool) -> dict[str, Any] | None:
    """The preview, or None where it is only seen that the file can be read at all."""
    _refuse_large_inside(file, context.settings.max_upload_mb << 20)
    source = open_source(str(file.path), rig, name=file.name)
    return _previewed(context, file, source, rig) if preview else None


def _previewed(context: Context, file: Upload, source: Source, rig: Rig) -> dict[str, Any]:
    part = FirstPart(source, _MOST_ROWS)
    store, settings = context.store, context.settings
    # Which rigs a file names by itself is known only when all of it has been read.
    if "rig" not in source.columns.positions:
        stored = store.definitions().get(rig.name)
        if stored is not None:
            refuse_other_units(rig, stored)
    found = preview_of(part, rig, settings.outliers, lambda _: None, store.retained_from())
    return {
        **asdict(found),
        "upload": file.id,
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
        "known_load": store.known_load(identity_of(source, rig, settings)),
        "complete": part.complete,
    }


def _refuse_large_inside(file: Upload, most_bytes: int) -> None:
    """Raises HTTPException (413) for a small file with more in it than may be sent."""
    size = 0
    with file.path.open("rb") as stream:
        magic = stream.read(4)
        stream.seek(0)
        if magic.startswith(b"\x1f\x8b"):
            # What is damaged is told of by whoever reads it.
            with gzip.GzipFile(fileobj=stream) as unpacked, _until_damaged():
                while size <= most_bytes and (piece := unpacked.read(_PIECE_BYTES)):
                    size += len(piece)
        elif magic == b"PAR1":
            with _until_damaged():
                footer = pq.read_metadata(file.path)
                groups = range(footer.num_row_groups)
                unpacked_bytes = sum(footer.row_group(n).total_byte_size for n in groups)
                size = max(8 * footer.num_columns * footer.num_rows, unpacked_bytes)
    if size > most_bytes:
        raise HTTPException(
            413,
            f"{file.name}: unpacked it has more than {most_bytes:,} bytes, the most of a file; "
            "load it on the server with `smart-sensor etl`, or set MAX_UPLOAD_MB there",
        )


@contextmanager
def _until_damaged() -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError, zlib.error, pyarrow.ArrowException):
        pass


def _in_words(look: Callable[[], Found]) -> Found:
    """What a look at a file gives. Raises HTTPException: 415 for no table, 422 for a wrong one."""
    try:
        return look()
    except UnfitColumnsError as error:
        if error.proposal is None:
            raise HTTPException(422, error.problem) from None
        raise UnfitFile(f"{error.problem} {_FOR_WHOEVER_RUNS_IT}", error.proposal) from None
    except FormatError as error:
        raise HTTPException(415, str(error)) from None
    except OtherUnitError as error:
        raise HTTPException(422, in_words(error)) from None
    except SourceError as error:
        raise HTTPException(422, str(error)) from None


def _rig_of(context: Context, name: str | None) -> Rig:
    """The rig of a file: the configured one, one that is stored, or a new one like the former.

    Raises QueryError for what cannot be a name.
    """
    if name is None or name == context.rig.name:
        return context.rig
    stored = context.store.definitions().get(name)
    if stored is not None:
        return stored
    try:
        return context.rig.renamed(name)
    except RigError as error:
        raise QueryError(f"rig={name!r}: {error}") from None


def _refuse_control_characters(name: str) -> None:
    if any(unicodedata.category(character).startswith("C") for character in name):
        raise QueryError(f"name={name!r} has control characters; give the name as people read it")


# Each takes a thread and disk; who only waits for a network takes neither, but a place here.
_at_once = threading.BoundedSemaphore(_MOST_AT_ONCE)


@contextmanager
def _one_of_few() -> Iterator[None]:
    if not _at_once.acquire(blocking=False):
        detail = f"{_MOST_AT_ONCE} files are being sent already; try again later"
        raise HTTPException(503, detail, {"Retry-After": "5", "Connection": "close"})
    try:
        yield
    finally:
        _at_once.release()


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(to_json(value), status, headers, media_type="application/json")
