"""What the tests of moving share: databases with everything in them, and a look at all of it."""

import itertools
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.etl_pipeline import run_etl
from pipeline.rig import Rig
from pipeline.settings import Settings, load_settings
from pipeline.stores import Store, open_store
from pipeline.stores.base import SourceIdentity
from pipeline.stores.records import TABLES
from tests.conftest import ROOT

HEADER = "timestamp,temperature,pressure,uptime,rig"
RECORDING = ROOT / "tests" / "data" / "KNSB_250220_pressure_raw.csv"

Tables = dict[str, pl.DataFrame]
Fill = Callable[[str], Tables]


def settings_of(url: str) -> Settings:
    """Settings for a database: TimescaleDB in the tests has one session at a time."""
    return load_settings(database_url=url, database_pool_size=0 if "sslmode" in url else 8)


def opened(url: str) -> Any:
    """A store that is closed at the end of the block."""
    return closing(open_store(settings_of(url)))


def everything(url: str) -> Tables:
    """All tables of a database, which must be sound."""
    with opened(url) as store:
        assert [each for each in store.check(deep=True) if each.wrong] == []
        return tables(store)


def tables(store: Store) -> Tables:
    with store.snapshot() as records:
        return {
            name: pl.concat([pl.DataFrame(schema=records.columns(name)), *records.frames(name)])
            for name in TABLES
        }


def assert_same(found: Tables, expected: Tables, *names: str) -> None:
    """Row by row and value by value; columns may stand in another order."""
    for name in names or TABLES:
        left, right = found[name], expected[name]
        assert sorted(left.columns) == sorted(right.columns)
        assert left.select(right.columns).equals(right), name


@pytest.fixture(autouse=True)
def one_session(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands, too, leave no connection behind that keeps out the next one."""
    monkeypatch.setenv("DATABASE_POOL_SIZE", "0")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, rig: Rig, static_fire: Rig) -> Path:
    """A SQLite file with a bit of everything."""
    path = tmp_path_factory.mktemp("template") / "filled.db"
    _fill(f"sqlite:///{path}", path.parent, rig, static_fire)
    return path


@pytest.fixture
def fill(home: Path, rig: Rig, static_fire: Rig, template: Path) -> Fill:
    """Put a bit of everything into a database: rigs, rejects, replaced and superseded loads."""

    def run(url: str) -> Tables:
        for name in ("a.csv", "b.csv"):
            shutil.copy(template.with_name(name), home)
        if url.startswith("sqlite:///"):
            copy = Path(url.removeprefix("sqlite:///"))
            shutil.copy(template, copy)
            with closing(sqlite3.connect(copy)) as connection, connection:
                # Another database than the template.
                connection.execute(
                    "UPDATE sensor_data_migrations SET applied_at = ?", (next(_now),)
                )
        else:
            _fill(url, home, rig, static_fire)
        return everything(url)

    return run


_now = itertools.count(1_750_000_000_000_000)


def _fill(url: str, folder: Path, rig: Rig, static_fire: Rig) -> None:
    settings = settings_of(url)
    start = datetime(2025, 7, 12, 22, tzinfo=UTC)
    rows = [
        f"{(start + timedelta(minutes=7 * n)).isoformat()},{20 + n % 50},{990 + n / 7},{n},"
        f"rig-{1 + n % 2}"
        for n in range(120)
    ]
    files = {
        "a.csv": [HEADER, *rows, "yesterday,1,1,1,rig-1", f"{start.isoformat()},x,1,1,rig-1"],
        "b.csv": [HEADER, "1969-12-31T23:59:59.999999Z,20,1000,0,rig-é ' \"", *rows[:30]],
    }
    for name, lines in files.items():
        (folder / name).write_text("\n".join(lines), encoding="utf-8")
        run_etl([str(folder / name)], settings=settings, rig=rig)
    run_etl([str(folder / "b.csv")], settings=settings, rig=rig, force=True)
    run_etl([str(RECORDING)], settings=settings, rig=static_fire)
    with opened(url) as store:
        store.begin_live(SourceIdentity("live", None, rig, "{}"))
