"""docs/api.md: every endpoint is in it, with its parameters, and every example works.

A new endpoint needs a section `### `METHOD /path`` with a curl and a Python example, and a row in
the table at the top; nothing here has to change.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboard import exports, metrics
from dashboard.export_formats import FORMATS
from tests.dashboard import made
from tests.services.server import ROOT, Server, running_server

TEXT = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
BASE = "localhost:8000"
SECTIONS = dict(
    re.findall(r"^### `([A-Z]+ /\S+)`\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)
)
FILTERS = TEXT.partition("\n## Which readings\n")[2].partition("\n## ")[0]


def examples(language: str) -> list[Any]:
    return [
        pytest.param(example, id=f"{title} {number}")
        for title, section in SECTIONS.items()
        for number, example in enumerate(
            re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
        )
    ]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the sample, as the page says."""
    folder = tmp_path_factory.mktemp("api-docs")
    made.load(folder / "readings.db", ROOT / "data" / "simulated_raw.csv")
    with running_server(folder) as started:
        yield started


@pytest.fixture(scope="module")
def operations(server: Server) -> dict[str, Any]:
    paths = httpx.get(f"{server.url}/openapi.json").json()["paths"]
    return {
        f"{method.upper()} {path}": operation
        for path, methods in paths.items()
        for method, operation in methods.items()
    }


def run(command: list[str | Path], server: Server, folder: Path) -> str:
    """What a command has printed; it has to end well, an error of the API is a failure."""
    (folder / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "CURL_HOME": str(folder), "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stderr == ""
    return done.stdout


def here(example: str, server: Server) -> str:
    assert BASE in example
    return example.replace(BASE, f"127.0.0.1:{server.port}")


@pytest.mark.parametrize("example", examples("sh"))
def test_curl_examples_work(example: str, server: Server, tmp_path: Path) -> None:
    for line in filter(None, example.splitlines()):
        assert line.startswith("curl ")
        printed = run(["bash", "-c", here(line, server)], server, tmp_path)
        # What was printed, or a file that was written.
        assert printed or {path.name for path in tmp_path.iterdir()} - {".curlrc"}


@pytest.mark.parametrize("example", examples("python"))
def test_python_examples_work(example: str, server: Server, tmp_path: Path) -> None:
    path = tmp_path / "example.py"
    path.write_text(here(example, server), encoding="utf-8")
    assert run([sys.executable, path], server, tmp_path).strip()


def test_every_endpoint_is_there_with_examples_in_both_languages(
    operations: dict[str, Any],
) -> None:
    assert {title for title in SECTIONS if not title.startswith("WS ")} == set(operations)
    for title, section in SECTIONS.items():
        wanted = {"python"} if title.startswith("WS ") else {"sh", "python"}
        assert wanted == set(re.findall(r"^```(\w+)$", section, re.MULTILINE)), title


def test_every_parameter_is_explained(operations: dict[str, Any]) -> None:
    for title, operation in operations.items():
        for parameter in operation.get("parameters", []):
            name = parameter["name"]
            explained = rf"`{re.escape(name)}(=[^`]*)?`"
            assert re.search(explained, SECTIONS[title] + FILTERS), f"{title}: {name}"


def test_the_overview_leads_to_every_section() -> None:
    rows = re.findall(r"^\| \[`([^`]+)`\]\(#([^)]+)\) \|", TEXT, re.MULTILINE)
    assert [title for title, _ in rows] == list(SECTIONS)
    for title, anchor in rows:
        # As forges make it: lower case, blanks as hyphens, everything else away.
        assert anchor == re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def test_every_figure_of_ours_is_in_the_table(server: Server) -> None:
    httpx.get(f"{server.url}/api/health")
    text = httpx.get(f"{server.url}/metrics").text
    families = set(re.findall(r"^# TYPE (smart_sensor_\S+) ", text, re.MULTILINE))
    families = {name for name in families if not name.endswith("_created")}
    section = SECTIONS["GET /metrics"]
    assert set(re.findall(r"^\| `(smart_sensor_\w+)` \|", section, re.MULTILINE)) == families
    assert f"first {metrics._MOST_RIGS:,} rigs" in section


def test_formats_and_limits_of_downloads_are_those_of_the_code() -> None:
    section = SECTIONS["GET /api/download"]
    assert re.findall(r"^\| `(\w+)`(?: \(default\))? \|", section, re.MULTILINE)[1:] == list(
        FORMATS
    )
    assert f"At most {exports._MOST_AT_ONCE} downloads" in section
    assert exports._STALLED_S == 60, "a minute"
