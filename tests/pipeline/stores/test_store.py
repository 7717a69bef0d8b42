"""The store: what a load leaves behind, and what happens when the database is in the way."""

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl
import pytest

from pipeline.errors import RigError
from pipeline.rig import Rig, parse_rig
from pipeline.settings import Settings, default_rig_file, load_settings
from pipeline.stores import Store, open_store
from pipeline.stores.base import Range
from pipeline.streaming import LiveWriter
from tests.pipeline.stores.conftest import CLEAN, DIRTY, Load, Sql

START = datetime(2025, 7, 13, tzinfo=UTC)
DEFAULT = default_rig_file().read_text()
COLDER = parse_rig(DEFAULT.replace("high = 80", "high = 20.5"), "colder")


def microseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


def test_the_ledger_equals_the_tables(load: Load, sql: Sql) -> None:
    summary = load(CLEAN + DIRTY)
    ((ledger_id, status, read, accepted, rejected, reasons, first, last),) = sql(
        "SELECT id, status, rows_read, accepted, rejected, rejected_by_reason, first_timestamp,"
        " last_timestamp FROM sensor_data_loads"
    )
    assert (ledger_id, status, read) == (summary.load_id, "complete", summary.rows_read)
    assert accepted + rejected == read == 9
    assert sql("SELECT count(*), min(timestamp), max(timestamp) FROM sensor_data") == [
        (accepted, first, last)
    ]
    grouped = "SELECT reason, count(*) FROM sensor_data_rejects WHERE load_id = ? GROUP BY 1"
    assert dict(sql(grouped, ledger_id)) == json.loads(reasons) == summary.rejected_by_reason
    assert sum(summary.rejected_by_reason.values()) == rejected


def test_rejects_have_source_line_reason_and_the_row_as_it_was_read(
    load: Load, sql: Sql, home: Path
) -> None:
    load(CLEAN + DIRTY)
    found = sql(
        "SELECT source, line, rig, timestamp, reason, raw FROM sensor_data_rejects ORDER BY line"
    )
    assert {row[0] for row in found} == {str(home / "x.csv")}
    at = microseconds(START)
    assert [row[1:] for row in found] == [
        (7, "rig-1", at + 1_800_000_000, "unparsable", "2025-07-13T00:30:00Z,x,1000,1"),
        (9, "rig-1", at + 60_000_000, "duplicate_timestamp", "2025-07-13T00:01:00Z,20,1000,1"),
        (10, "rig-1", None, "wrong_field_count", "1,2"),
        (11, "rig-1", None, "missing_value", ",20,1000,1"),
    ]


def test_each_load_is_one_change_with_the_next_number(load: Load, settings: Settings) -> None:
    load(CLEAN)
    load("2025-07-13T01:00:00Z,20,1000,1\n", "y.csv")
    load(CLEAN)  # again: nothing
    with closing(open_store(settings)) as store:
        changes = store.changes_after(0, 10)
        assert [(change.sequence, change.rig, change.rows) for change in changes] == [
            (1, "rig-1", 5),
            (2, "rig-1", 1),
        ]
        assert changes[0].first_timestamp == START
        assert changes[0].last_timestamp == START + timedelta(minutes=4)
        assert store.last_sequence() == 2
        assert [change.sequence for change in store.changes_after(1, 10)] == [2]
        assert [change.sequence for change in store.changes_after(0, 1)] == [1]


def test_each_rig_of_a_load_is_a_change_of_its_own(load: Load, settings: Settings) -> None:
    load("timestamp,rig,temperature,pressure,uptime\n1,a,20,1000,1\n2,b,20,1000,1\n3,a,20,1000,1\n")
    with closing(open_store(settings)) as store:
        assert {(change.rig, change.rows) for change in store.changes_after(0, 10)} == {
            ("a", 2),
            ("b", 1),
        }
        assert {stored.rig.name: stored.total_records for stored in store.rigs()} == {
            "a": 2,
            "b": 1,
        }


def test_a_load_of_which_nothing_is_accepted_is_in_the_ledger_but_no_change(
    load: Load, sql: Sql
) -> None:
    assert load(DIRTY.replace("T00:01", "TT")).status == "nothing accepted"
    assert sql("SELECT status, accepted, rejected FROM sensor_data_loads") == [
        ("nothing accepted", 0, 4)
    ]
    assert sql("SELECT count(*) FROM sensor_data_changes") == [(0,)]


def test_the_rig_is_kept_with_its_definition(load: Load, settings: Settings, rig: Rig) -> None:
    load(CLEAN)
    with closing(open_store(settings)) as store:
        (stored,) = store.rigs()
    assert stored.rig == rig
    assert (stored.total_records, stored.interval_s) == (5, 60.0)
    assert stored.first_timestamp == START
    assert stored.last_timestamp == START + timedelta(minutes=4)


def test_one_rig_is_the_same_as_among_all(load: Load, settings: Settings) -> None:
    load("timestamp,rig,temperature,pressure,uptime\n1,a,20,1000,1\n2,b,20,1000,1\n3,a,20,1000,1\n")
    with closing(open_store(settings)) as store:
        all_of_them = store.rigs(counted=False)
        assert [store.rig(each.rig.name) for each in all_of_them] == all_of_them
        assert list(store.definitions().items()) == [
            (each.rig.name, each.rig) for each in all_of_them
        ]
        assert store.rig("c") is store.rig("a\x00") is None


def test_the_first_readings_are_those_of_all(load: Load, settings: Settings, rig: Rig) -> None:
    load(CLEAN)
    with closing(open_store(settings)) as store:
        (frame,) = store.readings(Range("rig-1", START + timedelta(minutes=1)))
        first = store.first_readings(rig, Range("rig-1", START + timedelta(minutes=1)), 3)
        assert first == frame.select(*first[0]).head(3).to_dicts()
        assert set(first[0]) == {"rig", "timestamp", *rig.value_columns}
        assert store.first_readings(rig, Range("rig-1", START + timedelta(days=1)), 3) == []


def test_a_load_again_is_known_and_does_nothing(load: Load, sql: Sql) -> None:
    first = load(CLEAN + DIRTY)
    again = load(CLEAN + DIRTY)
    assert (again.status, again.load_id, again.rows_read) == ("already loaded", first.load_id, 0)
    assert sql("SELECT count(*) FROM sensor_data_loads") == [(1,)]


def test_the_same_content_under_another_name_is_known_too(load: Load) -> None:
    load(CLEAN, "a.csv")
    assert load(CLEAN, "b.csv").status == "already loaded"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"force": True}, id="forced"),
        pytest.param({"settings": {"outliers": "reject"}}, id="other settings"),
        pytest.param({"rig": COLDER}, id="other limits"),
    ],
)
def test_a_load_again_that_takes_the_place_of_the_first(
    change: dict[str, Any], load: Load, sql: Sql
) -> None:
    load(CLEAN + DIRTY)
    assert load(CLEAN + DIRTY, **change).status == "loaded"
    assert sql("SELECT id, status FROM sensor_data_loads ORDER BY id") == [
        (1, "superseded"),
        (2, "complete"),
    ]
    assert sql("SELECT DISTINCT load_id, count(*) FROM sensor_data_rejects GROUP BY 1") == [(2, 4)]
    assert sql("SELECT count(*) FROM sensor_data") == [(5,)]
    if "rig" in change:
        levels = sql("SELECT temperature_alert FROM sensor_data ORDER BY timestamp")
        assert levels[-1] == ("red",)


def test_a_load_again_takes_back_what_itself_brought_and_nothing_else(
    load: Load, sql: Sql, settings: Settings
) -> None:
    warm = "2025-07-13T00:00:00Z,140,1000,1\n2025-07-13T00:01:00Z,140,1000,1\n"
    load(warm + CLEAN[-40:].split("\n", 1)[1], "a.csv")
    load("2025-07-13T00:01:00Z,30,1000,1\n", "b.csv")
    load("2025-07-13T00:00:00Z,20,1000,1\n", "c.csv", parse_rig(DEFAULT, "x").renamed("other"))
    narrow = parse_rig(DEFAULT.replace("max = 150", "max = 100"), "narrow")
    load(warm + CLEAN[-40:].split("\n", 1)[1], "a.csv", narrow)
    assert sql("SELECT rig, temperature, load_id FROM sensor_data ORDER BY rig, timestamp") == [
        ("other", 20.0, 3),
        ("rig-1", 30.0, 2),
        ("rig-1", 24.0, 4),
    ]
    with closing(open_store(settings)) as store:
        taken_back = store.changes_after(3, 10)[0]
    assert (taken_back.rig, taken_back.rows, taken_back.first_timestamp) == ("rig-1", 0, START)


def test_a_live_source_does_not_replace_what_a_later_load_brought(
    store: Store, load: Load, sql: Sql, rig: Rig
) -> None:
    writer = LiveWriter(store, rig, "live")
    load("2025-07-13T00:00:00Z,20,1000,1\n")
    late = {"timestamp": [START], "temperature": [30.0], "pressure": [1000.0], "uptime": [1.0]}
    writer.write(pl.DataFrame(late))
    assert sql("SELECT temperature FROM sensor_data") == [(20.0,)]


def test_a_file_that_once_had_nothing_acceptable_is_tried_again(load: Load) -> None:
    assert load("x,20,1000,1\n").status == "nothing accepted"
    assert load("x,20,1000,1\n").status == "nothing accepted"


def test_an_overlapping_file_adds_what_is_new_and_replaces_what_is_not(
    load: Load, sql: Sql
) -> None:
    load(CLEAN)
    load("2025-07-13T00:04:00Z,50,1000,4\n2025-07-13T00:05:00Z,51,1000,5\n", "y.csv")
    assert sql("SELECT temperature FROM sensor_data ORDER BY timestamp") == [
        (20,), (21,), (22,), (23,), (50,), (51,),
    ]  # fmt: skip


def test_a_replaced_reading_keeps_nothing_of_the_old_one(load: Load, sql: Sql) -> None:
    one = parse_rig('name = "r"\n[channels.a]\n[channels.b]\nrequired = false', "test")
    load("timestamp,a,b\n1,1,1\n2,2,2\n", rig=one)
    load("timestamp,a\n2,5\n", "y.csv", rig=one)
    assert sql("SELECT a, b, b_zscore, b_alert FROM sensor_data ORDER BY timestamp")[1] == (
        5.0, None, None, None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "interval_s"),
    [
        pytest.param("1,1\n3,1\n4,1\n14,1\n", 2.0, id="median step"),
        pytest.param("1,1\n3,1\n6,1\n", 2.5, id="even number of steps"),
        pytest.param("14,1\n4,1\n1,1\n3,1\n", 2.0, id="not in order: sorted by the database"),
        pytest.param("6,1\n1,1\n3,1\n", 2.5, id="not in order, even number"),
        pytest.param("1,1\n", None, id="one reading"),
    ],
)
def test_the_usual_interval_is_that_of_the_first_load(
    rows: str, interval_s: float | None, load: Load, settings: Settings
) -> None:
    small = parse_rig('name = "small"\n[channels.a]', "test")
    load(f"timestamp,a\n{rows}", rig=small)
    with closing(open_store(settings)) as store:
        assert store.rigs()[0].interval_s == interval_s
    load("timestamp,a\n1000,1\n2000,1\n3000,1\n4000,1\n5000,1\n", "y.csv", rig=small)
    with closing(open_store(settings)) as store:
        assert store.rigs()[0].interval_s == (interval_s or 1000.0)


def test_each_rig_of_a_load_gets_its_own_interval(load: Load, settings: Settings) -> None:
    small = parse_rig('name = "small"\n[channels.a]', "test")
    load("timestamp,rig,a\n1,x,1\n2,y,1\n3,x,1\n12,y,1\n", rig=small)
    with closing(open_store(settings)) as store:
        found = {stored.rig.name: stored.interval_s for stored in store.rigs()}
    assert found == {"x": 2.0, "y": 10.0}


def test_the_interval_of_a_new_rig_file_is_taken(load: Load, settings: Settings) -> None:
    small = parse_rig('name = "small"\n[channels.a]', "test")
    load("timestamp,a\n1,1\n3,1\n", rig=small)
    given = small.model_copy(update={"interval_s": 7.0})
    load("timestamp,a\n10,1\n", "y.csv", rig=given)
    with closing(open_store(settings)) as store:
        assert store.rigs()[0].interval_s == 7.0


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('[channels.temperature]\nunit = "K"', "is stored as gauge in 'degC', the rig file says"),
        ('[channels.temperature]\nunit = "degC"\nkind = "counter"', "stored as gauge in 'degC'"),
    ],
    ids=["unit", "kind"],
)
def test_another_unit_under_the_same_name_is_refused(
    toml: str, message: str, load: Load, sql: Sql
) -> None:
    load(CLEAN)
    other = parse_rig(f'name = "rig-1"\n{toml}', "test")
    with pytest.raises(RigError, match=message):
        load("timestamp,temperature\n1,300\n", "y.csv", rig=other)
    assert sql("SELECT count(*) FROM sensor_data") == [(5,)]
    assert sql("SELECT count(*) FROM sensor_data_loads") == [(1,)]
    load("timestamp,temperature\n1,300\n", "y.csv", rig=other.renamed("other"))


def test_an_error_in_the_middle_of_a_load_leaves_nothing(load: Load, sql: Sql) -> None:
    load(CLEAN)
    with (
        patch("pipeline.stores.load.Load.finish", side_effect=RuntimeError),
        pytest.raises(RuntimeError),
    ):
        load("2025-07-13T01:00:00Z,20,1000,1\nx,20,1000,1\n", "y.csv")
    assert sql("SELECT count(*) FROM sensor_data") == [(5,)]
    assert sql("SELECT count(*) FROM sensor_data_loads") == [(1,)]
    assert sql("SELECT count(*) FROM sensor_data_rejects") == [(0,)]


def test_two_tables_share_a_database(load: Load, settings: Settings) -> None:
    load(CLEAN)
    load(CLEAN, settings={"table_name": "other"})
    for name in ("sensor_data", "other"):
        with closing(open_store(load_settings(table_name=name))) as store:
            assert store.total_records() == 5
