"""One file a backend, one Store protocol."""

from pipeline.db_utils import get_engine
from pipeline.settings import Settings
from pipeline.stores.base import Store
from pipeline.stores.sqlite import SqliteStore

__all__ = ["Store", "open_store"]


def open_store(settings: Settings) -> Store:
    """The store that DATABASE_URL names, its schema brought up to date.

    Raises DatabaseError when it cannot be opened or belongs to somebody else.
    """
    return SqliteStore(get_engine(settings), settings.table_name)
