"""Lengths of time as people write them: `90d`, `12h`, `2w`, `1y`."""

import re
from datetime import timedelta

_UNITS = {
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "y": timedelta(days=365),
}
# Lengths of the buckets of roll-ups, as people write them, in seconds (see rollups.py).
LEVELS = {
    **{"1s": 1, "10s": 10, "1min": 60, "5min": 300},
    **{"15min": 900, "1h": 3_600, "6h": 21_600},
}
# As old as a `datetime` can be, and more.
_LONGEST = timedelta(days=365 * 2000)
LEVEL_AGES_ALLOWED = (
    f"a list such as 10s:1y,1min:2y of levels ({', '.join(list(LEVELS)[:-1])}) and ages, the "
    "shortest first and none younger than the one before; what is not named is kept"
)
ALLOWED = "a whole number of hours, days, weeks or years of 365 days, such as 12h, 90d, 2w or 1y"


def parse_duration(text: str) -> timedelta:
    """The length of time that a text says. Raises ValueError, which says what is allowed."""
    match = re.fullmatch(r"([1-9][0-9]{0,8})\s*([hdwy])", text.strip().lower())
    if match is None:
        raise ValueError(f"{text!r} is not a length of time; allowed is {ALLOWED}")
    number, unit = int(match[1]), _UNITS[match[2]]
    if number > _LONGEST // unit:
        raise ValueError(f"{text!r} is longer than 2000 years; allowed is {ALLOWED}")
    return number * unit


def parse_level_ages(text: str) -> dict[int, timedelta]:
    """Ages up to which roll-ups are kept, by level. Raises ValueError with what is allowed."""
    ages: dict[int, timedelta] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, _, age = part.partition(":")
        level = LEVELS.get(name.strip().lower())
        if level is None or level == max(LEVELS.values()):
            raise ValueError(f"{part!r} names no level; allowed is {LEVEL_AGES_ALLOWED}")
        ages[level] = parse_duration(age)
    if list(ages) != sorted(ages) or list(ages.values()) != sorted(ages.values()):
        raise ValueError(f"{text!r} is not in order; allowed is {LEVEL_AGES_ALLOWED}")
    return ages
