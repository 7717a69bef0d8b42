"""What commands on stored readings share: a database that is there, ranges, plain lines."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import DatabaseError, NothingFoundError, QueryError

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from pipeline.stores import Store
    from pipeline.stores.base import Range, StoredRig

Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there already.")]


def refuse_missing(settings: "Settings") -> None:
    """Raises DatabaseError for a SQLite file that does not exist, instead of making one."""
    from sqlalchemy.engine import make_url

    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        raise DatabaseError(
            f"{url.database}: there is no such database; load something first, or set DATABASE_URL"
        )


@contextmanager
def existing_store(settings: "Settings", adopting: bool = True) -> Iterator["Store"]:
    """The store of DATABASE_URL. Raises DatabaseError where there is none yet."""
    from pipeline.stores import open_store

    refuse_missing(settings)
    with closing(open_store(settings, adopting)) as store:
        yield store


def selections(
    store: "Store", rig: str | None, start: str | None, end: str | None, date: str | None
) -> list[tuple["StoredRig", "Range"]]:
    """Ranges of one rig, or of all; times without offset, and days, are in each rig's zone.

    Raises QueryError for what cannot be read, NothingFoundError for a rig that is not there.
    """
    from pipeline.stores.base import Range
    from pipeline.timestamps import day_range, parse_moment

    if date is not None and (start is not None or end is not None):
        raise QueryError("--date goes alone, without --start and --end")
    found = []
    for stored in known_rigs(store, rig):
        zone = stored.rig.zone
        first, last = day_range(date, zone, "--date") if date is not None else (None, None)
        if start is not None:
            first = parse_moment(start, zone, "--start")
        if end is not None:
            last = parse_moment(end, zone, "--end")
        if first is not None and last is not None and first >= last:
            raise QueryError(f"--start={start!r} is not before --end={end!r}")
        found.append((stored, Range(stored.rig.name, first, last)))
    return found


def known_rigs(store: "Store", rig: str | None) -> list["StoredRig"]:
    """All rigs, or the one of that name. Raises NothingFoundError, which names those there are."""
    stored = store.rigs(counted=False)
    if rig is None:
        return stored
    found = [each for each in stored if each.rig.name == rig]
    if not found:
        names = ", ".join(each.rig.name for each in stored) or "none"
        raise NothingFoundError(f"--rig={rig!r}: there is no such rig; there are: {names}")
    return found


def name_of(settings: "Settings") -> str:
    """The database as it is named in messages: without its password."""
    from sqlalchemy.engine import make_url

    from pipeline.database_errors import shown

    return shown(make_url(settings.database_url))


def size(number: int) -> str:
    """A number of bytes as people read it."""
    value = float(number)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} bytes" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
