"""What is tried again, and for how long: by the type of the error, from the first failure on."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from pipeline import retry
from pipeline.errors import DatabaseError, DatabaseUnavailable
from pipeline.retry import Retry


class Work:
    """Fails so many times, each after so many seconds of a clock that nobody waits for."""

    def __init__(self, seconds: float, error: Exception, failures: int) -> None:
        self.now = 1000.0
        self.calls = 0
        self._seconds, self._error, self._failures = seconds, error, failures

    def __call__(self) -> str:
        self.calls += 1
        self.now += self._seconds
        if self.calls <= self._failures:
            raise self._error
        return "done"


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Work]:
    """Work that sets the clock."""

    def make(seconds: float, error: Exception, failures: int = 1_000_000) -> Work:
        made = Work(seconds, error, failures)
        monkeypatch.setattr(retry, "time", SimpleNamespace(monotonic=lambda: made.now))
        return made

    return make


AWAY = DatabaseUnavailable("away")


@pytest.mark.parametrize(
    ("work_s", "retry_s", "failures"),
    [
        pytest.param(1, 60, 1, id="short work"),
        pytest.param(3600, 60, 1, id="work longer than the limit"),
        pytest.param(20, 60, 3, id="several times within the limit"),
        pytest.param(3600, 0.001, 1, id="the smallest limit"),
    ],
)
def test_work_that_fails_is_done_again(
    work_s: float, retry_s: float, failures: int, work: Callable[..., Work]
) -> None:
    failing = work(work_s, AWAY, failures)
    assert Retry(retry_s)(failing) == "done"
    assert failing.calls == failures + 1


@pytest.mark.parametrize(
    ("work_s", "retry_s", "calls"),
    [
        pytest.param(3600, 60, 2, id="long work has one more try"),
        pytest.param(20, 60, 4, id="until the first failure was so long ago"),
        pytest.param(20, 0, 1, id="not at all"),
    ],
)
def test_it_is_given_up_with_the_last_error(
    work_s: float, retry_s: float, calls: int, work: Callable[..., Work]
) -> None:
    failing = work(work_s, AWAY)
    with pytest.raises(DatabaseUnavailable, match="away"):
        Retry(retry_s)(failing)
    assert failing.calls == calls


@pytest.mark.parametrize("error", [DatabaseError("refused"), ValueError("ours")])
def test_an_error_that_will_not_pass_is_raised_at_once(
    error: Exception, work: Callable[..., Work]
) -> None:
    failing = work(1, error)
    with pytest.raises(type(error), match=str(error)):
        Retry(60)(failing)
    assert failing.calls == 1


def test_each_call_has_its_own_time(work: Callable[..., Work]) -> None:
    tries = Retry(60)
    failing = work(50, AWAY, 1)
    assert tries(failing) == "done"
    failing.calls = 0
    assert tries(failing) == "done"


def test_each_failure_is_said(work: Callable[..., Work], caplog: pytest.LogCaptureFixture) -> None:
    Retry(60)(work(1, AWAY, 2))
    assert caplog.messages == [
        "away; try 1 failed, trying again",
        "away; try 2 failed, trying again",
    ]
