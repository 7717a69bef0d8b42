"""TimescaleDB: PostgreSQL whose readings are a hypertable, compressed by rig in order of time."""

from pipeline.stores.postgres import PostgresStore


class TimescaleStore(PostgresStore):
    """A TimescaleDB database as a Store."""

    backend = "timescaledb"
