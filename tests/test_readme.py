"""What the README says can be typed is typed, in a fresh copy of the project."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# Commands that serve until they are interrupted.
SERVERS = ("make run", "main.py", "smart-sensor serve", "smart-sensor run", "dashboard/app.py")
# CI runs it: this is part of it.
ELSEWHERE = ("make test", "make check")


def commands(marker: str) -> list[str]:
    """The lines of the README's shell block that has `marker` in it, without their comments."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    block = next(block for block in blocks if marker in block)
    lines = [re.sub(r"\s+#.*", "", line).strip() for line in block.splitlines()]
    return [line for line in lines if line and line not in ELSEWHERE]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone that includes what is not committed yet."""
    target = tmp_path_factory.mktemp("clone") / "smart-sensor"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],  # noqa: S607  # the user's git
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    shutil.copy2(ROOT / "data" / "simulated_raw.csv", target / "firing.csv")
    return target


@pytest.fixture
def environment() -> dict[str, str]:
    """A user's environment: no settings of ours, a free port, no virtual environment."""
    ours = {name.upper() for name in Settings.model_fields} | {"VIRTUAL_ENV", "PYTHONPATH"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return {**kept, "PORT": str(probe.getsockname()[1])}


def run(command: str, folder: Path, environment: dict[str, str]) -> str:
    """Run a command to its end, or a server until it answers; fails when it fails."""
    if any(server in command for server in SERVERS) and "--help" not in command:
        with serving(command, folder, environment):
            return ""
    done = subprocess.run(
        ["bash", "-c", command],  # noqa: S607  # as a user's shell would
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextmanager
def serving(command: str, folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """A server for as long as the block lasts; Ctrl+C has to stop it cleanly."""
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command}"],  # noqa: S607  # as a user's shell would
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        wait_until_healthy(process, environment["PORT"])
        yield
    finally:
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert "Traceback" not in said


def wait_until_healthy(process: subprocess.Popen[str], port: str) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[0]
        try:
            with urllib.request.urlopen(f"http://localhost:{port}/api/health", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    pytest.fail("the server did not answer within five minutes")


def activated(folder: Path, environment: dict[str, str]) -> dict[str, str]:
    """What `source .venv/bin/activate` makes of the environment."""
    path = f"{folder / '.venv' / 'bin'}{os.pathsep}{environment['PATH']}"
    return {**environment, "PATH": path}


@pytest.fixture(scope="module")
def installed(clone: Path) -> Path:
    """The clone with an environment as `make` makes it."""
    clean = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    subprocess.run(["make", "setup"], cwd=clone, env=clean, check=True, capture_output=True)  # noqa: S607
    return clone


def test_make_run_serves_from_a_fresh_clone(clone: Path, environment: dict[str, str]) -> None:
    for command in commands("make run"):
        run(command, clone, environment)


def test_plain_pip_serves_from_a_fresh_clone(
    clone: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    copy = tmp_path / "plain"
    ignored = shutil.ignore_patterns(".venv", "data/*.db*")
    shutil.copytree(clone, copy, ignore=ignored)
    environment["PATH"] = (
        f"{Path(sys.executable).resolve().parent}{os.pathsep}{environment['PATH']}"
    )
    for command in commands("requirements.txt"):
        run(command, copy, environment)
    assert (copy / "dashboard" / "static" / "vendor" / "charts.bundle.min.js").is_file()


def test_commands_for_your_own_data(installed: Path, environment: dict[str, str]) -> None:
    shell = activated(installed, environment)
    for command in [*commands("--preview"), *commands("static-fire.toml")]:
        if not command.startswith("source "):
            run(command, installed, shell)


def test_request_and_python_examples(installed: Path, environment: dict[str, str]) -> None:
    shell = activated(installed, environment)
    run("smart-sensor etl", installed, shell)
    example = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    (installed / "example.py").write_text(example)
    assert float(run("python example.py", installed, shell)) == pytest.approx(60.1, abs=0.1)
    with serving("smart-sensor serve", installed, shell):
        asked = [command.replace("8000", shell["PORT"]) for command in commands("curl")]
        kpis, preview = (run(command, installed, shell) for command in asked)
        assert '"total_records":100' in kpis
        assert '"accepted":100' in preview


def test_every_command_of_the_table_explains_itself(
    installed: Path, environment: dict[str, str]
) -> None:
    shell = activated(installed, environment)
    rows = re.findall(r"^\| `((?:smart-sensor|python) [^`]*)` \|(.*)\|$", README, re.MULTILINE)
    assert len(rows) == 13
    for command, meaning in rows:
        for each in [command, *re.findall(r"`(python [^`]*)`", meaning)]:
            bare = re.sub(r"\s*(\[|PATH|--to|--older-than).*", "", each)
            if bare != "python dashboard/app.py":
                assert "--help" in run(f"{bare} --help", installed, shell)


def test_every_shell_block_is_run_here() -> None:
    """A new block needs a test."""
    assert len(re.findall(r"```sh\n", README)) == 5


def test_files_and_pages_that_it_links_to_exist() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
