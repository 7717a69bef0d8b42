"""What drivers say to TimescaleDB: parameters, pipelines, cursors, and data in both directions."""

import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import adbc_driver_postgresql
import adbc_driver_postgresql.dbapi
import psycopg
import pyarrow as pa
import pytest
from psycopg.pq import ExecStatus, TransactionStatus

from tests.services.timescale import TimescaleServer

ROWS = 200_000
START = datetime(2025, 1, 1, tzinfo=UTC)
HYPERTABLE = """
    CREATE TABLE readings (rig text NOT NULL, timestamp timestamptz NOT NULL, temperature float8)
    WITH (tsdb.hypertable, tsdb.partition_column='timestamp', tsdb.segmentby='rig',
        tsdb.orderby='timestamp desc', tsdb.chunk_interval='1 day')
"""
DIRECT = (
    "SET timescaledb.enable_direct_compress_copy = on",
    "SET timescaledb.enable_direct_compress_copy_client_sorted = on",
)


@pytest.fixture
def connection(timescale_url: str) -> Iterator[psycopg.Connection]:
    with closing(psycopg.connect(timescale_url)) as opened:
        yield opened


@pytest.fixture
def adbc(timescale_url: str) -> Iterator[adbc_driver_postgresql.dbapi.Connection]:
    with adbc_driver_postgresql.dbapi.connect(timescale_url) as opened:
        yield opened


@pytest.fixture(scope="module")
def readings() -> pa.Table:
    """A little more than two days, one reading a second, the latest first."""
    times = [START + timedelta(seconds=ROWS - second) for second in range(ROWS)]
    return pa.table(
        {
            "rig": pa.array(["rig-1"] * ROWS),
            "timestamp": pa.array(times, pa.timestamp("us", "UTC")),
            "temperature": pa.array([float(second % 90) for second in range(ROWS)]),
        }
    )


def _one(connection: psycopg.Connection, statement: str, *parameters: Any) -> Any:
    row = connection.execute(statement.encode(), parameters or None).fetchone()
    assert row is not None
    return row[0]


def _one_adbc(cursor: adbc_driver_postgresql.dbapi.Cursor, statement: str) -> Any:
    cursor.execute(statement)
    return cursor.fetch_arrow_table()[0][0].as_py()


def _copy(connection: psycopg.Connection, statement: str, lines: Iterable[bytes]) -> None:
    with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for line in lines:
            copy.write(line)


def test_arrow_into_a_temporary_table(
    adbc: adbc_driver_postgresql.dbapi.Connection, readings: pa.Table
) -> None:
    with adbc.cursor() as cursor:
        assert cursor.adbc_ingest("staged", readings, mode="create", temporary=True) == ROWS
        cursor.execute("SELECT timestamp, temperature FROM staged ORDER BY timestamp DESC")
        assert cursor.fetch_arrow_table() == readings.select(["timestamp", "temperature"])


def test_arrow_into_a_hypertable_is_compressed_on_the_way(
    adbc: adbc_driver_postgresql.dbapi.Connection, readings: pa.Table
) -> None:
    with adbc.cursor() as cursor:
        for statement in (HYPERTABLE, *DIRECT):
            cursor.execute(statement)
        assert cursor.adbc_ingest("readings", readings, mode="append") == ROWS
        chunks = "SELECT count(*) FROM timescaledb_information.chunks"
        assert _one_adbc(cursor, f"{chunks} WHERE is_compressed") == 3
        assert _one_adbc(cursor, chunks) == 3
        assert _one_adbc(cursor, "SELECT count(*) FROM ONLY readings") == 0
        assert _one_adbc(cursor, "SELECT count(DISTINCT timestamp) FROM readings") == ROWS
        adbc.commit()


@pytest.mark.parametrize("prepare", [False, True])
def test_parameters_of_psycopg(connection: psycopg.Connection, prepare: bool) -> None:
    for number in range(3):
        row = connection.execute(
            "SELECT %s::text, %b::timestamptz, %s::float8, %s::int",
            ["rig-1", START, 0.5, number],
            prepare=prepare,
        ).fetchone()
        assert row == ("rig-1", START, 0.5, number)


def test_many_parameters_at_once(connection: psycopg.Connection) -> None:
    """`executemany` is a pipeline: messages with one Sync at the end, or Flush between them."""
    connection.execute("CREATE TABLE notes (id int PRIMARY KEY, note text)")
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO notes VALUES (%s, %s)", [(n, "x" * n) for n in range(500)])
    assert _one(connection, "SELECT sum(length(note)) FROM notes") == 499 * 500 // 2


def test_parameters_of_adbc(adbc: adbc_driver_postgresql.dbapi.Connection) -> None:
    with adbc.cursor() as cursor:
        cursor.execute("SELECT $1::float8 + 1 AS warmer, $2 AS rig", (20.5, "rig-1"))
        assert cursor.fetch_arrow_table().to_pylist() == [{"warmer": 21.5, "rig": "rig-1"}]


def test_cursor_in_pieces_through_adbc(adbc: adbc_driver_postgresql.dbapi.Connection) -> None:
    """FETCH gives rows only without COPY."""
    with adbc.cursor() as cursor:
        cursor.execute("DECLARE pieces CURSOR FOR SELECT generate_series(1, 2500) AS number")
        cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
        total, sizes = 0, list[int]()
        while not sizes or sizes[-1]:
            cursor.execute("FETCH 1000 FROM pieces")
            piece = cursor.fetch_arrow_table()
            sizes.append(piece.num_rows)
            total += sum(piece["number"].to_pylist())
    assert sizes == [1000, 1000, 500, 0]
    assert total == 2500 * 2501 // 2


def test_error_amid_a_copy_leaves_the_session_usable(connection: psycopg.Connection) -> None:
    connection.execute("CREATE TABLE notes (id int)")
    connection.commit()
    lines = [b"x\n" if number == 499 else b"%d\n" % number for number in range(10_000)]
    with pytest.raises(psycopg.errors.InvalidTextRepresentation, match="line 500"):
        _copy(connection, "COPY notes FROM STDIN", lines)
    connection.rollback()
    assert _one(connection, "SELECT count(*) FROM notes") == 0


@pytest.mark.parametrize("statement", ["COPY missing FROM STDIN", "COPY notes (nope) FROM STDIN"])
def test_copy_that_cannot_begin(connection: psycopg.Connection, statement: str) -> None:
    connection.execute("CREATE TABLE notes (id int)")
    connection.commit()
    with pytest.raises(psycopg.ProgrammingError, match="does not exist"):
        _copy(connection, statement, [b"1\n"] * 10_000)
    connection.rollback()
    assert _one(connection, "SELECT count(*) FROM notes") == 0


def test_client_that_gives_up_a_copy(connection: psycopg.Connection) -> None:
    """CopyFail."""
    connection.execute("CREATE TABLE notes (id int)")
    connection.commit()
    lines = (b"%d\n" % (1 // number) for number in (1, 1, 0))
    with pytest.raises(ZeroDivisionError):
        _copy(connection, "COPY notes FROM STDIN", lines)
    assert connection.info.transaction_status == TransactionStatus.INERROR
    connection.rollback()
    assert _one(connection, "SELECT count(*) FROM notes") == 0


@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_copy_is_part_of_its_transaction(connection: psycopg.Connection, ends: str) -> None:
    connection.execute("CREATE TABLE notes (id int, note text)")
    connection.commit()
    with (
        connection.cursor() as cursor,
        cursor.copy("/* ours */ copy notes (id, note)\nfrom stdin (format binary)") as copy,
    ):
        copy.set_types(["int4", "text"])
        copy.write_row((1, "first"))
        copy.write_row((2, None))
    assert _one(connection, "SELECT count(*) FROM notes") == 2
    getattr(connection, ends)()
    assert _one(connection, "SELECT count(*) FROM notes") == (2 if ends == "commit" else 0)


def test_copy_in_the_extended_protocol(connection: psycopg.Connection) -> None:
    connection.execute("CREATE TABLE notes (id int)")
    server = connection.pgconn
    for _ in range(2):
        assert server.exec_params(b"COPY notes FROM STDIN", None).status == ExecStatus.COPY_IN
        server.put_copy_data(b"1\n2\n")
        server.put_copy_end()
        result = server.get_result()
        assert result is not None
        assert (result.status, result.command_tuples) == (ExecStatus.COMMAND_OK, 2)
        assert server.get_result() is None
    assert _one(connection, "SELECT count(*) FROM notes") == 4


def test_pipeline(connection: psycopg.Connection) -> None:
    with connection.pipeline() as pipeline:
        cursors = [connection.execute("SELECT %s::int", [number]) for number in range(5)]
        pipeline.sync()
        assert [cursor.fetchone() for cursor in cursors] == [(number,) for number in range(5)]


def test_settings_are_reported(connection: psycopg.Connection) -> None:
    connection.execute("SET timezone = 'Asia/Kolkata'")
    assert connection.info.parameter_status("TimeZone") == "Asia/Kolkata"
    assert (
        _one(connection, "SELECT %s::timestamptz", START).isoformat() == "2025-01-01T05:30:00+05:30"
    )


def test_client_may_ask_for_settings(timescale_url: str) -> None:
    wishes: dict[str, Any] = {
        "options": "-c work_mem=3MB -c enable_hashjoin=off",
        "application_name": "it's us",
    }
    with psycopg.connect(timescale_url, **wishes) as connection:
        assert _one(connection, "SHOW work_mem") == "3MB"
        assert _one(connection, "SHOW enable_hashjoin") == "off"
        assert _one(connection, "SHOW application_name") == "it's us"
    with pytest.raises(psycopg.OperationalError, match="unrecognized configuration parameter"):
        psycopg.connect(timescale_url, options="-c nonsense=1")


def test_messages_may_arrive_byte_by_byte(timescale_server: TimescaleServer) -> None:
    timescale_server.fresh_database()
    startup = b"\0\0\0\x2d\0\3\0\0user\0postgres\0database\0smart_sensor\0\0"
    query = b"Q\0\0\0\x11SELECT 6 * 7\0"
    with socket.create_connection(("127.0.0.1", timescale_server.port)) as raw:
        raw.settimeout(10)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.sendall((8).to_bytes(4) + (80877103).to_bytes(4))  # SSLRequest
        assert raw.recv(1) == b"N"
        for byte in startup + query:
            raw.send(bytes([byte]))
            time.sleep(0.001)
        answer = b""
        while b"SELECT 1\0" not in answer:
            answer += raw.recv(4096)
    assert b"\0\0\0\x0242" in answer


def test_cancel_is_ignored(connection: psycopg.Connection) -> None:
    connection.cancel_safe()
    assert _one(connection, "SELECT 1") == 1
