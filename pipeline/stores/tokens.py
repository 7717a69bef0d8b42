"""The table of tokens: the same statements in every database."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa

from pipeline.errors import NothingFoundError, SmartSensorError
from pipeline.stores.schema import Schema
from pipeline.timestamps import rfc3339
from pipeline.tokens import MOST_TOKENS, Token


class TokenTable(ABC):
    """A mixin of the stores."""

    _schema: Schema

    @abstractmethod
    def _reading(self) -> AbstractContextManager[sa.Connection]: ...

    @abstractmethod
    def _writing(self) -> AbstractContextManager[sa.Connection]: ...

    def tokens(self) -> list[Token]:
        """All tokens by name, revoked ones as well."""
        table = self._schema.tokens
        with self._reading() as connection:
            rows = connection.execute(sa.select(table).order_by(table.c.name).limit(MOST_TOKENS))
            return [Token(**row._mapping) for row in rows]

    def add_token(self, token: Token) -> None:
        """Keep a token. Raises SmartSensorError where its name is taken, or there are too many."""
        table = self._schema.tokens
        with self._writing() as connection:
            taken = connection.execute(sa.select(table).where(table.c.name == token.name)).first()
            if taken is not None:
                state = f"revoked on {rfc3339(taken.revoked_at)}" if taken.revoked_at else "in use"
                raise SmartSensorError(
                    f"there is a token {token.name!r} already, {state}; give another name"
                )
            count = connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            if count >= MOST_TOKENS:
                raise SmartSensorError(
                    f"there are {count:,} tokens, which is as many as there may be; delete rows of "
                    f"table {table.name!r} that are revoked"
                )
            connection.execute(table.insert(), asdict(token))

    def revoke_token(self, name: str, now: datetime) -> bool:
        """Refuse a token from now on; False where it is revoked already.

        Raises NothingFoundError, which names those that there are.
        """
        table = self._schema.tokens
        mine = table.c.name == name
        with self._writing() as connection:
            valid = table.update().where(mine, table.c.revoked_at.is_(None))
            if connection.execute(valid.values(revoked_at=now)).rowcount:
                return True
            if connection.scalar(sa.select(table.c.name).where(mine)) is not None:
                return False
            names = connection.scalars(sa.select(table.c.name).order_by(table.c.name).limit(20))
            there = ", ".join(names) or "none"
        raise NothingFoundError(f"there is no token {name!r}; there are: {there}")

    def note_use(self, name: str, now: datetime) -> None:
        """Record that a token was used. In SQLite every page notices: do it rarely."""
        table = self._schema.tokens
        with self._writing() as connection:
            connection.execute(table.update().where(table.c.name == name).values(last_used_at=now))
