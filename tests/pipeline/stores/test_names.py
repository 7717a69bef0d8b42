"""Names that people choose: TABLE_NAME and channels, whatever they mean to a database."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from pipeline.rig import Rig, parse_rig
from pipeline.settings import load_settings
from pipeline.stores import open_store
from pipeline.stores.base import Range
from pipeline.streaming import LiveWriter
from tests.pipeline.stores.conftest import CLEAN, DIRTY, Load, Sql, tables

KEYWORDS = ["order", "nothing", "concurrently"]
# What statements of ours call something else.
OURS = ["staging", "excluded", "owners", "merged"]
CHOSEN = ["_", "Table", "x" * 48]
NAMES = [
    pytest.param(kind, name, id=f"{kind}-{name[:20]}")
    for kind, names in {
        "sqlite": [*KEYWORDS, *OURS, *CHOSEN],
        "postgres": [*KEYWORDS, *OURS, *CHOSEN],
        "timescale": ["excluded", "x" * 48],
    }.items()
    for name in names
]


@pytest.mark.parametrize(("database_url", "name"), NAMES, indirect=["database_url"])
def test_a_table_may_have_any_name(
    name: str, load: Load, rig: Rig, sql: Sql, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first load, one that is merged, live readings, questions, pruning."""
    monkeypatch.setenv("TABLE_NAME", name)
    load(CLEAN + DIRTY)
    load("2025-07-13T00:04:00Z,90,1000,4\n", "y.csv")
    with closing(open_store(load_settings())) as store:
        selection = Range("rig-1")
        assert sum(len(frame) for frame in store.readings(selection)) == 5
        kpis = store.kpis(selection)
        assert kpis is not None
        assert kpis["rejected_records"] == 4
        assert store.summary(selection)["temperature"]["count"] == 5
        assert store.alerts(selection, ["red", "yellow"], 10)["level"].to_list() == ["red"]
        writer = LiveWriter(store, rig, "live")
        for minute, warm in ((4, 54.0), (4, 54.0), (365, 55.0)):
            moment = datetime(2025, 7, 13, tzinfo=UTC) + timedelta(minutes=minute)
            values = {"temperature": [warm], "pressure": [1000.0], "uptime": [1.0]}
            writer.write(pl.DataFrame({"timestamp": [moment], **values}))
        readings = pl.concat(store.readings(selection))
        assert readings["temperature"].to_list() == [20, 21, 22, 23, 54, 55]
        assert store.check(deep=True) == []
        assert store.prune_some(datetime(2025, 7, 13, 6, tzinfo=UTC), None).readings == 5
        assert store.check(deep=True) == []
    if database_url.startswith("sqlite"):
        assert sql(f'SELECT count(*) FROM "{name}_readable"') == [(1,)]  # noqa: S608
    assert tables(sql, database_url) == {
        name, f"{name}_rigs", f"{name}_loads", f"{name}_rejects", f"{name}_changes",
        f"{name}_migrations", f"{name}_rollups", f"{name}_tokens",
    }  # fmt: skip


def test_channels_may_have_the_names_of_keywords(load: Load, sql: Sql) -> None:
    names = ["order", "group", "nothing", "concurrently"]
    tables = "\n".join(f"[channels.{name}]" for name in names)
    keywords = parse_rig(f'name = "k"\n{tables}\nkind = "counter"', "test")
    load(f"timestamp,{','.join(names)}\n1,2,3,4,5\n", rig=keywords)
    quoted = ", ".join(f'"{name}"' for name in names)
    assert sql(f"SELECT {quoted}, order_alert FROM sensor_data") == [  # noqa: S608
        (2.0, 3.0, 4.0, 5.0, "normal")
    ]
