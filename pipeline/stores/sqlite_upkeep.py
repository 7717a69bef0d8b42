"""Upkeep of a SQLite file."""

import sqlite3
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import sqlalchemy as sa

from pipeline.database_errors import translated_errors
from pipeline.stores.base import Finding
from pipeline.stores.pruning import Pruning
from pipeline.stores.records import Records
from pipeline.stores.sqlite_records import SqliteRecords
from pipeline.stores.upkeep import Upkeep


class SqliteUpkeep(Upkeep):
    """A mixin of SqliteStore."""

    _engine: sa.Engine

    @abstractmethod
    def _writing(self) -> AbstractContextManager[sa.Connection]:
        """A transaction that holds the write lock from its beginning."""

    @contextmanager
    def snapshot(self) -> Iterator[Records]:
        with self._unhurried() as connection:
            yield SqliteRecords(connection, self._schema)

    @contextmanager
    def rewriting(self) -> Iterator[Records]:
        with self._writing() as connection:
            yield SqliteRecords(connection, self._schema)

    @contextmanager
    def _unhurried(self) -> Iterator[sa.Connection]:
        with translated_errors(self._engine.url), self._engine.begin() as connection:
            # The first question decides which moment is seen.
            connection.exec_driver_sql("SELECT 1 FROM sqlite_master").first()
            yield connection

    @contextmanager
    def _pruning(self) -> Iterator[Pruning]:
        with self._writing() as connection:
            yield Pruning(connection, self._schema)

    def _server_version(self, connection: sa.Connection) -> str:
        return sqlite3.sqlite_version

    def _size_bytes(self, connection: sa.Connection) -> int:
        """The file, with what of it still stands in its log."""
        path = Path(str(self._engine.url.database))
        parts = (path, path.with_name(f"{path.name}-wal"))
        return sum(part.stat().st_size for part in parts if part.exists())

    def _sound(self, connection: sa.Connection) -> list[Finding]:
        found = []
        for pragma in ("integrity_check", "foreign_key_check"):
            rows = connection.exec_driver_sql(f"PRAGMA {pragma}").all()
            found += [
                Finding(f"{pragma}: {' '.join(map(str, row))}") for row in rows if row != ("ok",)
            ]
        return found
