"""What is news: without a network."""

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from dashboard.answers import Context
from dashboard.live import Live
from pipeline.errors import DatabaseUnavailable
from pipeline.rig import Rig, load_rig
from pipeline.settings import default_rig_file
from pipeline.stores.base import Change
from tests.dashboard import made
from tests.dashboard.heard import Message as Json
from tests.services.server import settings_for

PROPULSION = load_rig(default_rig_file())


@dataclass
class Told:
    """A store that says what a test tells it to."""

    now: int = 1
    changes: list[Change] = field(default_factory=list)
    fails: Exception | None = None
    stored: tuple[Rig, ...] = (PROPULSION,)
    hears: bool = False

    def version(self) -> int:
        return self.now

    def version_at_once(self) -> int | None:
        return None

    def last_sequence(self) -> int:
        return self.changes[-1].sequence if self.changes else 0

    def changes_after(self, sequence: int, limit: int) -> list[Change]:
        if self.fails:
            raise self.fails
        return [each for each in self.changes if each.sequence > sequence][:limit]

    def definitions(self) -> dict[str, Rig]:
        return {rig.name: rig for rig in self.stored}

    def first_readings(self, rig: Rig, selection: Any, limit: int) -> list[dict[str, Any]]:
        return []

    def commit(self, rows: int = 1, rig: str = PROPULSION.name) -> None:
        sequence = self.last_sequence() + 1
        self.changes.append(Change(sequence, rig, made.START, made.START, rows))
        self.now += 1


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def live(told: Told) -> Live:
    """It has looked once, so that all that comes is news."""
    context = cast("Context", Context(settings_for(Path("x.db")), PROPULSION, told, told))  # type: ignore[arg-type]
    watching = Live(context)
    assert news_of(watching) == []
    return watching


def news_of(live: Live) -> list[Json]:
    """What is told; the epoch of a refresh is that from which clients may resume."""
    news = [json.loads(message.body) for message in live._news()]
    for message in news:
        if message["type"] == "refresh":
            assert message.pop("epoch") == live._epoch
    return news


def test_nothing_is_news_until_somebody_commits(told: Told, live: Live) -> None:
    assert news_of(live) == []
    told.commit()
    assert [message["type"] for message in news_of(live)] == ["change"]
    assert news_of(live) == []


def test_a_commit_without_a_change_is_a_refresh(told: Told, live: Live) -> None:
    told.now += 1
    assert news_of(live) == [{"type": "refresh", "sequence": 0, "dropped": 0}]


def test_a_change_that_comes_during_a_refresh_is_told_by_itself(
    told: Told, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source begins: its first commit is in the ledger only, the second is seldom far."""
    told.now += 1
    looked = told.changes_after

    def then_committed(sequence: int, limit: int) -> list[Change]:
        found = looked(sequence, limit)
        told.commit()
        return found

    with monkeypatch.context() as patched:
        patched.setattr(told, "changes_after", then_committed)
        assert news_of(live) == [{"type": "refresh", "sequence": 0, "dropped": 0}]
    assert [message["type"] for message in news_of(live)] == ["change"]


def test_a_change_that_comes_while_others_are_read_is_told_once(
    told: Told, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = told.changes_after
    more = iter([1, 1])

    def first_committed(sequence: int, limit: int) -> list[Change]:
        for _ in range(next(more, 0)):
            told.commit()
        return looked(sequence, limit)

    told.commit()
    monkeypatch.setattr(told, "changes_after", first_committed)
    assert [message["sequence"] for message in news_of(live)] == [1, 2, 3]
    assert news_of(live) == []


def test_changes_that_never_stop_are_told_all_the_same(
    told: Told, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = told.changes_after

    def then_committed(sequence: int, limit: int) -> list[Change]:
        found = looked(sequence, limit)
        told.commit()
        return found

    told.commit()
    with monkeypatch.context() as patched:
        patched.setattr(told, "changes_after", then_committed)
        heard = [message["sequence"] for message in news_of(live)]
    heard += [message["sequence"] for message in news_of(live)]
    assert heard == list(range(1, len(told.changes) + 1))


def test_many_changes_at_once_are_one_refresh(told: Told, live: Live) -> None:
    for _ in range(32):
        told.commit()
    assert len(news_of(live)) == 32
    for _ in range(33):
        told.commit()
    assert news_of(live) == [{"type": "refresh", "sequence": 65, "dropped": 0}]
    told.commit()
    assert [message["sequence"] for message in news_of(live)] == [66]


def test_a_change_that_could_not_be_read_is_looked_for_again(told: Told, live: Live) -> None:
    told.commit()
    told.fails = RuntimeError("away for a moment")
    with pytest.raises(RuntimeError):
        news_of(live)
    told.fails = None
    assert [message["sequence"] for message in news_of(live)] == [1]


def test_a_change_of_a_rig_that_is_not_there_is_a_refresh(told: Told, live: Live) -> None:
    told.commit(rig="nobody")
    assert [message["type"] for message in news_of(live)] == ["refresh"]


def test_a_database_that_begins_again_is_a_refresh(told: Told, live: Live) -> None:
    for _ in range(3):
        told.commit()
    assert len(news_of(live)) == 3
    told.changes, told.now = [], 1 << 32
    assert news_of(live) == [{"type": "refresh", "sequence": 0, "dropped": 0}]
    told.commit()
    assert [message["sequence"] for message in news_of(live)] == [1]


def test_where_changes_are_heard_of_nobody_waits_to_ask(
    told: Told, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.live.ASK_INTERVAL_S", 60.0)
    told.hears = True
    client = live.join()

    async def watched() -> bytes:
        watching = asyncio.create_task(live.watch())
        await asyncio.sleep(0.05)
        told.commit()
        message = await asyncio.wait_for(client.messages.get(), timeout=5)
        watching.cancel()
        return message.body

    assert json.loads(asyncio.run(watched()))["type"] == "change"


@pytest.mark.parametrize("error", [DatabaseUnavailable("away"), RuntimeError("an error of ours")])
def test_nothing_ends_the_watch(
    told: Told, live: Live, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Were it to end, every client would wait for ever, and nobody would know."""
    monkeypatch.setattr("dashboard.live.LOOK_INTERVAL_S", 0.001)
    monkeypatch.setattr("dashboard.live.ASK_INTERVAL_S", 0.001)
    monkeypatch.setattr("dashboard.live._TOGETHER_S", 0.001)
    monkeypatch.setattr("dashboard.live._PAUSE_S", 0.001)
    client = live.join()

    async def watched() -> Json:
        watching = asyncio.create_task(live.watch())
        told.fails = error
        told.commit()
        await asyncio.sleep(0.05)
        assert client.messages.empty()
        told.fails = None
        told_at_last = await asyncio.wait_for(client.messages.get(), timeout=5)
        watching.cancel()
        message: Json = json.loads(told_at_last.body)
        return message

    assert asyncio.run(watched())["type"] == "change"
