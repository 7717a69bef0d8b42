"""Files that clients send, as processes hand them to each other: without a server."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from dashboard.uploads import Upload, Uploads
from pipeline.errors import NothingFoundError

WANTED = {"job": "1", "created_at": "2026-01-01T00:00:00.000000+00:00"}


@pytest.fixture
def uploads(tmp_path: Path) -> Iterator[Uploads]:
    found = opened(tmp_path)
    yield found
    found.close()


def opened(folder: Path) -> Uploads:
    found = Uploads(folder, 1 << 20)
    assert found.open() == []
    return found


def received(uploads: Uploads, content: bytes = b"content") -> Upload:
    async def pieces() -> AsyncIterator[bytes]:
        yield content

    return asyncio.run(uploads.receive(pieces(), "x.csv", len(content)))


def dies(uploads: Uploads) -> None:
    """As when its process is killed: only its lock is gone."""
    assert uploads._owner
    uploads._owner.close()


def test_a_file_that_was_taken_is_not_kept_on(uploads: Uploads) -> None:
    """A preview that ends after somebody has begun to load its file."""
    file = received(uploads)
    uploads.keep(file)
    previewed = uploads.kept(file.id)
    taken = uploads.take(file.id)
    uploads.note(taken, WANTED)
    uploads.keep_on(previewed)
    with pytest.raises(NothingFoundError):
        uploads.kept(file.id)
    for _ in range(9):
        uploads.keep(received(uploads))
    assert taken.path.read_bytes() == b"content"


@pytest.mark.parametrize("step", ["os.link", "pathlib.Path.rename", "shutil.rmtree"])
def test_a_take_over_that_is_interrupted_loses_nothing(tmp_path: Path, step: str) -> None:
    first = opened(tmp_path)
    first.note(received(first), WANTED)
    dies(first)
    second = Uploads(tmp_path, 1 << 20)
    with patch(step, side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        second.open()
    dies(second)
    third = Uploads(tmp_path, 1 << 20)
    ((file, wanted),) = third.open()
    assert (file.path.read_bytes(), wanted) == (b"content", WANTED)
    third.close()


def test_what_cannot_be_moved_waits_for_the_next_start(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.note(received(first), WANTED)
    dies(first)
    with patch("os.link", side_effect=OSError), patch("shutil.copyfile", side_effect=OSError):
        second = opened(tmp_path)
    dies(second)
    third = Uploads(tmp_path, 1 << 20)
    assert len(third.open()) == 1
    third.close()


def test_an_id_is_no_path(uploads: Uploads) -> None:
    for upload_id in ("../../etc/passwd", "*", "", "a" * 65, "..", "x/y"):
        with pytest.raises(NothingFoundError):
            uploads.kept(upload_id)
