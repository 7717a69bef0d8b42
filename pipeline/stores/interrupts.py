"""Ctrl+C while ADBC waits for a server: the question is cancelled, and the interrupt stays one.

ADBC takes SIGINT away from Python while it waits. The server's answer (SQLSTATE 57014) then looks
like that of a statement timeout, and a question that ends before it is cancelled, or a COPY, which
the server reads to its end all the same, swallows the interrupt.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

_NOTICED_AFTER_S = 0.1


class _Call(threading.Thread):
    """A call that waits, in a thread of its own: the main thread is there for signals."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(name="arrow call")
        self._work = work
        self._result: Any = None
        self._error: BaseException | None = None
        self.interrupt: KeyboardInterrupt | None = None
        self.ended = threading.Event()

    def run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:
            self._error = error
        finally:
            self.ended.set()

    def outcome(self) -> Any:
        if self.interrupt is not None:
            raise self.interrupt
        if self._error is not None:
            raise self._error
        return self._result


def heed() -> None:
    """Make ADBC wait in the way of `waiting`, in this process."""
    from adbc_driver_manager import dbapi

    driver: Any = dbapi  # which has it for itself
    driver._blocking_call = waiting


def waiting(
    work: Callable[..., Any],
    arguments: tuple[Any, ...],
    options: dict[str, Any],
    cancel: Callable[[], None],
) -> Any:
    """Call `work`; an interrupt calls `cancel`, and is raised when `work` has ended."""
    if threading.current_thread() is not threading.main_thread():
        return work(*arguments, **options)  # signals are not for it
    call = _Call(lambda: work(*arguments, **options))
    begun = False
    while not call.ended.is_set():
        try:
            if not begun:
                begun = True
                call.start()
            # Polars has SIGINT begin a wait anew: without a limit it would not be noticed.
            call.ended.wait(_NOTICED_AFTER_S)
        except KeyboardInterrupt as interrupt:
            call.interrupt = interrupt
            with suppress(Exception):
                cancel()
    return call.outcome()


def stop_if_interrupted() -> None:
    """Raises KeyboardInterrupt in what a call of `waiting` works on, after an interrupt."""
    if getattr(threading.current_thread(), "interrupt", None) is not None:
        raise KeyboardInterrupt
