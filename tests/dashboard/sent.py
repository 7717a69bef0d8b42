"""Files sent to a server, as clients send them, and what becomes of them."""

import http.client
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.dashboard import made
from tests.services.server import Server, settings_for

ENDED = ("complete", "known", "failed")
# How long a load may take where other tests share the machine.
_WITHIN_S = 60.0

REJECTED = {"wrong_field_count": 1, "missing_value": 2, "unparsable": 1, "duplicate_timestamp": 1}
FAULTS = (
    "2025-07-13T12:30:00Z,,1000.0,1.0",
    "2025-07-13T12:36:00Z,50,n/a,1.0",
    "2025-07-13T12:42:00Z,fifty,1000.0,1.0",
    "1,2",
    "2025-07-13T00:00:00Z,50,1000.0,1.0",
)


def faulty_text(rows: int = 20) -> str:
    """Readings of the default rig, and after them FAULTS."""
    lines = [made.HEADER]
    lines += [f"2025-07-13T00:{n:02}:00Z,{50 + n % 7},{1000 + n},{n}.0" for n in range(rows)]
    return "\n".join([*lines, *FAULTS]) + "\n"


@dataclass
class Loader:
    """Sends files to a server."""

    server: Server

    @property
    def url(self) -> str:
        return f"{self.server.url}/api/loads"

    def post(self, content: bytes | str = b"", **query: Any) -> httpx.Response:
        body = content.encode() if isinstance(content, str) else content
        return httpx.post(self.url, params=query, content=body, timeout=60.0)

    def preview(self, content: bytes | str = b"", **query: Any) -> dict[str, Any]:
        response = self.post(content, preview="true", **query)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    def load(self, content: bytes | str = b"", **query: Any) -> dict[str, Any]:
        """The job of a load, when it has ended."""
        response = self.post(content, **query)
        assert response.status_code == 202, response.text
        job: dict[str, Any] = response.json()
        assert job["status"] == "queued"
        assert response.headers["location"] == f"/api/loads/jobs/{job['job']}"
        return self.ended(job["job"])

    def ended(self, job: str) -> dict[str, Any]:
        """A job when it has ended."""
        deadline = time.monotonic() + _WITHIN_S
        while time.monotonic() < deadline:
            found: dict[str, Any] = self.get(f"/api/loads/jobs/{job}")
            if found["status"] in ENDED:
                return found
            time.sleep(0.02)
        raise AssertionError(f"{found} did not end")

    def get(self, path: str, **query: Any) -> Any:
        response = httpx.get(f"{self.server.url}{path}", params=query, timeout=60.0)
        assert response.status_code == 200, response.text
        return response.json()

    def begin(self, length: int | None, **query: str) -> http.client.HTTPConnection:
        """A request whose body is still to come; without a length it comes in chunks."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30.0)
        text = "&".join(f"{name}={value}" for name, value in query.items())
        connection.putrequest("POST", f"/api/loads?{text}")
        if length is None:
            connection.putheader("Transfer-Encoding", "chunked")
        else:
            connection.putheader("Content-Length", str(length))
        connection.endheaders()
        return connection


def answer_to(connection: http.client.HTTPConnection) -> tuple[int, dict[str, Any]]:
    """What comes back on a connection, which is closed then."""
    response = connection.getresponse()
    found = response.status, json.loads(response.read())
    connection.close()
    return found


def left_on_disk(folder: Path) -> list[str]:
    """Files of uploads, whole or not, beside a database in a folder."""
    return _left(folder.glob("uploads-*/*/*"))


def left_of(database_url: str) -> list[str]:
    """The same of a database of any kind."""
    folder = settings_for(Path("x"), database_url=database_url).uploads_folder
    return _left(folder.glob("*/*"))


def _left(paths: Iterable[Path]) -> list[str]:
    kinds = (".part", ".upload", ".json", ".draft")
    return sorted(path.name for path in paths if path.suffix in kinds)


def until(happened: Callable[[], Any], within_s: float = 20) -> Any:
    """What is given at last, asked for again and again. Fails where it never is."""
    deadline = time.monotonic() + within_s
    while not (found := happened()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)
    return found
