"""Readings go, their roll-ups stay: what is asked of a pruned range, and what comes too late."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DatabaseError, QueryError
from pipeline.retention import apply_retention, prune
from pipeline.rig import Rig, parse_rig
from pipeline.rollups import SECOND
from pipeline.settings import default_rig_file, load_settings
from pipeline.stores import Store
from pipeline.stores.base import Range
from pipeline.stores.rollup_queries import Piece, cover
from pipeline.streaming import LiveWriter
from pipeline.timestamps import to_microseconds
from tests.pipeline.stores.conftest import Load, Sql

START = datetime(2025, 7, 13, tzinfo=UTC)
LIMIT = START + timedelta(hours=12)
WHOLE = Range("rig-1")


def csv(first_s: int, last_s: int, step_s: int = 10) -> str:
    return "".join(
        f"{(START + timedelta(seconds=s)).isoformat()},{20 + s % 70},1000,{s / 3600:.4f}\n"
        for s in range(first_s, last_s, step_s)
    )


@pytest.fixture
def loaded(load: Load, store: Store) -> Store:
    """A day of readings, one in ten seconds."""
    load(csv(0, 86_400))
    return store


def test_what_was_pruned_is_still_in_the_figures(loaded: Store, sql: Sql) -> None:
    before = loaded.kpis(WHOLE)
    morning = loaded.kpis(Range("rig-1", START, LIMIT))
    pruned = prune(loaded, LIMIT + timedelta(hours=3))
    assert pruned.readings == 12 * 360
    assert sql("SELECT min(timestamp) FROM sensor_data") == [(int(LIMIT.timestamp()) * 10**6,)]
    assert loaded.kpis(WHOLE) == before
    assert loaded.kpis(Range("rig-1", START, LIMIT)) == morning
    assert loaded.total_records() == 4320
    (stored,) = loaded.rigs()
    assert (stored.total_records, stored.first_timestamp) == (8640, START)
    assert loaded.check(deep=True) == []
    trend = loaded.trend(WHOLE, 100)
    assert trend is not None
    assert (trend.records, trend.rows["readings"].sum()) == (8640, 8640)


def test_at_the_edges_of_what_was_pruned_a_range_grows_to_whole_buckets(loaded: Store) -> None:
    prune(loaded, LIMIT)
    start = START + timedelta(minutes=20)
    found = loaded.kpis(Range("rig-1", start, start + timedelta(minutes=5)))
    assert found is not None
    # The shortest level of this rig is of 15 minutes.
    assert found["total_records"] == 90
    assert found["first_timestamp"] == START + timedelta(minutes=15)


def test_a_late_reading_is_rejected_and_the_rest_is_kept(
    loaded: Store, load: Load, sql: Sql, rig: Rig
) -> None:
    prune(loaded, LIMIT)
    noon = LIMIT.isoformat()
    summary = load(f"{csv(5, 25)}{noon},21,1000,1\n", "late.csv")
    assert summary.accepted == 1
    assert summary.rejected_by_reason == {"older_than_retention": 2}
    late = {"temperature": [30.0], "pressure": [1000.0], "uptime": [1.0]}
    LiveWriter(loaded, rig, "live").write(pl.DataFrame({"timestamp": [START], **late}))
    reasons = sql("SELECT reason, count(*) FROM sensor_data_rejects GROUP BY reason")
    assert reasons == [("older_than_retention", 3)]
    details = sql("SELECT detail FROM sensor_data_rejects ORDER BY id")
    assert details[0] == (
        "timestamp '2025-07-13T00:00:05+00:00' is older than the readings that are kept of the rig",
    )
    assert loaded.check(deep=True) == []


def test_what_came_too_late_can_be_looked_at_for_as_long_as_anything_else(
    loaded: Store, load: Load, sql: Sql
) -> None:
    prune(loaded, LIMIT)
    load(csv(5, 25), "late.csv")
    now = datetime.now(UTC)
    assert loaded.expired(now - timedelta(minutes=1), None).rejects == 0
    prune(loaded, now - timedelta(minutes=1))
    assert sql("SELECT count(*) FROM sensor_data_rejects") == [(2,)]
    # Its load is older than this.
    assert prune(loaded, datetime.now(UTC)).rejects == 2
    assert loaded.check(deep=True) == []


def test_a_load_that_a_prune_overtakes_is_refused(
    loaded: Store, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    prune(loaded, LIMIT)
    monkeypatch.setattr(type(loaded), "retained_from", lambda store: {})
    with pytest.raises(DatabaseError, match="readings before 2025-07-13T12:00:00Z have been"):
        load(csv(5, 25), "late.csv")


def test_a_rig_without_roll_ups_is_pruned_to_the_second(load: Load, store: Store, sql: Sql) -> None:
    load(csv(0, 86_400 * 5, 7200))
    # Nobody is told to make them.
    assert store.check(deep=True) == []
    assert store.impossible_rollups(START) == {}
    assert store.impossible_rollups(START + timedelta(hours=13)) == {"rig-1": 7200.0}
    prune(store, START + timedelta(hours=13))
    assert sql("SELECT count(*) FROM sensor_data") == [(60 - 7,)]
    summary = load(csv(3600, 3601), "late.csv")
    assert summary.rejected_by_reason == {"older_than_retention": 1}


def test_roll_ups_go_level_by_level(
    loaded: Store, sql: Sql, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    expected = loaded.kpis(WHOLE)
    now = START + timedelta(days=3)
    settings = load_settings(retention="2d", retention_rollups="15min:50h")
    query = "SELECT level_s, count(*) FROM sensor_data_rollups GROUP BY level_s ORDER BY level_s"
    before = sum(count for _, count in sql(query))
    with caplog.at_level("INFO", "pipeline.retention"):
        apply_retention(loaded, settings, now)
    gone = before - (24 + 24 + 4)
    assert caplog.messages == [
        "RETENTION=2d: 8,640 readings and 0 rejects deleted",
        f"RETENTION_ROLLUPS=15min:50h: {gone:,} roll-ups deleted",
    ]
    # Two days ago is the end of the record; 50 hours ago is two hours before it.
    assert sql("SELECT count(*) FROM sensor_data") == [(0,)]
    assert sql(query) == [(900, 24), (3_600, 24), (21_600, 4)]
    assert loaded.kpis(WHOLE) == expected
    assert loaded.check(deep=True) == []
    # What is shorter is not there any more to make them of.
    assert list(loaded.rebuild_rollups("rig-1"))[-1].done
    assert sql(query) == [(900, 24), (3_600, 24), (21_600, 4)]


def test_gaps_are_found_among_the_roll_ups_that_are_left(store: Store, load: Load) -> None:
    day = 86_400
    load(csv(0, day + 3600) + csv(day + 4 * 3600, 4 * day))
    now = START + timedelta(days=4)
    apply_retention(store, load_settings(retention="1d", retention_rollups="15min:1d"), now)
    trend = store.trend(WHOLE, 20)
    assert trend is not None
    assert trend.gap_count == 1
    start = START + timedelta(days=1, hours=1)
    assert trend.gaps.rows() == [(start, start + timedelta(hours=3))]


def test_without_pruned_readings_roll_ups_stay(loaded: Store, sql: Sql) -> None:
    settings = load_settings(retention="9999d", retention_rollups="15min:1d")
    apply_retention(loaded, settings, START + timedelta(days=30))
    assert sql("SELECT count(*) FROM sensor_data_rollups WHERE level_s = 900") == [(96,)]


def test_a_trend_of_what_only_longer_levels_are_left_of(loaded: Store) -> None:
    now = START + timedelta(days=3)
    apply_retention(loaded, load_settings(retention="2d", retention_rollups="15min:2d"), now)
    # By its length the range would be read from 15 minutes, which are gone: it grows to hours.
    found = loaded.trend(Range("rig-1", START + timedelta(hours=2, minutes=5), LIMIT), 100)
    assert found is not None
    assert found.rows["readings"].sum() == found.records == 10 * 360


def test_statistics_are_not_finer_than_what_is_left(loaded: Store) -> None:
    now = START + timedelta(days=3)
    apply_retention(loaded, load_settings(retention="2d", retention_rollups="1h:2d"), now)
    assert loaded.kpis(WHOLE) is not None
    hours = np.arange(25) * HOUR + to_microseconds(START)
    with pytest.raises(QueryError, match="summaries of 6:00:00"):
        loaded.bucket_summaries(WHOLE, hours)
    found = loaded.bucket_summaries(WHOLE, hours[::6])
    assert found["readings"].to_list() == [2160] * 4


def test_a_level_without_an_age_goes_with_the_next_longer_one(loaded: Store, sql: Sql) -> None:
    now = START + timedelta(days=3)
    apply_retention(loaded, load_settings(retention="2d", retention_rollups="1h:2d"), now)
    assert sql("SELECT DISTINCT level_s FROM sensor_data_rollups") == [(21_600,)]


def test_a_rig_that_gets_its_interval_after_it_was_pruned(
    load: Load, store: Store, sql: Sql, rig: Rig
) -> None:
    LiveWriter(store, rig, "live").write(
        pl.DataFrame(
            {
                "timestamp": [START + timedelta(seconds=s) for s in range(0, 7200, 30)],
                "temperature": 50.0,
                "pressure": 1000.0,
                "uptime": 1.0,
            }
        )
    )
    # There are no roll-ups: all that is older goes, to the second.
    prune(store, START + timedelta(minutes=30, seconds=40))
    assert sql("SELECT count(*) FROM sensor_data") == [(240 - 62,)]
    every_second = parse_rig(f"interval_s = 1\n{default_rig_file().read_text()}", "fast")
    load(csv(1845, 1855), "late.csv", rig=every_second)
    assert store.check(deep=True) == []
    found = store.kpis(WHOLE)
    assert found is not None
    assert found["total_records"] == 240 - 62 + 1
    faster = parse_rig(f"interval_s = 0.5\n{default_rig_file().read_text()}", "faster")
    load(csv(8000, 8001), "later.csv", rig=faster)
    assert store.check(deep=True) == []


HOUR = 3600 * 10**6


@pytest.mark.parametrize(
    ("start", "end", "kept_from", "pieces"),
    [
        pytest.param(None, None, {}, [(21_600, None, None)], id="everything"),
        pytest.param(6 * HOUR, 12 * HOUR, {}, [(21_600, 6 * HOUR, 12 * HOUR)], id="one bucket"),
        pytest.param(
            5 * HOUR + 1,
            13 * HOUR,
            {},
            [
                (0, 5 * HOUR + 1, 5 * HOUR + HOUR // 4),
                (900, 5 * HOUR + HOUR // 4, 6 * HOUR),
                (21_600, 6 * HOUR, 12 * HOUR),
                (900, 12 * HOUR, 13 * HOUR),
            ],
            id="with edges",
        ),
        pytest.param(1, 5, {}, [(0, 1, 5)], id="within the shortest bucket"),
        pytest.param(
            5 * HOUR + 1,
            13 * HOUR,
            {0: 6 * HOUR},
            [
                (900, 5 * HOUR, 6 * HOUR),
                (21_600, 6 * HOUR, 12 * HOUR),
                (900, 12 * HOUR, 13 * HOUR),
            ],
            id="an edge that was pruned",
        ),
        pytest.param(
            HOUR, 2 * HOUR, {0: 6 * HOUR, 900: 6 * HOUR}, [(21_600, 0, 2 * HOUR)],
            id="of what only the longest level is left",
        ),
    ],
)  # fmt: skip
def test_a_range_is_covered_by_pieces(
    start: int | None, end: int | None, kept_from: dict[int, int], pieces: list[tuple[int, ...]]
) -> None:
    assert cover(start, end, (900, 21_600), kept_from) == [Piece(*each) for each in pieces]


LENGTHS = (60, 300, 900, 3_600, 21_600)


@given(
    ends=st.lists(st.integers(0, 2 * 86_400), min_size=2, max_size=2, unique=True).map(sorted),
    pruned=st.lists(st.integers(0, 8), min_size=len(LENGTHS), max_size=len(LENGTHS)),
)
def test_nothing_is_counted_twice_or_left_out(ends: list[int], pruned: list[int]) -> None:
    # The shorter a level is the more of it has been pruned, by whole buckets of the longest.
    limits = sorted(pruned, reverse=True)
    kept_from = {
        level: limit * 21_600 * SECOND
        for level, limit in zip((0, *LENGTHS[:-1]), limits, strict=True)
        if limit
    }
    start, end = (each * SECOND + 1 for each in ends)
    pieces = cover(start, end, LENGTHS, kept_from)
    covered = None
    for piece in pieces:
        assert piece.start is not None
        assert piece.end is not None
        width = piece.level * SECOND or 1
        assert piece.start % width == 0
        assert piece.start >= kept_from.get(piece.level, 0)
        assert piece.start == covered or covered is None
        covered = -(-piece.end // width) * width
    assert pieces[0].start is not None
    assert pieces[0].start <= start
    assert covered is not None
    assert covered >= end
