"""A real TimescaleDB for the tests, on one connection: PostgreSQL in WebAssembly, from npm.

`pglite/server.mjs` puts it on a port. What differs from a server that people run:

- It has one session. A second client waits until the first one leaves, and is refused after
  `wait_s`: code that needs several connections cannot be tested here.
- Nothing runs in the background: policies are stored but never carried out.
- Nothing interrupts a statement: no cancel, no terminate, no statement_timeout.
- The user is a superuser, and no password is asked for.
- `DISCARD ALL` and `RESET` lead to odd settings, such as another search_path.
"""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import psycopg

from tests.services import ServiceUnavailable, npm
from tests.services.cache import CACHE, cached, digest

DATABASE = "smart_sensor"
PACKAGE = Path(__file__).parent / "pglite"
INPUTS = ("package.json", "package-lock.json", "engine.mjs", "data.mjs")
# What the extension and the catalog have to look like in an empty database.
COUNTED = (
    "pg_authid",
    "pg_class",
    "pg_constraint",
    "pg_database",
    "pg_db_role_setting",
    "pg_proc",
    "pg_trigger",
    "pg_type",
    "_timescaledb_catalog.chunk",
    "_timescaledb_catalog.chunk_constraint",
    "_timescaledb_catalog.compression_chunk_size",
    "_timescaledb_catalog.compression_settings",
    "_timescaledb_catalog.continuous_agg",
    "_timescaledb_catalog.continuous_aggs_hypertable_invalidation_log",
    "_timescaledb_catalog.continuous_aggs_invalidation_threshold",
    "_timescaledb_catalog.continuous_aggs_materialization_invalidation_log",
    "_timescaledb_catalog.dimension",
    "_timescaledb_catalog.dimension_slice",
    "_timescaledb_catalog.hypertable",
    "_timescaledb_config.bgw_job",
)
CONTENT = f"SELECT {', '.join(f'(SELECT count(*) FROM {name})' for name in COUNTED)}"  # noqa: S608 - the names above
NEWEST = "SELECT max(oid) FROM (SELECT oid FROM pg_class UNION ALL SELECT oid FROM pg_proc)"
# Statements that drop what is newer than that, without what the extension keeps by itself.
LEFTOVERS = """
    SELECT statement FROM (
        SELECT 1, -mat_hypertable_id, format(
            'DROP MATERIALIZED VIEW IF EXISTS %%I.%%I CASCADE', user_view_schema, user_view_name)
        FROM _timescaledb_catalog.continuous_agg
    UNION ALL
        SELECT 2, 0, format('DROP %%s IF EXISTS %%s CASCADE', what, oid::regclass)
        FROM pg_class JOIN (VALUES
            ('r', 'TABLE'), ('p', 'TABLE'), ('f', 'FOREIGN TABLE'),
            ('v', 'VIEW'), ('m', 'MATERIALIZED VIEW'), ('S', 'SEQUENCE')
        ) AS kinds (kind, what) ON relkind = kind::"char"
        WHERE oid > %(newest)s AND relnamespace::regnamespace::text !~ '^(_timescaledb|pg_)'
    UNION ALL
        SELECT 3, 0, format('DROP ROUTINE IF EXISTS %%s CASCADE', oid::regprocedure)
        FROM pg_proc WHERE oid > %(newest)s
    UNION ALL
        SELECT 4, 0, format('DROP TYPE IF EXISTS %%s CASCADE', oid::regtype)
        FROM pg_type WHERE oid > %(newest)s AND typtype IN ('d', 'e', 'r')
    UNION ALL
        SELECT 5, 0, format('DROP SCHEMA IF EXISTS %%I CASCADE', nspname)
        FROM pg_namespace WHERE oid > %(newest)s AND nspname !~ '^pg_'
    ) AS leftovers (step, place, statement) ORDER BY step, place
"""
_FREE_WITHIN_S = 3


@dataclass
class TimescaleServer:
    """A server with one database; a context manager that starts it, and stops it at the end."""

    wait_s: float = 10.0
    port: int = field(default=0, init=False)
    _log: IO[bytes] = field(init=False, repr=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)
    _newest: int = field(default=0, init=False, repr=False)
    _content: tuple[int, ...] = field(default=(), init=False, repr=False)

    @property
    def url(self) -> str:
        """Where to connect. It changes when the server has to be started again."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{DATABASE}?sslmode=disable"

    @property
    def log(self) -> str:
        """What the server has written so far: nothing, unless it crashed."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def fresh_database(self) -> str:
        """Its URL after everything in it was dropped. Connections to it must be closed.

        Where something cannot be dropped, or somebody stays connected, the server starts again.
        """
        if not self._cleaned():
            self.stop()
            self.start()
        return self.url

    def start(self) -> None:
        """Start it and wait until it answers. Raises `ServiceUnavailable` with its log."""
        key = digest(DATABASE, *(PACKAGE / name for name in INPUTS))
        folder = cached(CACHE / "timescale", key, _install)
        self._process = subprocess.Popen(
            [npm.NODE, PACKAGE / "server.mjs", folder, DATABASE, str(self.wait_s)],
            stdin=subprocess.PIPE,  # it ends with us, because then this ends
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,  # Ctrl+C ends the tests, and they end the server
        )
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        if not answer:
            self.stop()
            raise ServiceUnavailable(f"TimescaleDB does not start:\n{self.log}")
        self.port = int(answer)
        with self._connect() as connection:
            self._newest = connection.execute(NEWEST).fetchall()[0][0]
            self._content = connection.execute(CONTENT.encode()).fetchall()[0]

    def stop(self) -> None:
        """Stop it, and lose all data. Does nothing where it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def __enter__(self) -> Self:
        if sys.platform == "win32":
            raise ServiceUnavailable("TimescaleDB is started on Linux and macOS only")
        self._log = tempfile.TemporaryFile()
        try:
            self.start()
        except BaseException:
            self._log.close()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        self._log.close()

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url, autocommit=True, connect_timeout=_FREE_WITHIN_S)

    def _cleaned(self) -> bool:
        """Drop everything; whether the database is as empty as it was at first."""
        if self._process is None:
            return False
        try:
            with self._connect() as connection:
                rows = connection.execute(LEFTOVERS, {"newest": self._newest}).fetchall()
                for (statement,) in rows:
                    connection.execute(statement)
                return connection.execute(CONTENT.encode()).fetchall()[0] == self._content
        except psycopg.Error:
            return False


def _install(built: Path) -> None:
    npm.install(PACKAGE, built)
    npm.run(PACKAGE / "data.mjs", built, DATABASE)
