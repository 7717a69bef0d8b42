"""Readings that the tests of the dashboard make, and the ways in which they are written."""

import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from pipeline import simulate
from pipeline.etl_pipeline import run_etl
from pipeline.rig import Rig, configured_rig, load_rig
from pipeline.stores import open_store
from pipeline.streaming import LiveWriter
from pipeline.timestamps import UTC_DATETIME
from tests.services.server import ROOT, settings_for

DATA = ROOT / "tests" / "data"
START = datetime(2025, 7, 13, tzinfo=UTC)
HEADER = "timestamp,temperature,pressure,uptime"

SPIKY_ROWS = 20_000
SPIKES = {12_345: 149.9, 777: 0.1}
# Names that somebody may give to a rig, and that must not do anything anywhere.
NASTY_NAMES = (
    "=cmd()",
    "@x",
    "-1",
    "+1",
    '../../etc/passwd"; x=é\\',
    "<img src=x onerror=alert(1)>",
)


def load(database: Path, path: Path, rig: Rig | None = None, **settings: Any) -> None:
    """Load a file as another process does: this one, not the server's."""
    run_etl([str(path)], settings=settings_for(database, **settings), rig=rig)


def engine_of(url: str) -> sa.Engine:
    """For plain SQL: an engine for a database that keeps no connection."""
    used = settings_for(Path("unused.db"), database_url=url)
    return sa.create_engine(used.database_url, poolclass=sa.NullPool)


def live_rows(first: datetime, temperatures: Sequence[float], step_s: float = 1.0) -> pl.DataFrame:
    """Rows of the default rig, as a live source sends them."""
    times = [first + timedelta(seconds=step_s * number) for number in range(len(temperatures))]
    return pl.DataFrame(
        {
            "timestamp": pl.Series(times, dtype=UTC_DATETIME),
            "temperature": [float(value) for value in temperatures],
            "pressure": [1000.0] * len(times),
            "uptime": [1.0] * len(times),
        }
    )


@contextmanager
def live_writer(database: Path, rig: Rig | None = None) -> Iterator[LiveWriter]:
    """A source that sends reading by reading."""
    settings = settings_for(database)
    with closing(open_store(settings)) as store:
        yield LiveWriter(store, rig or configured_rig(settings), "test")


def query(database: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """What plain SQL says."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(sql, values).fetchall()


def sample_csv(path: Path) -> Path:
    """The 100 readings of data/simulated_raw.csv."""
    path.write_text(simulate.raw_csv(simulate.sample()), encoding="utf-8")
    return path


def faulty_csv(path: Path) -> Path:
    """Two rejects whose time can be read, on two days, one whose time cannot; and one reading."""
    rows = [
        "2025-07-13T12:30:00Z,,1000.0,1.0",
        "2025-07-14T09:00:00Z,999,1000.0,1.0",
        "yesterday,50.0,1000.0,1.0",
        # Replaces a reading of the sample by itself.
        simulate.raw_csv(simulate.sample()[:1]).splitlines()[1],
    ]
    path.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return path


def plain_csv(path: Path, rows: int, first: datetime = START, step_s: float = 60.0) -> Path:
    """Readings of the default rig, all of them normal."""
    lines = [HEADER]
    for number in range(rows):
        moment = first + timedelta(seconds=number * step_s)
        lines.append(f"{moment:%Y-%m-%dT%H:%M:%SZ},{50 + number % 7},{1000 + number % 5},1.0")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def spiky_csv(path: Path) -> Path:
    """A reading a second with SPIKES of single readings, and a gap of an hour in the middle."""
    lines = [HEADER.replace("timestamp", "rig,timestamp")]
    for number in range(SPIKY_ROWS):
        moment = START + timedelta(seconds=number + (3600 if number >= SPIKY_ROWS // 2 else 0))
        temperature = SPIKES.get(number, 50 + 5 * math.sin(number / 300))
        pressure = 1000 + 20 * math.cos(number / 500)
        uptime = number / 3600
        lines.append(
            f"spiky,{moment:%Y-%m-%dT%H:%M:%SZ},{temperature:.3f},{pressure:.2f},{uptime:.4f}"
        )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


HOT_ROWS = 6_000


def hot_csv(path: Path) -> Path:
    """A reading a second, of which every fortieth is beyond a limit."""
    lines = [HEADER]
    for number in range(HOT_ROWS):
        moment = START + timedelta(seconds=number)
        temperature = 90 if number % 40 == 20 else 50 + number % 7
        lines.append(f"{moment:%Y-%m-%dT%H:%M:%SZ},{temperature},{1000 + number % 5},1.0")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def nasty_csv(path: Path) -> Path:
    """Two readings of each of NASTY_NAMES."""
    quoted = ['"' + name.replace('"', '""') + '"' for name in NASTY_NAMES]
    rows = [
        f"{name},2025-07-13T00:0{minute}:00Z,5{minute}.0,1000.0,1.0"
        for name in quoted
        for minute in (0, 6)
    ]
    path.write_text(f"rig,{HEADER}\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


# A day that lacks an hour in Berlin, the day after it, and one that has an hour twice.
SPRING, AFTER_SPRING, AUTUMN = "2025-03-30", "2025-03-31", "2025-10-26"


def vibration_csv(path: Path) -> Path:
    """A reading an hour over the nights in which Berlin changes its clocks.

    In the rig's own time, decimal comma and units; the hour that occurs twice is there once,
    because its time alone cannot tell which of the two it is.
    """
    lines = ["Zeitpunkt;Beschleunigung;Auslenkung (µm);Spulenstrom;Spule (°F);Zyklen"]
    for day, month in ((29, 3), (30, 3), (31, 3), (25, 10), (26, 10), (27, 10)):
        for hour in range(24):
            if (day, month, hour) == (30, 3, 2):
                continue
            number = len(lines)
            acceleration = 250.5 if number == 40 else 100 * math.sin(number)
            current = "" if number % 10 == 3 else f"{8 + 2 * math.cos(number):.2f}"
            values = [
                f"{day:02}.{month:02}.2025 {hour:02}:00:00",
                f"{acceleration:.3f}",
                f"{15_000 * math.cos(number):.1f}",
                current,
                f"{100 + 30 * math.sin(number / 7):.1f}",
                f"{1000 * number}",
            ]
            lines.append(";".join([values[0], *(value.replace(".", ",") for value in values[1:])]))
    path.write_text("\n".join(lines) + "\n", encoding="cp1252")
    return path


def vibration_rig() -> Rig:
    return load_rig(DATA / "vibration.toml")


def static_fire_rig() -> Rig:
    return load_rig(ROOT / "rigs" / "static-fire.toml")


def second_time() -> pl.DataFrame:
    """The reading that `vibration_csv` cannot have: at 02:00, after the clocks were put back."""
    return pl.DataFrame(
        {
            "Zeitpunkt": pl.Series([datetime(2025, 10, 26, 1, tzinfo=UTC)], dtype=UTC_DATETIME),
            "Beschleunigung": [1.5],
            "Auslenkung (µm)": [2000.0],
            "Spulenstrom": [8.0],
            "Spule (°F)": [100.0],
            "Zyklen": [900_000.0],
        }
    )
