"""Who may read and write: by machine, host, origin and token."""

import asyncio
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from dashboard.access import COOKIE
from tests.dashboard import made
from tests.dashboard.guarded import ELSEWHERE, HERE, ask, ask_async, bearer, guarded, token
from tests.dashboard.test_problems import assert_problem

UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[FastAPI]:
    with guarded(tmp_path, allowed_hosts="sensors.example.org") as made_app:
        yield made_app


def secret_of(app: FastAPI, scope: str = "write") -> str:
    return token(app.state.context.store, scope, scope)


# Who may write


@pytest.mark.parametrize("method", UNSAFE)
@pytest.mark.parametrize("peer", [HERE, "::1", "::ffff:127.0.0.1"])
def test_this_machine_may_write(app: FastAPI, method: str, peer: str) -> None:
    assert ask(app, method, "/api/kpis", peer).status_code == 405
    assert ask(app, "POST", "/echo", peer, content=b"abc").json()["bytes"] == 3


@pytest.mark.parametrize("method", [*UNSAFE, "TRACE", "PROPFIND"])
@pytest.mark.parametrize("peer", [ELSEWHERE, "192.168.1.2", "fd00::5", None])
def test_another_machine_may_not(app: FastAPI, method: str, peer: str | None) -> None:
    for path in ("/api/kpis", "/nothing", "/static/base.css"):
        expected = 401 if path != "/static/base.css" else 405
        assert ask(app, method, path, peer, host="10.1.1.1").status_code == expected
    response = ask(app, method, "/echo", peer, host="10.1.1.1")
    assert_problem(response, 401, "smart-sensor token create NAME --scope write", "Bearer")
    assert response.headers["www-authenticate"] == 'Bearer realm="Smart Sensor"'


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_another_machine_may_read(app: FastAPI, method: str) -> None:
    assert ask(app, method, "/api/health", ELSEWHERE).status_code in (200, 405)


def test_what_a_proxy_sends_needs_a_token(app: FastAPI, tmp_path: Path) -> None:
    forwarded = {"X-Forwarded-For": HERE}
    assert ask(app, "POST", "/echo", headers=forwarded).status_code == 401
    with guarded(tmp_path, trusted_proxies=HERE) as trusting:
        assert ask(trusting, "POST", "/echo", headers=forwarded).status_code == 401
        assert ask(trusting, "POST", "/echo").status_code == 200


def test_a_proxy_that_says_nothing_of_its_clients_gives_them_nothing(app: FastAPI) -> None:
    """It asks from this machine, but for the name that browsers know."""
    assert ask(app, "POST", "/echo", HERE, host="sensors.example.org").status_code == 401
    assert ask(app, "POST", "/echo", HERE, host=socket.gethostname()).status_code == 401


def test_a_proxy_says_what_scheme_it_was_asked_with(tmp_path: Path) -> None:
    with guarded(tmp_path, trusted_proxies=HERE) as app:
        headers = {
            "X-Forwarded-For": ELSEWHERE, "X-Forwarded-Proto": "https", **bearer(secret_of(app))
        }  # fmt: skip
        assert ask(app, "POST", "/echo", headers=headers).json()["scheme"] == "https"
        assert ask(app, "POST", "/echo", ELSEWHERE, headers=headers).json()["scheme"] == "http"


# Tokens


@pytest.mark.parametrize(("scope", "status"), [("read", 403), ("write", 200), ("admin", 200)])
def test_a_token_may_what_its_scope_says(app: FastAPI, scope: str, status: int) -> None:
    response = ask(app, "POST", "/echo", ELSEWHERE, headers=bearer(secret_of(app, scope)))
    assert response.status_code == status
    if status == 403:
        assert_problem(response, 403, "token 'read' may only read", "--scope write")


@pytest.mark.parametrize(
    "given",
    ["Bearer nonsense", "Bearer ", "bearer", "Basic dTpw", "", "Bearer sst_" + "A" * 43,
     "Bearer ' OR 1=1 --", "Bearer \xe4", "Bearer " + "x" * 5000],
)  # fmt: skip
def test_what_is_no_token(app: FastAPI, given: str) -> None:
    secret_of(app)
    headers = {"Authorization": given.encode("latin-1")}
    response = ask(app, "POST", "/echo", ELSEWHERE, headers=headers)
    assert_problem(response, 401)
    known = given.startswith("Bearer ") and given != "Bearer "
    assert ("invalid_token" in response.headers["www-authenticate"]) == known


def test_neither_digest_nor_name_are_a_token(app: FastAPI) -> None:
    secret_of(app)
    (kept,) = app.state.context.store.tokens()
    for secret in (kept.digest, kept.name):
        response = ask(app, "POST", "/echo", ELSEWHERE, headers=bearer(secret))
        assert response.status_code == 401


def test_a_new_token_is_good_at_once_and_a_revoked_one_ends_within_seconds(app: FastAPI) -> None:
    store = app.state.context.store

    async def run() -> None:
        async def status(secret: str) -> int:
            headers = bearer(secret)
            return (await ask_async(app, "POST", "/echo", ELSEWHERE, headers=headers)).status_code

        first = token(store, "first")
        assert await status(first) == 200
        # What was read for the first one does not know it.
        second = token(store, "second")
        assert await status(second) == 200
        store.revoke_token("first", datetime.now(UTC))
        started = time.monotonic()
        while await status(first) == 200:
            assert time.monotonic() - started < 5
            await asyncio.sleep(0.05)
        assert await status(second) == 200

    asyncio.run(run())


def test_the_database_is_not_asked_for_every_request(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = app.state.context.store
    secret, asked_for = secret_of(app), []
    tokens = store.tokens
    monkeypatch.setattr(store, "tokens", lambda: asked_for.append(1) or tokens())

    async def run() -> None:
        started = time.monotonic()
        for _ in range(50):
            good = await ask_async(app, "POST", "/echo", ELSEWHERE, headers=bearer(secret))
            assert good.status_code == 200
        guesses = [ask_async(app, "POST", "/echo", ELSEWHERE, headers=bearer(f"sst_{n}"))
                   for n in range(50)]  # fmt: skip
        assert {each.status_code for each in await asyncio.gather(*guesses)} == {401}
        assert len(asked_for) <= 3 + (time.monotonic() - started) / 2

    asyncio.run(run())


def test_the_use_of_a_token_is_recorded_once_in_a_while(app: FastAPI) -> None:
    store, secret = app.state.context.store, secret_of(app)

    def uses() -> list[Any]:
        for _ in range(3):
            asyncio.run(used())
        return [each.last_used_at for each in store.tokens()]

    async def used() -> None:
        response = await ask_async(app, "POST", "/echo", ELSEWHERE, headers=bearer(secret))
        assert response.status_code == 200
        await asyncio.gather(*app.state.tokens._notes)

    (first,) = uses()
    assert datetime.now(UTC) - first < timedelta(minutes=1)
    assert uses() == [first]


def test_without_its_database_a_token_is_not_known(app: FastAPI, tmp_path: Path) -> None:
    secret = secret_of(app)
    for path in tmp_path.glob("guarded.db*"):
        path.unlink()
    (tmp_path / "guarded.db").write_text("no database\n" * 500)
    app.state.context.store._engine.dispose()
    response = ask(app, "POST", "/echo", ELSEWHERE, headers=bearer(secret))
    assert_problem(response, 503, "guarded.db")


# Hosts and origins


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "localhost.evil.example",
                                  "a b", "localhost@evil.example", ""])  # fmt: skip
def test_an_unknown_host_is_refused(app: FastAPI, host: str) -> None:
    """A name that leads here by DNS rebinding; also with a token, and from this machine."""
    headers = bearer(secret_of(app))
    for peer in (HERE, ELSEWHERE):
        response = ask(app, "POST", "/echo", peer, host=host, headers=headers)
        assert_problem(response, 403, "Host=", "ALLOWED_HOSTS")
    assert ask(app, "GET", "/api/health", host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["sensors.example.org", "SENSORS.example.org:443", "10.0.0.1:8000", "[fd00::2]:8000",
     "localhost", socket.gethostname(), f"{socket.gethostname().partition('.')[0]}.local"],
)  # fmt: skip
def test_a_known_host_is_not(app: FastAPI, host: str) -> None:
    headers = bearer(secret_of(app))
    response = ask(app, "POST", "/echo", ELSEWHERE, host=host, headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8000", 200),
        ("https://LOCALHOST:8000", 200),
        ("https://wiki.example.org", 200),
        ("http://wiki.example.org", 403),
        ("https://wiki.example.org:444", 403),
        ("http://localhost:3000", 403),
        ("http://localhost", 403),
        ("http://localhost:8000.evil.example", 403),
        ("http://localhost:8000@evil.example", 403),
        ("https://evil.example", 403),
        ("file://localhost:8000", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_a_page_of_another_site_may_not_write(tmp_path: Path, origin: str, status: int) -> None:
    with guarded(tmp_path, allowed_origins="https://wiki.example.org") as app:
        response = ask(app, "POST", "/echo", headers={"Origin": origin})
        assert response.status_code == status
        if status == 403:
            assert_problem(response, 403, "Origin=", "ALLOWED_ORIGINS")


def test_other_origins_may_not_even_read_unless_they_are_allowed(tmp_path: Path) -> None:
    wiki, evil = {"Origin": "https://wiki.example.org"}, {"Origin": "https://evil.example"}
    asks = {"Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization"}  # fmt: skip
    with guarded(tmp_path) as app:
        response = ask(app, "GET", "/api/health", headers=wiki)
        assert not [name for name in response.headers if name.startswith("access-control")]
        assert ask(app, "OPTIONS", "/echo", headers={**wiki, **asks}).status_code == 405
    with guarded(tmp_path, allowed_origins=wiki["Origin"]) as app:
        allowed = "access-control-allow-origin"
        for path in ("/api/health", "/nothing", "/api/kpis?date=x"):
            response = ask(app, "GET", path, ELSEWHERE, headers=wiki)
            assert response.headers[allowed] == wiki["Origin"]
            assert allowed not in ask(app, "GET", path, ELSEWHERE, headers=evil).headers
        assert "access-control-allow-credentials" not in response.headers
        preflight = ask(app, "OPTIONS", "/echo", ELSEWHERE, headers={**wiki, **asks})
        assert (preflight.status_code, preflight.headers[allowed]) == (200, wiki["Origin"])
        refused = ask(app, "OPTIONS", "/echo", ELSEWHERE, headers={**evil, **asks})
        assert_problem(refused, 400, "origin")


# Where reading needs a token


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[FastAPI]:
    with guarded(tmp_path, require_token_to_read=True) as made_app:
        yield made_app


@pytest.mark.parametrize("path", ["/api/rigs", "/openapi.json", "/nothing", "/api/health/",
                                  "//api/health", "/staticx", "/api/download"])  # fmt: skip
def test_reading_needs_a_token_where_it_is_to(closed: FastAPI, path: str) -> None:
    refused = ask(closed, "GET", path, ELSEWHERE)
    assert refused.status_code == 401
    assert_problem(ask(closed, "GET", "/api/rigs", ELSEWHERE), 401, "--scope read", "/sign-in")
    asked_by = ((HERE, {}), (ELSEWHERE, bearer(token_once(closed))))
    open_to = {ask(closed, "GET", path, peer, headers=headers).status_code
               for peer, headers in asked_by}  # fmt: skip
    assert len(open_to) == 1
    assert 401 not in open_to


def token_once(app: FastAPI) -> str:
    return token(app.state.context.store, "reader", "read")


@pytest.mark.parametrize("path", ["/api/health", "/static/base.css", "/sign-in"])
def test_health_and_what_one_signs_in_with_stay_open(closed: FastAPI, path: str) -> None:
    assert ask(closed, "GET", path, ELSEWHERE).status_code == 200


def test_health_says_nothing_of_readings_to_whom_may_not_read(
    closed: FastAPI, tmp_path: Path
) -> None:
    made.load(tmp_path / "guarded.db", made.plain_csv(tmp_path / "plain.csv", 5))
    elsewhere = ask(closed, "GET", "/api/health", ELSEWHERE).json()
    assert (elsewhere["status"], elsewhere["rows"], elsewhere["last_reading"]) == ("ok", None, None)
    assert ask(closed, "GET", "/api/health", HERE).json()["rows"] == 5


@pytest.mark.parametrize("header", ["Host", "Origin"])
def test_a_header_of_any_length_is_answered_in_short(app: FastAPI, header: str) -> None:
    long = "a" * 60_000
    response = ask(app, "POST", "/echo", headers={header: long})
    assert response.status_code == 403
    assert len(response.content) < 1_000


def test_a_local_name_is_not_enough_for_who_comes_by_another_one(closed: FastAPI) -> None:
    """DNS rebinding: a page of evil.example in a browser of this machine."""
    assert ask(closed, "GET", "/api/rigs", HERE, host="evil.example").status_code == 401


def test_a_person_is_led_to_the_page_where_one_signs_in(closed: FastAPI) -> None:
    html = {"Accept": "text/html,application/xhtml+xml"}
    response = ask(closed, "GET", "/dashboard?rig=a%20b&x=1", ELSEWHERE, headers=html)
    assert response.status_code == 303
    assert response.headers["location"] == "/sign-in?next=%2Fdashboard%3Frig%3Da%2520b%26x%3D1"
    for path in ("http://any//evil.example/x", "/%5Cevil.example"):
        followed = {**html, "Sec-Fetch-Site": "cross-site"}
        refreshed = ask(closed, "GET", path, ELSEWHERE, headers=followed).headers["refresh"]
        assert refreshed in ("0; url=/evil.example/x", "0; url=/%5Cevil.example")


def signed_in(app: FastAPI, secret: str, target: str = "/dashboard", **options: Any) -> Any:
    return ask(
        app, "POST", "/sign-in", ELSEWHERE, data={"token": secret, "next": target}, **options
    )


def test_who_signs_in_gets_a_cookie_that_no_script_reads(closed: FastAPI) -> None:
    secret = token_once(closed)
    response = signed_in(closed, f" {secret}\n")
    assert (response.status_code, response.headers["location"]) == (303, "/dashboard")
    cookie = response.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}={secret};")
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    with_cookie = {"Cookie": f"{COOKIE}={secret}"}
    assert ask(closed, "GET", "/api/rigs", ELSEWHERE, headers=with_cookie).status_code == 200
    assert "reader" in ask(closed, "GET", "/sign-in", ELSEWHERE, headers=with_cookie).text
    out = ask(closed, "POST", "/sign-out", ELSEWHERE, headers=with_cookie)
    assert out.headers["set-cookie"].startswith(f'{COOKIE}=""; ')


def test_behind_https_the_cookie_stays_there(tmp_path: Path) -> None:
    with guarded(tmp_path, trusted_proxies=HERE) as app:
        headers = {"X-Forwarded-For": ELSEWHERE, "X-Forwarded-Proto": "https"}
        data = {"token": token(app.state.context.store)}
        response = ask(app, "POST", "/sign-in", headers=headers, data=data)
        assert "Secure" in response.headers["set-cookie"].split("; ")


@pytest.mark.parametrize("secret", ["", "nonsense", "sst_" + "A" * 43, "<script>alert(1)</script>"])
def test_who_has_no_token_is_not_signed_in(closed: FastAPI, secret: str) -> None:
    token_once(closed)
    response = signed_in(closed, secret)
    assert response.status_code == 403
    assert "not known" in response.text
    assert "set-cookie" not in response.headers
    assert "<script>alert" not in response.text


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "",
     "/\tx", "/\n/evil.example", "evil.example"],
)  # fmt: skip
def test_signing_in_leads_nowhere_else(closed: FastAPI, target: str) -> None:
    assert signed_in(closed, token_once(closed), target).headers["location"] == "/"
    page = ask(closed, "GET", "/sign-in", ELSEWHERE, params={"next": target}).text
    assert 'name="next" value="/"' in page


@pytest.mark.parametrize(
    ("origin", "status"),
    [(None, 403), ("http://localhost:8000", 200), ("https://evil.example", 403)],
)
def test_a_cookie_may_write_for_pages_of_this_server_only(
    app: FastAPI, origin: str | None, status: int
) -> None:
    headers = {"Cookie": f"{COOKIE}={secret_of(app)}"}
    headers |= {"Origin": origin} if origin else {}
    assert ask(app, "POST", "/echo", ELSEWHERE, headers=headers).status_code == status
