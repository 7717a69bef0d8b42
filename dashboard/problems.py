"""One error shape for every route: RFC 9457 problem details."""

import logging
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import MAX_BODY_SIZE_SCOPE_KEY
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from pipeline.errors import (
    DatabaseError,
    NothingFoundError,
    QueryError,
    SmartSensorError,
)

logger = logging.getLogger(__name__)

_STATUSES: dict[type[SmartSensorError], int] = {
    QueryError: 400,
    NothingFoundError: 404,
    DatabaseError: 503,
    SmartSensorError: 500,
}
_STARLETTES_413 = "Content Too Large"
# Of a value that is not allowed: it may be long.
_SHOWN = 100


class Problem(BaseModel):
    """What went wrong, and what to do (RFC 9457)."""

    type: str = Field("about:blank", examples=["about:blank"])
    title: str = Field(examples=["Bad Request"])
    status: int = Field(examples=[400])
    detail: str = Field(
        examples=["date='13.07.2025' is not a day; write it as YYYY-MM-DD, such as 2025-07-13"]
    )
    instance: str = Field(examples=["/api/kpis"])
    request_id: str = Field(
        description="The request in the server's log; also the header `X-Request-Id`.",
        examples=["5f0c9f4e2b7d81a3"],
    )
    rig_file: str | None = Field(
        None,
        description="Of a file whose columns no channel is for: a rig file for it, "
        "proposed for whoever runs the server. Left out in any other case.",
        examples=['name = "odd"\n[files]\ntime_column = "Zeit"\n[channels.pressure]\n'],
    )


class UnfitFile(HTTPException):
    """422 for a file that another rig file would read."""

    def __init__(self, detail: str, rig_file: str) -> None:
        super().__init__(422, detail)
        self.rig_file = rig_file


def problem(
    request: HTTPConnection,
    status: int,
    detail: str,
    headers: Any = None,
    rig_file: str | None = None,
) -> Response:
    """A problem as a response."""
    body = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=request.url.path,
        request_id=request.state.request_id,
        rig_file=rig_file,
    )
    return Response(
        orjson.dumps(body.model_dump(exclude_none=True)),
        status,
        headers=headers,
        media_type="application/problem+json",
    )


def problem_of(request: HTTPConnection, error: SmartSensorError) -> Response:
    """An error of ours as a response; written down where it is not the client's."""
    status = next(status for kind, status in _STATUSES.items() if isinstance(error, kind))
    if status >= 500:
        logger.error("%s: %s", request.url.path, error)
    return problem(request, status, str(error), {"Retry-After": "5"} if status == 503 else None)


async def refuse(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or a WebSocket that was not accepted."""
    if scope["type"] == "websocket" and "websocket.http.response" not in scope["extensions"]:
        # This server can say no more than no.
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    await response(scope, receive, send)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries for the problems that a route may answer with."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            },
        }
        for status in statuses
    }


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem, and describe them so."""
    _describe(app)

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, SmartSensorError)
        return problem_of(request, error)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        rig_file = error.rig_file if isinstance(error, UnfitFile) else None
        detail = _said(error, request)
        return problem(request, error.status_code, detail, error.headers, rig_file)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        place, *names = map(str, first["loc"])
        # RFC 9110: 400 for a request that is malformed, 422 for a body that says what cannot be.
        status = 422 if place == "body" and first["type"] != "json_invalid" else 400
        name = ".".join(names) or place
        return problem(request, status, f"{name}={shown(first.get('input'))}: {first['msg']}")

    app.add_exception_handler(SmartSensorError, ours)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)


def _describe(app: FastAPI) -> None:
    """Put the shape of problems into the OpenAPI document in place of FastAPI's own (422)."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = make()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            for theirs in ("HTTPValidationError", "ValidationError"):
                schemas.pop(theirs, None)
            schemas["Problem"] = Problem.model_json_schema()
            for operations in document["paths"].values():
                for operation in operations.values():
                    if "HTTPValidationError" in str(operation["responses"].get("422")):
                        del operation["responses"]["422"]
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's way to extend it


def _said(error: HTTPException, request: Request) -> str:
    if error.status_code == 404:
        return f"there is no page {request.url.path}; the API is described in /openapi.json"
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "other methods")
        return f"{request.method} is not possible here; what is: {allowed}"
    if error.detail == _STARLETTES_413 and MAX_BODY_SIZE_SCOPE_KEY in request.scope:
        return too_large(request.scope)
    return str(error.detail)


def too_large(scope: Scope) -> str:
    """What is said of a body that is larger than this route takes."""
    most = scope[MAX_BODY_SIZE_SCOPE_KEY]
    return f"the request's body is larger than the {most:,} bytes that are taken here; send less"


def shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
