"""Answers that are asked for again and again, while data change: built by one for all who wait."""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard.kept import Answer, Answers, question_of

_MOST_QUESTIONS = 1_000
# An answer rests so many times as long as it took the processor to build, before it is built again:
# a question that everybody asks after every change takes a quarter of a processor, and no more.
_REST = 3
_LONGEST_REST_S = 0.5


class KeptAnswers:
    """Middleware that sends a kept answer before anything else is made of the request.

    Routes name their answers by `question_of`. In a route, FastAPI's own work takes as long as
    everything else together, and each request that waits takes one of its threads.
    """

    def __init__(self, app: ASGIApp, answers: Answers) -> None:
        self._app = app
        self._answers = answers
        self._renewals = Renewals(answers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET":
            question = question_of(scope)
            answer = self._answers.at_once(question) or await self._renewals.get(question)
            if answer is not None:
                scope["kept"] = True
                await answer.response(Headers(scope=scope))(scope, receive, send)
                return
        await self._app(scope, receive, send)


@dataclass
class _Asked:
    """A question that has been asked before; `waiting` is for the next answer."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: asyncio.Task[Answer | None] | None = None
    rest_until: float = 0.0


class Renewals:
    """Builds answers to questions whose route has been asked before."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._asked: OrderedDict[Any, _Asked] = OrderedDict()

    async def get(self, question: Any) -> Answer | None:
        """An answer that is begun from now on; None where the route has to be asked: it knows the
        question, or says why there is no answer."""
        if not self._answers.can_renew(question):
            return None
        asked = self._asked.setdefault(question, _Asked())
        self._asked.move_to_end(question)
        if len(self._asked) > _MOST_QUESTIONS:
            self._asked.popitem(last=False)
        shared = asked.waiting is not None
        if asked.waiting is None:
            asked.waiting = asyncio.create_task(self._renewed(asked, question))
        # Whoever goes away does not take the answer from the others.
        answer = await asyncio.shield(asked.waiting)
        self._answers.hits += shared and answer is not None
        return answer

    async def _renewed(self, asked: _Asked, question: Any) -> Answer | None:
        async with asked.turn:
            await asyncio.sleep(asked.rest_until - time.monotonic())
            # Data may change from here on: who asks now waits for the next one.
            asked.waiting = None
            answer, processor_s = await run_sync(self._built, question)
            asked.rest_until = time.monotonic() + min(_REST * processor_s, _LONGEST_REST_S)
            return answer

    def _built(self, question: Any) -> tuple[Answer | None, float]:
        """The answer, and what it took of this thread's processor."""
        begun = time.thread_time()
        answer = self._answers.renew(question)
        return answer, time.thread_time() - begun
