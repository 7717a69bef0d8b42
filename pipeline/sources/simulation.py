"""The simulated sample as a source, for when there is no file."""

import io
from datetime import datetime

from pipeline import simulate
from pipeline.rig import Rig
from pipeline.sources.csv import CsvSource


def simulation_source(rig: Rig, start: datetime | None = None) -> CsvSource:
    """The design's 100 readings, beginning at `start` (default: as in data/simulated_raw.csv)."""
    readings = simulate.sample(start) if start else simulate.sample()
    return CsvSource("simulation", rig, spooled=io.BytesIO(simulate.raw_csv(readings).encode()))
