"""Repeated keys are found wherever they are, and only where they can be anybody looks."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline import duplicates
from pipeline.duplicates import Piece, find_duplicates, overlapping
from pipeline.spool import Spool

START = datetime(2025, 7, 13, tzinfo=UTC)


@pytest.fixture
def spool() -> Iterator[Spool]:
    opened = Spool()
    yield opened
    opened.close()


def frame(rig: str, seconds: list[int], first_line: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "line": range(first_line, first_line + len(seconds)),
            "rig": [rig] * len(seconds),
            "timestamp": [START + timedelta(seconds=second) for second in seconds],
        },
        schema={"line": pl.Int64, "rig": pl.String, "timestamp": pl.Datetime("us", "UTC")},
    )


def spooled(contents: list[tuple[str, list[int]]], spool: Spool) -> list[Piece]:
    """Pieces of frames that are in the spool; lines count on from frame to frame."""
    pieces, line = [], 1
    for rig, seconds in contents:
        pieces.append(Piece.of(len(spool), frame(rig, seconds, line)))
        spool.append(frame(rig, seconds, line))
        line += len(seconds)
    return pieces


def repeated_lines(contents: list[tuple[str, list[int]]], spool: Spool) -> list[int]:
    found = find_duplicates(spooled(contents, spool), spool)
    return sorted(line for lines in found.values() for line in lines)


@pytest.mark.parametrize(
    ("contents", "lines"),
    [
        pytest.param([("a", [1, 2, 3])], [], id="none"),
        pytest.param([("a", [1, 2, 2, 1])], [3, 4], id="within a piece"),
        pytest.param([("a", [1, 2]), ("a", [2, 3])], [3], id="across pieces"),
        pytest.param([("a", [5, 6]), ("a", [1, 6]), ("a", [5])], [4, 5], id="clock set back"),
        pytest.param([("a", [1, 2]), ("b", [1, 2])], [], id="rigs apart"),
        pytest.param([("a", [1]), ("b", [1]), ("a", [1]), ("b", [1])], [3, 4], id="two rigs"),
        pytest.param([("a", [7] * 4)], [2, 3, 4], id="the first stays"),
    ],
)
@pytest.mark.parametrize("rows_at_once", [2_000_000, 2, 1])
def test_lines_that_repeat_an_earlier_key(
    contents: list[tuple[str, list[int]]], lines: list[int], rows_at_once: int, spool: Spool
) -> None:
    with patch.object(duplicates, "_ROWS_AT_ONCE", rows_at_once):
        assert repeated_lines(contents, spool) == lines


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.lists(st.integers(0, 12), min_size=1, max_size=6)),
        max_size=6,
    ),
    st.sampled_from((2_000_000, 3, 1)),
)
@hypothesis_settings(max_examples=60)
def test_found_as_a_set_would_find_them(
    contents: list[tuple[str, list[int]]], rows_at_once: int
) -> None:
    spool = Spool()
    with patch.object(duplicates, "_ROWS_AT_ONCE", rows_at_once):
        found = repeated_lines(contents, spool)
    spool.close()
    seen: set[tuple[str, int]] = set()
    keys = [(rig, second) for rig, seconds in contents for second in seconds]
    expected = [n for n, key in enumerate(keys, 1) if key in seen or seen.add(key)]  # type: ignore[func-returns-value]
    assert found == expected


def test_rising_pieces_apart_are_not_looked_at(spool: Spool) -> None:
    pieces = spooled([("a", [1, 2]), ("a", [3, 4]), ("b", [1, 9]), ("a", [5])], spool)
    assert overlapping(pieces) == []


def test_only_pieces_that_overlap_are_compared(spool: Spool) -> None:
    pieces = spooled([("a", [1, 2]), ("a", [10, 20]), ("a", [5, 12]), ("a", [30, 29])], spool)
    groups = [[piece.number for piece in group] for group in overlapping(pieces)]
    assert groups == [[1, 2], [3]]
