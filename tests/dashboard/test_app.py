"""Starting the dashboard in each of the ways that the README names, and failing to."""

import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

import dashboard.app
from dashboard import pages
from dashboard.app import create_dashboard
from dashboard.serving import listen, or_exit
from pipeline.errors import SettingsError
from pipeline.settings import Settings
from tests.dashboard import made
from tests.dashboard.conftest import Asked, dashboard_page
from tests.services.server import (
    DASHBOARD,
    free_port,
    run_until_exit,
    running_server,
    settings_for,
    start_server,
)

COMMAND = str(Path(sys.executable).with_name("smart-sensor"))
UVICORN = ("-m", "uvicorn", "dashboard.app:app")
WAYS = {
    "python dashboard/app.py": DASHBOARD,
    "python dashboard/app.py --port": (*DASHBOARD, "--host", "127.0.0.1", "--port", "{port}"),
    "smart-sensor serve": (COMMAND, "serve"),
    "smart-sensor serve --port": (COMMAND, "serve", "--host", "127.0.0.1", "--port", "{port}"),
    "uvicorn dashboard.app:app": (*UVICORN, "--port", "{port}"),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_dashboard_starts(tmp_path: Path, way: str) -> None:
    made.load(tmp_path / "readings.db", made.plain_csv(tmp_path / "plain.csv", 5))
    # What the command line says wins.
    settings = {"PORT": "1"} if "{port}" in WAYS[way] else {}
    with start_server(tmp_path, *WAYS[way], **settings) as server:
        assert httpx.get(f"{server.url}/api/kpis").json()["total_records"] == 5
        page = httpx.get(f"{server.url}/", follow_redirects=True)
        assert page.url.path == "/dashboard"
        assert "<title>Smart Sensor Dashboard</title>" in page.text
        assert f"http://127.0.0.1:{server.port}" in server.log
        code = server.stop(signal.SIGINT)
    assert code == 0
    assert "Traceback" not in server.log


# What cannot start says so in one line


def assert_one_line(code: object, out: str, err: str, *words: str) -> None:
    assert code == 2, err
    assert out == ""
    assert err.startswith("smart-sensor: ")
    assert err.count("\n") == 1, err
    for word in words:
        assert word in err


@pytest.mark.parametrize(
    ("command", "settings", "words"),
    [
        pytest.param(
            UVICORN,
            {"TABLE_NAME": 'x"; DROP TABLE y'},
            ["TABLE_NAME=", "letters, digits and underscores"],
            id="uvicorn",
        ),
        pytest.param(
            (COMMAND, "serve"),
            {"DATABASE_URL": "mysql://rig:hunter2@localhost/readings"},
            ["DATABASE_URL=mysql://***", "sqlite:///"],
            id="serve",
        ),
    ],
)
def test_a_wrong_setting_is_one_line(
    tmp_path: Path, command: tuple[str, ...], settings: dict[str, str], words: list[str]
) -> None:
    done = run_until_exit(tmp_path / "readings.db", *command, **settings)
    assert_one_line(done.returncode, done.stdout, done.stderr, *words)
    assert "hunter2" not in done.stderr


def test_an_option_that_there_is_not_starts_nothing(tmp_path: Path) -> None:
    done = run_until_exit(tmp_path / "readings.db", *DASHBOARD, "--nonsense")
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such option: --nonsense" in done.stderr


def a_folder_for_a_database(tmp_path: Path) -> Settings:
    (tmp_path / "readings.db").mkdir()
    return settings_for(tmp_path / "readings.db")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (lambda path: settings_for(path / "x.db", port="http"), ["PORT=http", "0 to 65535"]),
        (lambda path: settings_for(path / "x.db", rig_file="none.toml"), ["none.toml", "static"]),
        (a_folder_for_a_database, ["readings.db", "cannot be opened"]),
    ],
    ids=["port", "rig file", "database"],
)
def test_what_is_wrong_is_said_before_anything_is_served(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    settings: Callable[[Path], Settings],
    words: list[str],
) -> None:
    with pytest.raises(SystemExit) as stopped:
        or_exit(lambda: create_dashboard(settings(tmp_path)))
    written = capsys.readouterr()
    assert_one_line(stopped.value.code, written.out, written.err, *words)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else has."""
    with closing(socket.create_server(("127.0.0.1", 0))) as somebody:
        yield somebody.getsockname()[1]


def test_a_port_that_is_taken_is_one_line(tmp_path: Path, taken: int) -> None:
    done = run_until_exit(tmp_path / "readings.db", *DASHBOARD, port=taken)
    assert_one_line(
        done.returncode, done.stdout, done.stderr, f"PORT={taken}", "taken", "127.0.0.1"
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"host": "no host.invalid"}, "HOST=no host.invalid"),
        ({"host": "192.0.2.1"}, "HOST=192.0.2.1"),
    ],
)
def test_an_address_that_is_not_ours_is_refused(
    tmp_path: Path, settings: dict[str, str], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        listen(settings_for(tmp_path / "x.db", **settings))


def test_port_0_takes_a_free_one(tmp_path: Path) -> None:
    for listener in listen(settings_for(tmp_path / "x.db", host="127.0.0.1", port=0)):
        with closing(listener):
            assert listener.getsockname()[1] > 0


def test_a_name_is_listened_on_at_each_of_its_addresses(tmp_path: Path) -> None:
    port = free_port()
    listeners = listen(settings_for(tmp_path / "x.db", host="localhost", port=port))
    found = {info[4][0] for info in socket.getaddrinfo("localhost", port, type=socket.SOCK_STREAM)}
    try:
        assert {listener.getsockname()[0] for listener in listeners} == found
    finally:
        for listener in listeners:
            listener.close()


def test_only_errors_for_people_become_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> int:
        raise SettingsError("PORT=x: not allowed")

    with pytest.raises(SystemExit) as stopped:
        or_exit(refuse)
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "smart-sensor: PORT=x: not allowed\n"
    with pytest.raises(ZeroDivisionError):
        or_exit(lambda: 1 // 0)


def test_the_module_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = dashboard.app.nothing


# The page and its files


def test_the_first_page_leads_to_the_dashboard(house: Asked) -> None:
    for method in ("GET", "HEAD"):
        response = house.client.request(method, "/")
        assert (response.status_code, response.headers["location"]) == (307, "/dashboard")


def test_pages_answer_head(house: Asked) -> None:
    whole = house.client.get("/dashboard", headers={"accept-encoding": "identity"})
    head = house.client.head("/dashboard", headers={"accept-encoding": "identity"})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]
    assert int(head.headers["content-length"]) == len(whole.content)
    assert house.client.head("/static/favicon.svg").status_code == 200


def test_every_file_of_the_page_is_there(house: Asked) -> None:
    page = house.get("/dashboard").text
    files = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    kinds = {".js": "javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    assert {Path(path).suffix for path in files} == set(kinds)
    for path in files:
        response = house.get(path)
        assert response.status_code == 200, path
        assert kinds[Path(path).suffix] in response.headers["content-type"]


def test_what_modules_import_is_asked_for_with_the_page(house: Asked) -> None:
    imported = {
        name
        for module in pages.STATIC.glob("*.js")
        for name in re.findall(r'(?:from|import) "\./([^"]+)"', module.read_text(encoding="utf-8"))
    }
    page = house.get("/dashboard").text
    assert set(re.findall(r'rel="modulepreload" href="/static/([^"]+)"', page)) == imported


def test_static_files_are_asked_for_again_and_sent_only_when_they_differ(house: Asked) -> None:
    file = (pages.STATIC / "main.js").read_bytes()
    etags = set()
    for encoding in ("gzip", "identity"):
        accepts = {"accept-encoding": encoding}
        first = house.client.get("/static/main.js", headers=accepts)
        assert first.content == file
        assert first.headers.get("content-encoding", "identity") == encoding
        assert first.headers["cache-control"] == "no-cache"
        etags.add(first.headers["etag"])
        known = {**accepts, "if-none-match": first.headers["etag"]}
        again = house.client.get("/static/main.js", headers=known)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["cache-control"] == "no-cache"
    assert len(etags) == 2


def test_the_page_knows_its_settings(tmp_path: Path) -> None:
    page = dashboard_page(tmp_path, dashboard_refresh_interval=7)
    assert 'data-refresh-interval="7"' in page
    assert "{{" not in page
    assert "{%" not in page


def test_without_charts_the_page_says_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "pip install" not in dashboard_page(tmp_path)
    monkeypatch.setattr(pages, "STATIC", tmp_path)
    page = dashboard_page(tmp_path)
    assert "pip install" in page
    assert "/static/vendor/" not in page


def test_what_is_older_than_retention_goes_while_the_server_runs(tmp_path: Path) -> None:
    database = tmp_path / "old.db"
    made.load(database, made.sample_csv(tmp_path / "sample.csv"))
    with (
        running_server(tmp_path, database=database, retention="30d") as server,
        httpx.Client(base_url=server.url) as client,
    ):
        deadline = time.monotonic() + 10
        while client.get("/api/health").json()["rows"] and time.monotonic() < deadline:
            time.sleep(0.05)
        assert client.get("/api/health").json()["rows"] == 0
        assert client.get("/api/loads").json()["loads"][0]["accepted"] == 100
