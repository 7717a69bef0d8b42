"""Tables that somebody else has made, and what becomes of them."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from pipeline.settings import Settings, default_rig_file, load_settings
from pipeline.stores import open_store
from pipeline.timestamps import to_microseconds
from tests.pipeline.stores.conftest import Sql

OURS = {
    f"sensor_data{suffix}"
    for suffix in (
        "",
        "_changes",
        "_loads",
        "_migrations",
        "_rejects",
        "_rigs",
        "_rollups",
        "_tokens",
    )
}
SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
# Where TimescaleDB can do nothing but what PostgreSQL does.
TWO = pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
SERVERS = pytest.mark.parametrize("database_url", ["postgres", "timescale"], indirect=True)
START = to_microseconds(datetime(2025, 7, 13, tzinfo=UTC))
MINUTE = 60_000_000


def content(settings: Settings, table: str = "sensor_data") -> list[str]:
    """The rows of a table as the driver gives them."""
    engine = sa.create_engine(settings.database_url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        return sorted(
            map(repr, connection.execute(sa.select(sa.text("*")).select_from(sa.table(table))))
        )


def made(rows: int = 4, **columns: Any) -> pd.DataFrame:
    """A frame as a notebook makes it: naive times, numbers."""
    values = {
        "timestamp": pd.date_range("2025-07-13", periods=rows, freq="min"),
        "temperature": [20.0 + n for n in range(rows)],
        "pressure": [1000.0] * rows,
        "uptime": list(range(rows)),
    }
    return pd.DataFrame({**values, **columns})


def adopted(settings: Settings) -> None:
    open_store(settings).close()


def of_rig(home: Path, *entries: str) -> Settings:
    """Settings with the default rig, of which some entries are different."""
    text = default_rig_file().read_text()
    for entry in entries:
        name = entry.partition(" =")[0]
        text = re.sub(rf"(?m)^(# )?{name} = .*$", entry, text, count=1)
    (home / "own.toml").write_text(text)
    return load_settings(rig_file=home / "own.toml")


def fates(sql: Sql, table: str = "sensor_data") -> tuple[list[int], dict[int, str]]:
    """Minutes of the readings after START, and the reason of each rejected line."""
    readings = sql(f"SELECT timestamp FROM {table} ORDER BY timestamp")  # noqa: S608  # ours
    rejects = sql(f"SELECT line, reason FROM {table}_rejects ORDER BY line")  # noqa: S608  # ours
    ledger = sql(f"SELECT rows_read, accepted, rejected FROM {table}_loads")  # noqa: S608  # ours
    assert ledger == [(len(readings) + len(rejects), len(readings), len(rejects))]
    return [(moment - START) // MINUTE for (moment,) in readings], dict(rejects)
