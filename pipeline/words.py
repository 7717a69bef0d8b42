"""Numbers in sentences: one reading, two readings, and lengths of time."""

from itertools import pairwise

_UNITS = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun, and a verb where that depends on it: `1 reading is`."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def length(seconds: float) -> str:
    """A length of time in the two largest units that it has: `2 h`, `1 d 3 h`, `0.25 s`."""
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    for (large, size), (small, part) in pairwise(_UNITS.items()):
        parts = round(seconds / part)
        if parts >= size // part:
            whole, rest = divmod(parts, size // part)
            return f"{whole:,} {large}" + (f" {rest} {small}" if rest else "")
    raise AssertionError(seconds)
