"""Who hears of commits in PostgreSQL: servers, at once, by LISTEN and NOTIFY.

A notice carries nothing: it says that there is something to look for. Whoever misses one looks
again after a few seconds.
"""

import logging
import threading
from typing import TYPE_CHECKING

import sqlalchemy as sa

from pipeline.database_errors import conninfo
from pipeline.stores.schema import Schema

if TYPE_CHECKING:
    import psycopg

logger = logging.getLogger(__name__)

# After so long without a notice it is asked whether the server is still there, and what is known
# of the data counts as old: others may have dropped a table, of which there is no notice.
_SILENCE_S = 5.0
_PAUSE_S = 2.0


def install(connection: sa.Connection, schema: Schema) -> None:
    """Give notice of each transaction that adds a change or touches the ledger."""
    if connection.dialect.name != "postgresql":
        return
    quote = connection.dialect.identifier_preparer.quote
    function = quote(f"{schema.table_name}_gives_notice")
    connection.exec_driver_sql(f"""
        CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_notify('{channel_of(schema)}', '');
            RETURN NULL;
        END $$""")
    for table in (schema.changes, schema.loads):
        connection.exec_driver_sql(
            f"CREATE TRIGGER gives_notice AFTER INSERT OR UPDATE OR DELETE ON {quote(table.name)}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        )


def channel_of(schema: Schema) -> str:
    return f"{schema.table_name}_changed"


class Notices:
    """Listens on a connection of its own, in a thread of its own, until it is closed.

    A database that is away is waited for.
    """

    def __init__(self, url: sa.URL, schema: Schema) -> None:
        self._conninfo = conninfo(url)
        self._channel = channel_of(schema)
        self._closed = threading.Event()
        self._counts = 0
        self._listening = False
        threading.Thread(target=self._run, name="notices", daemon=True).start()

    @property
    def heard(self) -> int | None:
        """A number that changes with every notice; None while nothing can be heard."""
        return self._counts if self._listening else None

    def close(self) -> None:
        """Stop, within a moment."""
        self._closed.set()
        self._listening = False

    def _run(self) -> None:
        import psycopg

        while not self._closed.is_set():
            try:
                with psycopg.connect(self._conninfo, autocommit=True) as connection:
                    self._listen(connection)
            except psycopg.Error as error:
                logger.info("live updates are looked for, not heard of: %s", error)
            self._listening = False
            self._closed.wait(_PAUSE_S)

    def _listen(self, connection: "psycopg.Connection") -> None:
        connection.execute(f'LISTEN "{self._channel}"')
        # What happened before is not known.
        self._counts += 1
        self._listening = not self._closed.is_set()
        while not self._closed.is_set():
            notices = list(connection.notifies(timeout=_SILENCE_S, stop_after=1))
            if not notices:
                connection.execute("SELECT 1")
            self._counts += 1
