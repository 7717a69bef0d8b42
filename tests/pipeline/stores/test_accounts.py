"""The ledger as a whole, and what is known of connections and schema."""

from pipeline.settings import load_settings
from pipeline.stores import Store, open_store
from pipeline.stores.base import Accounts, Connections
from tests.pipeline.stores.conftest import CLEAN, DIRTY, Load, Sql


def test_an_empty_ledger_has_no_accounts(store: Store) -> None:
    assert store.accounts() == Accounts({}, {})


def test_superseded_loads_are_counted_and_their_rejects_are_not(load: Load, sql: Sql) -> None:
    load(CLEAN + DIRTY)
    load("2025-07-14T00:00:00Z,x,1000,1\n")
    load(CLEAN + DIRTY, force=True)
    store = open_store(load_settings())
    found = store.accounts()
    store.close()
    assert found.loads == dict(sql("SELECT status, count(*) FROM sensor_data_loads GROUP BY 1"))
    assert found.loads["superseded"] == 1
    rejected = dict(sql("SELECT reason, count(*) FROM sensor_data_rejects GROUP BY 1"))
    assert found.rejected_by_reason == rejected
    assert rejected["unparsable"] == 2


def test_a_store_that_is_open_is_of_this_version(store: Store, sql: Sql) -> None:
    assert store.is_current()
    sql("UPDATE sensor_data_migrations SET name = '9999_future' WHERE name = '0003_rollups'")
    assert not store.is_current()


def test_connections_come_back(store: Store) -> None:
    with store.snapshot():
        used = store.connections()
    assert sum(each.in_use for each in used.values()) in (0, 1)  # 0 where none are kept
    assert all(each.in_use == 0 for each in store.connections().values())
    assert all(isinstance(each, Connections) for each in used.values())
