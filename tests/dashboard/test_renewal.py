"""Known questions, asked by many while data change: one builds for all, and nothing old is sent."""

import asyncio
import threading
import time
from collections.abc import Callable
from itertools import count, pairwise
from typing import Any

import pytest
from anyio.to_thread import run_sync

from dashboard import renewal
from dashboard.kept import Answer, Answers
from dashboard.renewal import Renewals
from tests.dashboard.versioned import Versioned, answers, store

__all__ = ["answers", "store"]  # fixtures


def body(answer: Answer | None) -> bytes:
    assert answer is not None
    return answer.body


def test_who_asks_first_asks_the_route(answers: Answers) -> None:
    renewals = Renewals(answers)
    assert asyncio.run(renewals.get("q")) is None
    answers.get("q", lambda: 1)
    assert body(asyncio.run(renewals.get("q"))) == b"1"


def test_nobody_gets_what_was_begun_before_it_was_asked(
    store: Versioned, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a hundred who ask while data change all the time are answered by a few."""
    monkeypatch.setattr(renewal, "_REST", 0)
    built = count(1)

    def build() -> int:
        next(built)
        seen = store.now
        time.sleep(0.02)
        store.now += 1  # another change, before anybody can have this answer
        return seen

    answers.get("q", build)

    async def ask(renewals: Renewals, number: int) -> None:
        await asyncio.sleep(number / 1000)
        asked = store.now
        assert int(body(await renewals.get("q"))) >= asked

    async def run() -> None:
        renewals = Renewals(answers)
        await asyncio.gather(*(ask(renewals, number) for number in range(100)))

    asyncio.run(run())
    misses = next(built) - 1
    assert misses < 20
    assert (answers.misses, answers.hits) == (misses, 101 - misses)


def test_an_answer_that_takes_long_rests(store: Versioned, answers: Answers) -> None:
    ends: list[float] = []

    def build() -> None:
        until = time.thread_time() + 0.05
        while time.thread_time() < until:
            pass
        ends.append(time.monotonic())

    answers.get("q", build)

    async def run() -> None:
        renewals = Renewals(answers)
        for _ in range(3):
            store.now += 1
            await renewals.get("q")

    asyncio.run(run())
    # The first one was built by a route.
    assert all(later - earlier >= 0.2 for earlier, later in pairwise(ends[1:]))


def test_what_fails_is_said_by_the_route_and_asked_for_again(
    store: Versioned, answers: Answers
) -> None:
    results: list[Callable[[], Any]] = [lambda: 1, lambda: 1 / 0, lambda: 3]

    def build() -> Any:
        return results.pop(0)()

    answers.get("q", build)

    async def run() -> list[Answer | None]:
        renewals = Renewals(answers)
        found = []
        for _ in range(2):
            store.now += 1
            found.append(await renewals.get("q"))
        return found

    failed, later = asyncio.run(run())
    # Nobody waits for another failure: the route is asked until it succeeds.
    assert failed is later is None
    assert answers.get("q", build).body == b"3"
    store.now += 1
    results.append(lambda: 4)
    assert body(asyncio.run(Renewals(answers).get("q"))) == b"4"


def test_where_a_server_has_to_be_asked_one_asks_for_all(
    store: Versioned, answers: Answers
) -> None:
    answers.get("q", lambda: store.now)
    store.is_known, store.asked = False, 0

    async def run() -> list[bytes]:
        renewals = Renewals(answers)
        return [body(each) for each in await asyncio.gather(*(renewals.get("q") for _ in range(9)))]

    assert asyncio.run(run()) == 9 * [b"1"]
    assert store.asked == 1
    store.now = 2
    assert asyncio.run(run()) == 9 * [b"2"]


def test_where_a_server_is_away_the_route_says_so(store: Versioned, answers: Answers) -> None:
    answers.get("q", lambda: 1)
    store.is_known, store.is_away = False, True
    assert asyncio.run(Renewals(answers).get("q")) is None
    store.is_away = False
    assert body(asyncio.run(Renewals(answers).get("q"))) == b"1"


def test_a_server_that_hangs_holds_nobody_up_for_long(
    store: Versioned, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewal, "_PATIENCE_S", 0.05)
    answers.get("q", lambda: 1)
    store.is_known = False
    hangs, ask = threading.Event(), store.version

    def version() -> int:
        assert hangs.wait(10)
        return ask()

    async def run() -> None:
        renewals = Renewals(answers)
        monkeypatch.setattr(store, "version", version)
        found = await asyncio.gather(*(renewals.get("q") for _ in range(9)))
        assert found == 9 * [None]  # all ask the route
        monkeypatch.setattr(store, "version", ask)
        assert body(await renewals.get("q")) == b"1"  # on another connection
        hangs.set()

    asyncio.run(run())


def test_of_an_unknown_question_nobody_asks_a_server(store: Versioned, answers: Answers) -> None:
    store.is_known = False
    assert asyncio.run(Renewals(answers).get("q")) is None
    assert store.asked == 0


def test_who_goes_away_does_not_take_the_answer_along(store: Versioned, answers: Answers) -> None:
    answers.get("q", lambda: store.now)

    async def run() -> bytes:
        renewals = Renewals(answers)
        store.now += 1
        gone = asyncio.create_task(renewals.get("q"))
        stays = asyncio.create_task(renewals.get("q"))
        await asyncio.sleep(0)
        gone.cancel()
        return body(await stays)

    assert asyncio.run(run()) == b"2"


def test_those_who_wait_take_no_threads(store: Versioned, answers: Answers) -> None:
    """Of threads there are forty; were each to wait in one, nothing else would be answered."""

    go_on = threading.Event()
    go_on.set()

    def build() -> int:
        assert go_on.wait(10)
        return store.now

    answers.get("q", build)
    go_on.clear()

    async def run() -> None:
        renewals = Renewals(answers)
        store.now += 1
        waiting = [asyncio.create_task(renewals.get("q")) for _ in range(100)]
        await asyncio.sleep(0.05)
        await run_sync(lambda: None)
        assert not any(task.done() for task in waiting)
        go_on.set()
        await asyncio.gather(*waiting)

    asyncio.run(run())


def test_what_is_remembered_is_bounded(
    store: Versioned, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewal, "_MOST_QUESTIONS", 10)
    monkeypatch.setattr("dashboard.kept._MOST_BUILDS", 10)

    async def run() -> Renewals:
        renewals = Renewals(answers)
        for number in range(100):
            answers.get(number, lambda: 1)
            store.now += 1
            await renewals.get(number)
        return renewals

    renewals = asyncio.run(run())
    assert len(renewals._asked) == len(answers._builds) == 10
    assert not answers.can_renew(0)
    assert answers.renew(0) is None
