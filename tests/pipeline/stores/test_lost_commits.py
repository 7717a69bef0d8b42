"""A connection to PostgreSQL that dies while a live batch commits: the batch counts once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from pipeline import database_errors
from pipeline.rig import Rig
from pipeline.settings import load_settings
from pipeline.stores import open_store
from pipeline.streaming import LiveWriter
from tests.pipeline.stores.conftest import Sql, account, live, until
from tests.services.proxy import Cut, CuttingProxy

pytestmark = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)

# Both sides name it: whoever asks, and whoever says that it is done.
NEVER_ARRIVES = Cut("client", b"COMMIT\0")
NEVER_CONFIRMED = Cut("server", b"COMMIT\0")
ARRIVES = Cut("client", b"COMMIT\0", delivered=True)
NEVER_ASKED = Cut("client", b"pg_xact_status")
NEVER_ANSWERED = Cut("client", b"pg_xact_status", delivered=True)


@pytest.fixture
def proxy(database_url: str) -> Iterator[CuttingProxy]:
    """Between the writer and the server."""
    port = sa.make_url(database_url).port
    assert port
    with CuttingProxy(port) as proxy:
        yield proxy


@pytest.fixture
def writer(
    proxy: CuttingProxy, database_url: str, rig: Rig, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LiveWriter]:
    """A live source that has sent one reading, through the proxy."""
    # Asking would stop the proxy, which is in this process, and take two seconds.
    monkeypatch.setattr(database_errors, "_state", lambda url: "accepts")
    through = sa.make_url(database_url).set(port=proxy.port)
    settings = load_settings(database_url=through.render_as_string(hide_password=False))
    with closing(open_store(settings)) as store:
        writer = LiveWriter(store, rig, "live")
        writer.write(live(0))
        yield writer


def one_more(sql: Sql) -> None:
    """The second reading is there once: in the readings, the ledger and the changes."""
    assert sql("SELECT accepted, readings_replaced FROM sensor_data_loads") == [(2, 0)]
    assert sql("SELECT rows FROM sensor_data_changes") == [(1,), (1,)]
    assert sql("SELECT count(*) FROM sensor_data") == [(2,)]
    account(sql)


@pytest.mark.parametrize(
    "cuts",
    [
        pytest.param([NEVER_ARRIVES], id="before it is committed"),
        pytest.param([NEVER_CONFIRMED], id="after it was committed"),
        pytest.param([NEVER_ARRIVES, NEVER_ASKED, NEVER_ANSWERED], id="before, and asking fails"),
        pytest.param([NEVER_CONFIRMED, NEVER_ASKED, NEVER_ANSWERED], id="after, and asking fails"),
        pytest.param([NEVER_ARRIVES, NEVER_ARRIVES, NEVER_CONFIRMED], id="three times"),
    ],
)
def test_a_batch_counts_once(
    cuts: list[Cut], proxy: CuttingProxy, writer: LiveWriter, sql: Sql
) -> None:
    proxy.cuts_at = list(cuts)
    writer.write(live(1))
    assert proxy.cuts == len(cuts)
    one_more(sql)


def test_a_commit_that_is_not_decided_yet_is_waited_for(
    proxy: CuttingProxy, writer: LiveWriter, sql: Sql, database_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """The connection is gone, and the server still busy committing."""
    sql(
        "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END'"
    )
    sql(
        "CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON sensor_data_changes"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hold()"
    )
    with psycopg.connect(database_url) as holder, ThreadPoolExecutor(1) as thread:
        holder.execute("SELECT pg_advisory_xact_lock(1)")
        proxy.cuts_at = [ARRIVES]
        written = thread.submit(writer.write, live(1))
        until(lambda: caplog.text.count("a commit is not decided yet") >= 2)
        assert not written.done()
        holder.rollback()
        written.result(30)
    one_more(sql)
