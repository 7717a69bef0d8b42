"""Commands killed with -9 at any moment: nothing is lost, and the next one ends right."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.etl_pipeline import run_etl
from pipeline.simulate import write_csv
from tests.pipeline.transfer.conftest import (
    Tables,
    assert_same,
    everything,
    settings_of,
)

if os.name == "nt":
    pytest.skip("kill -9 and forks are of POSIX", allow_module_level=True)

from tests.pipeline.child_process import command, moments

ROWS = 60_000
KILLS = 4


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database of two months of readings, with faults."""
    folder = tmp_path_factory.mktemp("killed")
    write_csv(
        folder / "x.csv",
        ROWS,
        interval=timedelta(seconds=90),
        start=datetime(2025, 1, 1, tzinfo=UTC),
        fault_rate=0.01,
    )
    url = f"sqlite:///{folder / 'source.db'}"
    run_etl([str(folder / "x.csv")], settings=settings_of(url))
    return url


@pytest.fixture(scope="module")
def expected(source: str) -> Tables:
    return everything(source)


@pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
def test_a_killed_copy_goes_on_and_ends_right(
    source: str, expected: Tables, database_url: str
) -> None:
    for moment in moments(1.0, KILLS):
        running = command(source, "migrate", "--to", database_url)
        time.sleep(moment)
        running.kill()
    command(source, "migrate", "--to", database_url).finish()
    assert_same(everything(database_url), expected)


@pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
def test_a_killed_restore_leaves_the_old_state_or_the_new_one(
    source: str, expected: Tables, database_url: str, tmp_path: Path
) -> None:
    backup = tmp_path / "x.zip"
    assert command(source, "backup", str(backup)).finish() == 0
    (tmp_path / "old.csv").write_text(
        "timestamp,temperature,pressure,uptime\n2031-01-01T00:00:00Z,20,1000,1\n"
    )
    run_etl([str(tmp_path / "old.csv")], settings=settings_of(database_url))
    old = everything(database_url)
    for moment in moments(1.0, KILLS):
        running = command(database_url, "restore", str(backup), "--replace", "--yes")
        time.sleep(moment)
        running.kill()
        found = everything(database_url)
        assert_same(found, old if found["readings"].height == 1 else expected, "readings", "loads")
    assert command(database_url, "restore", str(backup), "--replace", "--yes").finish() == 0
    assert_same(everything(database_url), expected, "readings", "loads", "rejects", "rigs")


def test_a_killed_backup_or_export_leaves_no_file(source: str, tmp_path: Path) -> None:
    for name, verb in (("x.zip", "backup"), ("x.parquet", "export")):
        running = command(source, verb, str(tmp_path / name))
        time.sleep(0.1)
        running.kill()
        assert not (tmp_path / name).exists()
        assert command(source, verb, str(tmp_path / name)).finish() == 0
        assert (tmp_path / name).exists()


@pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
def test_a_killed_prune_is_accounted_for(source: str, expected: Tables, database_url: str) -> None:
    assert command(source, "migrate", "--to", database_url).finish() == 0
    for moment in moments(0.4, KILLS):
        running = command(database_url, "prune", "--older-than", "1h", "--yes")
        time.sleep(moment)
        running.kill()
        everything(database_url)  # is sound
    assert command(database_url, "prune", "--older-than", "1h", "--yes").finish() == 0
    found = everything(database_url)
    assert found["readings"].is_empty()
    assert found["loads"]["readings_pruned"].sum() == expected["readings"].height
