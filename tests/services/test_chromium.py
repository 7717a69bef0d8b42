"""Where the tests' Chromium comes from: installed once, in one step, or clearly refused."""

import os
import platform
import sys
from pathlib import Path

import pytest

from tests.services import ServiceUnavailable, npm
from tests.services import chromium as provider
from tests.services.chromium import BrowserUnavailable, Chromium, chromium


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SMART_SENSOR_CHROMIUM", raising=False)
    monkeypatch.setattr(provider, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    return tmp_path / "cache"


def test_failed_installation_says_why(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: Path, folder: Path) -> None:
        raise ServiceUnavailable("no network")

    monkeypatch.setattr(npm, "install", fail)
    with pytest.raises(ServiceUnavailable, match="no network"):
        chromium()


def test_installed_browser_is_executable(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npm, "install", lambda source, folder: None)
    monkeypatch.setattr(provider, "_inflate", lambda archive, target: target.touch())
    monkeypatch.setattr(provider, "_unpack", lambda archive, folder: None)
    folder = provider._installed()
    assert folder.parent == cache / "chromium"
    assert sorted(path.name for path in folder.iterdir()) == ["chromium", "fonts.conf"]
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
