"""Where the measured databases come from: made for the run, or a server that a URL names."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from benchmarks.backends import Database, Server, SqliteFile
from tests.services.postgres import SUPERUSER, PostgresServer
from tests.services.timescale import TimescaleServer

KINDS = ("sqlite", "postgres", "timescale")
# As one would set a server up for this; everything else is PostgreSQL's default, and durable.
_POSTGRES_SETTINGS = {
    "shared_buffers": "512MB",
    "maintenance_work_mem": "256MB",
    "min_wal_size": "2GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "15min",
}


class _UsualSegments(PostgresServer):
    """A server whose log has segments of 16 MB, as PostgreSQL makes them by default."""

    def start(self) -> None:
        data = self.folder / "data"
        if not (data / "postmaster.opts").exists():
            owner = data.stat()
            as_owner: dict[str, Any] = (
                {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
                if os.geteuid() == 0
                else {}
            )
            command = [str(self._software / "pg_resetwal"), "--wal-segsize=16", str(data)]
            subprocess.run(command, check=True, capture_output=True, cwd=data, **as_owner)
        super().start()


@contextmanager
def database(kind: str, folder: Path, url: str | None) -> Iterator[Database]:
    """An empty database of that kind; without a URL it is gone at the end."""
    if kind == "sqlite":
        yield SqliteFile(folder / "benchmark.db")
    elif url is not None:
        yield Server(kind, _psycopg(url))
    elif kind == "postgres":
        with _UsualSegments(durable=True, settings=_POSTGRES_SETTINGS) as postgres:
            name = make_url(postgres.fresh_database()).database or ""
            yield Server(
                kind,
                _psycopg(postgres.url(name)),
                administrator_url=_psycopg(postgres.url(name, SUPERUSER)),
                folder=postgres.folder,
            )
    else:
        with TimescaleServer() as timescale:
            yield Server(kind, _psycopg(timescale.fresh_database()), one_session=True)


def settings_for(found: Database) -> dict[str, Any]:
    """What leads a server that `tests.services.server` starts to a database."""
    return {name.lower(): value for name, value in found.environment.items()}


def _psycopg(url: str) -> str:
    found = make_url(url).set(drivername="postgresql+psycopg")
    return found.render_as_string(hide_password=False)
