"""The transform against the reference, and what must hold whatever comes in."""

import io
import math
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl
import pytest
from hypothesis import given

from pipeline import duplicates
from pipeline.errors import SourceError
from pipeline.rig import Channel, Rig
from pipeline.sources import csv
from pipeline.sources.frame import FrameSource
from pipeline.transform import Transformed, transform
from tests import reference
from tests.pipeline.csv_texts import CsvText, csv_texts

pytestmark = pytest.mark.timezone


def outcome(case: CsvText) -> tuple[int, list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows read, readings and rejects of our transform, both by line."""
    with (
        patch.object(csv, "_BLOCK_BYTES", case.block_bytes),
        patch.object(duplicates, "_ROWS_AT_ONCE", case.rows_at_once),
    ):
        source = csv.CsvSource("test.csv", case.rig, spooled=io.BytesIO(case.text.encode()))
        with transform(source, case.rig, case.outliers) as found:
            readings = [row for frame in found.readings() for row in frame.to_dicts()]
            rejects = [row for frame in found.rejects() for row in frame.to_dicts()]
    assert found.accepted == len(readings)
    assert found.rejected.total() == len(rejects)
    by_line = [sorted(rows, key=lambda row: row["line"]) for rows in (readings, rejects)]
    return found.rows_read, *by_line


def expected(case: CsvText) -> reference.Outcome:
    return reference.transform(case.text, case.rig, case.delimiter, case.outliers)


@given(csv_texts())
def test_every_row_ends_where_the_reference_puts_it(case: CsvText) -> None:
    rows_read, readings, rejects = outcome(case)
    wanted = expected(case)
    assert [(r["line"], r["rig"], r["timestamp"], r["reason"], r["raw"]) for r in rejects] == [
        (row.line, row.rig, row.timestamp, row.reason, row.raw) for row in wanted.rejected
    ]
    assert [(r["line"], r["rig"], r["timestamp"]) for r in readings] == [
        (row.line, row.rig, row.timestamp) for row in wanted.accepted
    ]
    for reading, row in zip(readings, wanted.accepted, strict=True):
        assert_same_values(reading, row, case.rig)
    assert rows_read == wanted.rows_read == len(readings) + len(rejects)


def assert_same_values(reading: dict[str, Any], wanted: reference.Accepted, rig: Rig) -> None:
    """Values, z-scores and levels; a level may differ only where z is as good as its threshold."""
    for channel in rig.channels:
        value = wanted.values[channel.name]
        assert reading[channel.name] == (None if value is None else pytest.approx(value, rel=1e-15))
        if not channel.scored:
            continue
        zscore = wanted.zscores[channel.name]
        found = reading[channel.zscore_column]
        assert found == (None if zscore is None else pytest.approx(zscore, rel=1e-9, abs=1e-9))
        if zscore is None or not near_threshold(zscore, channel):
            assert reading[channel.alert_column] == wanted.levels[channel.name]


def near_threshold(zscore: float, channel: Channel) -> bool:
    thresholds = (channel.z_score.yellow, channel.z_score.red) if channel.z_score else ()
    return any(math.isclose(abs(zscore), threshold, rel_tol=1e-9) for threshold in thresholds)


HEADER = "timestamp,temperature,pressure,uptime"


def text(*rows: str) -> str:
    return "\n".join([HEADER, *rows, ""])


def transformed(content: str, rig: Rig) -> Transformed:
    return transform(csv.CsvSource("x.csv", rig, spooled=io.BytesIO(content.encode())), rig)


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        pytest.param(["1,20,1000,1", "1,30,1000,1"], [2], id="the first stays"),
        pytest.param(["1,x,1000,1", "1,30,1000,1"], [3], id="the first acceptable one"),
        pytest.param(["1000,20,1000,1", "1970-01-01T00:16:40Z,30,1000,1"], [2], id="notations"),
        pytest.param(["2,20,1000,1", "1,20,1000,1", "2,30,1000,1"], [2, 3], id="not in order"),
    ],
)
def test_of_readings_with_the_same_key(rows: list[str], lines: list[int], rig: Rig) -> None:
    with transformed(text(*rows), rig) as found:
        assert [line for frame in found.readings() for line in frame["line"]] == lines


def test_each_frame_of_readings_is_of_one_rig_and_scored_within_it(rig: Rig) -> None:
    content = f"{HEADER},rig\n1,20,1000,1,a\n1,50,1000,1,b\n2,30,1000,1,a\n2,50,1000,1,b\n"
    with transformed(content, rig) as found:
        frames = {frame["rig"][0]: frame for frame in found.readings()}
    assert frames["a"]["temperature_zscore"].to_list() == pytest.approx([-(0.5**0.5), 0.5**0.5])
    assert frames["b"]["temperature_zscore"].to_list() == [0.0, 0.0]


def test_a_typed_frame_gives_what_its_text_gives(rig: Rig) -> None:
    content = text("1,20,1000,1", "2,200,1000,1", "3,,1000,1", "2,21.5,1000,2")
    with transformed(content, rig) as found:
        expected = pl.concat(found.readings()).drop("line")
        reasons = found.rejected
    frame = pl.read_csv(content.encode())
    with transform(FrameSource(frame, rig), rig) as found:
        assert pl.concat(found.readings()).drop("line").equals(expected)
        assert found.rejected == reasons


@pytest.mark.parametrize(
    "content",
    [text("1,20,1000,1"), text("# nothing"), HEADER + "\n"],
    ids=["shorter", "no rows", "header only"],
)
def test_a_file_that_changes_while_it_is_read_is_noticed(
    content: str, tmp_path: Path, rig: Rig
) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text("1,20,1000,1", "1,30,1000,1"))
    with transform(csv.CsvSource("x.csv", rig, path=path), rig) as found:
        list(found.readings())
        path.write_text(content)
        with pytest.raises(SourceError, match=r"^x\.csv: changed while it was read; load it again"):
            list(found.rejects())


def test_an_error_in_the_middle_of_a_file_gives_back_the_disk_space(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []
    monkeypatch.setattr("pipeline.spool.Spool.close", lambda spool: closed.append(spool))
    content = text("1,20,1000,1").encode() + b"2,20,1000,\xfc\n"
    with patch.object(csv, "_BLOCK_BYTES", 55), pytest.raises(SourceError, match="line 3: byte"):
        transform(csv.CsvSource("x.csv", rig, spooled=io.BytesIO(content)), rig)
    assert len(closed) == 4
    for spool in closed:
        spool._file.close()
