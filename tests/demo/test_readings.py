"""Reading a processed CSV, and its key figures beside those of the pipeline."""

import re
from pathlib import Path

import polars as pl
import pytest

from demo.readings import DemoError, Record, compute_kpis, parse_time, read_rows
from pipeline import data_utils
from pipeline.rig import Rig
from tests.demo.process import HEADER, ROW, SAMPLE, csv_file

pytestmark = pytest.mark.timezone


def test_kpis_are_those_of_the_pipeline(rig: Rig) -> None:
    ours = data_utils.compute_kpis(pl.read_csv(SAMPLE, try_parse_dates=True), rig=rig)
    demo = compute_kpis(Record(read_rows(SAMPLE)))
    assert demo == {
        name: pytest.approx(ours[name]) if isinstance(ours[name], float | dict) else ours[name]
        for name in demo
    }
    assert (demo["gap_count"], demo["gap_hours"]) == (1, 2.0)
    assert demo["running_hours"] == pytest.approx(9.8)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2025-07-13T02:00:00+02:00", "2025-07-13T00:00:00Z"),
        ("2025-07-13 00:00", "2025-07-13T00:00:00Z"),
        ("2025-07-12T18:30:00.5-0530", "2025-07-13T00:00:00.500000Z"),
    ],
)
def test_times_are_read_in_utc(text: str, same: str) -> None:
    assert parse_time(text) == parse_time(same)


def test_what_is_no_reading_and_how_columns_stand_does_not_matter(tmp_path: Path) -> None:
    """Byte-order mark, CRLF, comments, blank lines, order of lines, case and order of columns."""
    lines = [f"{HEADER},extra".upper(), "", "# note", f"{ROW},x", f"{ROW},y".replace("T00", "T01")]
    path = tmp_path / "odd.csv"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*lines[:3], lines[4], lines[3]]).encode())
    plain = csv_file(tmp_path, HEADER, ROW, ROW.replace("T00", "T01"))
    assert read_rows(path) == read_rows(plain)


def without(column: str) -> str:
    return ",".join(name for name in HEADER.split(",") if name != column)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("", "is empty;", id="empty"),
        pytest.param("\n# nothing\n\n", "is empty;", id="comments only"),
        pytest.param(HEADER, "has a header but no rows;", id="header only"),
        pytest.param(
            f"{without('pressure_alert')}\n{ROW}", "has no column pressure_alert;", id="column"
        ),
        pytest.param("a,b\n1,2", "it has a, b;", id="columns found"),
        pytest.param(b"\xff\xfe\x00\x01", "not a CSV file in UTF-8;", id="binary"),
        pytest.param(f'{HEADER}\n"{"x" * 200_000}', "not a CSV file", id="a quote never closed"),
        pytest.param(
            f"{HEADER}\n{ROW},1", "line 2: 9 fields, but the header has 8;", id="too many fields"
        ),
        pytest.param(
            f"{HEADER}\n\n{ROW}\n{ROW.replace('54.8', 'warm')}",
            "line 4: temperature is 'warm', must be a number; correct the line,",
            id="number",
        ),
        pytest.param(
            f"{HEADER}\n{ROW.replace('1033.0', '')}", "pressure is '', must be", id="missing value"
        ),
        pytest.param(f"{HEADER}\n,,,,,,,", "line 2: timestamp is '', must be", id="only commas"),
        pytest.param(
            f"{HEADER}\n{ROW.replace('54.8', 'nan')}", "temperature is 'nan'", id="not finite"
        ),
        pytest.param(
            f"{HEADER}\n{ROW.replace('54.8', '5_4')}", "temperature is '5_4'", id="underscore"
        ),
        pytest.param(
            f"{HEADER}\n{ROW.replace('2025-07-13', '2025-02-30')}",
            "timestamp is '2025-02-30T00:00:00Z', must be a time such as 2025-07-13T00:00:00Z",
            id="no such day",
        ),
        pytest.param(
            f"{HEADER}\n{ROW.replace('2025-07-13T00:00:00Z', '0001-01-01T00:00:00+05:00')}",
            "timestamp is '0001-01-01T00:00:00+05:00'",
            id="before all time",
        ),
        pytest.param(
            f"{HEADER}\n{ROW.replace('normal,normal', 'normal,purple')}",
            "pressure_alert is 'purple', must be normal, yellow or red",
            id="level",
        ),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(
    tmp_path: Path, content: str | bytes, expected: str
) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DemoError, match=re.escape(expected)) as raised:
        read_rows(path)
    assert str(raised.value).startswith(str(path))
    assert "smart-sensor etl" in str(raised.value), "what to do"


def test_a_silence_is_a_gap_beyond_one_and_a_half_intervals(tmp_path: Path) -> None:
    seconds = (0, 2, 4, 6, 9, 11, 14.1, 16.1)  # silences of 3 and of 3.1
    lines = [ROW.replace("00:00:00", f"00:00:{second:04.1f}") for second in seconds]
    record = Record(read_rows(csv_file(tmp_path, HEADER, *lines)))
    assert [f"{start:%S.%f} {end:%S.%f}" for start, end in record.gaps] == ["13.000000 14.100000"]
    assert [len(segment) for segment in record.segments] == [6, 2]


def test_one_reading_is_a_record(tmp_path: Path) -> None:
    kpis = compute_kpis(Record(read_rows(csv_file(tmp_path, HEADER, ROW))))
    assert (kpis["total_records"], kpis["gap_count"], kpis["running_hours"]) == (1, 0, 0)
