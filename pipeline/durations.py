"""Lengths of time as people write them: `90d`, `12h`, `2w`, `1y`."""

import re
from datetime import timedelta

_UNITS = {
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "y": timedelta(days=365),
}
# As old as a `datetime` can be, and more.
_LONGEST = timedelta(days=365 * 2000)
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
