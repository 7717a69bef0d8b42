"""Answers that are asked for again and again, while data change: built by one for all who wait."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import anyio
from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard.kept import Answer, Answers, question_of

Result = TypeVar("Result")

_MOST_QUESTIONS = 1_000
# An answer rests so many times as long as it took the processor to build, before it is built again:
# a question that everybody asks after every change takes a quarter of a processor, and no more.
_REST = 3
_LONGEST_REST_S = 0.5
# So long it is waited for the version of the data. A server whose connection hangs is to hold up
# the one who asked, not all.
_PATIENCE_S = 1.0


class KeptAnswers:
    """Middleware that sends a kept answer before anything else is made of the request.

    Routes name their answers by `question_of`. In a route, FastAPI's own work takes as long as
    everything else together, and each request that waits takes one of its threads.
    """

    def __init__(self, app: ASGIApp, answers: Answers) -> None:
        self._app = app
        self._renewals = Renewals(answers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET":
            answer = await self._renewals.get(question_of(scope))
            if answer is not None:
                scope["kept"] = True
                await answer.response(Headers(scope=scope))(scope, receive, send)
                return
        await self._app(scope, receive, send)


class Turns(Generic[Result]):
    """Runs something in a thread, one time after another; between them it rests.

    All who ask before a run has begun share what it gives.
    """

    def __init__(self, run: Callable[[], Result], limiter: anyio.CapacityLimiter | None) -> None:
        self._run = run
        self._limiter = limiter
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[Result] | None = None
        self._rest_until = 0.0

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for the next run already."""
        return self._next is not None

    async def next(self) -> Result:
        """What a run gives that is begun from now on."""
        if self._next is None:
            self._next = asyncio.create_task(self._in_turn())
        # Whoever goes away does not take it from the others.
        return await asyncio.shield(self._next)

    async def _in_turn(self) -> Result:
        async with self._turn:
            await asyncio.sleep(self._rest_until - time.monotonic())
            # Data may change from here on: who asks now waits for the next run.
            self._next = None
            result, processor_s = await run_sync(self._timed, limiter=self._limiter)
            self._rest_until = time.monotonic() + min(_REST * processor_s, _LONGEST_REST_S)
            return result

    def _timed(self) -> tuple[Result, float]:
        """What it gives, and what it took of this thread's processor."""
        begun = time.thread_time()
        result = self._run()
        return result, time.thread_time() - begun


class Renewals:
    """Builds answers to questions whose route has been asked before."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._asked: OrderedDict[Any, Turns[Answer | None]] = OrderedDict()
        self._version = self._version_turns()

    async def get(self, question: Any) -> Answer | None:
        """The answer that is kept and still right, or else one that is begun from now on; None
        where the route has to be asked: it knows the question, or says why there is no answer."""
        version = self._answers.version_at_once()
        if version is None and self._answers.can_renew(question):
            version = await self._asked_version()
        if version is None:
            return None
        answer = self._answers.find(question, version)
        if answer is not None or not self._answers.can_renew(question):
            return answer
        return await self._renewed(question)

    async def _asked_version(self) -> int | None:
        turns = self._version
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await turns.next()
        except TimeoutError:
            if self._version is turns:
                # The next ones ask on another connection, whatever becomes of this one.
                self._version = self._version_turns()
            return None

    def _version_turns(self) -> Turns[int | None]:
        # With a thread of its own: it does not wait for those that build answers.
        return Turns(self._answers.version, anyio.CapacityLimiter(1))

    async def _renewed(self, question: Any) -> Answer | None:
        turns = self._asked.get(question)
        if turns is None:
            turns = Turns(lambda: self._answers.renew(question), None)
            self._asked[question] = turns
            if len(self._asked) > _MOST_QUESTIONS:
                self._asked.popitem(last=False)
        self._asked.move_to_end(question)
        shared = turns.is_awaited
        answer = await turns.next()
        self._answers.hits += shared and answer is not None
        return answer
