"""What routes answer from: the store, the settings, what was asked, and the answers kept."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import Depends, Query, Request, Response

from dashboard.kept import Answers, question_of
from pipeline.errors import NothingFoundError, QueryError
from pipeline.rig import Rig
from pipeline.settings import Settings
from pipeline.stores import Store
from pipeline.stores.base import Range, StoredRig
from pipeline.timestamps import EARLIEST, day_range, parse_moment, rfc3339


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
        wanted = context.store.rig(context.rig.name if self.rig is None else self.rig)
        if self.rig is not None:
            if wanted is not None:
                return wanted
            there = ", ".join(context.store.definitions()) or "none yet"
            raise NothingFoundError(f"no rig is named {self.rig!r}; there are: {there}")
        if wanted is not None and wanted.last_timestamp:
            return wanted
        for stored in context.store.rigs(counted=False):
            if stored.last_timestamp:
                return stored
        raise NothingFoundError(
            "no readings yet; load some with `smart-sensor etl your.csv`, "
            "or start `python main.py` for a simulation"
        )


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


def answered(request: Request, build: Callable[[], Any]) -> Response:
    """The answer to a request, as it is kept or else as `build` gives it.

    `build` is called again later, for others who ask the same: it finds out everything anew.
    """
    answer = context_of(request).answers.get(question_of(request.scope), build)
    return answer.response(request.headers)
