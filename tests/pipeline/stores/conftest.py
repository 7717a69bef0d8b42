"""What the tests of the store share: loads of a few lines, and a look with plain SQL."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pipeline.etl_pipeline import run_etl
from pipeline.rig import Rig
from pipeline.settings import load_settings
from pipeline.summary import SourceSummary

HEADER = "timestamp,temperature,pressure,uptime"
CLEAN = "".join(f"2025-07-13T00:{n:02}:00Z,{20 + n},1000,{n}\n" for n in range(5))
DIRTY = "2025-07-13T00:30:00Z,x,1000,1\n\n2025-07-13T00:01:00Z,20,1000,1\n1,2\n,20,1000,1\n"

Sql = Callable[..., list[tuple[Any, ...]]]
Load = Callable[..., SourceSummary]


@pytest.fixture
def sql(home: Path) -> Sql:
    """What plain SQL says of the database."""

    def ask(statement: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(home / "processed.db")) as connection, connection:
            return connection.execute(statement, values).fetchall()

    return ask


@pytest.fixture
def load(home: Path, rig: Rig) -> Load:
    """Load a text as a file."""

    def run(rows: str, name: str = "x.csv", rig: Rig = rig, **options: Any) -> SourceSummary:
        (home / name).write_text(rows if rows.startswith("timestamp") else f"{HEADER}\n{rows}")
        used = load_settings(**options.pop("settings", {}))
        (source,) = run_etl([str(home / name)], settings=used, rig=rig, **options).sources
        return source

    return run
