"""The README's pictures are those that the script takes, and small enough to be looked at."""

import struct
from pathlib import Path

import pytest

from tests.services.server import ROOT
from tools.screenshots import DOCS, MOST_BYTES, PICTURES, Picture

README = (ROOT / "README.md").read_text(encoding="utf-8")


def size_of(path: Path) -> tuple[int, int]:
    """Width and height, from the header of a PNG file (PNG specification, 11.2.2)."""
    head = path.read_bytes()[:24]
    assert head.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", head[16:])
    return width, height


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture_is_in_the_readme_as_it_was_taken(picture: Picture) -> None:
    path = DOCS / picture.name
    assert f"docs/{picture.name}" in README
    assert path.stat().st_size <= MOST_BYTES
    scaled = (picture.width * picture.scale, picture.height * picture.scale)
    assert size_of(path) == scaled


def test_there_are_no_others() -> None:
    assert {path.name for path in DOCS.glob("*.png")} == {picture.name for picture in PICTURES}
