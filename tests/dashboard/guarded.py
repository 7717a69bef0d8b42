"""Applications with their guards, asked in this process as if from any machine."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI, Request
from pydantic import BaseModel

from dashboard.app import create_app
from pipeline.stores import Store
from pipeline.tokens import Scope, made_token
from tests.services.server import settings_for

ELSEWHERE = "203.0.113.5"
HERE = "127.0.0.1"
LOCAL_HOST = "localhost:8000"


class Sent(BaseModel):
    number: int


@contextmanager
def guarded(folder: Path, **settings: Any) -> Iterator[FastAPI]:
    """An application with routes to write to, which say what has reached them."""
    app = create_app(settings_for(folder / "guarded.db", **settings))

    @app.post("/echo")
    async def echo(request: Request) -> dict[str, Any]:
        return {"bytes": len(await request.body()), "scheme": request.url.scheme}

    @app.post("/large", max_body_size=10_000)
    async def large(request: Request) -> int:
        return len(await request.body())

    @app.post("/number")
    def number(sent: Sent) -> int:
        return sent.number

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("secret of the inside")

    yield app
    app.state.context.store.close()


def token(store: Store, name: str = "bench", scope: str = "write") -> str:
    """The secret of a new token."""
    made, secret = made_token(name, Scope(scope), datetime.now(UTC))
    store.add_token(made)
    return secret


def ask(
    app: FastAPI,
    method: str,
    path: str,
    peer: str | None = HERE,
    host: str = LOCAL_HOST,
    headers: Any = None,
    **options: Any,
) -> httpx.Response:
    """The answer to one request of a peer."""
    return asyncio.run(ask_async(app, method, path, peer, host, headers, **options))


async def ask_async(
    app: FastAPI,
    method: str,
    path: str,
    peer: str | None = HERE,
    host: str = LOCAL_HOST,
    headers: Any = None,
    **options: Any,
) -> httpx.Response:
    transport = httpx.ASGITransport(app, client=(peer, 50_000))  # type: ignore[arg-type]  # None: a socket without address
    async with httpx.AsyncClient(transport=transport, base_url="http://any") as client:
        given = [("Host", host), *(dict(headers or {}).items())]
        return await client.request(method, path, headers=given, **options)


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}
