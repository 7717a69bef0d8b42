"""Medians and quantiles of what was measured."""

import statistics
from collections.abc import Sequence


def median(values: Sequence[float]) -> float:
    """The one in the middle; not a number where there is none."""
    return statistics.median(values) if values else float("nan")


def quantile(values: Sequence[float], share: float) -> float:
    """The one that this share of them is not above; not a number where there is none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")
