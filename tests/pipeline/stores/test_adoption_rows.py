"""Whatever stands in a table, each row of it ends where the same row of a file does."""

import csv
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.db_utils import dispose_engines
from pipeline.errors import ForeignTableError
from pipeline.etl_pipeline import run_etl
from pipeline.settings import load_settings
from pipeline.stores import open_store

COLUMNS = ("timestamp", "temperature", "pressure", "uptime")
START = 1_752_364_800
times = st.one_of(
    st.integers(START, START + 5),
    st.integers(0, 5).map(lambda second: f"2025-07-13 00:00:0{second}"),
    st.integers(0, 5).map(lambda second: f"2025-07-13T02:00:0{second}.000000+02:00"),
    st.sampled_from([None, "", "soon", "2025-02-30 00:00:00", 1752364800.5]),
)
numbers = st.one_of(
    st.floats(900, 1100),
    st.integers(900, 1100),
    st.floats(900, 1100).map(str),
    st.sampled_from([None, "", "NA", "x", 5, 5000.0, float("inf"), float("-inf")]),
)
# Temperatures have another valid range.
warmth = st.one_of(st.floats(0, 150), st.integers(0, 150), st.sampled_from([None, "x", 151]))
rows = st.lists(st.tuples(times, warmth, numbers, st.integers(-1, 9)), min_size=1, max_size=12)


@contextmanager
def database(folder: Path, name: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(f"sqlite:///{folder / name}", poolclass=sa.NullPool)
    with engine.begin() as connection:
        yield connection


def stored(folder: Path, name: str) -> tuple[list[Any], list[Any]]:
    """Readings as they are, and which line was rejected for which reason and with which words."""
    with database(folder, name) as connection:
        readings = "SELECT * FROM sensor_data ORDER BY rig, timestamp"
        # A file's first row stands on its second line.
        rejects = "SELECT line, timestamp, reason FROM sensor_data_rejects ORDER BY line"
        return (
            list(map(tuple, connection.exec_driver_sql(readings))),
            list(map(tuple, connection.exec_driver_sql(rejects))),
        )


@settings(max_examples=25)
@given(rows)
def test_a_table_and_a_file_with_the_same_rows(rows: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "rows.csv").open("w", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *rows])
        with database(folder, "table.db") as connection:
            connection.exec_driver_sql(f"CREATE TABLE sensor_data ({', '.join(COLUMNS)})")
            insert = "INSERT INTO sensor_data VALUES (?, ?, ?, ?)"
            connection.exec_driver_sql(insert, rows)
        of_file = load_settings(database_url=f"sqlite:///{folder / 'file.db'}")
        of_table = load_settings(database_url=f"sqlite:///{folder / 'table.db'}")
        run_etl([str(folder / "rows.csv")], settings=of_file)
        expected, rejected = stored(folder, "file.db")
        if not expected:
            with pytest.raises(ForeignTableError, match=rf"none of its {len(rows)} rows? is"):
                open_store(of_table)
        else:
            with closing(open_store(of_table)):
                readings, rejects = stored(folder, "table.db")
            assert len(readings) + len(rejects) == len(rows)
            assert readings == expected
            assert rejects == [(line - 1, *rest) for line, *rest in rejected]
        dispose_engines()
