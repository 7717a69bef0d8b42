"""A load is there as a whole or not at all, whatever happens to its process, and beside others."""

import json
import os
import random
import shutil
import sqlite3
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.etl_pipeline import run_etl
from pipeline.settings import load_settings
from pipeline.simulate import write_csv

if os.name == "nt":
    pytest.skip("kill -9 and forks are of POSIX", allow_module_level=True)

from tests.pipeline.loading_process import Loading

ROWS = 200_000
KILLS = 10


@dataclass(frozen=True)
class State:
    """What is in the tables."""

    readings: int
    rejects: int
    loads: int
    changes: int
    warmest: float


def state(database: Path) -> State:
    """The state of a database, which must be sound and agree with its ledger."""
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        ledger = connection.execute("SELECT status, accepted, rejected FROM sensor_data_loads")
        loads = ledger.fetchall()
        counts = [
            connection.execute(f"SELECT count(*) FROM sensor_data{table}").fetchone()[0]  # noqa: S608
            for table in ("", "_rejects", "_changes")
        ]
        (warmest,) = connection.execute("SELECT max(temperature) FROM sensor_data").fetchone()
    assert {status for status, _, _ in loads} == {"complete"}
    assert counts[0] == max(accepted for _, accepted, _ in loads)
    assert counts[1] == sum(rejected for _, _, rejected in loads)
    assert counts[2] == len(loads)
    return State(counts[0], counts[1], len(loads), counts[2], warmest)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A large file with faults, and a database with its beginning, the times of which it has."""
    made = tmp_path_factory.mktemp("interrupted")
    write_csv(made / "large.csv", ROWS, fault_rate=0.01)
    with (made / "large.csv").open("rb") as large:
        beginning = b"".join(next(large) for _ in range(1000))
    (made / "small.csv").write_bytes(beginning.replace(b"uptime", b"UPTIME"))
    settings = load_settings(database_url=f"sqlite:///{made}/old.db")
    run_etl([str(made / "small.csv")], settings=settings)
    return made


@pytest.fixture
def database(folder: Path, tmp_path: Path) -> Path:
    return shutil.copy(folder / "old.db", tmp_path / "readings.db")


def anew(folder: Path, database: Path) -> None:
    for name in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            database.with_name(database.name + name).unlink()
    shutil.copy(folder / "old.db", database)


@pytest.fixture
def seconds(folder: Path, database: Path) -> float:
    """How long an undisturbed load takes."""
    loading = Loading(folder / "large.csv", database)
    start = time.perf_counter()
    loading.begin()
    assert loading.finish() == 0
    return time.perf_counter() - start


def test_killed_at_any_moment_a_load_leaves_the_old_state_or_the_new_one(
    folder: Path, database: Path, seconds: float
) -> None:
    old, new = state(folder / "old.db"), state(database)
    assert (old.loads, new.loads) == (1, 2)
    assert new.readings > 0.98 * ROWS
    seed = random.randrange(10**6)  # noqa: S311  # moments, not secrets
    moments = random.Random(seed)  # noqa: S311
    found = []
    for _ in range(KILLS):
        anew(folder, database)
        loading = Loading(folder / "large.csv", database)
        loading.begin()
        time.sleep(moments.uniform(0, seconds))
        loading.kill()
        found.append(state(database))
    assert set(found) <= {old, new}, f"seed {seed}"
    assert old in found, f"seed {seed}: no kill came before the end"
    # And the next one goes on as if nothing had been.
    loading = Loading(folder / "large.csv", database)
    loading.begin()
    assert loading.finish() == 0
    assert state(database) == new


@pytest.mark.parametrize("fresh", [True, False], ids=["new database", "old database"])
def test_two_processes_that_load_overlapping_files_at_once(
    fresh: bool, folder: Path, database: Path, tmp_path: Path
) -> None:
    if fresh:
        database = tmp_path / "fresh.db"
    lines = (folder / "large.csv").read_text().splitlines(keepends=True)
    parts = {"first.csv": lines[1:30_000], "second.csv": lines[20_000:50_000]}
    for name, part in parts.items():
        (tmp_path / name).write_text(lines[0] + "".join(part))
    both = [Loading(tmp_path / name, database) for name in parts]
    for loading in both:
        loading.begin()
    assert [loading.finish() for loading in both] == [0, 0]
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        ledger = connection.execute(
            "SELECT source, accepted, rejected_by_reason, status FROM sensor_data_loads"
        ).fetchall()[0 if fresh else 1 :]
        (count,) = connection.execute("SELECT count(*) FROM sensor_data").fetchone()
    assert {Path(source).name for source, *_ in ledger} == set(parts)
    assert {status for *_, status in ledger} == {"complete"}
    for source, accepted, rejected, _ in ledger:
        read = len(parts[Path(source).name])
        assert accepted + sum(json.loads(rejected).values()) == read
    assert 0.98 * 50_000 < count <= 50_000
