"""`make` brings its environment along: once, whole or not at all, and with clear words."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tools.lock import ROOT

pytestmark = pytest.mark.skipif(
    os.name == "nt" or shutil.which("make") is None, reason="needs make and a POSIX shell"
)
TOOLS = ("awk", "cat", "dirname", "env", "make", "mkdir", "rm", "sh", "touch")
INPUTS = ("requirements.lock", "pyproject.toml", "hatch_build.py", "package.json")
# A Python, uv and environment that only write down what they are asked.
FAKE_PYTHON = """#!/bin/sh
echo "python $*" >> "$LOG"
case "$1" in
    --version) echo "Python {version}" ;;
    -c) case "$2" in
        *version_info*) exit {too_old} ;;
        *executable*) echo python3 ;;
    esac ;;
    main.py) echo "the application runs" ;;
    -m) if [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; fi ;;
esac
"""
FAKE_UV = """#!/bin/sh
echo "uv $*" >> "$LOG"
case "$1 $2" in
    "venv --quiet") mkdir -p "$5/bin"; cp "$FAKES/python3" "$5/bin/python" ;;
    "pip sync") exit "${SYNC:-0}" ;;
esac
"""


class Clone:
    """A checkout on a machine that has only what is put into `bin`."""

    def __init__(self, folder: Path) -> None:
        self.root, self.bin, self.log = folder / "clone", folder / "bin", folder / "log"
        (self.root / "tools").mkdir(parents=True)
        self.bin.mkdir()
        for name in ("Makefile", "tools/setup.sh", "package-lock.json", *INPUTS):
            shutil.copy(ROOT / name, self.root / name)
        for tool in (*TOOLS, "cp"):
            found = shutil.which(tool)
            assert found, tool
            (self.bin / tool).symlink_to(found)

    def add(self, name: str, script: str) -> None:
        (self.bin / name).write_text(script)
        (self.bin / name).chmod(0o755)

    def add_python(self, version: str = "3.12.1", name: str = "python3") -> None:
        too_old = int(tuple(map(int, version.split("."))) < (3, 11))
        self.add(name, FAKE_PYTHON.format(version=version, too_old=too_old))

    def make(self, target: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(self.bin), "LOG": str(self.log), "FAKES": str(self.bin)}
        return subprocess.run(
            [self.bin / "make", target],
            cwd=self.root,
            env=environment | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def ready(self) -> bool:
        return (self.root / ".venv" / ".ready").exists()

    def calls(self) -> list[str]:
        """What was asked since the last time."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def test_with_uv_installs_the_lock_then_the_project(clone: Clone) -> None:
    clone.add_python()
    clone.add("uv", FAKE_UV)
    done = clone.make("run")
    assert done.stdout == "Setting up .venv with uv ...\nthe application runs\n", done.stderr
    uv = [call for call in clone.calls() if call.startswith("uv ") and "--version" not in call]
    assert uv == [
        "uv venv --quiet --python python3 .venv",
        "uv pip sync --quiet --compile-bytecode --python .venv/bin/python --require-hashes"
        " requirements.lock",
        "uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation -e .",
    ]


def test_without_uv_uses_venv_and_pip(clone: Clone) -> None:
    clone.add_python()
    done = clone.make("run")
    assert done.stdout.splitlines()[-1] == "the application runs", done.stderr
    assert [call for call in clone.calls() if " -m " in call] == [
        "python -m venv .venv",
        "python -m pip install --quiet --require-hashes --no-deps -r requirements.lock",
        "python -m pip install --quiet --no-deps --no-build-isolation -e .",
    ]


def test_second_start_sets_nothing_up(clone: Clone) -> None:
    clone.add_python()
    clone.make("run")
    clone.calls()
    assert clone.make("run").stdout == "the application runs\n"
    assert clone.calls() == ["python main.py"]


@pytest.mark.parametrize("name", [*INPUTS, "package-lock.json"])
def test_newer_input_sets_up_again(clone: Clone, name: str) -> None:
    clone.add_python()
    clone.make("run")
    stamp = (clone.root / ".venv" / ".ready").stat().st_mtime
    os.utime(clone.root / name, (stamp + 10, stamp + 10))
    assert clone.make("run").stdout.startswith("Setting up .venv")


def test_failed_setup_leaves_no_stamp_and_starts_from_nothing(clone: Clone) -> None:
    clone.add_python()
    clone.add("uv", FAKE_UV)
    done = clone.make("run", SYNC="1")
    assert done.returncode != 0
    assert "the application runs" not in done.stdout
    assert not clone.ready
    (clone.root / ".venv" / "half").touch()
    assert clone.make("run").returncode == 0
    assert clone.ready
    assert not (clone.root / ".venv" / "half").exists()


def test_newer_python_under_its_own_name_is_found(clone: Clone) -> None:
    clone.add_python("3.9.18")
    clone.add_python("3.13.0", name="python3.13")
    assert clone.make("run").stdout.splitlines()[-1] == "the application runs"


@pytest.mark.parametrize(
    ("version", "found"), [("3.10.13", "Python 3.10.13"), (None, "no python3")]
)
def test_no_suitable_python_is_one_clear_line(
    clone: Clone, version: str | None, found: str
) -> None:
    if version:
        clone.add_python(version)
    done = clone.make("run")
    message, *rest = done.stderr.splitlines()
    assert message == (
        f"Smart Sensor needs Python 3.11 or newer, and found {found}: install one,"
        " or name it with PYTHON=/path/to/python make ..."
    )
    assert [line for line in rest if not line.startswith("make")] == []
    assert not clone.ready


def test_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: ((?:.*\\\n)*.*)$", makefile, re.MULTILINE)
    done = subprocess.run(
        [str(shutil.which("make")), "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    listed = re.findall(r"^  make ([a-z-]+) +\S", done.stdout, re.MULTILINE)
    assert sorted(listed) == sorted(phony.replace("\\", " ").split())


def test_ci_runs_check_and_test_and_nothing_else() -> None:
    path = ROOT / ".ci" / "run"
    assert os.access(path, os.X_OK)
    commands = [line for line in path.read_text().splitlines() if line.startswith("make")]
    assert commands == ["make check", "make test"]
