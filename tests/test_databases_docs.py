"""docs/databases.md: its settings, URLs, versions and commands are those of the code."""

import os
import re
import subprocess
import sys

import pytest

from pipeline.settings import Settings, load_settings
from pipeline.stores import postgres, timescale
from tests.documented import unknown_options
from tests.test_locks import ROOT

TEXT = (ROOT / "docs" / "databases.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    \.venv/bin/python (benchmarks/.+)$", TEXT, re.MULTILINE)


def test_every_setting_of_a_database_has_a_row_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| `?([^`|]*?)`? \|", TEXT, re.MULTILINE))
    fields = Settings.model_fields
    named = {name for name in fields if name.startswith("database_") or name == "timescale"}
    assert set(rows) == {name.upper() for name in named - {"database_url"}}
    for name, default in rows.items():
        value = fields[name.lower()].default
        shown = {None: "none", True: "true", False: "false"}.get(value, str(value))
        assert default == shown, name


@pytest.mark.parametrize("url", re.findall(r"^    DATABASE_URL=(.+)$", TEXT, re.MULTILINE))
def test_the_urls_are_accepted(url: str) -> None:
    assert load_settings(database_url=url).database_url.endswith(url.rpartition("/")[2])


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_schemes_that_mean_the_same(scheme: str) -> None:
    assert f"`{scheme}://`" in TEXT
    url = load_settings(database_url=f"{scheme}://user@host/database").database_url
    assert url == "postgresql+psycopg://user@host/database"


def test_the_oldest_versions_are_those_that_are_accepted() -> None:
    assert f"{postgres._OLDEST} or newer |" in TEXT
    oldest, direct = (
        ".".join(map(str, version)) for version in (timescale._OLDEST, timescale._DIRECT_COMPRESS)
    )
    assert f"{oldest} or newer ({direct} for a first load" in TEXT


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)(?:#([^)]+))?\)", TEXT)
    headings = re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    assert "Locks" in headings, "the table links to it"
    assert [link for link, _ in links if not (ROOT / "docs" / link).exists()] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_the_benchmarks_know_their_options(command: str) -> None:
    assert unknown_options(command) == []


@pytest.mark.skipif(os.name == "nt", reason="the benchmark counts memory as POSIX systems do")
def test_a_benchmark_prints_both_ways_and_the_limit() -> None:
    script = [sys.executable, ROOT / "benchmarks" / "etl.py", "--rows", "2000", "--repeat", "1"]
    done = subprocess.run(script, capture_output=True, text=True, check=True)
    figures = r" +[\d.]+ +[\d.]+ +[\d,]+ +\d+ +2,000 +\d+"
    rows = re.findall(rf"^(usual|ours){figures}$", done.stdout, re.MULTILINE)
    assert rows == ["usual", "ours"]
    assert re.search(r"^ours is [\d.]+ times as fast", done.stdout, re.MULTILINE)
    assert re.search(r"reaches [\d.]+ of the database's own limit", done.stdout)
