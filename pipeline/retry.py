"""Trying again after errors that may pass: which ones, their type says."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type
from tenacity.wait import wait_random_exponential

from pipeline.errors import Retryable

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
_LONGEST_PAUSE_S = 5.0


class Retry:
    """Calls something until it does not raise Retryable any more.

    It stops when the first failure was `seconds` ago: what a load had taken until then does not
    count, and a long one has another try.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __call__(self, work: Callable[[], Result]) -> Result:
        """What `work` returns. Raises its last error when time is up, any other one at once.

        Pauses grow, and are random: writers that met once do not meet again.
        """
        deadline: float | None = None

        def is_over(state: RetryCallState) -> bool:
            nonlocal deadline
            over = deadline is not None and time.monotonic() >= deadline
            deadline = deadline or time.monotonic() + self._seconds
            return over or not self._seconds

        attempts = Retrying(
            retry=retry_if_exception_type(Retryable),
            wait=wait_random_exponential(multiplier=0.1, max=_LONGEST_PAUSE_S),
            stop=is_over,
            before_sleep=_say,
            reraise=True,
        )
        return attempts(work)


def _say(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    logger.warning("%s; try %d failed, trying again", error, state.attempt_number)
