"""One question, asked in a process of its own: of our store, or with pandas.

`python -m benchmarks.questions WAY NAME START END` prints as JSON the seconds of the first answer
(`cold_s`: from opening the database on, imports not included), the median of the next ones
(`warm_s`), and figures of the answer that both ways must agree on.

The pandas way is what one would write without a store: `read_sql` of the range, and the figures
from the frame. It reads the table that the store has made.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from benchmarks.backends import TABLE

RIG = "rig-1"
_REPEATS = 5
_LONGEST_S = 20.0
# How many buckets a chart asks for, of at most four readings each.
_POINTS = 1_000

Answer = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A range of time; None is open."""

    start: datetime | None
    end: datetime | None


class Ours:
    """The store, as the dashboard asks it."""

    def __init__(self) -> None:
        # What the dashboard has imported long before it is asked.
        from dashboard.answers import to_json
        from dashboard.exports import _csv
        from pipeline.settings import load_settings
        from pipeline.stores import open_store
        from pipeline.stores.base import Range
        from pipeline.trends import every_reading, thinned

        self._open, self._settings, self._new_range = open_store, load_settings(), Range
        self._every, self._thinned, self._json = every_reading, thinned, to_json
        self._csv = _csv  # what /api/download sends

    def open(self) -> None:
        self._store = self._open(self._settings)

    def kpis(self, asked: Asked) -> Answer:
        found = self._store.kpis(self._range(asked))
        assert found is not None
        return {
            "rows": found["total_records"],
            "mean": found["avg_temp"],
            "red": found["alert_count"],
            "running": found["running_hours"],
            "gaps": found["gap_count"],
        }

    def trend(self, asked: Asked) -> Answer:
        selection = self._range(asked)
        (stored,) = self._store.rigs(counted=False)
        found = self._store.trend(selection, _POINTS)
        assert found is not None
        if found.bucket_s is None:
            series = self._every(found.rows, stored.rig, found.gaps)
        else:
            series = self._thinned(found.rows, found.bucket_s, stored.rig, found.gaps)
        self._json(series)
        values = [v for v in series["channels"]["temperature"]["values"] if v is not None]
        return {"lowest": min(values), "highest": max(values)}

    def latest(self, asked: Asked) -> Answer:
        (stored,) = self._store.rigs(counted=False)
        (frame,) = self._store.readings(self._range(Asked(stored.last_timestamp, None)))
        return {"temperature": frame["temperature"][-1]}

    def count(self, asked: Asked) -> Answer:
        return {"rows": self._store.total_records()}

    def summary(self, asked: Asked) -> Answer:
        found = self._store.summary(self._range(asked))["temperature"]
        names = ("count", "mean", "standard_deviation", "median", "slope_per_hour")
        return {name: found[name] for name in names}

    def export(self, asked: Asked) -> Answer:
        (stored,) = self._store.rigs(counted=False)
        with tempfile.TemporaryFile() as file:
            for piece in self._csv(self._store, self._range(asked), stored.rig):
                file.write(piece)
            return {"lines": lines_of(file)}

    def _range(self, asked: Asked) -> Any:
        return self._new_range(RIG, asked.start, asked.end)


class Usual:
    """pandas on the same table."""

    def __init__(self) -> None:
        import pandas as pd
        import sqlalchemy as sa

        self._pandas, self._sqlalchemy = pd, sa

    def open(self) -> None:
        self._engine = self._sqlalchemy.create_engine(os.environ["DATABASE_URL"])
        self._integers = self._engine.name == "sqlite"

    def kpis(self, asked: Asked) -> Answer:
        frame = self._read(asked)
        channels = ("temperature", "pressure")
        for name in channels:
            frame[name].agg(["mean", "min", "max"])
        levels = [frame[f"{name}_alert"].value_counts() for name in channels]
        gained = frame["uptime"].diff()
        gained = gained.where(gained >= 0, frame["uptime"])[1:]
        step = frame["timestamp"].diff().dt.total_seconds()
        return {
            "rows": len(frame),
            "mean": frame["temperature"].mean(),
            "red": int(sum(level.get("red", 0) for level in levels)),
            "running": float(gained.sum()),
            "gaps": int((step > 1.5 * step.median()).sum()),
        }

    def trend(self, asked: Asked) -> Answer:
        frame = self._read(asked)
        if len(frame) > 4 * _POINTS:
            span = frame["timestamp"].iloc[-1] - frame["timestamp"].iloc[0]
            numbers = frame.set_index("timestamp").select_dtypes("number")
            stretches = numbers.resample(span / _POINTS).agg(["min", "max"])
            stretches.columns = ["_".join(name) for name in stretches.columns]
            stretches.reset_index().to_json(orient="split", date_format="iso")
        else:
            frame.to_json(orient="split", date_format="iso")
        return {"lowest": frame["temperature"].min(), "highest": frame["temperature"].max()}

    def latest(self, asked: Asked) -> Answer:
        query = f"SELECT * FROM {TABLE} WHERE rig = :rig ORDER BY timestamp DESC LIMIT 1"  # noqa: S608  # a constant
        frame = self._pandas.read_sql(self._text(query), self._engine, params={"rig": RIG})
        return {"temperature": frame["temperature"].iloc[0]}

    def count(self, asked: Asked) -> Answer:
        query = f"SELECT count(*) AS rows FROM {TABLE}"  # noqa: S608  # a constant
        return {"rows": int(self._pandas.read_sql(self._text(query), self._engine)["rows"][0])}

    def summary(self, asked: Asked) -> Answer:
        import numpy as np

        frame = self._read(asked)
        found = frame[["temperature", "pressure", "uptime"]].describe()
        hours = (frame["timestamp"] - frame["timestamp"].iloc[0]).dt.total_seconds() / 3600
        slopes = {name: np.polyfit(hours, frame[name], 1)[0] for name in found.columns}
        one = found["temperature"]
        return {
            "count": int(one["count"]),
            "mean": one["mean"],
            "standard_deviation": one["std"],
            "median": one["50%"],
            "slope_per_hour": slopes["temperature"],
        }

    def export(self, asked: Asked) -> Answer:
        frame = self._read(asked)
        with tempfile.TemporaryFile() as file:
            frame.to_csv(file, index=False)
            return {"lines": lines_of(file)}

    def _read(self, asked: Asked) -> Any:
        bounds = {"start": (">=", asked.start), "end": ("<", asked.end)}
        given = {name: moment for name, (_, moment) in bounds.items() if moment is not None}
        where = "".join(f" AND timestamp {bounds[name][0]} :{name}" for name in given)
        query = f"SELECT * FROM {TABLE} WHERE rig = :rig{where} ORDER BY timestamp"  # noqa: S608  # constants
        values = {name: self._stored(moment) for name, moment in given.items()}
        values["rig"] = RIG
        frame = self._pandas.read_sql(self._text(query), self._engine, params=values)
        if self._integers:
            times = self._pandas.to_datetime(frame["timestamp"], unit="us", utc=True)
            frame["timestamp"] = times
        return frame

    def _stored(self, moment: datetime) -> Any:
        return round(moment.timestamp() * 1e6) if self._integers else moment

    def _text(self, query: str) -> Any:
        return self._sqlalchemy.text(query)


def lines_of(file: Any) -> int:
    file.seek(0)
    blocks: Iterator[bytes] = iter(lambda: file.read(1 << 20), b"")
    return sum(block.count(b"\n") for block in blocks)


def asked_repeatedly(open_database: Callable[[], None], ask: Callable[[], Answer]) -> Answer:
    """The seconds of the first and of the following answers."""
    started = time.perf_counter()
    open_database()
    answer = ask()
    cold_s = time.perf_counter() - started
    warm: list[float] = []
    while not warm or (len(warm) < _REPEATS and sum(warm) < _LONGEST_S):
        began = time.perf_counter()
        ask()
        warm.append(time.perf_counter() - began)
    return {"cold_s": cold_s, "warm_s": statistics.median(warm), "answer": answer}


def main(way: str, name: str, start: str, end: str) -> None:
    asked = Asked(*(datetime.fromisoformat(text) if text else None for text in (start, end)))
    one: Ours | Usual = Ours() if way == "ours" else Usual()
    found = asked_repeatedly(one.open, lambda: getattr(one, name)(asked))
    print(json.dumps(found, default=float))


if __name__ == "__main__":
    main(*sys.argv[1:])
