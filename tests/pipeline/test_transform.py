"""The transform against the reference, and what must hold whatever comes in."""

import io
import math
from datetime import datetime
from typing import Any
from unittest.mock import patch

import polars as pl
import pytest
from hypothesis import given, settings as hypothesis_settings

from pipeline import duplicates
from pipeline.quality import REJECT_SCHEMA
from pipeline.rig import Rig
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
def test_rejects_are_those_of_the_reference(case: CsvText) -> None:
    rows_read, _, rejects = outcome(case)
    wanted = expected(case)
    found = [(r["line"], r["rig"], r["timestamp"], r["reason"], r["raw"]) for r in rejects]
    assert found == [
        (row.line, row.rig, row.timestamp, row.reason, row.raw) for row in wanted.rejected
    ]
    assert rows_read == wanted.rows_read
