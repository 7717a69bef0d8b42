"""What roll-ups there are of each rig: kept with the rig, in one text."""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from pipeline.rollups import LEVELS_S, SECOND, levels_of
from pipeline.stores.schema import Schema
from pipeline.timestamps import from_microseconds

RAW = 0


@dataclass(frozen=True)
class RollupState:
    """`interval_s` is the usual interval that they are made with; None: nobody keeps any.

    `rebuilt_to` (microseconds) is how far a rebuild has come that is not at its end: until then
    they are kept, and not trusted. `kept_from` says by level (0: the readings themselves) from
    which time on (microseconds) it is there; what was before has been pruned.
    """

    interval_s: float | None = None
    rebuilt_to: int | None = None
    kept_from: dict[int, int] = field(default_factory=dict)

    @property
    def levels(self) -> tuple[int, ...]:
        """Lengths of the buckets that writers keep, in seconds, the shortest first."""
        return levels_of(self.interval_s)

    @property
    def trusted(self) -> tuple[int, ...]:
        """Those that questions may use."""
        return self.levels if self.rebuilt_to is None else ()

    @property
    def steps(self) -> list[tuple[int, int]]:
        """What each level is made of, and the level: RAW or the one below, the shortest first."""
        return list(pairwise((RAW, *self.levels)))

    @property
    def raw_from(self) -> datetime | None:
        """The time from which on readings are there; None: all are."""
        start = self.kept_from.get(RAW)
        return None if start is None else from_microseconds(start)


def floor_to_level(microseconds: int) -> int:
    """Where the longest bucket begins that holds a time: there a part of every level ends."""
    width = LEVELS_S[-1] * SECOND
    return microseconds // width * width


_FORM: TypeAdapter[RollupState] = TypeAdapter(RollupState)


def state_of(connection: sa.Connection, schema: Schema, rig: str) -> RollupState | None:
    """The state of a rig's roll-ups; None for a rig that is not stored."""
    rigs = schema.rigs.c
    text = connection.scalar(sa.select(rigs.rollups).where(rigs.name == rig))
    return None if text is None else _FORM.validate_json(text)


def states(connection: sa.Connection, schema: Schema) -> dict[str, RollupState]:
    """The states of all rigs by name."""
    rigs = schema.rigs.c
    found: Any = connection.execute(sa.select(rigs.name, rigs.rollups)).all()
    return {name: _FORM.validate_json(text) for name, text in found}


def keep_state(connection: sa.Connection, schema: Schema, rig: str, state: RollupState) -> None:
    """Write the state of a rig's roll-ups."""
    rigs = schema.rigs
    text = _FORM.dump_json(state, exclude_defaults=True).decode()
    connection.execute(rigs.update().where(rigs.c.name == rig).values(rollups=text))
