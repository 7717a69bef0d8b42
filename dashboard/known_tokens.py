"""Tokens that are valid now, from memory: not every request asks the database."""

import asyncio
import hmac
import logging
import time
from datetime import UTC, datetime, timedelta

from anyio.to_thread import run_sync

from pipeline.errors import SmartSensorError
from pipeline.stores import Store
from pipeline.tokens import Token, digest_of

logger = logging.getLogger(__name__)

# So long a token may go on after it was revoked.
_FRESH_S = 2.0
# Between two looks for a token that is not known: so slowly can secrets be tried out.
_PAUSE_S = 0.25
_NOTED_EVERY = timedelta(hours=1)


class KnownTokens:
    """The tokens of a store, read again when they are asked for and are older than _FRESH_S."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tokens: list[Token] = []
        self._read_at = -_FRESH_S
        # When a look has failed last, and why: those who waited for it need no look of their own.
        self._failure: tuple[float, SmartSensorError] | None = None
        self._lock = asyncio.Lock()
        self._noted: dict[str, datetime] = {}
        self._notes: set[asyncio.Task[None]] = set()

    async def find(self, secret: str) -> Token | None:
        """The valid token of a secret. Raises DatabaseError where the database is away."""
        asked = time.monotonic()
        digest = digest_of(secret)
        if asked - self._read_at > _FRESH_S:
            await self._read_after(asked)
        token = self._match(digest)
        if token is None and self._read_at < asked:
            # It may have been made a moment ago.
            await self._read_after(asked)
            token = self._match(digest)
        if token is not None:
            self._note(token)
        return token

    def _match(self, digest: str) -> Token | None:
        """Looks at all of them, in the same time wherever they differ."""
        found = [token for token in self._tokens if hmac.compare_digest(token.digest, digest)]
        return found[0] if found else None

    async def _read_after(self, moment: float) -> None:
        async with self._lock:
            if self._read_at > moment:
                return  # somebody else has, meanwhile
            if self._failure is not None and self._failure[0] > moment:
                raise self._failure[1]
            await asyncio.sleep(self._read_at + _PAUSE_S - time.monotonic())
            read_at = time.monotonic()
            try:
                tokens = await run_sync(self._store.tokens)
            except SmartSensorError as error:
                self._failure = read_at, error
                raise
            self._tokens = [token for token in tokens if token.revoked_at is None]
            self._read_at = read_at

    def _note(self, token: Token) -> None:
        """Have the use of a token recorded beside the request, once in a while."""
        now = datetime.now(UTC)
        before = self._noted.get(token.name, token.last_used_at)
        if before is not None and now - before < _NOTED_EVERY:
            return
        self._noted[token.name] = now
        task = asyncio.create_task(self._record(token.name, now))
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    async def _record(self, name: str, now: datetime) -> None:
        try:
            await run_sync(self._store.note_use, name, now)
        except SmartSensorError as error:
            logger.warning("the use of token %s is not recorded: %s", name, error)
