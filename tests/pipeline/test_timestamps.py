"""Every notation of a time that the design names, and nothing else."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import QueryError
from pipeline.timestamps import (
    check_time_format,
    chrono_format,
    day_range,
    from_microseconds,
    parse_exact_times,
    parse_moment,
    parse_times,
    rfc3339,
    to_microseconds,
)

pytestmark = pytest.mark.timezone

BERLIN = ZoneInfo("Europe/Berlin")


def parsed(
    values: list[object],
    zone: str = "UTC",
    time_format: str | None = None,
    dtype: pl.DataType | None = None,
) -> list[datetime | None]:
    series = pl.Series("timestamp", values, dtype=dtype, strict=False)
    times = parse_times(pl.col("timestamp"), series.dtype, time_format, zone)
    return series.to_frame().select(times).to_series().to_list()


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


NOON = utc(2025, 7, 13, 12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2025-07-13T12:00:00Z", NOON, id="zulu"),
        pytest.param("2025-07-13 12:00:00Z", NOON, id="blank"),
        pytest.param("2025-07-13t12:00:00z", NOON, id="lower case"),
        pytest.param(" 2025-07-13T12:00:00Z\t", NOON, id="surrounding blanks"),
        pytest.param("2025-07-13T12:00Z", NOON, id="no seconds"),
        pytest.param("2025-07-13  12:00:00 Z", NOON, id="more blanks"),
        pytest.param("2025-07-13T14:00:00+02:00", NOON, id="offset"),
        pytest.param("2025-07-13T14:00:00+0200", NOON, id="offset without colon"),
        pytest.param("2025-07-13 14:00:00 +0200", NOON, id="offset after a blank"),
        pytest.param("2025-07-13T07:00:00-05", NOON, id="offset of hours"),
        pytest.param("2025-07-13T17:30:00+05:30", NOON, id="offset of half hours"),
        pytest.param("2025-07-12T12:01:00-23:59", NOON, id="largest offset"),
        pytest.param("2025-07-13T12:00:00-00:00", NOON, id="unknown offset"),
        pytest.param("1752408000", NOON, id="seconds"),
        pytest.param("+1752408000", NOON, id="plus"),
        pytest.param("1752408000000", NOON, id="milliseconds"),
        pytest.param("1752408000000000", NOON, id="microseconds"),
        pytest.param("1752408000000000000", NOON, id="nanoseconds"),
        pytest.param("0", utc(1970, 1, 1), id="the epoch is a time"),
        pytest.param("-1", utc(1969, 12, 31, 23, 59, 59), id="before the epoch"),
        pytest.param("99999999999", utc(5138, 11, 16, 9, 46, 39), id="last seconds"),
        pytest.param("100000000000", utc(1973, 3, 3, 9, 46, 40), id="first milliseconds"),
        pytest.param("9223372036854775807", utc(2262, 4, 11, 23, 47, 16, 854775), id="largest"),
        pytest.param("-9223372036854775808", utc(1677, 9, 21, 0, 12, 43, 145224), id="smallest"),
        pytest.param("9999-12-31T23:59:59Z", utc(9999, 12, 31, 23, 59, 59), id="end"),
        pytest.param("0001-01-01T00:00:00Z", utc(1, 1, 1), id="beginning"),
    ],
)  # fmt: skip
def test_reads(text: str, expected: datetime) -> None:
    assert parsed([text]) == [expected]


@pytest.mark.parametrize("digits", range(1, 10))
@pytest.mark.parametrize("sign", [".", ","])
def test_reads_a_fraction_of_one_to_nine_digits_and_cuts_it_to_microseconds(
    digits: int, sign: str
) -> None:
    fraction = "987654321"[:digits]
    microsecond = int(fraction.ljust(6, "0")[:6])
    assert parsed([f"2025-07-13T12:00:00{sign}{fraction}Z"]) == [
        NOON + timedelta(microseconds=microsecond)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2025-07-13",
        "12:00:00",
        "2025-7-13T12:00:00Z",
        "2025-07-13T1:00:00Z",
        "2025-07-13T12:00:60Z",
        "2025-07-13T23:59:60Z",
        "2025-07-13T24:00:00Z",
        "2025-07-13T12:60:00Z",
        "2025-07-32T12:00:00Z",
        "2025-13-01T12:00:00Z",
        "2025-02-29T12:00:00Z",
        "2025-07-13T12:30.5",
        "2025-07-13T12:00:00.Z",
        "2025-07-13T12:00:00.1234567890Z",
        "2025-07-13T12:00:00+24:00",
        "2025-07-13T12:00:00+02:60",
        "2025-07-13T12:00:00+2",
        "2025-07-13T12:00:00ZZ",
        "2025-07-13T12:00:00Z, 2025-07-14T12:00:00Z",
        "2025-07-13T12:00:00\n",
        "0000-12-31T00:00:00Z",
        "0001-01-01T00:00:00+02:00",
        "9999-12-31T23:59:59-05:00",
        "-99999999999",
        "99999999999999999999",
        "1752408000.5",
        "1.7e9",
        "1_752_408_000",
        "\u0662\u0660\u0662\u0665-\u0660\u0667-\u0661\u0663T\u0661\u0662:\u0660\u0660:\u0660\u0660Z",
    ],
)
def test_refuses(text: str) -> None:
    # A line feed at the end of a quoted field is a surrounding blank.
    expected = [NOON] if text == "2025-07-13T12:00:00\n" else [None]
    assert parsed([text]) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2025-07-13 14:00:00", NOON, id="summer"),
        pytest.param("2025-01-13T13:00:00", utc(2025, 1, 13, 12), id="winter"),
        pytest.param("2025-03-30 01:59:59", utc(2025, 3, 30, 0, 59, 59), id="before the gap"),
        pytest.param("2025-03-30 02:00:00", None, id="first of the skipped hour"),
        pytest.param("2025-03-30 02:59:59.999999", None, id="last of the skipped hour"),
        pytest.param("2025-03-30 03:00:00", utc(2025, 3, 30, 1), id="after the gap"),
        pytest.param("2025-10-26 02:30:00", utc(2025, 10, 26, 0, 30), id="the earlier of two"),
        pytest.param("2025-10-26 02:30:00+01:00", utc(2025, 10, 26, 1, 30), id="the later, given"),
        pytest.param("2025-10-26 03:00:00", utc(2025, 10, 26, 2), id="after the repeated hour"),
        pytest.param("2025-07-13T12:00:00Z", NOON, id="an offset wins"),
        pytest.param("1752408000", NOON, id="an epoch is UTC"),
    ],
)
def test_a_time_without_offset_is_in_the_rigs_zone(text: str, expected: datetime | None) -> None:
    assert parsed([text], "Europe/Berlin") == [expected]


@pytest.mark.parametrize(
    ("time_format", "text", "expected"),
    [
        ("DD.MM.YYYY HH:mm:ss", "13.07.2025 12:00:00", NOON),
        ("DD.MM.YYYY HH:mm:ss", " 13.7.2025  12:00:00 ", NOON),
        ("DD.MM.YYYY HH:mm", "13.07.2025 12:00", NOON),
        ("DD.MM.YYYY HH:mm:ss.SSS", "13.07.2025 12:00:00.250", NOON.replace(microsecond=250_000)),
        ("DD.MM.YYYY HH:mm:ss,SSS", "13.07.2025 12:00:00,250", NOON.replace(microsecond=250_000)),
        ("DD.MM.YYYY HH:mm:ss.SSS", "13.07.2025 12:00:00", NOON),
        ("MM/DD/YY hh:mm:ss A", "07/13/25 12:00:00 PM", NOON),
        ("MM/DD/YY hh:mm:ss,SSS A", "07/13/25 12:00:00,5 pm", NOON.replace(microsecond=500_000)),
        ("YYYYMMDD HH:mm", "20250713 12:00", NOON),
        ("YYYY-MM-DD", "2025-07-13", utc(2025, 7, 13)),
        ("%d/%b/%Y:%H:%M:%S %z", "13/Jul/2025:14:00:00 +0200", NOON),
        ("%s", "1752408000", NOON),
        ("DD.MM.YYYY HH:mm:ss", "13.07.25 12:00:00", None),
        ("DD.MM.YY HH:mm:ss", "13.07.2025 12:00:00", None),
        ("DD.MM.YYYY HH:mm:ss", "13.07.2025 12:00:60", None),
        ("DD.MM.YYYY HH:mm:ss", "13.07.+12025 12:00:00", None),
        ("DD.MM.YYYY HH:mm:ss", "13.07.0000 12:00:00", None),
        ("DD.MM.YYYY HH:mm:ss", "13-07-2025 12:00:00", None),
        ("DD.MM.YYYY HH:mm:ss", "13.07.202512:00:00", None),
        ("DD.MM.YYYY HH:mm:ss", "2025-07-13T12:00:00Z", None),
        ("DD.MM.YYYY HH:mm:ss", "1752408000", None),
    ],
)
def test_a_rigs_own_format_is_the_only_one(
    time_format: str, text: str, expected: datetime | None
) -> None:
    assert parsed([text], time_format=time_format) == [expected]


def test_a_rigs_own_format_is_in_its_zone() -> None:
    texts = ["13.07.2025 14:00:00", "30.03.2025 02:30:00", "26.10.2025 02:30:00"]
    expected = [NOON, None, utc(2025, 10, 26, 0, 30)]
    assert parsed(texts, "Europe/Berlin", "DD.MM.YYYY HH:mm:ss") == expected


@pytest.mark.parametrize(
    "time_format", ["foo", "HH:mm", "DD.MM", "DD.MM.YYYY HH", "YYYY-MM-DD hh:mm", "%Q", "%", ""]
)
def test_a_format_that_tells_no_time_is_refused(time_format: str) -> None:
    with pytest.raises(ValueError, match=r"does not tell a day and a time; write it as DD\.MM"):
        check_time_format(time_format)


@pytest.mark.parametrize("time_format", ["%d.%m.%Y %H:%M:%S %Z", "%Y-%m-%d %H:%M:%S %EZ"])
def test_names_of_zones_are_refused_rather_than_passed_over(time_format: str) -> None:
    with pytest.raises(ValueError, match="names of zones"):
        check_time_format(time_format)


@pytest.mark.parametrize(
    "time_format", ["DD.MM.YYYY HH:mm:ss,SSS", "hh:mm A, DD/MM/YY", "%+", "%s"]
)
def test_a_format_that_tells_a_time_is_taken(time_format: str) -> None:
    check_time_format(time_format)


def test_the_tokens_of_a_format_are_chronos() -> None:
    assert chrono_format("DD.MM.YYYY HH:mm:ss.SSS") == "%d.%m.%Y %H:%M:%S%.f"
    assert chrono_format("%d.%m.%Y") == "%d.%m.%Y"


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        pytest.param(pl.Datetime("ms"), datetime(2025, 7, 13, 14), NOON, id="local"),  # noqa: DTZ001
        pytest.param(pl.Datetime("ns", "UTC"), NOON, NOON, id="UTC"),
        pytest.param(pl.Datetime("us", "Asia/Kolkata"), NOON, NOON, id="another zone"),
        pytest.param(pl.Int32(), 1752408000, NOON, id="seconds"),
        pytest.param(pl.UInt64(), 1752408000000, NOON, id="unsigned"),
        pytest.param(pl.UInt64(), 2**64 - 1, None, id="too large"),
        pytest.param(pl.Int128(), 2**100, None, id="far too large"),
        pytest.param(pl.Float64(), 1752408000.0, None, id="no whole number"),
        pytest.param(pl.Boolean(), True, None, id="no number"),
        pytest.param(pl.Null(), None, None, id="nothing"),
    ],
)
def test_typed_columns(dtype: pl.DataType, value: object, expected: datetime | None) -> None:
    assert parsed([value], "Europe/Berlin", dtype=dtype) == [expected]


QUICK_SAMPLES = [
    "2025-07-13T12:00:00Z",
    "2025-07-13 12:00:00",
    "2025-07-13T12:00:00.5",
    "2025-07-13T12:00:00+02:00",
    "2025-03-30 02:30:00",
]
ODD_ONES = [
    "2025-07-13T12:00:00.5Z",
    "2025-07-13T12:00:60Z",
    "2025-07-3 112:00:00Z",
    "2025-7-013T12:00:00Z",
    "2025-07-13T12:00:00",
    "9999-12-31T23:59:59-05:00",
    "0000-01-01T00:00:00Z",
    "+025-07-13T12:00:00Z",
    "1752408000",
    "",
]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
@given(st.sampled_from(QUICK_SAMPLES), st.lists(st.sampled_from(QUICK_SAMPLES + ODD_ONES)))
def test_the_quick_way_reads_the_same_or_nothing(zone: str, first: str, rest: list[str]) -> None:
    times = pl.Series("timestamp", [first, *rest])
    quick = parse_exact_times(times, zone)
    assert quick is not None
    found = times.to_frame().select(quick).to_series().to_list()
    careful = parsed(times.to_list(), zone)
    assert found[0] == careful[0]
    assert all(one in (None, other) for one, other in zip(found, careful, strict=True))


@pytest.mark.parametrize("sample", [None, "", "1752408000", "13.07.2025", "2025-07-13T12:00Z"])
def test_the_quick_way_is_for_usual_samples_only(sample: str | None) -> None:
    times = pl.Series("timestamp", [sample], dtype=pl.String)
    assert parse_exact_times(times, "UTC") is None


@given(st.datetimes(timezones=st.just(UTC)))
def test_microseconds_and_back(moment: datetime) -> None:
    assert from_microseconds(to_microseconds(moment)) == moment


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1000, 1, 1)))  # noqa: DTZ001
def test_rfc3339_and_back(moment: datetime) -> None:
    assert parsed([rfc3339(moment)]) == [moment]
    assert parse_moment(rfc3339(moment), BERLIN, "start") == moment


def test_rfc3339_has_microseconds_only_where_needed() -> None:
    assert rfc3339(NOON.astimezone(BERLIN)) == "2025-07-13T12:00:00Z"
    assert rfc3339(NOON.replace(microsecond=5)) == "2025-07-13T12:00:00.000005Z"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-07-13T12:00:00Z", NOON),
        ("2025-07-13T14:00:00", NOON),
        ("2025-07-13T14:00:00+02:00", NOON),
        ("2025-07-13T14:00:00 02:00", NOON),
        ("2025-07-13", utc(2025, 7, 12, 22)),
    ],
)
def test_a_moment_that_somebody_asks_for(text: str, expected: datetime) -> None:
    assert parse_moment(text, BERLIN, "start") == expected


@pytest.mark.parametrize("text", ["", "yesterday", "2025-07-32", "9999-12-31T23:59:59-05:00"])
def test_a_malformed_moment_names_parameter_and_format(text: str) -> None:
    with pytest.raises(QueryError, match=r"^end='.*' is not a time; write it as 2025-07-13T08"):
        parse_moment(text, BERLIN, "end")


@pytest.mark.parametrize(
    ("day", "start", "hours"),
    [
        ("2025-07-13", utc(2025, 7, 12, 22), 24),
        ("2025-03-30", utc(2025, 3, 29, 23), 23),
        ("2025-10-26", utc(2025, 10, 25, 22), 25),
    ],
)
def test_a_day_is_a_whole_local_day(day: str, start: datetime, hours: int) -> None:
    assert day_range(day, BERLIN) == (start, start + timedelta(hours=hours))


@pytest.mark.parametrize(
    "day", ["", "13.07.2025", "2025-7-13", "2025-02-30", "9999-12-31", "20250713"]
)
def test_a_malformed_day_names_the_format(day: str) -> None:
    with pytest.raises(
        ValueError, match="is not a day; write it as YYYY-MM-DD, such as 2025-07-13"
    ):
        day_range(day, BERLIN)
