"""Who may read and write over a network, with the whole server; HTTP and WebSocket."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from dashboard.access import COOKIE
from pipeline.stores import open_store
from pipeline.tokens import Scope
from tests.dashboard import made
from tests.dashboard.conftest import Asked, asked
from tests.dashboard.guarded import ELSEWHERE, HERE, bearer, token
from tests.dashboard.heard import client_of, next_of
from tests.dashboard.test_problems import assert_problem
from tests.services.server import settings_for, start_server

EVERYWHERE = "0.0.0.0"  # noqa: S104  # what is tested


def own_address() -> str | None:
    """An address of this machine that is not its loopback."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(("192.0.2.254", 9))  # nothing is sent
        except OSError:
            return None
        address: str = probe.getsockname()[0]
    return None if address.startswith(("127.", "0.")) else address


ADDRESS = own_address()
networked = pytest.mark.skipif(ADDRESS is None, reason="this machine has no network")


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """A server for everybody, as it is by default."""
    yield from served(tmp_path_factory.mktemp("wide"))


@pytest.fixture(scope="module")
def shut(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """A server that other machines read from with a token only."""
    yield from served(tmp_path_factory.mktemp("shut"), require_token_to_read=True)


def served(folder: Path, **settings: Any) -> Iterator[Asked]:
    made.load(folder / "readings.db", made.plain_csv(folder / "plain.csv", 10))
    yield from asked(folder, host=EVERYWHERE, **settings)


def elsewhere(server: Asked) -> str:
    return f"http://{ADDRESS}:{server.server.port}"


def token_for(server: Asked, name: str, scope: str) -> str:
    with closing(open_store(settings_for(server.database))) as store:
        return token(store, name, Scope(scope).value)


@networked
def test_over_the_network_a_token_is_needed_to_write(wide: Asked) -> None:
    assert httpx.get(f"{elsewhere(wide)}/api/kpis").json()["total_records"] == 10
    assert_problem(httpx.post(f"{elsewhere(wide)}/api/kpis"), 401, "--scope write")
    assert httpx.post(f"{wide.server.url}/api/kpis").status_code == 405
    headers = bearer(token_for(wide, "net", "write"))
    assert httpx.post(f"{elsewhere(wide)}/api/kpis", headers=headers).status_code == 405
    assert "POST '/api/kpis' from" in wide.server.log


def test_what_uvicorn_makes_of_forwarded_headers_is_not_believed(tmp_path: Path) -> None:
    """Started by its own command, it believes a proxy of this machine."""
    command = ("-m", "uvicorn", "dashboard.app:app", "--port", "{port}")
    with start_server(tmp_path, *command) as server:
        for forwarded in (HERE, ELSEWHERE, f"{HERE}, {HERE}"):
            headers = {"X-Forwarded-For": forwarded}
            assert httpx.post(f"{server.url}/api/kpis", headers=headers).status_code == 401
        assert httpx.post(f"{server.url}/api/kpis").status_code == 405


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}],
)
def test_a_page_of_another_site_hears_nothing(wide: Asked, headers: dict[str, str]) -> None:
    with pytest.raises(InvalidStatus) as refused:
        with client_of(wide.server.socket_url, additional_headers=headers):
            pass
    response = refused.value.response
    assert response.status_code == 403
    body = json.loads(response.body)
    assert body["request_id"] == response.headers["x-request-id"]
    assert "Origin=" in body["detail"]


def test_a_page_of_this_server_hears_all(wide: Asked) -> None:
    headers = {"Origin": wide.server.url}
    with client_of(wide.server.socket_url, additional_headers=headers) as connection:
        assert next_of(connection, "snapshot")["total_records"] == 10
        assert connection.response
        assert connection.response.headers["x-request-id"]


def test_a_name_that_leads_here_by_rebinding_hears_nothing(wide: Asked) -> None:
    with closing(socket.create_connection((HERE, wide.server.port))) as plain:
        plain.sendall(
            b"GET /ws/data HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n"
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert plain.recv(1000).startswith(b"HTTP/1.1 403")


@networked
def test_over_the_network_a_token_is_needed_to_listen(shut: Asked) -> None:
    url = f"ws://{ADDRESS}:{shut.server.port}/ws/data"
    with pytest.raises(InvalidStatus) as refused, client_of(url):
        pass
    assert refused.value.response.status_code == 401
    assert httpx.get(f"{elsewhere(shut)}/api/kpis").status_code == 401
    assert httpx.get(f"{elsewhere(shut)}/api/health").status_code == 200
    with client_of(shut.server.socket_url) as here:
        next_of(here, "snapshot")
    secret = token_for(shut, "listener", "read")
    assert httpx.get(f"{elsewhere(shut)}/api/kpis", headers=bearer(secret)).status_code == 200
    with client_of(url, additional_headers={"Cookie": f"{COOKIE}={secret}"}) as page:
        next_of(page, "snapshot")
    with client_of(url, additional_headers=bearer(secret)) as connection:
        next_of(connection, "snapshot")
        with closing(open_store(settings_for(shut.database))) as store:
            store.revoke_token("listener", datetime.now(UTC))
        time.sleep(2.5)
        # What comes after it was revoked is not heard any more.
        with made.live_writer(shut.database) as writer:
            writer.write(made.live_rows(made.START + timedelta(days=1), [50.0]))
        with pytest.raises(ConnectionClosed) as ended:
            never_a_change(connection)
    assert ended.value.rcvd
    assert (ended.value.rcvd.code, ended.value.rcvd.reason) == (1008, "the token was revoked")


def never_a_change(connection: ClientConnection) -> None:
    while True:
        assert next_of(connection, "refresh", "change")["type"] == "refresh"
