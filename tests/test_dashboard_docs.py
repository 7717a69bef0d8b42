"""docs/dashboard.md says of the keyboard what the page does."""

import re

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
