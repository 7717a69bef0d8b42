"""What roll-ups there are of each rig: kept with the rig, in one text."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from pipeline.errors import OlderThanRetentionError
from pipeline.rollups import LEVELS_S, SECOND, levels_of
from pipeline.stores.schema import Schema
from pipeline.timestamps import from_microseconds, rfc3339

RAW = 0


@dataclass(frozen=True)
class RollupState:
    """`interval_s` is the usual interval that they are made with; None: nobody keeps any.

    `rebuilt_to` (microseconds) is how far a rebuild has come that is not at its end; where what
    is after that is not there, they are `incomplete`: kept, and not trusted. `kept_from` says by
    level (0: the readings themselves) from which time on (microseconds) it is there; what was
    before has been pruned. Then `fixed` levels stay as they are, whatever the interval becomes:
    nobody could make others.
    """

    interval_s: float | None = None
    rebuilt_to: int | None = None
    kept_from: dict[int, int] = field(default_factory=dict)
    lengths: tuple[int, ...] = LEVELS_S
    fixed: tuple[int, ...] | None = None
    incomplete: bool = False

    @property
    def levels(self) -> tuple[int, ...]:
        """Lengths of the buckets that writers keep, in seconds, the shortest first."""
        return levels_of(self.interval_s, self.lengths) if self.fixed is None else self.fixed

    @property
    def trusted(self) -> tuple[int, ...]:
        """Those that questions may use."""
        return () if self.incomplete else self.levels

    @property
    def steps(self) -> list[tuple[int, int]]:
        """What each level is made of, and the level: RAW or the one below, the shortest first."""
        return list(pairwise((RAW, *self.levels)))

    @property
    def raw_from(self) -> datetime | None:
        """The time from which on readings are there; None: all are."""
        start = self.kept_from.get(RAW)
        return None if start is None else from_microseconds(start)


def refuse_pruned(raw_from: datetime | None, rig: str, first: datetime, source: str) -> None:
    """Raises OlderThanRetentionError where readings of the time of a first one have been pruned."""
    if raw_from is not None and first < raw_from:
        raise OlderThanRetentionError(
            f"rig {rig!r}: readings before {rfc3339(raw_from)} have been pruned, and "
            f"{source} has some of {rfc3339(first)}; they can be stored under another name of the "
            "rig, or in another database"
        )


def floor_to_level(microseconds: int) -> int:
    """Where the longest bucket begins that holds a time: there a part of every level ends."""
    width = LEVELS_S[-1] * SECOND
    return microseconds // width * width


_FORM: TypeAdapter[RollupState] = TypeAdapter(RollupState)
# Of states that do not say it.
_FIRST_LENGTHS = (1, 10, 60, 900, 21_600)


def state_of(connection: sa.Connection, schema: Schema, rig: str) -> RollupState | None:
    """The state of a rig's roll-ups; None for a rig that is not stored."""
    rigs = schema.rigs.c
    text = connection.scalar(sa.select(rigs.rollups).where(rigs.name == rig))
    return None if text is None else parsed(text)


def states(connection: sa.Connection, schema: Schema) -> dict[str, RollupState]:
    """The states of all rigs by name."""
    rigs = schema.rigs.c
    found: Any = connection.execute(sa.select(rigs.name, rigs.rollups)).all()
    return {name: parsed(text) for name, text in found}


def keep_state(connection: sa.Connection, schema: Schema, rig: str, state: RollupState) -> None:
    """Write the state of a rig's roll-ups."""
    rigs = schema.rigs
    text = _FORM.dump_json(state).decode()
    connection.execute(rigs.update().where(rigs.c.name == rig).values(rollups=text))


def parsed(text: str) -> RollupState:
    """The state that the text of a rig says."""
    kept = json.loads(text)
    if kept.get("interval_s") is not None:
        kept.setdefault("lengths", _FIRST_LENGTHS)
        kept.setdefault("incomplete", kept.get("rebuilt_to") is not None)
    return _FORM.validate_python(kept)
