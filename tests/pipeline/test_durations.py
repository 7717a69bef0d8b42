"""Lengths of time as people write them."""

from datetime import timedelta

import pytest

from pipeline.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("12h", timedelta(hours=12)),
        ("90d", timedelta(days=90)),
        ("2w", timedelta(days=14)),
        ("1y", timedelta(days=365)),
        (" 3 D ", timedelta(days=3)),
    ],
)
def test_a_number_and_a_unit(text: str, length: timedelta) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize("text", ["", "90", "d", "0d", "-1d", "1.5d", "90m", "1d2h", "\uff19d"])
def test_anything_else_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="is not a length of time; allowed is a whole number of"):
        parse_duration(text)


def test_longer_than_time_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="'2001y' is longer than 2000 years"):
        parse_duration("2001y")
