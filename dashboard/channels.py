"""Which channels of a rig an answer is about."""

from typing import Annotated

from fastapi import Query

from pipeline.errors import QueryError
from pipeline.rig import Rig

Channels = Annotated[
    str | None,
    Query(
        description="Only these channels, separated by commas; default: all.",
        examples=["temperature,pressure"],
    ),
]


def with_channels(rig: Rig, channels: str | None) -> Rig:
    """The rig with only these of its channels, in its order. Raises QueryError for an unknown."""
    if channels is None:
        return rig
    wanted = [name.strip() for name in channels.split(",")]
    for name in wanted:
        if rig.channel(name) is None:
            there = ", ".join(channel.name for channel in rig.channels)
            raise QueryError(
                f"channels={channels!r}: rig {rig.name!r} has no channel {name!r}; it has: {there}"
            )
    chosen = tuple(channel for channel in rig.channels if channel.name in wanted)
    return rig.model_copy(update={"channels": chosen})
