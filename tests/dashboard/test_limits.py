"""How often one may ask and how much one may send; and errors of every kind have the one shape."""

import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from dashboard.limits import _MOST_CLIENTS, Rates
from tests.dashboard.guarded import ELSEWHERE, HERE, ask, bearer, guarded, token
from tests.dashboard.test_problems import assert_problem

# Rates


class Clock:
    """Time that passes when somebody says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_minutes_requests_come_at_once_and_then_as_time_passes() -> None:
    clock = Clock()
    rates = Rates(60, clock)
    assert [rates.wait_s(ELSEWHERE) for _ in range(60)] == [0] * 60
    assert rates.wait_s(ELSEWHERE) == pytest.approx(1)
    clock.now += 0.5
    assert rates.wait_s(ELSEWHERE) == pytest.approx(0.5)
    clock.now += 0.5
    assert rates.wait_s(ELSEWHERE) == 0
    clock.now += 3600
    assert [rates.wait_s(ELSEWHERE) for _ in range(61)].count(0) == 60


def test_one_client_takes_nothing_from_another() -> None:
    rates = Rates(1, Clock())
    assert rates.wait_s("10.0.0.1") == 0
    assert rates.wait_s("10.0.0.1") > 0
    assert rates.wait_s("10.0.0.2") == 0


def test_the_addresses_of_one_network_are_one_client() -> None:
    """Each host of an IPv6 network has 2^64 of them."""
    rates = Rates(1, Clock())
    assert rates.wait_s("2001:db8::1") == 0
    assert rates.wait_s("2001:db8::2") > 0
    assert rates.wait_s("2001:db8:0:1::1") == 0
    assert rates.wait_s("::ffff:10.0.0.1") == 0
    assert rates.wait_s("10.0.0.1") > 0


def test_clients_are_forgotten_before_they_are_too_many() -> None:
    rates = Rates(1, Clock())
    for number in range(_MOST_CLIENTS + 10):
        rates.wait_s(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(rates) == _MOST_CLIENTS
    assert rates.wait_s("10.0.0.0") == 0


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[FastAPI]:
    with guarded(tmp_path, requests_per_minute=3) as app:
        yield app


def test_too_many_requests(slow: FastAPI) -> None:
    for _ in range(3):
        assert ask(slow, "GET", "/api/health", ELSEWHERE).status_code == 200
    refused = ask(slow, "GET", "/api/health", ELSEWHERE)
    assert_problem(refused, 429, "3 requests a minute", ELSEWHERE, "REQUESTS_PER_MINUTE")
    assert 1 <= int(refused.headers["retry-after"]) <= 20
    assert refused.headers["x-content-type-options"] == "nosniff"
    # Somebody else, and this machine, are not meant.
    assert ask(slow, "GET", "/api/health", "203.0.113.6").status_code == 200
    for _ in range(10):
        assert ask(slow, "GET", "/api/health", HERE).status_code == 200


def test_no_limit_is_none(tmp_path: Path) -> None:
    with guarded(tmp_path, requests_per_minute=0) as app:
        for _ in range(20):
            assert ask(app, "GET", "/static/base.css", ELSEWHERE).status_code == 200


# Bodies


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[FastAPI]:
    with guarded(tmp_path, max_request_kb=1) as app:
        yield app


async def pieces(number: int) -> "Iterator[bytes]":  # type: ignore[misc]  # as httpx takes it
    for _ in range(number):
        yield b"x" * 100


@pytest.mark.parametrize("length", [0, 1, 1024])
def test_a_body_up_to_the_limit_is_taken(narrow: FastAPI, length: int) -> None:
    assert ask(narrow, "POST", "/echo", content=b"x" * length).json()["bytes"] == length


def test_a_larger_body_is_refused(narrow: FastAPI) -> None:
    assert_problem(ask(narrow, "POST", "/echo", content=b"x" * 1025), 413, "1,024 bytes")


def test_a_body_of_unknown_length_is_counted(narrow: FastAPI) -> None:
    assert ask(narrow, "POST", "/echo", content=pieces(10)).json()["bytes"] == 1000
    assert_problem(ask(narrow, "POST", "/echo", content=pieces(11)), 413, "1,024 bytes")


@pytest.mark.parametrize("path", ["/api/kpis", "/nothing", "/sign-in"])
def test_also_where_nobody_reads_it(narrow: FastAPI, path: str) -> None:
    response = ask(narrow, "POST", path, content=b"x" * 5000)
    assert_problem(response, 413, "1,024 bytes")
    assert response.headers["x-content-type-options"] == "nosniff"


def test_a_route_may_take_more(narrow: FastAPI) -> None:
    assert ask(narrow, "POST", "/large", content=b"x" * 10_000).json() == 10_000
    assert_problem(ask(narrow, "POST", "/large", content=b"x" * 10_001), 413, "10,000 bytes")
    assert_problem(ask(narrow, "POST", "/large", content=pieces(101)), 413, "10,000 bytes")


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "gzip, identity", "GZIP"])
def test_a_compressed_body_is_refused(narrow: FastAPI, encoding: str) -> None:
    response = ask(narrow, "POST", "/echo", content=b"x", headers={"Content-Encoding": encoding})
    assert_problem(response, 415, encoding, "send it so")
    assert response.headers["accept-encoding"] == "identity"


def test_identity_is_no_encoding(narrow: FastAPI) -> None:
    given = {"Content-Encoding": "identity"}
    assert ask(narrow, "POST", "/echo", content=b"x", headers=given).json()["bytes"] == 1


# The one shape


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ('{"number": "many"}', 422, ["number='many'", "valid integer"]),
        ("{}", 422, ["number", "required"]),
        ("{", 400, ["JSON"]),
        ("", 422, ["body", "required"]),
        ('{"number": "%s"}' % ("9" * 500 + "x"), 422, ["99...:"]),
    ],
)
def test_a_body_that_says_nothing_possible(
    narrow: FastAPI, body: str, status: int, words: list[str]
) -> None:
    given = {"Content-Type": "application/json"}
    response = ask(narrow, "POST", "/number", content=body, headers=given)
    assert_problem(response, status, *words)


def test_an_error_of_ours_is_logged_with_its_request(
    narrow: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    response = ask(narrow, "GET", "/broken")
    assert_problem(response, 500, "log")
    assert "secret of the inside" not in response.text
    assert response.headers["content-security-policy"]
    (line,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    request_id = response.headers["x-request-id"]
    assert line.getMessage() == f"GET '/broken' [request {request_id}]"
    assert line.exc_info
    assert "secret of the inside" in caplog.text


def test_a_database_that_is_away_is_logged_with_its_request(
    narrow: FastAPI, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    for path in tmp_path.glob("guarded.db*"):
        path.unlink()
    response = ask(narrow, "GET", "/api/kpis")
    assert_problem(response, 503)
    (line,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert f"[request {response.headers['x-request-id']}]" in line.getMessage()


def test_a_method_that_is_not_possible(narrow: FastAPI) -> None:
    assert_problem(ask(narrow, "PUT", "/api/kpis"), 405, "PUT", "GET")


def every_answer(app: FastAPI) -> list[httpx.Response]:
    return [
        ask(app, "GET", "/api/health"),
        ask(app, "HEAD", "/api/health"),
        ask(app, "GET", "/static/base.css"),
        ask(app, "GET", "/nothing"),
        ask(app, "GET", "/broken"),
        ask(app, "POST", "/api/kpis"),
        ask(app, "POST", "/echo", ELSEWHERE),
        ask(app, "POST", "/echo", host="evil.example"),
        ask(app, "POST", "/echo", content=b"x" * 2000),
        ask(app, "GET", "/api/kpis?date=x"),
    ]


def test_every_answer_has_an_id_of_its_own(narrow: FastAPI) -> None:
    ids = [response.headers["x-request-id"] for response in every_answer(narrow)]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("peer", "given", "taken"),
    [
        (HERE, "a.b-C_9", True),
        (HERE, "x" * 64, True),
        (HERE, "x" * 65, False),
        (HERE, "a b", False),
        (HERE, "<script>", False),
        (HERE, "a%0d%0ab", False),
        (HERE, "", False),
        (ELSEWHERE, "abc", False),
        ("10.0.0.7", "abc", True),
    ],
)
def test_an_id_is_taken_over_from_who_is_believed(
    tmp_path: Path, peer: str, given: str, taken: bool
) -> None:
    with guarded(tmp_path, trusted_proxies="10.0.0.7") as app:
        headers = {"X-Request-Id": given}
        response = ask(app, "GET", "/nothing", peer, headers=headers)
        assert (response.headers["x-request-id"] == given) == taken
        assert response.json()["request_id"] == response.headers["x-request-id"]


def test_a_token_that_is_refused_is_in_no_log(
    narrow: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = token(narrow.state.context.store, scope="read")
    assert ask(narrow, "POST", "/echo", ELSEWHERE, headers=bearer(secret)).status_code == 403
    assert ask(narrow, "POST", "/echo", ELSEWHERE, headers=bearer(secret[:-1])).status_code == 401
    assert "bench" in caplog.text
    assert secret[:-1] not in caplog.text
