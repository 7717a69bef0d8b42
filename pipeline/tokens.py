"""Tokens: who may read or write from another machine. Of a secret only its digest is kept."""

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

from pipeline.errors import SettingsError

# So many are looked through for each request that brings one.
MOST_TOKENS = 1_000
# It tells programs that look for secrets in files what they have found.
_PREFIX = "sst_"
_SECRET_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Scope(StrEnum):
    """What a token may; each may what the ones before it may."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@dataclass(frozen=True)
class Token:
    """A token as it is stored; `last_used_at` is right to an hour."""

    name: str
    scope: str
    digest: str = field(repr=False)
    created_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    def may(self, scope: Scope) -> bool:
        """Whether it has this scope or a higher one."""
        scopes = list(Scope)
        return self.scope in scopes[scopes.index(scope) :]


def made_token(name: str, scope: Scope, now: datetime) -> tuple[Token, str]:
    """A new token and its secret of 256 random bits, which is kept nowhere.

    Raises SettingsError for a name that cannot stand in a log line.
    """
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"{name!r} is not a name for a token; allowed are up to 64 letters of A to Z, digits, "
            "dots, hyphens and underscores, such as test-stand-2"
        )
    secret = _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    return Token(name, scope.value, digest_of(secret), now), secret


def digest_of(secret: str) -> str:
    """SHA-256 of a secret. It needs no salt: nobody guesses 256 random bits."""
    return sha256(secret.encode()).hexdigest()
