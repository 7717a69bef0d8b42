"""What a URL of PostgreSQL may say: several servers, options of a session; both drivers obey."""

from contextlib import closing
from urllib.parse import quote

import polars as pl
import pytest
import sqlalchemy as sa

from pipeline import db_utils
from pipeline.database_errors import translated_errors
from pipeline.rig import Rig
from pipeline.settings import Settings, load_settings
from pipeline.stores import open_store
from pipeline.stores.arrow import arrow_engine
from pipeline.stores.base import Range
from pipeline.streaming import LiveWriter
from tests.conftest import Command
from tests.pipeline.stores.conftest import CLEAN, Load, Sql, live
from tests.services.server import free_port

pytestmark = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


def said(settings: Settings, name: str) -> list[str]:
    """A setting of the server's sessions: through psycopg, and through ADBC."""
    engine = db_utils.get_engine(settings)
    found = []
    for each in (engine, arrow_engine(engine.url, poolclass=sa.NullPool)):
        with translated_errors(engine.url), each.connect() as connection:
            query = sa.text("SELECT current_setting(:name)")
            found.append(str(connection.scalar(query, {"name": name})))
    return found


@pytest.mark.parametrize(
    "form",
    [
        "postgresql://{login}@127.0.0.1:{silent},127.0.0.1:{port}/{database}",
        "postgresql://{login}@127.0.0.1:{port},127.0.0.1:{silent}/{database}?connect_timeout=5",
        "postgres://{login}@/{database}?host=127.0.0.1:{silent}&host=127.0.0.1:{port}",
        "postgresql://{login}@/{database}?host=127.0.0.1,127.0.0.1&port={silent},{port}"
        "&target_session_attrs=read-write",
    ],
    ids=["as libpq has it", "the first one answers", "as SQLAlchemy has it", "hosts and ports"],
)
def test_several_servers_of_which_one_answers(
    form: str, database_url: str, load: Load, rig: Rig
) -> None:
    url = sa.make_url(database_url)
    text = form.format(
        login=f"{url.username}:{url.password}",
        silent=free_port(),
        port=url.port,
        database=url.database,
    )
    settings = load_settings(database_url=text)
    assert load(CLEAN, settings={"database_url": text}).accepted == 5
    with closing(open_store(settings)) as store:
        LiveWriter(store, rig, "live").write(live(0))
        assert len(pl.concat(store.readings(Range("rig-1")))) == 6
    assert said(settings, "port") == [str(url.port)] * 2


def test_several_servers_of_which_none_answers(
    database_url: str, smart_sensor: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = free_port(), free_port()
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    monkeypatch.setenv("DATABASE_URL", f"postgresql://user:s3cret@{hosts}/x")
    finished = smart_sensor("etl")
    assert finished.code == 2
    (line,) = finished.err.splitlines()
    assert "no server answers there; start it, or check DATABASE_URL" in line
    assert all(str(port) in line for port in ports)
    assert "s3cret" not in line


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param(
            "options=-c work_mem=8MB",
            {"work_mem": "8MB", "statement_timeout": "7s", "TimeZone": "UTC"},
            id="one, beside ours",
        ),
        pytest.param(
            "options=-c work_mem=8MB&options=-c extra_float_digits=2",
            {"work_mem": "8MB", "extra_float_digits": "2", "statement_timeout": "7s"},
            id="two",
        ),
        pytest.param(
            "options=-c statement_timeout=9s", {"statement_timeout": "9s"}, id="theirs wins"
        ),
        pytest.param(
            "sslmode=disable&application_name=bench 7&connect_timeout=4",
            {"application_name": "bench 7", "statement_timeout": "7s"},
            id="other parameters",
        ),
        pytest.param("", {"application_name": "smart-sensor"}, id="none"),
    ],
)
def test_options_of_the_url_are_added_to_ours(
    query: str, expected: dict[str, str], database_url: str, settings: Settings
) -> None:
    text = f"{database_url}?{quote(query, safe='=&')}"
    used = load_settings(database_url=text, database_statement_timeout_s=7)
    for name, value in expected.items():
        assert said(used, name) == [value, value]


def test_a_search_path_says_where_the_tables_are(
    database_url: str, load: Load, sql: Sql, rig: Rig
) -> None:
    sql("CREATE SCHEMA lab")
    text = f"{database_url}?options=-csearch_path%3Dlab"
    load(CLEAN, settings={"database_url": text})
    load("2025-07-13T00:04:00Z,90,1000,4\n", "y.csv", settings={"database_url": text})
    with closing(open_store(load_settings(database_url=text))) as store:
        LiveWriter(store, rig, "live").write(live(0))
        assert store.total_records() == 6
        assert store.check() == []
    assert sql("SELECT DISTINCT schemaname FROM pg_tables WHERE tablename ~ '^sensor'") == [
        ("lab",)
    ]
