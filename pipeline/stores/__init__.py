"""One file a backend, one Store protocol."""

from pipeline.database_errors import translated_errors
from pipeline.db_utils import get_engine, has_timescale, is_postgres
from pipeline.errors import ForeignTableError
from pipeline.settings import Settings
from pipeline.stores.base import Store
from pipeline.stores.sqlite import SqliteStore

__all__ = ["Store", "open_store"]


def open_store(settings: Settings, adopting: bool = True) -> Store:
    """The store that DATABASE_URL names, its schema brought up to date.

    A table of that name that somebody else has made is adopted (docs/schema.md), or only told of
    where nothing is to be changed. Raises ForeignTableError where it is not adopted, DatabaseError
    when the database cannot be opened.
    """
    try:
        return _open(settings)
    except ForeignTableError as error:
        if not adopting:
            raise ForeignTableError(
                f"{error}. Where its columns are those of RIG_FILE, `smart-sensor db upgrade` or "
                "the next load adopts it, and keeps it as it is under another name"
            ) from None
        # It needs the transform, which needs values of this package.
        from pipeline.stores.adoption import adopt

        adopt(settings)
    return _open(settings)


def _open(settings: Settings) -> Store:
    engine = get_engine(settings)
    if not is_postgres(settings):
        return SqliteStore(engine, settings.table_name)
    # Their drivers need not be installed for SQLite.
    from pipeline.stores.postgres import PostgresStore
    from pipeline.stores.timescale import TimescaleStore

    with translated_errors(engine.url), engine.begin() as connection:
        timescale = has_timescale(connection, settings.timescale)
    kind = TimescaleStore if timescale else PostgresStore
    return kind(settings)
