"""The transform against the reference, and what must hold whatever comes in."""

import io
import math
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings

from pipeline import duplicates
from pipeline.rig import Channel, Rig
from pipeline.sources import csv
from pipeline.transform import transform
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
@hypothesis_settings(max_examples=200)
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
