"""Every backend gives the same answers, to the last digit."""

import json
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from dashboard.export_formats import FORMATS
from pipeline.db_utils import dispose_engines
from pipeline.etl_pipeline import run_etl
from pipeline.rig import Rig
from pipeline.settings import load_settings
from pipeline.simulate import write_csv
from pipeline.stores import Store, open_store
from pipeline.stores.base import Range, StoredRig
from pipeline.streaming import LiveWriter
from tests.conftest import DATA
from tests.services.postgres import PostgresServer
from tests.services.timescale import TimescaleServer

START = datetime(2025, 7, 13, tzinfo=UTC)
LIVE = {"timestamp": START, "temperature": 85.0, "pressure": 990.0, "uptime": 0.5}


def files(folder: Path, rig: Rig, static_fire: Rig) -> list[tuple[Path, Rig]]:
    """A long simulated file with faults, its middle once more with corrections, a real firing."""
    write_csv(
        folder / "long.csv", 8_000, start=START, fault_rate=0.02, interval=timedelta(seconds=7)
    )
    lines = (folder / "long.csv").read_text().splitlines(keepends=True)
    middle = [line.replace("1018", "1019") for line in lines[3_000:5_000]]
    (folder / "middle.csv").write_text(lines[0] + "".join(reversed(middle)))
    return [
        (folder / "long.csv", rig),
        (folder / "middle.csv", rig),
        (DATA / "KNSB_250220_pressure_raw.csv", static_fire),
    ]


def answers(store: Store) -> dict[str, Any]:
    """What is shown of every rig, over all of its time and parts of it."""
    found: dict[str, Any] = {"loads": [_without_times(load) for load in store.loads(10)]}
    for stored in store.rigs():
        found[stored.rig.name] = asdict(stored)
        assert stored.first_timestamp
        assert stored.last_timestamp
        third = (stored.last_timestamp - stored.first_timestamp) / 3
        for part in range(4):
            start = stored.first_timestamp + part * third
            selection = Range(stored.rig.name, start, start + third if part else None)
            found[f"{stored.rig.name} {part}"] = of_range(store, selection, stored)
    return found


def of_range(store: Store, selection: Range, stored: StoredRig) -> dict[str, Any]:
    frames = list(store.readings(selection))
    columns = ["rig", "timestamp", *stored.rig.value_columns]
    return {
        "kpis": store.kpis(selection),
        # From roll-ups, from readings, and all readings of a part.
        "trends": [trend_of(store, selection, points) for points in (20, 600, 1_000)],
        "alerts": store.alerts(selection, ["red", "yellow"], 100).to_dicts(),
        "extent": store.extent(selection),
        "readings": pl.concat(frames).to_dicts() if frames else [],
        "export": b"".join(FORMATS["csv"].make(frames, stored, columns)),
    }


def trend_of(store: Store, selection: Range, points: int) -> dict[str, Any] | None:
    found = store.trend(selection, points)
    if found is None:
        return None
    frames = {name: getattr(found, name).to_dicts() for name in ("rows", "gaps", "red")}
    rest = ("records", "bucket_s", "gap_count", "red_counts")
    return {**frames, **{name: getattr(found, name) for name in rest}}


def _without_times(load: dict[str, Any]) -> dict[str, Any]:
    """A ledger row without when it was made, in the words of JSON."""
    kept = {name: value for name, value in load.items() if name not in _MOMENTS}
    return dict(json.loads(json.dumps(kept, default=str)))


_MOMENTS = ("started_at", "finished_at")


def test_every_backend_gives_the_same_answers(
    postgres_server: PostgresServer,
    timescale_server: TimescaleServer,
    home: Path,
    tmp_path: Path,
    rig: Rig,
    static_fire: Rig,
) -> None:
    urls = {
        "sqlite": f"sqlite:///{tmp_path}/same.db",
        "postgresql": postgres_server.fresh_database(),
        "timescaledb": timescale_server.fresh_database(),
    }
    sources = files(tmp_path, rig, static_fire)
    found = {}
    for backend, url in urls.items():
        settings = load_settings(database_url=url, database_pool_size=0)
        for path, of_rig in sources:
            run_etl([str(path)], settings=settings, rig=of_rig)
        with closing(open_store(settings)) as store:
            assert store.backend == backend
            live = LiveWriter(store, rig, "live")
            live.write(pl.DataFrame([LIVE]))
            found[backend] = answers(store)
        dispose_engines()
    assert len(found["sqlite"]["rig-1 0"]["readings"]) > 7_500
    for question, answer in found["sqlite"].items():
        assert found["postgresql"][question] == answer, question
        assert found["timescaledb"][question] == answer, question
