"""What happened, told as the pipeline tells it."""

from datetime import timedelta

import polars as pl
import pytest

from demo.readings import CHANNELS, Record, parse_time, read_rows
from demo.words import clock, duration, explain, find_entries, number, span
from pipeline.episodes import episodes
from pipeline.rig import Rig
from tests.demo.process import SAMPLE


def test_alerts_are_those_of_the_pipeline(rig: Rig) -> None:
    frame = pl.read_csv(SAMPLE, try_parse_dates=True)
    rows = pl.concat(
        frame.select(
            "timestamp",
            pl.lit(channel.name).alias("channel"),
            pl.col(channel.alert_column).alias("level"),
            pl.col(channel.name).alias("value"),
            pl.col(channel.zscore_column).alias("zscore"),
            place=pl.int_range(pl.len()),
        )
        for channel in rig.scored_channels
    ).filter(pl.col("level") != "normal")
    theirs = [
        (each.timestamp, each.level, each.reason.replace("1100", "1,100"))
        for each in episodes(rows, rig, 360.0)
    ]
    found = [entry for entry in find_entries(Record(read_rows(SAMPLE))) if entry.kind != "gap"]
    ours = [(each.time, each.kind, each.reason.split(" The farthest")[0]) for each in found]
    assert ours == theirs
    assert found[-1].title == "Temperature 84.3 °C"
    assert found[-1].reason.endswith("The farthest of 2 readings until 02:54.")


def test_gap_is_an_entry_with_what_it_did_to_the_counter() -> None:
    (gap,) = [each for each in find_entries(Record(read_rows(SAMPLE))) if each.kind == "gap"]
    assert gap.time == parse_time("2025-07-13T05:00:00Z")
    assert gap.title == "No data for 2 h"
    assert gap.reason == "Readings go on at 13 Jul 07:00. The uptime counter began again."


def test_reading_that_no_usual_threshold_makes_red_is_explained_honestly() -> None:
    assert explain(CHANNELS[0], 60.0, 0.25) == (
        "z = 0.25; the file was scored with other thresholds than the usual ones."
    )


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0375, "37.5 ms"),
        (1, "1 s"),
        (90, "1.5 min"),
        (7200, "2 h"),
        (86400 * 1.5, "1.5 d"),
        (86400 * 1234, "1,234 d"),
    ],
)
def test_duration(seconds: float, expected: str) -> None:
    assert duration(timedelta(seconds=seconds)) == expected


@pytest.mark.parametrize(
    ("time", "expected"),
    [("00:00:00", "00:00"), ("02:48:10", "02:48:10"), ("00:00:00.25", "00:00:00.25")],
)
def test_clock_is_as_exact_as_it_needs_to_be(time: str, expected: str) -> None:
    assert clock(parse_time(f"2025-07-13T{time}Z")) == expected


def test_span_names_the_second_day_where_there_is_one() -> None:
    first, last = parse_time("2025-07-13T22:00Z"), parse_time("2025-07-14T02:30Z")
    assert span(first, first) == "13 Jul 2025, 22:00 to 22:00"
    assert span(first, last) == "13 Jul 2025, 22:00 to 14 Jul 2025, 02:30"


def test_numbers_have_their_thousands_apart_and_a_real_minus() -> None:
    assert number(-1234.56) == "\N{MINUS SIGN}1,234.6"
