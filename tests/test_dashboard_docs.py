"""docs/dashboard.md says of the keyboard what the page does, and of benchmarks what they take."""

import re

import pytest

from tests.documented import unknown_options
from tests.services.server import ROOT

TEXT = (ROOT / "docs" / "dashboard.md").read_text(encoding="utf-8")
SCRIPT = (ROOT / "dashboard" / "static" / "main.js").read_text(encoding="utf-8")


def test_every_key_is_in_the_table() -> None:
    keyboard = re.sub(r"\s+", " ", SCRIPT.partition("new Keyboard([")[2].partition("]);")[0])
    bound = [
        (re.findall(r'"([^"]+)"', keys), does)
        for keys, does in re.findall(r'keys: \[((?:"[^"]*"(?:, )?)+)\], does: "([^"]+)"', keyboard)
    ]
    assert len(bound) == keyboard.count("keys:")
    rows = re.findall(r"^\| (`\S+`(?: `\S+`)*) \| (.+) \|$", TEXT.partition("## Keyboard")[2], re.M)
    assert [(re.findall(r"`(\S+)`", keys), does) for keys, does in rows] == bound


@pytest.mark.parametrize(
    "command", re.findall(r"^    \.venv/bin/python (benchmarks/.+)$", TEXT, re.MULTILINE)
)
def test_the_benchmarks_take_their_arguments(command: str) -> None:
    assert unknown_options(command) == []
