"""Where the tests' Chromium comes from: installed once, in one step, or clearly refused."""

import os
import platform
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.services import chromium as provider
from tests.services.chromium import BrowserUnavailable, Chromium, chromium


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SMART_SENSOR_CHROMIUM", raising=False)
    monkeypatch.setattr(provider, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    return tmp_path / "cache"


def test_many_at_once_install_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The workers of pytest-xdist start at the same time."""
    installed: list[Path] = []

    def install(target: Path) -> None:
        installed.append(target)
        time.sleep(0.05)
        target.mkdir()

    monkeypatch.setattr(provider, "_install", install)
    with ThreadPoolExecutor(4) as pool:
        folders = [pool.submit(provider._installed) for _ in range(4)]
    assert len(installed) == 1
    assert {folder.result() for folder in folders} == set(installed)


def test_failed_installation_leaves_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: Path) -> None:
        raise BrowserUnavailable("no network")

    monkeypatch.setattr(provider, "_npm", fail)
    with pytest.raises(BrowserUnavailable, match="no network"):
        chromium()
    assert [path.name for path in cache.iterdir()] == ["lock"]


def test_new_lock_file_replaces_the_old_browser(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cache / "0123456789abcdef").mkdir(parents=True)
    monkeypatch.setattr(provider, "_npm", lambda folder: None)
    monkeypatch.setattr(provider, "_inflate", lambda archive, target: target.touch())
    monkeypatch.setattr(provider, "_unpack", lambda archive, folder: None)
    folder = provider._installed()
    assert sorted(path.name for path in cache.iterdir()) == sorted([folder.name, "lock"])
    assert os.access(folder / "chromium", os.X_OK)


@pytest.mark.parametrize(
    ("starts", "expected"),
    [
        pytest.param([True], {"FONTCONFIG_FILE"}, id="system has the libraries"),
        pytest.param([False, True], {"FONTCONFIG_FILE", "LD_LIBRARY_PATH"}, id="it lacks one"),
    ],
)
def test_packaged_libraries_only_where_they_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, starts: list[bool], expected: set[str]
) -> None:
    answers = iter(starts)
    monkeypatch.setattr(provider, "_starts", lambda executable, environment: next(answers))
    assert set(provider._environment(tmp_path)) == expected


def test_chromium_that_never_starts_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "_starts", lambda executable, environment: False)
    with pytest.raises(BrowserUnavailable, match="does not start"):
        provider._environment(tmp_path)


def test_other_systems_are_told_what_to_set(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    with pytest.raises(BrowserUnavailable, match="SMART_SENSOR_CHROMIUM"):
        chromium()


def test_named_executable_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMART_SENSOR_CHROMIUM", "/opt/chrome")
    assert chromium() == Chromium(Path("/opt/chrome"))
