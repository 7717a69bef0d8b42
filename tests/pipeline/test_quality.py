"""Each reject reason, their order, and the two ways of judging that have to agree."""

import io

import polars as pl
import pytest
from hypothesis import given

from pipeline import quality
from pipeline.quality import REASONS, REJECT_SCHEMA, judge, reading_schema
from pipeline.rig import Rig, parse_rig
from pipeline.sources.base import Batch
from pipeline.sources.csv import CsvSource
from tests.pipeline.csv_texts import CsvText, csv_texts

HEADER = "timestamp,temperature,pressure,uptime"
TIME = "2025-07-13T00:00:00Z"
WITH_OPTIONAL = parse_rig(
    """
    name = "motor"
    [channels.thrust]
    unit = "N"
    valid = { min = 0 }
    [channels.flow]
    required = false
    unit = "l/s"
    valid = { max = 10 }
    """,
    "test",
)


def judged(text: str, rig: Rig) -> tuple[pl.DataFrame, pl.DataFrame]:
    (batch,) = CsvSource("x.csv", rig, spooled=io.BytesIO(text.encode())).batches()
    return judge(batch, rig)


@pytest.mark.parametrize(
    ("row", "reason", "detail"),
    [
        (f"{TIME},20,1000", "wrong_field_count", "3 fields instead of 4"),
        (f"{TIME},20,1000,1,", "wrong_field_count", "5 fields instead of 4"),
        (f'{TIME},20,1000,"1', "wrong_field_count", "a stray quote, or one that is never closed"),
        (",20,1000,1", "missing_value", "timestamp is missing"),
        (f"{TIME},,1000,1", "missing_value", "temperature is missing"),
        (f"{TIME},20,  ,1", "missing_value", "pressure is missing"),
        (f"{TIME},20,1000,NA", "missing_value", "uptime is missing"),
        (f"{TIME},n/a,1000,1", "missing_value", "temperature is missing"),
        (f"{TIME},NULL,1000,1", "missing_value", "temperature is missing"),
        (f"{TIME},none,1000,1", "missing_value", "temperature is missing"),
        (
            "noon,20,1000,1",
            "unparsable",
            "timestamp 'noon' is not a time; expected ISO 8601 or an integer epoch",
        ),
        (f"{TIME},warm,1000,1", "unparsable", "temperature 'warm' is not a number"),
        (f"{TIME},20,1_000,1", "unparsable", "pressure '1_000' is not a number"),
        (
            f'{TIME},"20,5",1000,1',
            "unparsable",
            "temperature '20,5' is not a number; for decimal commas set decimal = \",\" under "
            "[files] in the rig file",
        ),
        (f"{TIME},NaN,1000,1", "not_finite", "temperature 'NaN' is not finite"),
        (f"{TIME},20,-inf,1", "not_finite", "pressure '-inf' is not finite"),
        (f"{TIME},20,1000,1e999", "not_finite", "uptime '1e999' is not finite"),
        (
            f"{TIME},150.1,1000,1",
            "out_of_range",
            "temperature '150.1' is outside the valid range 0 to 150 degC",
        ),
        (
            f"{TIME},20,799.9,1",
            "out_of_range",
            "pressure '799.9' is outside the valid range 800 to 1200 hPa",
        ),
        (
            f"{TIME},20,1000,-1",
            "out_of_range",
            "uptime '-1' is outside the valid range from 0 h up",
        ),
    ],
)  # fmt: skip
def test_reason_and_detail(row: str, reason: str, detail: str, rig: Rig) -> None:
    readings, rejects = judged(f"{HEADER}\n{row}\n", rig)
    assert readings.is_empty()
    assert rejects.select("line", "rig", "reason", "detail", "raw").rows() == [
        (2, "rig-1", reason, detail, row)
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("x,,NaN,1,9", "wrong_field_count"),
        ("x,,NaN,-1", "missing_value"),
        ("x,NaN,1,-1", "unparsable"),
        (f"{TIME},NaN,1,x", "unparsable"),
        (f"{TIME},999,inf,-1", "not_finite"),
        (f"{TIME},999,1,-1", "out_of_range"),
    ],
)
def test_the_first_reason_of_the_list_counts(row: str, reason: str, rig: Rig) -> None:
    _, rejects = judged(f"{HEADER}\n{row}\n", rig)
    assert rejects["reason"].to_list() == [reason]


@pytest.mark.parametrize(
    "row",
    ["0,800,0", "150,1200,1e9", "-0.0,800.0,0", " 20 ,\t1000,1 ", "+20,1.e3,.5", "2E1,1000,00001"],
)
def test_acceptable_values(row: str, rig: Rig) -> None:
    readings, rejects = judged(f"{HEADER}\n{TIME},{row}\n", rig)
    assert (len(readings), len(rejects)) == (1, 0)


@pytest.mark.parametrize(
    ("row", "flow", "reason"),
    [
        ("5,2.5", 2.5, None),
        ("5,", None, None),
        ("5, N/A ", None, None),
        ("5,x", None, "unparsable"),
        ("5,nan", None, "not_finite"),
        ("5,10.5", None, "out_of_range"),
        (",2.5", None, "missing_value"),
    ],
)
def test_an_optional_channel_may_be_missing_but_not_wrong(
    row: str, flow: float | None, reason: str | None
) -> None:
    readings, rejects = judged(f"timestamp,thrust,flow\n{TIME},{row}\n", WITH_OPTIONAL)
    assert rejects["reason"].to_list() == ([reason] if reason else [])
    assert readings["flow"].to_list() == ([] if reason else [flow])


def test_an_optional_column_may_be_absent() -> None:
    readings, rejects = judged(f"timestamp,thrust\n{TIME},5\n{TIME},x\n", WITH_OPTIONAL)
    assert readings["flow"].to_list() == [None]
    assert rejects["reason"].to_list() == ["unparsable"]


def test_a_rig_column_wins_over_the_rigs_name() -> None:
    text = f"timestamp,thrust,Rig\n{TIME},1,\n{TIME},2, B \n{TIME},x,C\n"
    readings, rejects = judged(text, WITH_OPTIONAL)
    assert readings["rig"].to_list() == ["motor", "B"]
    assert rejects["rig"].to_list() == ["C"]


def test_a_reject_has_its_time_where_that_can_be_read(rig: Rig) -> None:
    _, rejects = judged(f"{HEADER}\n{TIME},x,1,1\nx,20,1000,1\n1,2\n", rig)
    assert [time and time.isoformat() for time in rejects["timestamp"]] == [
        "2025-07-13T00:00:00+00:00",
        None,
        None,
    ]


def test_a_long_value_is_cut_in_the_detail_but_not_in_the_row(rig: Rig) -> None:
    row = f"{TIME},{'x' * 500},1000,1"
    _, rejects = judged(f"{HEADER}\n{row}\n", rig)
    assert rejects["detail"][0] == f"temperature '{'x' * 80}' is not a number"
    assert rejects["raw"][0] == row


def test_a_decimal_comma_takes_no_point() -> None:
    rig = parse_rig('[files]\ndecimal = ","\n[channels.x]', "test")
    readings, rejects = judged(f"timestamp;x\n{TIME};1,5\n{TIME};1.234\n{TIME};7\n", rig)
    assert readings["x"].to_list() == [1.5, 7.0]
    assert rejects["raw"].to_list() == [f"{TIME};1.234"]


@pytest.mark.parametrize(
    ("valid", "value", "expected"),
    [
        ("{ max = 5 }", "6", "the valid range up to 5 mm"),
        ("{ min = -5, max = 5 }", "-6", "the valid range -5 to 5 mm"),
        ("{ min = 5 }", "4", "the valid range from 5 mm up"),
    ],
)
def test_a_range_may_be_open(valid: str, value: str, expected: str) -> None:
    rig = parse_rig(f'[channels.x]\nunit = "mm"\nvalid = {valid}', "test")
    _, rejects = judged(f"timestamp,x\n{TIME},{value}\n", rig)
    assert rejects["detail"].to_list() == [f"x '{value}' is outside {expected}"]


def test_without_a_range_every_value_is_fine_whose_square_is_finite() -> None:
    rig = parse_rig("[channels.x]", "test")
    rows = "".join(f"{TIME},{value}\n" for value in ("-1e150", "inf", " 1 ", "1e151"))
    readings, rejects = judged(f"timestamp,x\n{rows}", rig)
    assert readings["x"].to_list() == [-1e150, 1.0]
    assert rejects["reason"].to_list() == ["not_finite", "out_of_range"]


def test_values_are_converted_before_their_range_is_checked() -> None:
    rig = parse_rig(
        '[channels.x]\nunit = "degC"\nvalid = { min = 0, max = 150 }\nsource = { unit = "degF" }',
        "test",
    )
    readings, rejects = judged(f"timestamp,x\n{TIME},32\n{TIME},302\n{TIME},302.1\n", rig)
    assert readings["x"].to_list() == [0.0, 150.0]
    assert rejects["detail"].to_list() == ["x '302.1' is outside the valid range 0 to 150 degC"]


def test_a_value_is_converted_the_same_in_a_batch_of_any_size() -> None:
    rig = parse_rig('[channels.x]\nunit = "degC"\nsource = { unit = "degF" }', "test")
    texts = [f"{number / 7:.3f}" for number in range(200)]
    together, _ = judged("\n".join(["timestamp,x", *(f"{TIME},{t}" for t in texts), ""]), rig)
    alone = [judged(f"timestamp,x\n{TIME},{text}\n", rig)[0]["x"][0] for text in texts]
    assert together["x"].to_list() == alone


def test_readings_and_rejects_keep_the_order_of_the_source(rig: Rig) -> None:
    rows = [f"{TIME},{value},1000,1" for value in ("20", " 21 ", "x", "22", "", "23 ", "24")]
    readings, rejects = judged("\n".join([HEADER, *rows, ""]), rig)
    assert readings["line"].to_list() == [2, 3, 5, 7, 8]
    assert readings["temperature"].to_list() == [20, 21, 22, 23, 24]
    assert rejects["line"].to_list() == [4, 6]


def test_a_batch_of_misshapen_records_only(rig: Rig) -> None:
    readings, rejects = judged(f"{HEADER}\n1,2\n", rig)
    assert readings.schema == reading_schema(rig)
    assert rejects.schema == pl.Schema(REJECT_SCHEMA)


def test_reasons_are_those_of_the_design_in_their_order() -> None:
    assert REASONS == (
        "wrong_field_count",
        "missing_value",
        "unparsable",
        "not_finite",
        "out_of_range",
        "older_than_retention",
        "duplicate_timestamp",
        "outlier",
    )


def carefully(batch: Batch, rig: Rig) -> pl.DataFrame:
    """All rows of a batch judged by every rule in full."""
    judged = quality._careful(batch.rows.with_row_index("place"), rig)
    return judged.filter(pl.col("reason").is_null()).select(list(reading_schema(rig)))


@given(csv_texts())
def test_the_quick_way_accepts_what_the_careful_way_accepts(case: CsvText) -> None:
    source = CsvSource("x.csv", case.rig, spooled=io.BytesIO(case.text.encode()))
    for batch in source.batches():
        if not batch.rows.is_empty():
            readings, _ = judge(batch, case.rig)
            assert readings.equals(carefully(batch, case.rig))
