"""What is stored, by plain SQL, to compare answers with."""

from datetime import datetime, timedelta
from typing import Any

from pipeline.rig import Rig, load_rig
from pipeline.settings import default_rig_file
from pipeline.timestamps import EPOCH
from tests.dashboard import made
from tests.dashboard.conftest import Asked

RIG_FILES: dict[str, Rig] = {
    "rig-1": load_rig(default_rig_file()),
    "shaker-7": made.vibration_rig(),
    "static-fire": made.static_fire_rig(),
    "spiky": load_rig(default_rig_file()),
}
RIGS = tuple(RIG_FILES)
Row = dict[str, Any]


def moment(text: str) -> datetime:
    assert text.endswith("Z")
    return datetime.fromisoformat(text)


def rows_of(house: Asked, rig: str) -> list[Row]:
    """All that is stored of a rig, by plain SQL."""
    columns = ["timestamp", *RIG_FILES[rig].value_columns]
    found = house.sql(
        f"SELECT {', '.join(columns)} FROM sensor_data WHERE rig = ? ORDER BY timestamp",  # noqa: S608  # names from a rig file
        rig,
    )
    rows = [dict(zip(columns, row, strict=True)) for row in found]
    return [{**row, "timestamp": EPOCH + timedelta(microseconds=row["timestamp"])} for row in rows]
