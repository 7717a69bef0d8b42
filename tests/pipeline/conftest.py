"""What the tests of the command share: files in the project folder, and what `--json` says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Command

Json = Callable[..., Any]


@pytest.fixture
def write(home: Path) -> Callable[[str, str | bytes], Path]:
    """Make a file in the project folder."""

    def make(name: str, content: str | bytes) -> Path:
        raw = content.encode() if isinstance(content, str) else content
        (home / name).write_bytes(raw)
        return home / name

    return make


@pytest.fixture
def loaded(smart_sensor: Command) -> Json:
    """Run `etl --json`, which has to succeed, and give what it prints."""

    def run(*arguments: object) -> Any:
        finished = smart_sensor("etl", "--json", *arguments)
        assert finished.code == 0, finished.err
        return json.loads(finished.out)

    return run
