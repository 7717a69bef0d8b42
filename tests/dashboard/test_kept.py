"""Answers are built once, kept until the data change, and never served when they are old."""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import orjson
import pytest

from dashboard import kept as answers_module
from dashboard.kept import Answers, accepts_gzip, to_json
from pipeline.errors import DatabaseUnavailable
from tests.dashboard.versioned import Versioned, answers, store

__all__ = ["answers", "store"]  # fixtures


class Counted:
    """Builds an answer that says how often it was asked to."""

    def __init__(self) -> None:
        self.built = 0

    def __call__(self) -> dict[str, int]:
        self.built += 1
        return {"built": self.built}


def got(answers: Answers, question: str, build: Callable[[], Any]) -> bytes:
    return answers.get(question, build).body


# What is kept


def test_the_same_question_is_answered_once(answers: Answers) -> None:
    build = Counted()
    assert got(answers, "how many", build) == got(answers, "how many", build) == b'{"built":1}'


def test_other_questions_have_other_answers(answers: Answers) -> None:
    assert got(answers, "a", lambda: 1) == b"1"
    assert got(answers, "b", lambda: 2) == b"2"
    assert got(answers, "a", lambda: 3) == b"1"


def test_after_a_commit_every_answer_is_built_again(store: Versioned, answers: Answers) -> None:
    first, second = Counted(), Counted()
    for _ in range(2):
        got(answers, "first", first)
        got(answers, "second", second)
    store.now = 2
    assert got(answers, "first", first) == b'{"built":2}'
    assert got(answers, "second", second) == b'{"built":2}'
    # A version that was there before is still another one.
    store.now = 1
    assert got(answers, "first", first) == b'{"built":3}'


def test_an_answer_that_a_commit_overtakes_is_not_kept(store: Versioned, answers: Answers) -> None:
    """It may hold the old data or the new; only the next question can be sure."""

    def overtaken() -> str:
        store.now = 2
        return "built while somebody wrote"

    assert got(answers, "q", overtaken) == b'"built while somebody wrote"'
    assert got(answers, "q", lambda: "new") == b'"new"'


def test_an_answer_does_not_follow_one_that_is_newer(store: Versioned, answers: Answers) -> None:
    """Who asks after a commit gets what was built after it, also behind a slow answer."""
    started, written = threading.Event(), threading.Event()

    def slow() -> str:
        started.set()
        assert written.wait(10)
        return "old"

    asking = threading.Thread(target=answers.get, args=("q", slow))
    asking.start()
    assert started.wait(10)
    store.now = 2
    with ThreadPoolExecutor(1) as threads:
        newer = threads.submit(got, answers, "q", lambda: "new")
        written.set()
        assert newer.result(10) == b'"new"'
    asking.join(10)
    assert got(answers, "q", lambda: "not asked") == b'"new"'


def test_those_who_wait_share_an_answer_though_commits_go_on(
    store: Versioned, answers: Answers
) -> None:
    started, go_on = threading.Event(), threading.Event()
    built = count(1)

    def build() -> int:
        started.set()
        assert go_on.wait(10)
        # Every answer is overtaken by a commit.
        store.now += 1
        return next(built)

    with ThreadPoolExecutor(9) as threads:
        first = threads.submit(got, answers, "q", build)
        assert started.wait(10)
        others = [threads.submit(got, answers, "q", build) for _ in range(8)]
        while answers._builders[hash("q") % len(answers._builders)].waiting < 8:
            time.sleep(0.01)
        go_on.set()
        assert first.result(10) == b"1"
        # Not the first one, which was begun before they asked.
        assert {other.result(10) for other in others} == {b"2"}
    assert (answers.misses, answers.hits) == (2, 7)
    assert not any(each.built for each in answers._builders)


def test_those_who_wait_share_why_there_is_no_answer(answers: Answers) -> None:
    go_on, asked = threading.Event(), count(1)

    def fails() -> None:
        assert go_on.wait(10)
        raise DatabaseUnavailable(f"away, {next(asked)}")

    with ThreadPoolExecutor(9) as threads:
        waiting = [threads.submit(got, answers, "q", fails) for _ in range(9)]
        while answers._builders[hash("q") % len(answers._builders)].waiting < 8:
            time.sleep(0.01)
        go_on.set()
        said = {str(each.exception(10)) for each in waiting}
    assert said == {"away, 1", "away, 2"}
    assert not any(each.built for each in answers._builders)


def test_an_answer_that_fails_is_asked_for_again(answers: Answers) -> None:
    def fails() -> None:
        raise DatabaseUnavailable("away")

    with pytest.raises(DatabaseUnavailable):
        got(answers, "q", fails)
    assert got(answers, "q", lambda: "back") == b'"back"'


def test_nothing_is_served_from_a_database_that_is_away(
    store: Versioned, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    got(answers, "q", lambda: "kept")

    def away() -> int:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(store, "version", away)
    with pytest.raises(DatabaseUnavailable):
        got(answers, "q", lambda: "built")


def test_what_is_kept_is_bounded(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answers that nobody has asked for the longest go first."""
    monkeypatch.setattr(answers_module, "_KEPT_BYTES", 1_000)
    for name in "abc":
        got(answers, name, lambda: "x" * 300)
    assert got(answers, "a", lambda: "again").startswith(b'"x')
    got(answers, "d", lambda: "x" * 300)
    assert got(answers, "a", lambda: "again").startswith(b'"x')
    assert got(answers, "b", lambda: "again") == b'"again"'
    got(answers, "too large", lambda: os.urandom(2_000).hex())
    assert got(answers, "too large", lambda: "again") == b'"again"'
    assert answers._bytes == sum(len(answer.kept) for answer in answers._kept.values()) <= 1_000


def test_what_is_still_right_needs_no_question(store: Versioned, answers: Answers) -> None:
    assert answers.find("q", store.now) is None
    got(answers, "q", lambda: "kept")
    assert answers.find("q", store.now) is not None
    store.now = 2
    assert answers.find("q", store.now) is None
    assert (answers.hits, answers.misses) == (1, 1)


# How answers are sent


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5, br", True),
        ("*", True),
        ("gzip;q=0, *", False),
        ("gzip; q=0.000", False),
        ("br, *;q=0", False),
        ("identity", False),
        ("", False),
    ],
)
def test_gzip_is_sent_to_those_who_take_it(header: str, taken: bool) -> None:
    assert accepts_gzip(header) is taken


# How answers are written


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2025, 7, 13, 2, 48, tzinfo=UTC), b'"2025-07-13T02:48:00Z"'),
        (datetime(2025, 7, 13, 2, 48, 0, 5, tzinfo=UTC), b'"2025-07-13T02:48:00.000005Z"'),
        (datetime.fromisoformat("2025-07-13T02:48:00+02:00"), b'"2025-07-13T00:48:00Z"'),
        ([float("nan"), float("inf"), 0.1], b"[null,null,0.1]"),
        ({"unit": "µm"}, '{"unit":"µm"}'.encode()),
    ],
)
def test_json_is_utc_and_has_no_nan(value: Any, text: bytes) -> None:
    assert to_json(value) == text


def test_what_has_no_json_form_is_refused() -> None:
    with pytest.raises(orjson.JSONEncodeError):
        to_json(timedelta(1))
