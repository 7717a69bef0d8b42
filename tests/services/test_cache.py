"""Costly folders are made once, in one step, or not at all."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.services.cache import cached, digest


def _fill(built: Path) -> None:
    (built / "file").write_text("content", encoding="utf-8")


def test_many_at_once_make_it_once(tmp_path: Path) -> None:
    """The workers of pytest-xdist start at the same time."""
    made: list[Path] = []

    def fill(built: Path) -> None:
        made.append(built)
        time.sleep(0.05)
        _fill(built)

    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(cached, tmp_path / "cache", "key", fill) for _ in range(4)]
    assert len(made) == 1
    assert {folder.result() for folder in found} == {tmp_path / "cache" / "key"}
    assert (tmp_path / "cache" / "key" / "file").read_text(encoding="utf-8") == "content"


def test_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail(built: Path) -> None:
        _fill(built)
        raise RuntimeError("no network")

    with pytest.raises(RuntimeError, match="no network"):
        cached(tmp_path, "key", fail)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_new_key_replaces_the_old_folder(tmp_path: Path) -> None:
    for key in ("old", "new"):
        cached(tmp_path, key, _fill)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "new"]


def test_digest_depends_on_texts_and_contents(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("a", encoding="utf-8")
    first = digest("x", path)
    assert first == digest("x", path)
    assert first != digest("y", path)
    path.write_text("b", encoding="utf-8")
    assert first != digest("x", path)
