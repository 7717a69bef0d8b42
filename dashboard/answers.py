"""What routes answer from: the store, the settings, and answers kept until the data change."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import orjson
from fastapi import Depends, Query, Request, Response

from pipeline.errors import NothingFoundError, QueryError
from pipeline.rig import Rig
from pipeline.settings import Settings
from pipeline.stores import Store
from pipeline.stores.base import Range, StoredRig
from pipeline.timestamps import EARLIEST, day_range, parse_moment, rfc3339

_KEPT_BYTES = 16 << 20
_BUILDERS = 64


class Answers:
    """Built answers by question, for as long as the store's version stays; bounded in bytes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._builders = [threading.Lock() for _ in range(_BUILDERS)]
        self._kept: OrderedDict[Any, bytes] = OrderedDict()
        self._bytes = 0
        self._version: int | None = None
        self.hits = 0
        self.misses = 0

    @property
    def kept_bytes(self) -> int:
        return self._bytes

    def get(self, question: Any, build: Callable[[], Any]) -> bytes:
        """The answer as JSON; `build` is called when it is not there or the data have changed.

        An answer is kept under the version that was there before it was built: one that a
        commit overtook is thrown away at the next question, never served as if it were new.
        """
        version = self._store.version()
        # One builds, the others wait for it: all ask at once when the data have changed.
        with self._builders[hash((question, version)) % len(self._builders)]:
            kept = self._find(question, version)
            if kept is not None:
                self.hits += 1
                return kept
            self.misses += 1
            answer = to_json(build())
            self._keep(question, version, answer)
            return answer

    def _find(self, question: Any, version: int) -> bytes | None:
        with self._lock:
            if version != self._version:
                self._kept.clear()
                self._bytes = 0
                self._version = version
            if question in self._kept:
                self._kept.move_to_end(question)
            return self._kept.get(question)

    def _keep(self, question: Any, version: int, answer: bytes) -> None:
        with self._lock:
            if version == self._version and question not in self._kept:
                self._kept[question] = answer
                self._bytes += len(answer)
            while self._bytes > _KEPT_BYTES:
                self._bytes -= len(self._kept.popitem(last=False)[1])


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


@dataclass(frozen=True)
class Context:
    """What every route needs."""

    settings: Settings
    rig: Rig
    store: Store
    answers: Answers


def context_of(request: Request) -> Context:
    context = request.app.state.context
    assert isinstance(context, Context)
    return context


ContextDependency = Annotated[Context, Depends(context_of)]


@dataclass(frozen=True)
class Filter:
    """What somebody asks for: a rig, and a day or a time range, as written."""

    rig: str | None = None
    date: str | None = None
    start: str | None = None
    end: str | None = None

    def selection(self, context: Context) -> tuple[StoredRig, Range]:
        """The stored rig and the range of it.

        Raises QueryError for a malformed date or range, NothingFoundError for an unknown rig.
        """
        zone = context.rig.zone
        if self.date is not None and (self.start is not None or self.end is not None):
            raise QueryError("give either date, or start and end, not both")
        # A malformed date is one even where nothing is stored yet.
        self._range(zone)
        stored = self.find_rig(context)
        start, end = self._range(stored.rig.zone)
        return stored, Range(stored.rig.name, start, end)

    def _range(self, zone: Any) -> tuple[datetime | None, datetime | None]:
        if self.date is not None:
            return day_range(self.date, zone)
        start = None if self.start is None else parse_moment(self.start, zone, "start")
        end = None if self.end is None else parse_moment(self.end, zone, "end")
        if start is not None and end is not None and start >= end:
            raise QueryError(f"start={self.start!r} is not before end={self.end!r}")
        return start, end

    def before(self, selection: Range, last: datetime, zone: ZoneInfo) -> Range | None:
        """The range before a selection, as long: before a day the day before, of 23 to 25 hours.

        A selection without an end ends with its last reading; None where it has no beginning.
        """
        start = selection.start
        if start is None or start == EARLIEST:
            return None
        if self.date is not None:
            day = (start - timedelta(microseconds=1)).astimezone(zone).date()
            return Range(selection.rig, day_range(day.isoformat(), zone)[0], start)
        length = (selection.end or last + timedelta(microseconds=1)) - start
        # Where readings have been pruned the last one may be from before the selection.
        if not timedelta(0) < length <= start - EARLIEST:
            return None
        return Range(selection.rig, start - length, start)

    def find_rig(self, context: Context) -> StoredRig:
        """The rig asked for; else the settings' rig; else the first that has readings."""
        stored = context.store.rigs(counted=False)
        by_name = {each.rig.name: each for each in stored}
        if self.rig is not None:
            if self.rig in by_name:
                return by_name[self.rig]
            there = ", ".join(by_name) or "none yet"
            raise NothingFoundError(f"no rig is named {self.rig!r}; there are: {there}")
        with_readings = [each for each in stored if each.last_timestamp]
        if not with_readings:
            raise NothingFoundError(
                "no readings yet; load some with `smart-sensor etl your.csv`, "
                "or start `python main.py` for a simulation"
            )
        default = by_name.get(context.rig.name)
        return default if default in with_readings else with_readings[0]


def filter_of(
    rig: Annotated[
        str | None, Query(description="Name of the rig; default: the configured one.")
    ] = None,
    date: Annotated[
        str | None,
        Query(description="A whole day in the rig's zone, `YYYY-MM-DD`.", examples=["2025-07-13"]),
    ] = None,
    start: Annotated[
        str | None,
        Query(
            description="First moment; ISO 8601, without offset in the rig's zone.",
            examples=["2025-07-13T00:00:00Z"],
        ),
    ] = None,
    end: Annotated[
        str | None,
        Query(
            description="First moment that is no longer included; ISO 8601.",
            examples=["2025-07-14T00:00:00Z"],
        ),
    ] = None,
) -> Filter:
    return Filter(rig, date, start, end)


FilterDependency = Annotated[Filter, Depends(filter_of)]


def nothing_in(stored: StoredRig, selection: Range) -> NothingFoundError:
    """Says that a range is empty, and where the rig has readings."""
    name = stored.rig.name
    if not stored.first_timestamp or not stored.last_timestamp:
        return NothingFoundError(f"rig {name!r} has no readings yet")
    return NothingFoundError(
        f"rig {name!r} has no readings in this range; it has some from "
        f"{rfc3339(stored.first_timestamp)} to {rfc3339(stored.last_timestamp)}"
    )


def question(asked: Filter, selection: Range) -> dict[str, Any]:
    """What was asked, for the answer."""
    return {
        "rig": selection.rig,
        "date_filter": asked.date,
        "start": selection.start,
        "end": selection.end,
    }


def json_response(body: bytes) -> Response:
    return Response(body, media_type="application/json")
