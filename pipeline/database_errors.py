"""What a database driver says, as errors of ours: told apart by code, never by text."""

import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from pipeline.errors import (
    DatabaseConflict,
    DatabaseError,
    DatabaseFullError,
    DatabaseUnavailable,
)

_LOCKED = "is locked by another program; try again when it has finished"
SQLITE_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_SQLITE_KINDS: dict[int, type[DatabaseError]] = {
    **dict.fromkeys(SQLITE_PASSING, DatabaseUnavailable),
    sqlite3.SQLITE_FULL: DatabaseFullError,
}
_SQLITE_PROBLEMS = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_FULL: "the disk is full; nothing of this load was stored",
    sqlite3.SQLITE_READONLY: "is read-only; change its permissions or DATABASE_URL",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; check the path and its permissions",
    sqlite3.SQLITE_NOTADB: "is not a SQLite database; set DATABASE_URL to another file",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore it from a backup",
    sqlite3.SQLITE_IOERR: "cannot be read or written; check the disk",
}
# SQLSTATEs (PostgreSQL's manual, appendix A): a whole class by its two first characters.
_POSTGRES_KINDS: dict[str, type[DatabaseError]] = {
    "08": DatabaseUnavailable,  # the connection
    "40": DatabaseConflict,  # serialization failure, deadlock
    "23505": DatabaseConflict,  # somebody else has brought the same key at the same time
    "53100": DatabaseFullError,
    "53300": DatabaseUnavailable,  # too many connections
    "55P03": DatabaseUnavailable,  # a lock was not to be had
    "57P01": DatabaseUnavailable,  # the server is stopped,
    "57P02": DatabaseUnavailable,  # has crashed,
    "57P03": DatabaseUnavailable,  # or is starting
    "57P05": DatabaseUnavailable,  # an idle session was ended
}
_POSTGRES_PROBLEMS = {
    "25006": "it is read-only, a replica perhaps; connect to the primary server",
    "28": "the server refuses the user or the password; check DATABASE_URL",
    "3D000": "there is no such database; create it, or change DATABASE_URL",
    "42501": "the user has not the right to do this; ask whoever owns the database",
    "53100": "the server's disk is full; nothing of this load was stored",
    "55P03": "somebody else has locked the table; try again when they have finished",
    "57014": "the question took longer than DATABASE_STATEMENT_TIMEOUT_S; ask for a shorter range",
}
# The least that libpq knows.
_PATIENCE_S = 2


@contextmanager
def translated_errors(url: sa.URL) -> Iterator[None]:
    """Turn a driver's errors into ours: Retryable ones where another try may succeed."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise translated(error.orig, url) from error
    except sqlite3.Error as error:
        raise translated(error, url) from error
    except sa.exc.TimeoutError as error:
        raise DatabaseUnavailable(f"{shown(url)}: no free connection; try again") from error


def translated(error: BaseException | None, url: sa.URL) -> DatabaseError:
    """The error of a driver as one of ours, with one line that says what to do."""
    if url.get_backend_name() == "sqlite":
        return _of_sqlite(error, url)
    return _of_postgres(error, url)


def shown(url: sa.URL) -> str:
    """A database as it is named in messages: the file, or the server without its password."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    # Of several servers the hosts stand there.
    hosts = {name: url.query[name] for name in ("host", "port") if name in url.query}
    return url.set(drivername="postgresql", query=hosts).render_as_string(hide_password=True)


def _of_sqlite(error: BaseException | None, url: sa.URL) -> DatabaseError:
    # The low byte of an extended result code is the code itself.
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    problem = _SQLITE_PROBLEMS.get(code, str(error))
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
        problem = _not_writable(str(url.database)) or problem
    kind = _SQLITE_KINDS.get(code, DatabaseError)
    return kind(f"{shown(url)}: {problem}")


def _not_writable(file: str) -> str | None:
    """What keeps a writer out of a file that is itself writable: SQLite needs more beside it."""
    if not os.access(file, os.W_OK):
        return None
    for each in (f"{file}-wal", f"{file}-shm", os.path.dirname(file) or "."):
        if os.path.exists(each) and not os.access(each, os.W_OK):
            return (
                f"{each} is not writable, and it has to be; change its permissions or DATABASE_URL"
            )
    return None


def _of_postgres(error: BaseException | None, url: sa.URL) -> DatabaseError:
    code = getattr(error, "sqlstate", None)
    if code is None:
        # Both drivers call it so when the connection fails.
        if type(error).__name__ == "OperationalError":
            return _unreachable(error, url)
        return DatabaseError(f"{shown(url)}: {_last_line(error)}; check DATABASE_URL")
    kind = _POSTGRES_KINDS.get(code) or _POSTGRES_KINDS.get(code[:2]) or DatabaseError
    problem = _POSTGRES_PROBLEMS.get(code) or _POSTGRES_PROBLEMS.get(code[:2])
    return kind(f"{shown(url)}: {problem or _first_line(error)} ({code})")


def _unreachable(error: BaseException | None, url: sa.URL) -> DatabaseError:
    """The server has not said why: it cannot be reached, does not let us in, or has gone."""
    try:
        socket.getaddrinfo(url.host or "localhost", url.port or 5432)
    except OSError:
        return DatabaseError(f"{shown(url)}: there is no host {url.host!r}; check DATABASE_URL")
    state = _state(url)
    if state == "accepts":
        # It talks to others: what it has said of us is the last line.
        if _is_refusal(error):
            return DatabaseError(f"{shown(url)}: {_last_line(error)}; check DATABASE_URL")
        return DatabaseUnavailable(f"{shown(url)}: the connection was lost")
    if state == "starting":
        return DatabaseUnavailable(f"{shown(url)}: the server is starting or stopping; try again")
    return DatabaseUnavailable(
        f"{shown(url)}: no server answers there; start it, or check DATABASE_URL"
    )


def _state(url: sa.URL) -> str:
    """What can be found out without logging in: `accepts`, `starting` or `silent`."""
    from psycopg import pq

    if url.host and not url.host.startswith("/"):
        try:
            # First without libpq, whose question stops all threads of this process.
            socket.create_connection((url.host, url.port or 5432), _PATIENCE_S).close()
        except OSError:
            return "silent"
    # Whether it is there, not whether it has SSL.
    asked = url.update_query_dict({"connect_timeout": str(_PATIENCE_S), "sslmode": "disable"})
    found = pq.PGconn.ping(conninfo(asked).encode())
    if found == pq.Ping.OK:
        return "accepts"
    return "starting" if found == pq.Ping.REJECT else "silent"


def _is_refusal(error: BaseException | None) -> bool:
    """Whether it happened while connecting: there is no connection, or one that never was."""
    connection = getattr(error, "pgconn", None)
    return connection is not None and connection.backend_pid == 0


def conninfo(url: sa.URL) -> str:
    """The URL as libpq reads it; several hosts, too."""
    from psycopg.conninfo import make_conninfo
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

    dialect: Any = PGDialect_psycopg  # without types
    _, values = dialect().create_connect_args(url)
    return make_conninfo("", **values)


def _first_line(error: Any) -> str:
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    # ADBC puts words of its own before those of the server.
    return str(primary or error).rpartition("ERROR:  ")[2].partition("\n")[0].strip()


def _last_line(error: Any) -> str:
    line = str(error).strip().rpartition("\n")[2]
    for words in ("FATAL: ", " failed: ", "connection is bad: "):
        if words in line:
            return line.rpartition(words)[2].strip()
    return line
