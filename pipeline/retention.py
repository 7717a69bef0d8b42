"""Readings grow old: those beyond an age are deleted, when somebody says so or by RETENTION."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from pipeline.durations import parse_duration, parse_level_ages
from pipeline.settings import Settings
from pipeline.stores.base import Pruned, Store
from pipeline.words import counted

logger = logging.getLogger(__name__)


def prune(
    store: Store,
    before: datetime,
    rig: str | None = None,
    progress: Callable[[Pruned], None] = lambda pruned: None,
) -> Pruned:
    """Delete readings older than `before` (aware), and rejects whose time is, of one rig or all.

    In many short transactions, so that others can write in between. Roll-ups that are not there
    are made before. Stopped at any moment it leaves a consistent state, and goes on when it is
    called again. Raises DatabaseError.
    """
    # What no roll-up stands for would be gone.
    for name in store.unfinished_rollups(before):
        if rig in (None, name):
            logger.info("rig %s: making its roll-ups first", name)
            for _ in store.rebuild_rollups(name):
                pass
    total = Pruned()
    while some := store.prune_some(before, rig):
        total += some
        progress(total)
    return total


def apply_retention(store: Store, settings: Settings, now: datetime | None = None) -> Pruned:
    """Delete what is older than RETENTION and RETENTION_ROLLUPS say; nothing where they are empty.

    To be called after a load, and from time to time where live sources write.
    """
    if not settings.retention:
        return Pruned()
    before = age_limit(parse_duration(settings.retention), now)
    for warning in warnings_of(store, before):
        logger.warning(warning)
    pruned = prune(store, before)
    if pruned:
        readings = counted(pruned.readings, "reading")
        rejects = counted(pruned.rejects, "reject")
        logger.info("RETENTION=%s: %s and %s deleted", settings.retention, readings, rejects)
    ages = parse_level_ages(settings.retention_rollups)
    if ages:
        limits = {level: age_limit(age, now) for level, age in ages.items()}
        names = [stored.rig.name for stored in store.rigs(counted=False)]
        deleted = sum(store.prune_rollups(name, limits) for name in names)
        if deleted:
            rollups = counted(deleted, "roll-up")
            logger.info("RETENTION_ROLLUPS=%s: %s deleted", settings.retention_rollups, rollups)
    return pruned


def warnings_of(store: Store, before: datetime, rig: str | None = None) -> list[str]:
    """Of which rigs, of one or all, nothing will stay of what is older than a time, and why."""
    found = store.impossible_rollups(before)
    return [
        f"rig {name!r}: nothing stays of readings that are deleted: "
        + (
            "they are too far apart for roll-ups"
            if interval_s
            else "their usual interval is not known; first set interval_s in its rig file"
        )
        for name, interval_s in found.items()
        if rig in (None, name)
    ]


def age_limit(age: timedelta, now: datetime | None = None) -> datetime:
    """The moment before which everything is older than `age`."""
    return (now or datetime.now(UTC)) - age
