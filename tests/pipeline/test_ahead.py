"""One step ahead, in order, with errors where they belong."""

from collections.abc import Iterator

import pytest

from pipeline.ahead import ahead


def test_the_same_items_in_the_same_order() -> None:
    assert list(ahead(range(5))) == [0, 1, 2, 3, 4]
    assert list(ahead([])) == []


def test_an_error_is_raised_where_the_item_would_be_taken() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    coming = ahead(items())
    assert next(coming) == 1
    with pytest.raises(ValueError, match="broken"):
        next(coming)


def test_no_more_than_one_item_is_made_before_it_is_asked_for() -> None:
    made = []

    def items() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            yield number

    coming = ahead(items())
    assert next(coming) == 0
    assert len(made) <= 2
    coming.close()  # type: ignore[attr-defined]
    assert len(made) <= 2
