"""Rows of PostgreSQL without making text or `datetime`s of their times."""

from typing import Any

import numpy as np
import sqlalchemy as sa

from pipeline.rollups import Integers
from pipeline.timestamps import EARLIEST, LATEST, to_microseconds

# What the server counts microseconds from.
Y2000_US = 946_684_800_000_000
_ENDS = to_microseconds(EARLIEST), to_microseconds(LATEST)
# An option of a statement: its result comes as the server has it, times as microseconds since 2000.
AS_SENT = "as_sent"


def take_as_sent(
    _connection: sa.Connection,
    cursor: Any,
    _statement: str,
    _parameters: Any,
    context: Any,
    _many: bool,
) -> None:
    """For SQLAlchemy's `before_cursor_execute`: does what AS_SENT says."""
    if AS_SENT in context.execution_options:
        from psycopg.pq import Format
        from psycopg.types.numeric import Int8BinaryLoader

        cursor.format = Format.BINARY
        cursor.adapters.register_loader("timestamptz", Int8BinaryLoader)


def moments(microseconds: Integers) -> str:
    """An array of times as the server reads it: a driver takes longer to write `datetime`s."""
    known = microseconds.clip(*_ENDS).view("datetime64[us]")
    return f"{{{','.join(np.datetime_as_string(known, timezone='UTC'))}}}"
