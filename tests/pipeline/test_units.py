"""Units are converted exactly, or refused."""

import pytest

from pipeline.units import convert


@pytest.mark.parametrize(
    ("value", "unit", "to_unit", "expected"),
    [
        (32, "degF", "degC", 0.0),
        (302, "degF", "degC", 150.0),
        (-40, "degF", "degC", -40.0),
        (273.15, "K", "degC", 0.0),
        (100, "degC", "degF", 212.0),
        (1.2, "bar", "hPa", 1200.0),
        (101325, "Pa", "hPa", 1013.25),
        (90, "min", "h", 1.5),
        (0.5, "", "percent", 50.0),
        (1, "psi", "bar", 0.0689475729),
        (760, "mmHg", "hPa", 1013.25014),
    ],
)
def test_units_are_converted(value: float, unit: str, to_unit: str, expected: float) -> None:
    assert convert(value, unit, to_unit) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(
    ("unit", "to_unit"),
    [
        ("bar", "degC"),
        ("no such unit", "bar"),
        ("bar", "no such unit"),
        ("dBm", "W"),
        ("delta_degC", "degC"),
        ("(", "bar"),
        ("2 bar", "bar"),
        ("", "bar"),
        ("__import__('os')", "bar"),
    ],
)
def test_what_cannot_be_converted_is_refused(unit: str, to_unit: str) -> None:
    with pytest.raises(ValueError, match=r"^cannot convert .*; use unit names such as bar, hPa"):
        convert(1, unit, to_unit)
