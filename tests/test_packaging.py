"""The wheel carries everything, and works away from the checkout.

It is built as people build it: a source distribution first, the wheel from that, both in an
isolated environment with the pinned build requirements.
"""

import json
import os
import shutil
import site
import socket
import subprocess
import sys
import tarfile
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hatch_build import BUNDLE, LICENSES, ROOT, SCRIPTS, VENDOR

PACKAGES = ("dashboard", "demo", "pipeline")
BUNDLED = ("data/simulated_processed.csv", "data/simulated_raw.csv", "main.py", "rigs", "templates")
GENERATED = {"__pycache__", "vendor"}
WINDOWS = os.name == "nt"


def _run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        env=_environment(**environment),
        capture_output=True,
        text=True,
        check=False,
    )


def _environment(**changes: str) -> dict[str, str]:
    """Without what would let the checkout in by the back door."""
    dropped = {"PYTHONPATH", "VIRTUAL_ENV", "SMART_SENSOR_HOME", "DATABASE_URL"}
    return {name: value for name, value in os.environ.items() if name not in dropped} | changes


def _files(folder: Path, below: Path) -> set[str]:
    """Every file of a folder as it was written by people."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    relative = (path.relative_to(below) for path in paths)
    return {path.as_posix() for path in relative if not GENERATED & set(path.parts)}


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    done = _run(sys.executable, "-m", "uv", "build", "--quiet", "--out-dir", folder, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> Path:
    return next(distributions.glob("smart_sensor_dashboard-*-py3-none-any.whl"))


@pytest.fixture(scope="module")
def wheel_names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.parametrize("package", PACKAGES)
def test_wheel_has_every_file_of_the_package(wheel_names: set[str], package: str) -> None:
    """Also templates, styles and scripts: whatever stands there in the checkout."""
    assert _files(ROOT / package, ROOT) - wheel_names == set()


def test_wheel_has_the_charts(wheel_names: set[str]) -> None:
    expected = {Path(script).name for script in SCRIPTS} | {BUNDLE, LICENSES}
    prefix = f"{VENDOR.as_posix()}/"
    assert {name.removeprefix(prefix) for name in wheel_names if prefix in name} == expected


@pytest.mark.parametrize("source", BUNDLED)
def test_wheel_has_what_lives_outside_the_packages(wheel_names: set[str], source: str) -> None:
    path = ROOT / source
    expected = _files(path, ROOT) if path.is_dir() else {source}
    assert expected
    assert {f"pipeline/_bundled/{name}" for name in expected} <= wheel_names


def test_wheel_has_nothing_else(wheel_names: set[str]) -> None:
    roots = {name.split("/")[0] for name in wheel_names}
    assert {root for root in roots if not root.endswith(".dist-info")} == set(PACKAGES)
    private = (".db", ".env", ".pyc", ".stamp", ".sqlite")
    assert [name for name in wheel_names if name.endswith(private)] == []


def test_wheel_says_who_and_under_what_terms(wheel: Path, wheel_names: set[str]) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in wheel_names if name.endswith(".dist-info/METADATA"))
        metadata = archive.read(name).decode()
    assert "Name: smart-sensor-dashboard\n" in metadata
    assert "License-Expression: MIT\n" in metadata
    assert "Requires-Python: >=3.11\n" in metadata
    assert any(name.endswith("licenses/LICENSE") for name in wheel_names)


def test_source_distribution_has_no_built_files(distributions: Path) -> None:
    with tarfile.open(next(distributions.glob("*.tar.gz"))) as archive:
        names = archive.getnames()
    assert [name for name in names if "/vendor" in name or name.endswith((".db", ".env"))] == []
    assert any(name.endswith("/package-lock.json") for name in names)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts folder of an environment with the wheel, and our dependencies beside it."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    uv = (sys.executable, "-m", "uv")
    python = folder / ("Scripts/python.exe" if WINDOWS else "bin/python")
    done = _run(*uv, "venv", "--quiet", "--python", sys.executable, folder, cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    install = (*uv, "pip", "install", "--quiet", "--no-deps", "--python", python, wheel)
    done = _run(*install, cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    (library,) = folder.glob("Lib/site-packages" if WINDOWS else "lib/python*/site-packages")
    # The .pth files of these folders (one leads to the checkout) are not read.
    (library / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    return python.parent


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    path.mkdir()
    return path


def test_code_comes_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    script = "import dashboard, pipeline; print(dashboard.__path__[0], pipeline.__path__[0])"
    done = _run(installed / "python", "-c", script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    environment = str(installed.parent)
    assert [path.startswith(environment) for path in done.stdout.split()] == [True, True]


def test_command_shows_its_help(installed: Path, tmp_path: Path) -> None:
    done = _run(installed / "smart-sensor", "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {"etl", "serve", "simulate"} <= set(done.stdout.split())


def test_files_go_to_the_home_folder(installed: Path, tmp_path: Path, home: Path) -> None:
    """Nothing is written to the current folder or into the installation."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    before = _files(installed.parent, installed.parent)
    command = (installed / "smart-sensor", "etl", "--json")
    done = _run(*command, cwd=elsewhere, SMART_SENSOR_HOME=str(home))
    assert done.returncode == 0, done.stderr
    assert (home / "data" / "processed.db").is_file()
    assert list(elsewhere.iterdir()) == []
    assert _files(installed.parent, installed.parent) == before


def test_without_a_home_files_go_to_the_current_folder(installed: Path, tmp_path: Path) -> None:
    done = _run(installed / "smart-sensor", "etl", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data" / "processed.db").is_file()


@pytest.fixture
def address(installed: Path, tmp_path: Path, home: Path) -> Iterator[str]:
    """Of `smart-sensor serve` from the wheel, over the readings of one `smart-sensor etl`."""
    done = _run(installed / "smart-sensor", "etl", cwd=tmp_path, SMART_SENSOR_HOME=str(home))
    assert done.returncode == 0, done.stderr
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = _environment(SMART_SENSOR_HOME=str(home), HOST="127.0.0.1", PORT=str(port))
    log = tmp_path / "serve.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [installed / "smart-sensor", "serve"],
            cwd=tmp_path,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_up(server, f"http://127.0.0.1:{port}", log)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=10)


def _wait_until_up(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + 20
    while server.poll() is None and time.monotonic() < deadline:
        try:
            _get(f"{address}/api/health")
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"the server did not start: {log.read_text(encoding='utf-8')}")


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  # always http
        body: bytes = answer.read()
        return body


def test_page_and_numbers_are_served_from_the_wheel(address: str) -> None:
    kpis: dict[str, Any] = json.loads(_get(f"{address}/api/kpis"))
    assert kpis["total_records"] > 0
    assert b"<html" in _get(f"{address}/dashboard")
    bundle = _get(f"{address}/static/vendor/{BUNDLE}")
    assert bundle == (ROOT / VENDOR / BUNDLE).read_bytes()


def test_build_without_npm_succeeds_with_a_warning(tmp_path: Path) -> None:
    """Nothing listens on this port; the cache is empty."""
    checkout, out = tmp_path / "checkout", tmp_path / "out"
    ignored = shutil.ignore_patterns(
        ".*", "vendor", "__pycache__", "node_modules", "tests", "*.db*"
    )
    shutil.copytree(ROOT, checkout, ignore=ignored)
    done = _run(
        *(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out),
        cwd=checkout,
        npm_config_registry="http://127.0.0.1:9",
        npm_config_cache=str(tmp_path / "cache"),
    )
    assert done.returncode == 0, done.stderr
    assert "The charts of the dashboard are missing: npm ci failed (ECONNREFUSED)" in done.stderr
    assert "127.0.0.1" not in done.stdout + done.stderr
    with zipfile.ZipFile(next(out.glob("*.whl"))) as archive:
        assert [name for name in archive.namelist() if VENDOR.name in name] == []
