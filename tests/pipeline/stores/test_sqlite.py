"""What is particular to SQLite: how times are stored, and a view for people."""

from datetime import UTC, datetime

import pytest

from pipeline.rig import parse_rig
from tests.pipeline.stores.conftest import CLEAN, Load, Sql

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

START = datetime(2025, 7, 13, tzinfo=UTC)


def microseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


def test_readings_are_rows_with_integer_microseconds(load: Load, sql: Sql) -> None:
    load("2025-07-13T00:00:00Z,20,1000,0.5\n2025-07-13T00:01:00Z,90,1001,1\n")
    names = "rig, timestamp, temperature, pressure, uptime, temperature_alert, pressure_alert"
    first, second = sql(f"SELECT {names} FROM sensor_data ORDER BY timestamp")  # noqa: S608
    assert first == ("rig-1", microseconds(START), 20.0, 1000.0, 0.5, "normal", "normal")
    assert second[5] == "red"
    (key,) = sql("SELECT group_concat(name) FROM pragma_table_info('sensor_data') WHERE pk")
    assert key == ("rig,timestamp",)


def test_the_readable_view_has_times_as_text(load: Load, sql: Sql) -> None:
    load(
        "-1,20,1000,1\n0,20,1000,1\n2025-07-13T00:00:00.000005Z,20,1000,1\n"
        "1969-12-31T23:59:59.25Z,20,1000,1\n0001-01-01T00:00:00Z,20,1000,1\n"
        "9999-12-31T23:59:59.999999Z,20,1000,1\n"
    )
    assert [row[0] for row in sql("SELECT timestamp FROM sensor_data_readable")] == [
        "0001-01-01T00:00:00.000000Z",
        "1969-12-31T23:59:59.000000Z",
        "1969-12-31T23:59:59.250000Z",
        "1970-01-01T00:00:00.000000Z",
        "2025-07-13T00:00:00.000005Z",
        "9999-12-31T23:59:59.999999Z",
    ]


def test_the_view_shows_the_channels_of_a_rig_that_came_later(load: Load, sql: Sql) -> None:
    load(CLEAN)
    load("timestamp,flow\n1,2.5\n", "y.csv", parse_rig('name = "f"\n[channels.flow]', "test"))
    assert sql("SELECT rig, flow, temperature FROM sensor_data_readable WHERE rig = 'f'") == [
        ("f", 2.5, None)
    ]
