"""The page on which people give their token: a cookie then brings it with every request.

No script of any page can read that cookie, and no other site's page can have it sent.
"""

from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.templating import Jinja2Templates

from dashboard.access import COOKIE, SIGN_IN
from dashboard.known_tokens import KnownTokens
from pipeline.paths import resource
from pipeline.tokens import Token

router = APIRouter(include_in_schema=False)
_templates = Jinja2Templates(resource("templates"))
_KEPT_S = 30 * 24 * 3600


@router.api_route(SIGN_IN, methods=["GET", "HEAD"])
async def page(request: Request, next: str = "/") -> Response:
    return _page(request, next, await _known(request, request.cookies.get(COOKIE, "")))


@router.post(SIGN_IN)
async def sign_in(request: Request) -> Response:
    form = parse_qs((await request.body()).decode("utf-8", "replace"))
    secret, target = (form.get(name, [""])[0].strip() for name in ("token", "next"))
    if await _known(request, secret) is None:
        return _page(request, target, None, refused=True)
    response = RedirectResponse(_own(target), 303)
    response.set_cookie(
        COOKIE,
        secret,
        max_age=_KEPT_S,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


@router.post("/sign-out")
def sign_out() -> Response:
    response = RedirectResponse(SIGN_IN, 303)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


async def _known(request: Request, secret: str) -> Token | None:
    tokens: KnownTokens = request.app.state.tokens
    return await tokens.find(secret) if secret else None


def _page(request: Request, target: str, token: Token | None, refused: bool = False) -> Response:
    filled: dict[str, Any] = {"token": token, "refused": refused, "next": _own(target)}
    return _templates.TemplateResponse(
        request, "sign-in.html", filled, 403 if refused else 200, {"Cache-Control": "no-store"}
    )


def _own(target: str) -> str:
    """Where to go on: a place of this server, whatever a link said."""
    is_path = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if is_path and target.isprintable() else "/"
