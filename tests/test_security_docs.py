"""docs/security.md: its examples are run, and what it names exists."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.settings import Settings
from tests.conftest import ROOT, Command
from tests.dashboard import made
from tests.dashboard.conftest import asked
from tests.dashboard.test_access_network import EVERYWHERE, own_address, token_for

TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"```(sh|python)\n(.*?)```", TEXT, re.DOTALL))


@pytest.mark.skipif(own_address() is None, reason="this machine has no network")
def test_the_examples_read_where_a_token_is_needed(tmp_path: Path) -> None:
    made.load(tmp_path / "readings.db", made.plain_csv(tmp_path / "plain.csv", 10))
    server = asked(tmp_path, host=EVERYWHERE, require_token_to_read=True)
    first = next(server)
    token = token_for(first, "docs", "read")
    variables = {"SERVER": f"{own_address()}:{first.server.port}", "TOKEN": token}
    environment = {**os.environ, **variables}
    for command in (["bash", "-c", BLOCKS["sh"]], [sys.executable, "-c", BLOCKS["python"]]):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert '"total_records":10' in done.stdout
    next(server, None)


def test_the_commands_work(smart_sensor: Command) -> None:
    commands = re.findall(r"^    smart-sensor (.+)$", TEXT, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        assert smart_sensor(*command.split()).code == 0, command


def test_names_and_links_exist() -> None:
    settings = {name.upper() for name in Settings.model_fields}
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)(?:=\w+)?`", TEXT))
    assert len(named) == 6
    assert named <= settings
    links = [link for link in re.findall(r"\]\(([^)#]+)", TEXT) if not link.startswith("http")]
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
