"""Moments, z-scores, levels, and the sentence that says why."""

import statistics
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rig import LEVELS, Channel, Rig, parse_rig
from pipeline.scoring import (
    Moments,
    explain,
    is_outlier,
    measure,
    score,
    scored_schema,
    unit_symbol,
)

CHANNEL = """
[channels.x]
unit = "degC"
limits = { low = 10, high = 80 }
z_score = { yellow = 1.5, red = 2.0 }
"""
RIG = parse_rig(CHANNEL, "test")
X = RIG.channels[0]

# As exact as sensors are, and far from zero, where sums of squares would cancel.
values = st.lists(st.integers(0, 10**6).map(lambda n: 1e6 + n / 1000), min_size=2, max_size=50)


@given(values)
def test_moments_are_those_of_exact_arithmetic(numbers: list[float]) -> None:
    found = Moments.of(pl.Series(numbers))
    exact = [Fraction(number) for number in numbers]
    assert found.count == len(numbers)
    assert found.mean == pytest.approx(float(statistics.mean(exact)), rel=1e-15)
    assert found.standard_deviation == pytest.approx(statistics.stdev(exact), rel=1e-7, abs=1e-9)
    assert (found.minimum, found.maximum) == (min(numbers), max(numbers))


@given(values, st.data())
def test_moments_of_pieces_are_those_of_the_whole(
    numbers: list[float], data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(numbers)), max_size=4)))
    merged = Moments()
    for start, end in zip([0, *cuts], [*cuts, len(numbers)], strict=True):
        merged = merged.merged(Moments.of(pl.Series(numbers[start:end], dtype=pl.Float64)))
    whole = Moments.of(pl.Series(numbers))
    assert merged.count == whole.count
    assert merged.mean == pytest.approx(whole.mean, rel=1e-14)
    assert merged.standard_deviation == pytest.approx(whole.standard_deviation, rel=1e-7, abs=1e-7)
    assert (merged.minimum, merged.maximum) == (whole.minimum, whole.maximum)


@pytest.mark.parametrize(
    "numbers", [[], [5.0], [5.0, 5.0], [0.1] * 1000, [None, None], [None, 5.0]]
)
def test_the_deviation_is_zero(numbers: list[float | None]) -> None:
    assert Moments.of(pl.Series(numbers, dtype=pl.Float64)).standard_deviation == 0.0


def test_nulls_are_left_out() -> None:
    assert Moments.of(pl.Series([None, 1.0, None, 3.0])) == Moments.of(pl.Series([1.0, 3.0]))


def scored(numbers: list[float | None], rig: Rig = RIG) -> pl.DataFrame:
    readings = pl.DataFrame({"x": pl.Series(numbers, dtype=pl.Float64)})
    return score(readings, measure(readings, rig), rig)


def test_z_scores_use_the_sample_deviation() -> None:
    assert scored([20.0, 30.0, 40.0])["x_zscore"].to_list() == [-1.0, 0.0, 1.0]


@pytest.mark.parametrize("numbers", [[20.0], [20.0, 20.0], [-20.0, -20.0], [20.0, None]])
def test_z_is_plain_zero_where_there_is_no_deviation(numbers: list[float | None]) -> None:
    zscores = scored(numbers)["x_zscore"].to_list()
    assert [repr(z) for z in zscores] == ["None" if n is None else "0.0" for n in numbers]


def test_a_missing_value_has_neither_score_nor_level() -> None:
    found = scored([20.0, None, 30.0])
    assert found["x_zscore"][1] is None
    assert found["x_alert"].to_list() == ["normal", None, "normal"]


@pytest.mark.parametrize(
    ("value", "zscore", "level"),
    [
        pytest.param(20.0, 0.0, "normal", id="normal"),
        pytest.param(10.0, 1.5, "normal", id="at the low limit and the yellow threshold"),
        pytest.param(80.0, -1.5, "normal", id="at the high limit, z negative"),
        pytest.param(20.0, 1.6, "yellow", id="unusual"),
        pytest.param(20.0, -1.6, "yellow", id="unusually low"),
        pytest.param(20.0, 2.0, "yellow", id="at the red threshold"),
        pytest.param(20.0, 2.1, "red", id="very unusual"),
        pytest.param(9.99, 0.0, "red", id="below the low limit"),
        pytest.param(80.01, 0.0, "red", id="above the high limit"),
        pytest.param(80.01, 1.6, "red", id="a limit wins over yellow"),
    ],
)
def test_level(value: float, zscore: float, level: str) -> None:
    # Moments such that the value has this z-score.
    moments = Moments(3, value - zscore, 2.0, value - 5, value + 5)
    readings = pl.DataFrame({"x": [value]})
    found = score(readings, {"x": moments}, RIG)
    assert found["x_zscore"][0] == pytest.approx(zscore)
    assert found["x_alert"][0] == level


def test_a_channel_without_thresholds_and_limits_is_always_normal() -> None:
    rig = parse_rig("[channels.x]", "test")
    assert set(scored([0.0] * 50 + [1e9], rig)["x_alert"]) == {"normal"}


def test_a_counter_is_not_scored() -> None:
    rig = parse_rig('[channels.x]\nkind = "counter"', "test")
    assert scored([1.0, 2.0], rig).columns == ["x"]


def test_a_score_is_the_same_in_a_frame_of_any_size() -> None:
    numbers = [20 + number / 7 for number in range(200)]
    moments = {"x": Moments.of(pl.Series(numbers))}
    together = score(pl.DataFrame({"x": numbers}), moments, RIG)["x_zscore"].to_list()
    alone = [score(pl.DataFrame({"x": [n]}), moments, RIG)["x_zscore"][0] for n in numbers]
    assert together == alone


def test_outliers_have_a_red_z_score_in_any_channel() -> None:
    numbers = [20.0] * 20 + [79.0, 5.0, None]
    found = scored(numbers)
    red = found.select(is_outlier(RIG)).to_series().to_list()
    # 5 is below the low limit, but not far from the mean.
    assert red == [False] * 20 + [True, False, False]


def test_without_thresholds_nothing_is_an_outlier() -> None:
    rig = parse_rig("[channels.x]", "test")
    assert not scored([0.0] * 50 + [1e9], rig).select(is_outlier(rig)).to_series().any()


def test_the_schema_of_scored_readings(rig: Rig) -> None:
    schema = scored_schema(rig)
    assert list(schema) == ["rig", "timestamp", *rig.value_columns]
    assert schema["temperature_alert"] == pl.Enum(LEVELS)
    assert schema["temperature_zscore"] == pl.Float64()


PLAIN = parse_rig('[channels.y]\nlabel = "Y"', "test").channels[0]


@pytest.mark.parametrize(
    ("channel", "value", "zscore", "sentence"),
    [
        (X, 84.3, 2.62, "4.3 °C above the high limit of 80 °C; z = 2.62."),
        (X, 7.5, -0.5, "2.5 °C below the low limit of 10 °C; z = \N{MINUS SIGN}0.50."),
        (X, 84.3, None, "4.3 °C above the high limit of 80 °C."),
        (X, 50.0, 2.4, "z = 2.40, beyond the red threshold of 2."),
        (X, 50.0, -1.7, "z = \N{MINUS SIGN}1.70, beyond the yellow threshold of 1.5."),
        (X, 50.0, 0.1, "z = 0.10; no threshold of the present rig file is exceeded."),
        (X, 50.0, None, "No threshold of the present rig file is exceeded."),
        (PLAIN, 50.0, 9.0, "z = 9.00; no threshold of the present rig file is exceeded."),
    ],
)
def test_the_sentence_that_says_why(
    channel: Channel, value: float, zscore: float | None, sentence: str
) -> None:
    assert explain(channel, value, zscore) == sentence


@pytest.mark.parametrize(
    ("unit", "sentence"),
    [
        ("percent", "5% below the low limit of 20%; z = 0.00."),
        ("hPa", "5 hPa below the low limit of 20 hPa; z = 0.00."),
        ("", "5 below the low limit of 20; z = 0.00."),
    ],
)
def test_the_sentence_with_other_units(unit: str, sentence: str) -> None:
    rig = parse_rig(f'[channels.y]\nunit = "{unit}"\nlimits = {{ low = 20 }}', "test")
    assert explain(rig.channels[0], 15.0, 0.0) == sentence


def test_units_as_people_write_them() -> None:
    assert [unit_symbol(unit) for unit in ("degC", "degF", "percent", "hPa", "")] == [
        "°C",
        "°F",
        "%",
        "hPa",
        "",
    ]
