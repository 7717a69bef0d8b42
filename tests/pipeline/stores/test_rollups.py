"""Roll-ups are those of the readings, whoever wrote them, in whatever order they came."""

import os
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline.etl_pipeline import run_etl
from pipeline.retention import prune
from pipeline.rig import Rig, parse_rig
from pipeline.settings import default_rig_file, load_settings
from pipeline.stores import Store, open_store
from pipeline.stores.base import Range
from pipeline.stores.sqlite import SqliteLoad
from pipeline.streaming import LiveWriter
from tests.pipeline.stores.conftest import HEADER, Load, Sql

START = datetime(2025, 7, 13, tzinfo=UTC)
DEFAULT = default_rig_file().read_text()


def csv(seconds: list[int], warmer: float = 0.0, reset: int = 10_000) -> str:
    """Rows of a file at these seconds, whose uptime begins anew after so many."""
    return "".join(
        f"{(START + timedelta(seconds=s)).isoformat()},{20 + s % 70 + warmer:.2f},1000,"
        f"{s % reset / 3600:.4f}\n"
        for s in seconds
    )


def live(seconds: list[int]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "timestamp": [START + timedelta(seconds=s) for s in seconds],
            "temperature": [50.0 + s % 7 for s in seconds],
            "pressure": [1000.0] * len(seconds),
            "uptime": [s / 3600 for s in seconds],
        }
    )


def table(sql: Sql) -> dict[int, tuple[int, int]]:
    """Number of buckets, and of their readings, at each level."""
    found = sql(
        "SELECT level_s, count(*), CAST(sum(readings) AS bigint) FROM sensor_data_rollups"
        " GROUP BY level_s"
    )
    return {level: (buckets, readings) for level, buckets, readings in found}


def sound(store: Store) -> None:
    assert store.check(deep=True) == []


def test_a_first_load_has_them_at_every_level(load: Load, store: Store, sql: Sql) -> None:
    load(csv([*range(1800), *range(25_000, 26_000)]))
    buckets = {60: 30 + 18, 300: 6 + 4, 900: 2 + 2, 3_600: 1 + 2, 21_600: 2}
    assert table(sql) == {level: (count, 2800) for level, count in buckets.items()}
    sound(store)


def test_late_corrected_and_repeated_readings_are_in_them(
    load: Load, store: Store, sql: Sql, rig: Rig
) -> None:
    load(csv(list(range(600, 1200))))
    load(csv(list(range(0, 300))), "earlier.csv")
    load(csv(list(range(250, 700)), warmer=5), "between.csv")
    load(csv(list(range(600, 1200))), force=True)
    writer = LiveWriter(store, rig, "live")
    writer.write(live([5, 5000, 700]))
    writer.write(live([5001, 5000]))
    sound(store)
    assert table(sql)[60][1] == store.total_records() == 1202


def test_a_load_in_no_order_at_all(load: Load, store: Store, sql: Sql) -> None:
    backwards = [s for s in range(4000) if s % 13]
    load(csv(backwards[::-1]))
    load(csv([s * 7919 % 4001 for s in range(4000)]), "mixed.csv")
    sound(store)


def test_readings_that_are_taken_back_leave_them(
    load: Load, store: Store, sql: Sql, rig: Rig
) -> None:
    load(csv(list(range(900))))
    stricter = parse_rig(DEFAULT.replace("max = 150", "max = 60"), "stricter")
    load(csv(list(range(900))), rig=stricter)
    assert 0 < table(sql)[60][1] < 900
    sound(store)


def test_another_usual_interval_makes_them_anew(load: Load, store: Store, sql: Sql) -> None:
    load(csv(list(range(0, 3600))))
    slower = parse_rig(f"interval_s = 10\n{DEFAULT}", "slower")
    load(csv(list(range(4000, 6000, 10))), "y.csv", rig=slower)
    assert set(table(sql)) == {900, 3_600, 21_600}
    sound(store)


def test_a_source_without_order_gets_its_interval_and_its_roll_ups_at_the_end(
    load: Load, store: Store, sql: Sql
) -> None:
    load(csv(list(range(1000))[::-1]))
    assert table(sql)[60] == (17, 1000)
    sound(store)


def test_two_rigs_in_one_file(load: Load, store: Store, sql: Sql) -> None:
    rows = [f"{line},{name}" for line in csv(list(range(300))).splitlines() for name in "ab"]
    load("\n".join([f"{HEADER},rig", *rows, ""]))
    assert table(sql)[60] == (10, 600)
    sound(store)


def test_what_is_wrong_is_found_and_made_anew(load: Load, store: Store, sql: Sql) -> None:
    load(csv(list(range(5000))))
    sql("UPDATE sensor_data_rollups SET temperature_max = 1e6 WHERE level_s = 60 AND readings = 60")
    sql("DELETE FROM sensor_data_rollups WHERE level_s = 900")
    texts = [finding.text for finding in store.check(deep=True)]
    assert [text.partition(";")[0] for text in texts] == [
        "rig 'rig-1': 83 roll-ups of 60 s are not those of the readings",
        "rig 'rig-1': 17 roll-ups of 300 s are not those of the readings",
        "rig 'rig-1': 6 roll-ups of 900 s are not those of the readings",
        "rig 'rig-1': 2 roll-ups of 3600 s are not those of the readings",
    ]
    assert store.check() == []
    assert [step.done for step in store.rebuild_rollups("rig-1")][-1]
    sound(store)


def test_a_rebuild_that_was_stopped_goes_on(
    load: Load, store: Store, sql: Sql, monkeypatch: pytest.MonkeyPatch, rig: Rig
) -> None:
    monkeypatch.setattr("pipeline.stores.rollup_upkeep._READINGS_AT_ONCE", 1)
    load(csv(list(range(0, 100_000, 10))))
    steps = store.rebuild_rollups("rig-1")
    next(steps)
    next(steps)
    steps.close()
    # They are the same, and trusted all the time.
    sound(store)
    # Somebody writes in the meantime.
    LiveWriter(store, rig, "live").write(live([7, 99_999, 200_000]))
    # Of the day on which nothing was measured there is nothing to do.
    assert len(list(store.rebuild_rollups("rig-1"))) == 4
    sound(store)


def test_a_rebuild_of_other_levels_is_trusted_at_its_end(
    load: Load, store: Store, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.stores.rollup_upkeep._READINGS_AT_ONCE", 1)
    load(csv(list(range(0, 100_000, 10))))
    expected = store.kpis(Range("rig-1"))
    sql("UPDATE sensor_data_rigs SET interval_s = 20")
    steps = store.rebuild_rollups("rig-1")
    next(steps)
    steps.close()
    (note,) = store.check(deep=True)
    assert not note.wrong
    assert store.unfinished_rollups(START + timedelta(days=2)) == ["rig-1"]
    found = store.kpis(Range("rig-1"))
    assert found is not None
    assert expected is not None
    assert found["total_records"] == expected["total_records"]
    # What no roll-up stands for is not deleted: they are made first.
    prune(store, START + timedelta(hours=13))
    assert store.unfinished_rollups(START + timedelta(days=2)) == []
    found = store.kpis(Range("rig-1"))
    assert found is not None
    assert found["total_records"] == expected["total_records"]
    assert sql("SELECT count(*) FROM sensor_data") == [(10_000 - 12 * 360,)]
    sound(store)


def test_rebuilding_what_was_pruned_in_part_loses_nothing(
    load: Load, store: Store, sql: Sql
) -> None:
    load(csv(list(range(0, 100_000, 10))))
    prune(store, START + timedelta(hours=12))
    expected = store.kpis(Range("rig-1"))
    # Another interval would make other levels, of which nothing could be made before noon.
    slower = parse_rig(f"interval_s = 1000\n{DEFAULT}", "slower")
    load(csv([200_000]), "later.csv", rig=slower)
    found = store.kpis(Range("rig-1", None, START + timedelta(seconds=150_000)))
    for kpis in (found, expected):
        assert kpis is not None
    assert found["total_records"] == expected["total_records"] == 10_000
    assert list(store.rebuild_rollups("rig-1"))[-1].done
    again = store.kpis(Range("rig-1", None, START + timedelta(seconds=150_000)))
    assert again == found
    sound(store)


def test_columns_of_others_are_no_channels(load: Load, store: Store, sql: Sql) -> None:
    load(csv(list(range(300))))
    sql("ALTER TABLE sensor_data ADD COLUMN operator_shift REAL")
    load(csv(list(range(300, 600))), "more.csv")
    sound(store)


def test_readings_that_follow_into_a_full_bucket_are_merged(
    load: Load, store: Store, sql: Sql, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first file says that there is one in six minutes; then a source sends one a second."""
    monkeypatch.setattr("pipeline.stores.rollups._FULL", 30)
    load(csv(list(range(0, 21_600, 360))))
    writer = LiveWriter(store, rig, "live")
    for first in range(21_600, 21_900, 7):
        writer.write(live([first + 2, first, first + 3]))
    late = [21_601, 21_950, 21_900]
    writer.write(live(late))
    sound(store)
    first_s, last_s = 21_600, 43_200
    found = store.kpis(
        Range("rig-1", START + timedelta(seconds=first_s), START + timedelta(seconds=last_s))
    )
    assert found is not None
    assert found["total_records"] == 3 * 43 + 3


def test_a_live_source_that_is_overtaken_by_a_prune(
    load: Load, store: Store, sql: Sql, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(csv(list(range(0, 86_400, 10))))
    writer = LiveWriter(store, rig, "live")
    judged = store.retained_from

    def then_pruned() -> dict[str, datetime]:
        before = judged()
        prune(store, START + timedelta(hours=12))
        return before

    monkeypatch.setattr(store, "retained_from", then_pruned)
    writer.write(live([5, 50_005]))
    assert sql("SELECT reason FROM sensor_data_rejects") == [("older_than_retention",)]
    sound(store)
    found = store.kpis(Range("rig-1"))
    assert found is not None
    assert found["total_records"] == 8641


def test_a_live_source_of_a_rig_begins_while_its_first_load_is_staged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rig: Rig
) -> None:
    """Only in SQLite: elsewhere a first load has the table for itself."""
    url = f"sqlite:///{tmp_path}/staged.db"
    settings = load_settings(database_url=url)
    monkeypatch.setattr("pipeline.stores.sqlite._LONG_LOAD_ROWS", 100)
    stage = SqliteLoad._stage
    begun = []

    def then_live(self: SqliteLoad, frames: Any) -> None:
        stage(self, frames)
        with closing(open_store(settings)) as other:
            LiveWriter(other, rig, "beside").write(live([3605, 90_000]))
            begun.append(True)

    with closing(open_store(settings)) as store:
        # Somebody is sending: long loads are staged before they take the lock.
        LiveWriter(store, rig.renamed("another"), "live").write(live([0]))
        monkeypatch.setattr(SqliteLoad, "_stage", then_live)
        path = tmp_path / "long.csv"
        path.write_text(f"{HEADER}\n{csv(list(range(7200)))}")
        run_etl([str(path)], settings=settings, rig=rig)
        assert begun
        sound(store)
        found = store.kpis(Range("rig-1"))
        assert found is not None
        assert found["total_records"] == 7201


# The last number is milliseconds until the process is killed.
killed = st.tuples(
    st.just("killed"), st.integers(0, 30_000), st.integers(1, 900), st.integers(0, 200)
)
operations = st.lists(
    st.one_of(
        *([] if os.name == "nt" else [killed]),  # kill -9 is of POSIX
        st.tuples(
            st.just("load"),
            st.integers(0, 30_000),
            st.integers(1, 900),
            st.sampled_from([1, 1, 2, -1]),
        ),
        st.tuples(st.just("again"), st.integers(0, 5), st.just(0), st.just(0)),
        st.tuples(st.just("live"), st.integers(0, 30_000), st.integers(1, 5), st.just(61)),
        st.tuples(st.just("prune"), st.integers(1, 9), st.just(0), st.just(0)),
        st.tuples(st.just("rebuild"), st.integers(0, 2), st.just(0), st.just(0)),
        st.tuples(st.just("interval"), st.sampled_from([1, 5, 400]), st.just(0), st.just(0)),
    ),
    min_size=1,
    max_size=6,
)


@pytest.fixture(params=["sqlite", "postgres"])
def database_of_many(request: pytest.FixtureRequest) -> Callable[[], str]:
    """New databases, one after the other."""
    return request.getfixturevalue("fresh_url")(request.param)  # type: ignore[no-any-return]


def perform(store: Store, rig: Rig, folder: Path, url: str, todo: list[Any]) -> None:
    made: list[Path] = []
    writer = None
    for what, first, count, step in todo:
        if what == "prune":
            before = store.kpis(Range("rig-1"))
            prune(store, START + timedelta(hours=first))
            with store._engine.connect() as connection:  # type: ignore[attr-defined]
                query = "SELECT count(*) FROM sensor_data_rollups WHERE rig = 'rig-1'"
                has_rollups = connection.exec_driver_sql(query).scalar()
            if has_rollups:
                assert store.kpis(Range("rig-1")) == before
            continue
        if what == "rebuild":
            if store.rigs():
                # Stopped after so many steps.
                for _ in zip(range(first), store.rebuild_rollups("rig-1"), strict=False):
                    pass
            continue
        if what == "interval":
            rig = parse_rig(f"interval_s = {first}\n{DEFAULT}", "another")
            continue
        if what == "live":
            writer = writer or LiveWriter(store, rig, "live")
            writer.write(live([first + n * step for n in range(count)]))
            continue
        if what == "again" and not made:
            continue
        if what in ("load", "killed"):
            path = folder / f"{len(made)}.csv"
            width = 1 if what == "killed" else step
            seconds = [first + n * abs(width) for n in range(count)][:: 1 if width > 0 else -1]
            path.write_text(f"{HEADER}\n{csv(seconds, len(made))}")
            made.append(path)
        else:
            path = made[first % len(made)]
        if what == "killed":
            from tests.pipeline.child_process import loading

            child = loading(path, url)
            child.begin()
            time.sleep(step / 1000)
            child.kill()
            continue
        run_etl([str(path)], settings=load_settings(database_url=url), rig=rig, force=True)


@pytest.fixture
def fresh_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Any]:
    numbers = iter(range(10_000))

    def maker(kind: str) -> Callable[[], str]:
        if kind == "sqlite":
            return lambda: f"sqlite:///{tmp_path}/{next(numbers)}.db"
        server = request.getfixturevalue("postgres_server")
        return lambda: str(server.fresh_database())

    return maker


@hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(todo=operations)
def test_whatever_is_written_in_whatever_order(
    todo: list[Any], database_of_many: Callable[[], str], tmp_path: Path, rig: Rig
) -> None:
    url = database_of_many()
    with closing(open_store(load_settings(database_url=url))) as store:
        perform(store, rig, tmp_path, url, todo)
        wrong = [each for each in store.check(deep=True) if each.wrong]
        assert wrong == []
        stored = sum(len(frame) for frame in store.readings(Range("rig-1")))
        assert store.total_records() == stored
