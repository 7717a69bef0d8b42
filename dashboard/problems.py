"""One error shape for every route: RFC 9457 problem details."""

import logging
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from pipeline.errors import (
    DatabaseError,
    NothingFoundError,
    QueryError,
    SmartSensorError,
)

logger = logging.getLogger(__name__)


class Problem(BaseModel):
    """What went wrong, and what to do (RFC 9457)."""

    type: str = Field("about:blank", examples=["about:blank"])
    title: str = Field(examples=["Bad Request"])
    status: int = Field(examples=[400])
    detail: str = Field(
        examples=["date='13.07.2025' is not a day; write it as YYYY-MM-DD, such as 2025-07-13"]
    )
    instance: str = Field(examples=["/api/kpis"])


def problem(request: Request, status: int, detail: str, headers: Any = None) -> Response:
    """A problem as a response."""
    body = Problem(
        title=HTTPStatus(status).phrase, status=status, detail=detail, instance=request.url.path
    )
    return Response(
        orjson.dumps(body.model_dump()),
        status,
        headers=headers,
        media_type="application/problem+json",
    )


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
    statuses: dict[type[SmartSensorError], int] = {
        QueryError: 400,
        NothingFoundError: 404,
        DatabaseError: 503,
        SmartSensorError: 500,
    }

    async def ours(request: Request, error: Exception) -> Response:
        status = next(status for kind, status in statuses.items() if isinstance(error, kind))
        if status >= 500:
            logger.error("%s: %s", request.url.path, error)
        return problem(request, status, str(error), {"Retry-After": "5"} if status == 503 else None)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return problem(request, error.status_code, _said(error, request), error.headers)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"][1:])
        return problem(request, 400, f"{name}={first.get('input')!r}: {first['msg']}")

    async def unexpected(request: Request, error: Exception) -> Response:
        return problem(request, 500, "an error of ours; it is in the server's log")

    app.add_exception_handler(SmartSensorError, ours)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, unexpected)


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
                    operation["responses"].pop("422", None)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's way to extend it


def _said(error: HTTPException, request: Request) -> str:
    if error.status_code == 404:
        return f"there is no page {request.url.path}; the API is described in /openapi.json"
    if error.status_code == 405:
        return f"{request.method} is not possible here; this version only reads"
    return str(error.detail)
