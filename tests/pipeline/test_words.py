"""Numbers in sentences."""

import pytest

from pipeline.words import counted, length


@pytest.mark.parametrize(
    ("number", "words", "expected"),
    [
        (0, ("row",), "0 rows"),
        (1, ("row",), "1 row"),
        (1_234, ("row",), "1,234 rows"),
        (1, ("reading is", "readings are"), "1 reading is"),
        (2, ("reading is", "readings are"), "2 readings are"),
    ],
)
def test_a_number_with_its_noun(number: int, words: tuple[str, ...], expected: str) -> None:
    assert counted(number, *words) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (7.056e-05 * 3600, "0.254 s"),
        (0.25, "0.25 s"),
        (59.9999, "1 min"),
        (60, "1 min"),
        (90.4, "1 min 30 s"),
        (7_200, "2 h"),
        (7_199.9, "2 h"),
        (3_600 + 59 * 60 + 50, "2 h"),
        (86_400 * 2 + 3_600, "2 d 1 h"),
        (207 * 86_400 + 3_600, "207 d 1 h"),
        (86_399.9, "1 d"),
    ],
)
def test_a_length_of_time(seconds: float, expected: str) -> None:
    assert length(seconds) == expected
