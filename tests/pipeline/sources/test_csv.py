"""CSV files as they come: delimiters, encodings, line ends, comments, broken ones."""

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from pipeline.errors import SourceError
from pipeline.rig import Rig, parse_rig
from pipeline.sources import csv
from pipeline.sources.base import Batch, Misshapen
from pipeline.sources.csv import CsvSource
from tests.conftest import DATA

HEADER = "timestamp,temperature,pressure,uptime"
TEXT = f"{HEADER}\n2025-07-13T00:00:00Z,20,1000,1\n2025-07-13T00:01:00Z,21,1001,2\n"
ROWS = [
    (2, "2025-07-13T00:00:00Z", "20", "1000", "1"),
    (3, "2025-07-13T00:01:00Z", "21", "1001", "2"),
]
NARROW = parse_rig("[channels.flow]\nrequired = false", "narrow")


def source(content: str | bytes, rig: Rig) -> CsvSource:
    raw = content.encode() if isinstance(content, str) else content
    return CsvSource("x.csv", rig, spooled=io.BytesIO(raw))


def batches(content: str | bytes, rig: Rig) -> list[Batch]:
    return list(source(content, rig).batches())


def rows(content: str | bytes, rig: Rig) -> list[tuple[object, ...]]:
    names = ["line", "timestamp", "temperature", "pressure", "uptime"]
    return [row for batch in batches(content, rig) for row in batch.rows.select(names).rows()]


def misshapen(content: str | bytes, rig: Rig) -> list[Misshapen]:
    return [record for batch in batches(content, rig) for record in batch.misshapen]


def raw(content: str | bytes, rig: Rig) -> Iterator[str]:
    for batch in batches(content, rig):
        yield from batch.raw(range(len(batch.rows)))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter: str, rig: Rig) -> None:
    assert rows(TEXT.replace(",", delimiter), rig) == ROWS


def test_the_delimiter_that_finds_more_columns_wins_over_the_one_that_is_there_more_often(
    rig: Rig,
) -> None:
    header = "timestamp;temperature;pressure;uptime;note, with, many, commas, in, it"
    found = source(f"{header}\n2025-07-13T00:00:00Z;20;1000;1;\n", rig)
    assert found.describe()["delimiter"] == "semicolon"


def test_the_rig_files_delimiter_is_taken_unseen() -> None:
    rig = parse_rig('[files]\ndelimiter = "/"\n[channels.flow]', "test")
    found = list(source("timestamp/flow\n2025-07-13T00:00:00Z/5\n", rig).batches())
    assert found[0].rows["flow"].to_list() == ["5"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(TEXT.rstrip("\n"), id="no line feed at the end"),
        pytest.param(TEXT.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(TEXT.replace("\n", "\r"), id="CR, as old Macs wrote it"),
        pytest.param("\ufeff" + TEXT, id="byte-order mark"),
        pytest.param(b"\xff\xfe" + TEXT.encode("utf-16-le"), id="UTF-16 little-endian"),
        pytest.param(b"\xfe\xff" + TEXT.encode("utf-16-be"), id="UTF-16 big-endian"),
        pytest.param(gzip.compress(TEXT.encode()), id="gzip"),
        pytest.param(gzip.compress(("\ufeff" + TEXT).encode()), id="gzip with a mark"),
        pytest.param(
            gzip.compress(TEXT[:60].encode()) + gzip.compress(TEXT[60:].encode()),
            id="gzip in two members",
        ),
    ],
)
@pytest.mark.parametrize("block_bytes", [1 << 20, 50])
def test_the_same_rows_however_they_are_written(
    content: str | bytes, block_bytes: int, rig: Rig
) -> None:
    with patch.object(csv, "_BLOCK_BYTES", block_bytes):
        assert rows(content, rig) == ROWS


def test_lines_are_counted_through_blank_lines_and_comments(rig: Rig) -> None:
    text = f"# made by a logger\n\n{HEADER}\n# comment\n\n   \n1,2,3,4\n#5,6,7,8\n5,6,7,8\n\n"
    assert rows(text, rig) == [(7, "1", "2", "3", "4"), (9, "5", "6", "7", "8")]


def test_rows_of_another_width_are_kept_apart_with_their_line(rig: Rig) -> None:
    text = f"{HEADER}\n1,2,3,4\n1,2,3\n1,2,3,4,5\n5,6,7,8\nx\n"
    assert rows(text, rig) == [(2, "1", "2", "3", "4"), (5, "5", "6", "7", "8")]
    assert misshapen(text, rig) == [
        Misshapen(3, 3, "1,2,3"),
        Misshapen(4, 5, "1,2,3,4,5"),
        Misshapen(6, 1, "x"),
    ]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["1,2,3", "1,2,3,4,5", "5,6,7,8"], id="short first"),
        pytest.param(["1,2,3,4,5", "1,2,3", "5,6,7,8"], id="long first"),
        pytest.param(["5,6,7,8", "1,2,3,4,5", "1,2,3"], id="long in the middle"),
        pytest.param(["5,6,7,8", "1,2,3", "1,2,3,4,5"], id="long last"),
    ],
)
def test_a_field_too_few_does_not_make_up_for_one_too_many(lines: list[str], rig: Rig) -> None:
    text = "\n".join([HEADER, *lines])
    assert [row[1:] for row in rows(text, rig)] == [("5", "6", "7", "8")]
    assert [record.fields for record in misshapen(text, rig)] == [
        line.count(",") + 1 for line in lines if line.count(",") != 3
    ]


def test_of_a_single_column_a_blank_line_is_no_row() -> None:
    found = source("timestamp\n1\n   \n2\n", NARROW)
    assert [row for batch in found.batches() for row in batch.rows.rows()] == [(2, "1"), (4, "2")]


def test_raw_is_the_line_as_it_was_read(rig: Rig) -> None:
    text = f"{HEADER},note\r\n 1,2 ,3,4,ü\r\n5,6,7,8,\r\n"
    assert list(raw(text, rig)) == [" 1,2 ,3,4,ü", "5,6,7,8,"]


def test_raw_of_no_rows_is_nothing(rig: Rig) -> None:
    assert batches(TEXT, rig)[0].raw([]) == []


def test_text_in_the_encoding_of_the_rig_file() -> None:
    rig = parse_rig('[files]\nencoding = "cp1252"\n[channels.flow]\nlabel = "Fluß"', "test")
    found = list(source("timestamp;flow;Prüfer\n1;2;Jürgen\n".encode("cp1252"), rig).batches())
    assert found[0].rows["flow"].to_list() == ["2"]
    assert found[0].raw([0]) == ["1;2;Jürgen"]


def test_a_byte_order_mark_wins_over_the_rig_file() -> None:
    rig = parse_rig('[files]\nencoding = "cp1252"\n[channels.flow]', "test")
    assert source("\ufefftimestamp,flow\n1,2\n", rig).describe()["encoding"] == "utf-8-sig"


def test_description_for_a_preview(rig: Rig) -> None:
    found = source(gzip.compress(TEXT.encode()), rig)
    assert found.describe() == {
        "format": "CSV, gzip-compressed",
        "delimiter": "comma",
        "encoding": "utf-8",
    }


def test_progress_ends_at_the_size_of_the_file(rig: Rig) -> None:
    found = source(gzip.compress(TEXT.encode() * 100), rig)
    list(found.batches())
    assert found.bytes_read == found.size_bytes > 0


def test_the_hash_is_that_of_the_content_as_stored(rig: Rig, tmp_path: Path) -> None:
    for name, content in (("a.csv", TEXT.encode()), ("b.csv", gzip.compress(TEXT.encode()))):
        (tmp_path / name).write_bytes(content)
    first, second = (CsvSource(n, rig, path=tmp_path / n) for n in ("a.csv", "b.csv"))
    assert first.sha256() == source(TEXT, rig).sha256()
    assert first.sha256() != second.sha256()


def test_a_source_can_be_read_again(rig: Rig) -> None:
    found = source(TEXT, rig)
    first, second = ([batch.rows.rows() for batch in found.batches()] for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", "is empty; expected a header line and rows", id="empty"),
        pytest.param(f"{HEADER},a\rb\n1,2,3,4,5\n", "line 1: not a CSV header: ", id="header"),
        pytest.param("\n\n# x\n", "has no header line, only blank lines and comments", id="blank"),
        pytest.param(HEADER, "has a header but no rows", id="header only"),
        pytest.param(f"{HEADER}\n\n# 1,2,3,4\n", "has a header but no rows", id="comments only"),
        pytest.param(
            f"{HEADER}\n1,2,\0,4\n".encode(),
            "line 2 has a zero byte: a binary file, not CSV",
            id="zero byte",
        ),
        pytest.param(
            f"{HEADER}\n1,2,3,4\n1,2,ü,4\n".encode("latin-1"),
            "line 3: byte 0xFC is not UTF-8; if it is text, set encoding in the rig file: "
            'encoding = "cp1252" (Windows) or "latin-1"',
            id="wrong encoding",
        ),
        pytest.param(
            b"\xff\xfe" + TEXT.encode("utf-16-le")[:-1],
            "not utf-16 text",
            id="half a character at the end",
        ),
        pytest.param(gzip.compress(TEXT.encode())[:-12], "damaged gzip", id="gzip cut off"),
        pytest.param(
            gzip.compress(TEXT.encode())[:-6] + b"123456", "damaged gzip", id="gzip with wrong sum"
        ),
        pytest.param(b"\x1f\x8bnot gzip at all", "damaged gzip", id="gzip in name only"),
        pytest.param(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\n", "a binary file, not CSV", id="picture"),
    ],
)
def test_a_broken_file_is_one_clear_line(content: str | bytes, message: str, rig: Rig) -> None:
    with pytest.raises(SourceError) as caught:
        batches(content, rig)
    text = str(caught.value)
    assert text.startswith("x.csv: ")
    assert message in text
    assert "\n" not in text


def test_a_line_without_end_is_refused_before_it_fills_the_memory(rig: Rig) -> None:
    with (
        patch.object(csv, "_LONGEST_LINE", 1000),
        patch.object(csv, "_BLOCK_BYTES", 100),
        pytest.raises(SourceError, match="line 1 does not end; not a CSV file"),
    ):
        source("x" * 5000, rig)


def test_the_real_recording(static_fire: Rig) -> None:
    path = DATA / "KNSB_250220_pressure_raw.csv"
    found = CsvSource(str(path), static_fire, path=path)
    assert found.describe()["delimiter"] == "semicolon"
    assert sum(len(batch.rows) for batch in found.batches()) == 2062
