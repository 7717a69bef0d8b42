"""The pinned requirements fit pyproject.toml, name no place, and belong together."""

import json
import re
import shutil
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tools.lock import LOCKS, PROJECT_LINE, ROOT, Lock, LockError, compile_lock, is_fresh, main

BY_NAME = {lock.name: lock for lock in LOCKS}
PIN = re.compile(r"^(?P<name>[a-z0-9-]+)(\[[a-z,-]+\])?==(?P<version>[\w.+!]+)(?P<marker> ; .+)?$")
LINE = re.compile(
    r"""^(
        [#]\ .+                                     # who made it
        | \ +[#]\ .+                                # why it is there
        | [a-z0-9-]+(\[[a-z,-]+\])?==\S+(\ ;\ .+)?  # a pin, perhaps only for some systems
        | \ {4}--hash=sha256:[0-9a-f]{64}
        | -e\ \.
    )$""",
    re.VERBOSE,
)
NPM_SERVICES = ROOT / "tests" / "services"
NPM_FOLDERS = (ROOT, NPM_SERVICES, NPM_SERVICES / "pglite", NPM_SERVICES / "axe")


def _lines(name: str) -> list[str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return [line.removesuffix(" \\") for line in text.splitlines()]


def _pins(name: str) -> set[str]:
    return {line for line in _lines(name) if PIN.match(line)}


def _pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_lock_is_fresh(lock: Lock) -> None:
    assert is_fresh(lock), f"{lock.name} does not fit pyproject.toml: run `make lock`"


@pytest.mark.parametrize(
    ("name", "edited", "old", "new"),
    [
        pytest.param(
            "requirements_simple.txt",
            "pyproject.toml",
            '"rich>=15,<16"',
            '"rich>=14,<15"',
            id="dependency",
        ),
        pytest.param(
            "requirements_simple.txt", "requirements_simple.txt", "==", "==0.0.", id="pin edited"
        ),
        pytest.param(
            "requirements.lock", "pyproject.toml", '    "vermin>=1.9,<2",\n', "", id="development"
        ),
    ],
)
def test_stale_lock_is_noticed(tmp_path: Path, name: str, edited: str, old: str, new: str) -> None:
    """One change on either side is enough."""
    for needed in ("pyproject.toml", name):
        shutil.copy(ROOT / needed, tmp_path)
    text = (tmp_path / edited).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / edited).write_text(text.replace(old, new, 1), encoding="utf-8")
    assert not is_fresh(BY_NAME[name], tmp_path)


def test_impossible_requirement_says_so(tmp_path: Path) -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(text.replace("rich>=15", "rich>=15,<1"))
    with pytest.raises(LockError, match=r"(?s)requirements_simple\.txt: .*rich"):
        compile_lock(BY_NAME["requirements_simple.txt"], tmp_path)


def test_check_names_the_stale_lock(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tools.lock.is_fresh", lambda lock: lock.name != "requirements.lock")
    assert main(["--check"]) == 1
    message = "requirements.lock does not fit pyproject.toml: run `make lock` and commit it\n"
    assert capsys.readouterr().err == message


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_lock_has_pins_and_nothing_else(lock: Lock) -> None:
    """No URL, no host, no option, no unpinned name."""
    lines = _lines(lock.name)
    assert lines[1] == "#    make lock"
    assert [line for line in lines if not LINE.match(line)] == []
    assert [line for line in lines if "://" in line] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_project_itself_is_the_last_line_of_what_people_install(lock: Lock) -> None:
    editable = [line for line in _lines(lock.name) if line.startswith("-e")]
    assert editable == ([PROJECT_LINE.strip()] if lock.with_project else [])
    assert not editable or _lines(lock.name)[-1] == editable[0]


@pytest.mark.parametrize("name", [name for name in BY_NAME if name.endswith(".lock")])
def test_every_pin_of_the_lock_has_a_hash(name: str) -> None:
    after = dict(pairwise(_lines(name)))
    assert [pin for pin in _pins(name) if "--hash" not in after[pin]] == []


def test_the_sets_contain_each_other() -> None:
    simple, full = _pins("requirements_simple.txt"), _pins("requirements.txt")
    assert simple < full < _pins("requirements.lock")
    assert _pins("requirements_runtime.lock") == full
    assert _pins("requirements_build.lock") < _pins("requirements.lock")


def test_simple_set_brings_no_other_database() -> None:
    names = {match["name"] for match in map(PIN.match, _pins("requirements_simple.txt")) if match}
    assert {"polars", "fastapi", "sqlalchemy"} <= names
    assert not {name for name in names if name.startswith(("psycopg", "adbc"))}


def test_build_requirements_are_pinned_and_hashed() -> None:
    """`make` and the image build with what the locks hold, pip and uv with the same versions."""
    requires = _pyproject()["build-system"]["requires"]
    assert all(PIN.match(requirement) for requirement in requires)
    used = {requirement for requirement in requires if not requirement.startswith("editables")}
    assert used <= _pins("requirements_build.lock")


@pytest.mark.parametrize("folder", NPM_FOLDERS, ids=lambda folder: folder.name)
def test_npm_lock_is_exact_and_names_no_registry(folder: Path) -> None:
    wanted = json.loads((folder / "package.json").read_text(encoding="utf-8"))["dependencies"]
    text = (folder / "package-lock.json").read_text(encoding="utf-8")
    packages = json.loads(text)["packages"]
    assert "://" not in text
    assert packages.pop("")["dependencies"] == wanted
    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
