"""Records with quotes: where they begin, where they end, and what a stray quote does."""

import io
from unittest.mock import patch

import pytest

from pipeline.rig import Rig, parse_rig
from pipeline.sources import csv, quoted
from pipeline.sources.base import Batch, Misshapen
from pipeline.sources.csv import CsvSource

RIG = parse_rig("[channels.flow]\n[channels.note]", "test")


def batches(text: str, rig: Rig = RIG) -> list[Batch]:
    return list(CsvSource("x.csv", rig, spooled=io.BytesIO(text.encode())).batches())


def records(text: str) -> list[tuple[object, ...]]:
    names = ["line", "timestamp", "flow", "note"]
    return [row for batch in batches(text) for row in batch.rows.select(names).rows()]


def misshapen(text: str) -> list[Misshapen]:
    return [record for batch in batches(text) for record in batch.misshapen]


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        pytest.param('"1",2,3', ("1", "2", "3"), id="quoted"),
        pytest.param('1,"2,5",3', ("1", "2,5", "3"), id="delimiter in quotes"),
        pytest.param('1,2,"say ""no"""', ("1", "2", 'say "no"'), id="doubled quotes"),
        pytest.param('1,2,5"', ("1", "2", '5"'), id="a quote in the middle is a character"),
        pytest.param('1,2, "x"', ("1", "2", ' "x"'), id="a quote after a blank is one too"),
        pytest.param('"","",""', ("", "", ""), id="empty"),
        pytest.param('1,2,"two\nlines"', ("1", "2", "two\nlines"), id="two lines"),
        pytest.param('1,2,"\n# no comment\n\n"', ("1", "2", "\n# no comment\n\n"), id="four lines"),
    ],
)
def test_a_record_with_quotes(line: str, fields: tuple[str, ...]) -> None:
    after = 3 + line.count("\n")
    text = f"timestamp,flow,note\n{line}\n7,8,9\n"
    assert records(text) == [(2, *fields), (after, "7", "8", "9")]
    assert batches(text)[0].raw([0, 1]) == [line, "7,8,9"]


def test_blank_lines_and_comments_between_records_are_skipped_and_counted() -> None:
    text = 'timestamp,flow,note\n"1",2,3\n\n# "comment\n  \n4,5,"6"\n'
    assert records(text) == [(2, "1", "2", "3"), (6, "4", "5", "6")]


@pytest.mark.parametrize(
    "stray",
    [
        pytest.param('1,"2,3', id="never closed"),
        pytest.param('"1,2,3', id="whole line"),
        pytest.param('1,2,"', id="last field"),
        pytest.param('1,2,"3', id="as wide as the header"),
    ],
)
def test_a_stray_quote_costs_its_own_line_only(stray: str) -> None:
    text = f"timestamp,flow,note\n{stray}\n4,5,6\n7,8,9\n"
    assert misshapen(text) == [Misshapen(2, 0, stray)]
    assert records(text) == [(3, "4", "5", "6"), (4, "7", "8", "9")]


def test_a_file_cut_off_within_quotes_gives_no_half_value() -> None:
    text = 'timestamp,flow,note\n1,2,3\n4,5,"6'
    assert records(text) == [(2, "1", "2", "3")]
    assert misshapen(text) == [Misshapen(3, 0, '4,5,"6')]


def test_a_stray_quote_before_more_text_than_a_field_may_have() -> None:
    rows = "4,5,6\n" * 40_000
    text = f'timestamp,flow,note\n1,"2,3\n{rows}'
    assert misshapen(text) == [Misshapen(2, 0, '1,"2,3')]
    assert len(records(text)) == 40_000
    assert records(text)[-1] == (40_002, "4", "5", "6")


def test_records_of_another_width_are_kept_apart() -> None:
    text = 'timestamp,flow,note\n"1",2\n"1",2,3,4\n5,6\n'
    assert misshapen(text) == [
        Misshapen(2, 2, '"1",2'),
        Misshapen(3, 4, '"1",2,3,4'),
        Misshapen(4, 2, "5,6"),
    ]
    assert records(text) == []


def test_the_first_quote_may_come_in_any_block() -> None:
    plain = "".join(f"{number},2,3\n" for number in range(50))
    text = f'timestamp,flow,note\n{plain}"50",2,"a\nb"\n51,2,3\n'
    with patch.object(csv, "_BLOCK_BYTES", 64), patch.object(quoted, "_RECORDS", 3):
        found = records(text)
    assert [row[0] for row in found] == [*range(2, 53), 54]
    assert found[-2:] == [(52, "50", "2", "a\nb"), (54, "51", "2", "3")]


def test_a_header_in_quotes() -> None:
    assert records('"timestamp","flow","note"\n1,2,3\n') == [(2, "1", "2", "3")]
