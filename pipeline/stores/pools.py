"""How many connections a pool has, and who has them."""

import sqlalchemy as sa

from pipeline.stores.base import Connections


def connections_of(engine: sa.Engine) -> Connections:
    """Connections of an engine's pool; none are known of one that keeps none."""
    pool = engine.pool
    if not isinstance(pool, sa.QueuePool):
        return Connections(0, 0, 0)
    # SQLAlchemy counts up from minus the pool's size.
    return Connections(pool.checkedout(), pool.checkedin(), max(0, pool.overflow()))
