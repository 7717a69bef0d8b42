"""When the server is in the way: one clear line each, with the password masked, and exit code 2."""

import re
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from pipeline import database_errors, db_utils
from pipeline.errors import (
    DatabaseConflict,
    DatabaseError,
    DatabaseFullError,
    DatabaseUnavailable,
    Retryable,
)
from pipeline.settings import load_settings
from pipeline.stores import open_store, postgres, timescale
from pipeline.stores.base import Range
from tests.conftest import Command
from tests.pipeline.stores.conftest import CLEAN, Load, Sql
from tests.services.postgres import PostgresServer
from tests.services.server import free_port

POSTGRES = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
TIMESCALE = pytest.mark.parametrize("database_url", ["timescale"], indirect=True)


def message(
    url: str, smart_sensor: Command, monkeypatch: pytest.MonkeyPatch, **settings: str
) -> str:
    """What `etl` says of a database that it cannot use: one line, without the password."""
    monkeypatch.setenv("DATABASE_URL", url)
    for name, value in settings.items():
        monkeypatch.setenv(name.upper(), value)
    finished = smart_sensor("etl")
    assert finished.code == 2, finished.err
    (line,) = finished.err.splitlines()
    assert "Traceback" not in line
    secret = sa.make_url(url).password
    assert secret is None or str(secret) not in line
    return line


CHANGES = [
    pytest.param({"password": "wr0ng"}, r"password authentication failed.*DATABASE_URL", id="word"),
    pytest.param(
        {"username": "nobody"}, r"password authentication failed.*DATABASE_URL", id="user"
    ),
    pytest.param({"database": "nope"}, r'database "nope" does not exist.*DATABASE_URL', id="name"),
    pytest.param({"host": "no-such-host.invalid"}, r"there is no host 'no-such-host", id="host"),
    pytest.param({"port": free_port()}, r"no server answers there; start it", id="port"),
]


@POSTGRES
@pytest.mark.parametrize(("change", "expected"), CHANGES)
def test_a_url_that_leads_nowhere(
    change: dict[str, object],
    expected: str,
    database_url: str,
    smart_sensor: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = sa.make_url(database_url).set(**change).render_as_string(hide_password=False)  # type: ignore[arg-type]  # a table of changes
    line = message(url, smart_sensor, monkeypatch)
    assert re.search(expected, line), line
    assert line.startswith("smart-sensor: postgresql://")
    assert ":***@" in line


@POSTGRES
@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("sslmode=require", "server does not support SSL, but SSL was required; check"),
        ("sslmode=requir", 'invalid sslmode value: "requir"; check DATABASE_URL'),
        ("sslmod=require", 'invalid connection option "sslmod"; check DATABASE_URL'),
    ],
)
def test_an_option_that_the_server_or_libpq_refuses(
    option: str, expected: str, database_url: str, smart_sensor: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    line = message(f"{database_url}?{option}", smart_sensor, monkeypatch)
    assert f": {expected}" in line


@POSTGRES
def test_a_connection_that_died_while_it_rested_is_not_met(
    database_url: str, home: Path, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(CLEAN)
    tried = []
    ping = PGDialect_psycopg.do_ping

    def noted(dialect: PGDialect_psycopg, connection: Any) -> Any:
        tried.append(connection)
        return ping(dialect, connection)

    monkeypatch.setattr(PGDialect_psycopg, "do_ping", noted)
    monkeypatch.setattr(db_utils, "_TRIED_AFTER_S", 60.0)
    with closing(open_store(load_settings())) as store:
        store.last_sequence()
        list(store.readings(Range("rig-1")))  # the pool of those that speak Arrow
        assert not tried  # they have just been used
        monkeypatch.setattr(db_utils, "_TRIED_AFTER_S", 0.0)
        with psycopg.connect(database_url, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert store.last_sequence() == 1
        assert len(list(store.readings(Range("rig-1")))) == 1
        count = len(tried)
        assert count
    with closing(open_store(load_settings(database_pool_pre_ping=False))) as store:
        store.last_sequence()
        store.last_sequence()
    assert len(tried) == count  # nobody wanted it


@POSTGRES
@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "postgres"])
def test_every_way_to_write_the_url(scheme: str, database_url: str, home: Path) -> None:
    url = database_url.replace("postgresql:", f"{scheme}:", 1)
    store = open_store(load_settings(database_url=url))
    assert store.backend == "postgresql"
    store.close()


@POSTGRES
def test_a_password_with_every_kind_of_character(
    database_url: str, postgres_server: PostgresServer, home: Path, load: Load
) -> None:
    strange = "a b/c:d@e?f#g%25&h+i'j\"k\\l=ü"
    with psycopg.connect(postgres_server.url("postgres", "postgres"), autocommit=True) as admin:
        admin.execute("CREATE ROLE strange LOGIN SUPERUSER")
        admin.execute(psycopg.sql.SQL("ALTER ROLE strange PASSWORD {}").format(strange))
    try:
        url = sa.make_url(database_url).set(username="strange", password=strange)
        text = url.render_as_string(hide_password=False)
        assert load(CLEAN, settings={"database_url": text}).accepted == 5
    finally:
        db_utils.dispose_engines()
        with psycopg.connect(postgres_server.url("postgres", "postgres"), autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {url.database} WITH (FORCE)".encode())
            admin.execute("DROP ROLE strange")


@POSTGRES
def test_a_server_that_is_too_old(
    database_url: str, smart_sensor: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_OLDEST", 99)
    line = message(database_url, smart_sensor, monkeypatch)
    assert "PostgreSQL 18 is too old; 99 or newer is needed" in line


@TIMESCALE
def test_an_extension_that_is_too_old(
    database_url: str, smart_sensor: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timescale, "_OLDEST", (9, 0))
    line = message(database_url, smart_sensor, monkeypatch, database_pool_size="0")
    assert "TimescaleDB 2.23 is too old; 9.0 or newer is needed, or TIMESCALE=off" in line


@POSTGRES
def test_timescale_that_must_be_there_and_is_not(
    database_url: str, smart_sensor: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = message(database_url, smart_sensor, monkeypatch, timescale="on")
    assert "TIMESCALE=on, but the server has no extension timescaledb; install it there" in line


@TIMESCALE
@pytest.mark.parametrize(
    ("wanted", "backend"), [("auto", "timescaledb"), ("on", "timescaledb"), ("off", "postgresql")]
)
def test_timescale_is_used_as_the_setting_says(wanted: str, backend: str, home: Path) -> None:
    store = open_store(load_settings(timescale=wanted))
    assert store.backend == backend
    store.close()


@POSTGRES
def test_a_user_who_may_not_write_is_one_line(
    database_url: str,
    postgres_server: PostgresServer,
    load: Load,
    smart_sensor: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load(CLEAN)
    with psycopg.connect(postgres_server.url("postgres", "postgres"), autocommit=True) as admin:
        admin.execute("CREATE ROLE reader LOGIN PASSWORD 'r3ader' IN ROLE pg_read_all_data")
    try:
        url = sa.make_url(database_url).set(username="reader", password="r3ader")
        line = message(url.render_as_string(hide_password=False), smart_sensor, monkeypatch)
        assert "the user has not the right to do this" in line
    finally:
        db_utils.dispose_engines()
        with psycopg.connect(postgres_server.url("postgres", "postgres"), autocommit=True) as admin:
            admin.execute("DROP ROLE reader")


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("08006", DatabaseUnavailable, ""),
        ("40001", DatabaseConflict, ""),
        ("40P01", DatabaseConflict, ""),
        ("23505", DatabaseConflict, ""),
        ("53100", DatabaseFullError, "the server's disk is full; nothing of this load was stored"),
        ("53300", DatabaseUnavailable, ""),
        ("57014", DatabaseError, "the question took longer than DATABASE_STATEMENT_TIMEOUT_S"),
        ("57P01", DatabaseUnavailable, ""),
        ("25006", DatabaseError, "it is read-only, a replica perhaps"),
        ("42P01", DatabaseError, "as PostgreSQL words it"),
    ],
)
def test_what_the_server_says_is_told_apart_by_its_code(
    code: str, kind: type[DatabaseError], words: str
) -> None:
    error = psycopg.errors.lookup(code)("as PostgreSQL words it\nLINE 1: and more")
    url = sa.make_url("postgresql+psycopg://user:p4ss@127.0.0.1/x")
    found = database_errors.translated(error, url)
    assert type(found) is kind
    assert issubclass(kind, Retryable) == (kind not in (DatabaseError, DatabaseFullError))
    assert str(found).startswith(f"postgresql://user:***@127.0.0.1/x: {words}")
    assert str(found).endswith(f"({code})")
    assert "\n" not in str(found)


@POSTGRES
def test_a_question_that_takes_too_long_is_given_up(load: Load, sql: Sql, home: Path) -> None:
    load(CLEAN)
    settings = load_settings(database_statement_timeout_s=0.05)
    store = open_store(settings)
    sql("CREATE VIEW slow AS SELECT pg_sleep(5)::text AS x")
    with (
        pytest.raises(DatabaseError, match="took longer than DATABASE_STATEMENT_TIMEOUT_S"),
        database_errors.translated_errors(db_utils.get_engine(settings).url),
        db_utils.get_engine(settings).connect() as connection,
    ):
        connection.exec_driver_sql("SELECT * FROM slow").all()
    # And a load may take as long as it takes.
    assert load("2025-07-13T01:00:00Z,20,1000,1\n", "y.csv").accepted == 1
    store.close()
