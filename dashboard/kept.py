"""Answers that are kept: built once, compressed once, sent as bytes until the data change."""

import gzip
import hashlib
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import orjson
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from pipeline.errors import SmartSensorError
from pipeline.stores import Store
from pipeline.timestamps import rfc3339

_KEPT_BYTES = 16 << 20
_MOST_BUILDS = 1_000
_BUILDERS = 64
# Below this a compressed answer needs as many packets as the plain one.
_WORTH_COMPRESSING = 1_000
# Level 4 takes a sixth of the time of level 9, for a result that is a twentieth larger.
_LEVEL = 4

Build: TypeAlias = Callable[[], Any]


@dataclass(frozen=True)
class Answer:
    """The bytes of one answer; large ones are kept only as they are mostly sent, compressed."""

    kept: bytes
    compressed: bool
    digest: str

    @classmethod
    def of(cls, body: bytes) -> "Answer":
        digest = hashlib.blake2b(body, digest_size=12).hexdigest()
        if len(body) < _WORTH_COMPRESSING:
            return cls(body, False, digest)
        return cls(gzip.compress(body, _LEVEL, mtime=0), True, digest)

    @property
    def body(self) -> bytes:
        return gzip.decompress(self.kept) if self.compressed else self.kept

    def response(self, headers: Headers, media_type: str = "application/json") -> Response:
        """What a request with these headers gets: 304 where it has the answer already."""
        zipped = self.compressed and accepts_gzip(headers.get("accept-encoding", ""))
        # A strong ETag is of the bytes that are sent.
        etag = f'"{self.digest}-gzip"' if zipped else f'"{self.digest}"'
        ours = {"ETag": etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if _is_among(etag, headers.get("if-none-match", "")):
            return Response(status_code=304, headers=ours)
        if zipped:
            ours["Content-Encoding"] = "gzip"
        return Response(self.kept if zipped else self.body, headers=ours, media_type=media_type)


class _Builder:
    """Builds one answer at a time, and hands it to those who had asked before it was begun."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.waiting = 0
        self.begun_at = 0.0
        self.built: tuple[Any, Answer | Exception] | None = None

    def shared(self, question: Any, asked_at: float) -> Answer | None:
        """The newest answer, or why there is none, where it was begun after somebody has asked."""
        if self.built is None or self.begun_at < asked_at or self.built[0] != question:
            return None
        if isinstance(self.built[1], Exception):
            raise self.built[1]
        return self.built[1]


class Answers:
    """Built answers by question, for as long as the store's version stays; bounded in bytes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._builders = [_Builder() for _ in range(_BUILDERS)]
        self._kept: OrderedDict[Any, Answer] = OrderedDict()
        self._bytes = 0
        # How answers were built last, also those that are not kept any more.
        self._builds: OrderedDict[Any, Build] = OrderedDict()
        self._version: int | None = None
        self.hits = 0
        self.misses = 0

    @property
    def kept_bytes(self) -> int:
        return self._bytes

    def get(self, question: Any, build: Build) -> Answer:
        """The answer as JSON; `build` is called when it is not there or the data have changed.

        An answer is kept under the version that was there before it was built: one that a
        commit overtook is thrown away at the next question, never served as if it were new.
        """
        asked_at = time.perf_counter()
        kept = self.find(question, self._store.version())
        return kept or self._built_for_all(question, build, asked_at)

    def _built_for_all(self, question: Any, build: Build, asked_at: float) -> Answer:
        """All ask at once when the data have changed: one builds, the others wait for it. Were each
        change to be built for beside the one before, none would be in time."""
        builder = self._builders[hash(question) % len(self._builders)]
        with self._lock:
            builder.waiting += 1
        with builder.lock:
            with self._lock:
                builder.waiting -= 1
            try:
                shared = builder.shared(question, asked_at)
                self.hits += shared is not None
                return shared or self._built(builder, question, build)
            finally:
                if not builder.waiting:
                    builder.built = None

    def _built(self, builder: _Builder, question: Any, build: Build) -> Answer:
        builder.begun_at, builder.built = time.perf_counter(), None
        version = self._store.version()
        answer = self._find(question, version)
        if answer is None:
            self.misses += 1
            try:
                answer = Answer.of(to_json(build()))
            except Exception as error:
                # Whoever has waited for it need not wait for the next one to fail.
                builder.built = question, error
                raise
            self._keep(question, version, answer, build)
        else:
            self.hits += 1
        builder.built = question, answer
        return answer

    def can_renew(self, question: Any) -> bool:
        """Whether there has been an answer to the question, so that it is known how to build it."""
        return question in self._builds

    def renew(self, question: Any) -> Answer | None:
        """The answer, built if need be as it was last; None where nobody knows how, or it fails:
        the route finds out, and says it as it should be said."""
        build = self._builds.get(question)
        if build is None:
            return None
        try:
            return self._built_for_all(question, build, time.perf_counter())
        except Exception:
            # Until the route succeeds again nobody need wait for another failure.
            self._builds.pop(question, None)
            return None

    def find(self, question: Any, version: int) -> Answer | None:
        """The answer that is kept, where it is of this version of the data."""
        kept = self._find(question, version)
        self.hits += kept is not None
        return kept

    def version_at_once(self) -> int | None:
        """The version of the data, where it is known without asking a server."""
        try:
            return self._store.version_at_once()
        except SmartSensorError:
            return None  # whoever asks the database says what is the matter

    def version(self) -> int | None:
        """The version of the data; None where nobody can say it."""
        try:
            return self._store.version()
        except SmartSensorError:
            return None

    def _find(self, question: Any, version: int) -> Answer | None:
        with self._lock:
            if version != self._version:
                self._kept.clear()
                self._bytes = 0
                self._version = version
            if question in self._kept:
                self._kept.move_to_end(question)
            return self._kept.get(question)

    def _keep(self, question: Any, version: int, answer: Answer, build: Build) -> None:
        with self._lock:
            self._builds[question] = build
            self._builds.move_to_end(question)
            if len(self._builds) > _MOST_BUILDS:
                self._builds.popitem(last=False)
            if version == self._version and question not in self._kept:
                self._kept[question] = answer
                self._bytes += len(answer.kept)
            while self._bytes > _KEPT_BYTES:
                self._bytes -= len(self._kept.popitem(last=False)[1].kept)


def question_of(scope: Scope) -> tuple[str, bytes]:
    """What a request asks, word for word."""
    return scope["path"], scope["query_string"]


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header takes gzip (RFC 9110, 12.5.3)."""
    weights: dict[str, str] = {}
    for entry in accept_encoding.lower().split(","):
        coding, _, weight = entry.partition(";")
        weights[coding.strip()] = weight.strip()
    weight = weights.get("gzip", weights.get("*", "q=0"))
    return re.fullmatch(r"q=0(\.0*)?", weight) is None


def _is_among(etag: str, if_none_match: str) -> bool:
    """Weak comparison, as If-None-Match wants it (RFC 9110, 13.1.2)."""
    listed = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return etag in listed or "*" in listed


def to_json(value: Any) -> bytes:
    """JSON of plain values; times in UTC with `Z`, numbers that are not finite as null."""
    return orjson.dumps(
        value,
        default=_plain,
        option=orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
