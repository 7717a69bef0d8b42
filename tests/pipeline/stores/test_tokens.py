"""Tokens in every kind of database: kept without their secrets, and where they are."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline.errors import NothingFoundError, SmartSensorError
from pipeline.settings import Settings, load_settings
from pipeline.stores import Store, open_store
from pipeline.tokens import Scope, Token, made_token
from pipeline.transfer.backup import back_up
from pipeline.transfer.copy import copy_store
from pipeline.transfer.restore import opened, restore
from tests.pipeline.stores.conftest import CLEAN, Load, Sql

NOW = datetime(2025, 7, 13, 12, 0, 0, 123_456, tzinfo=UTC)


def made(store: Store, name: str = "bench", scope: Scope = Scope.WRITE) -> tuple[Token, str]:
    token, secret = made_token(name, scope, NOW)
    store.add_token(token)
    return token, secret


def test_a_token_is_kept_without_its_secret(store: Store, sql: Sql) -> None:
    token, secret = made(store)
    assert store.tokens() == [token]
    (row,) = sql("SELECT name, scope, digest FROM sensor_data_tokens")
    assert row == ("bench", "write", sha256(secret.encode()).hexdigest())
    assert token.digest not in repr(token)


def test_tokens_come_by_name(store: Store) -> None:
    for name in ("b", "a", "c"):
        made(store, name)
    assert [token.name for token in store.tokens()] == ["a", "b", "c"]


def test_a_name_is_given_once_and_stays_with_what_was_revoked(store: Store) -> None:
    made(store)
    with pytest.raises(SmartSensorError, match="there is a token 'bench' already, in use; give"):
        made(store)
    store.revoke_token("bench", NOW)
    with pytest.raises(SmartSensorError, match="revoked on 2025-07-13T12:00:00"):
        made(store)
    assert len(store.tokens()) == 1


def test_a_token_is_revoked_once(store: Store) -> None:
    made(store)
    assert store.revoke_token("bench", NOW)
    assert not store.revoke_token("bench", NOW + timedelta(days=1))
    assert store.tokens()[0].revoked_at == NOW


def test_who_revokes_what_is_not_there_is_told_what_is(store: Store) -> None:
    with pytest.raises(NothingFoundError, match="there is no token 'x'; there are: none"):
        store.revoke_token("x", NOW)
    made(store)
    with pytest.raises(NothingFoundError, match="there are: bench"):
        store.revoke_token("x", NOW)


def test_the_last_use_is_kept(store: Store) -> None:
    made(store)
    later = NOW + timedelta(hours=2)
    store.note_use("bench", later)
    assert store.tokens()[0].last_used_at == later


def test_there_are_only_so_many(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.stores.tokens.MOST_TOKENS", 2)
    made(store, "a")
    made(store, "b")
    with pytest.raises(SmartSensorError, match="there are 2 tokens, which is as many as"):
        made(store, "c")


def test_the_check_finds_a_scope_that_does_not_exist(load: Load, settings: Settings) -> None:
    load(CLEAN)
    with closing(open_store(settings)) as store:
        made(store)
        assert store.check() == []
        store.add_token(Token("odd", "all", "0" * 64, NOW))
        (finding,) = store.check()
    assert finding.wrong
    assert finding.text == "token 'odd' has the scope 'all', which does not exist"


@pytest.mark.parametrize("name", ["backup.zip", "backup.db"])
def test_a_restored_database_keeps_its_own_tokens(
    name: str, load: Load, settings: Settings, home: Path
) -> None:
    """A token that was revoked since the backup does not come back, and a newer one stays."""
    if name.endswith(".db") and not settings.database_url.startswith("sqlite"):
        pytest.skip("a backup of SQLite only")
    load(CLEAN)
    with closing(open_store(settings)) as store:
        made(store, "old")
    back_up(settings, home / name)
    with closing(open_store(settings)) as store:
        store.revoke_token("old", NOW)
        made(store, "new")
        before = store.tokens()
    with opened(home / name, settings) as backup, closing(open_store(settings)) as store:
        restore(store, backup, replace=True)
        assert store.tokens() == before


def test_a_copy_has_no_tokens(load: Load, settings: Settings, tmp_path: Path) -> None:
    load(CLEAN)
    other = load_settings(database_url=f"sqlite:///{tmp_path}/other.db")
    with closing(open_store(settings)) as source, closing(open_store(other)) as target:
        made(source)
        copy_store(source, target)
        assert target.tokens() == []
        assert target.total_records() == 5
