"""Units of measurement, converted exactly. Their names are those of the pint library."""

import warnings
from fractions import Fraction
from functools import lru_cache
from typing import Any


def convert(value: float, unit: str, to_unit: str) -> float:
    """`value` in `unit`, in `to_unit` (temperatures are absolute: 0 degC is 32 degF).

    Raises ValueError when a unit is unknown or the two measure different things.
    """
    return float(converted(Fraction(value), unit, to_unit))


@lru_cache(maxsize=64)
def hours_in(unit: str) -> float | None:
    """Hours that one unit of time has; None for a unit of anything else."""
    try:
        return 1.0 if unit == "h" else convert(1.0, unit, "h")
    except ValueError:
        return None


def converted(value: Fraction, unit: str, to_unit: str) -> Fraction:
    """The same as `convert`, and exact."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Fraction(_units().Quantity(value, unit).to(to_unit).magnitude)
    except Exception:  # pint reads a unit as an expression: its errors are of every family
        raise ValueError(
            f"cannot convert {unit!r} to {to_unit!r}; use unit names such as bar, hPa, degC, degF"
        ) from None


@lru_cache(maxsize=1)
def _units() -> Any:
    # pint takes a third of a second to import and most rig files convert nothing.
    import pint

    return pint.UnitRegistry(non_int_type=Fraction)
