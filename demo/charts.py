"""What a chart shows, worked out once for both ways to draw it; and the way that needs no script.

The SVG is stretched to its box, so lines have a width of their own and all text is HTML.
"""

import html
import math
from datetime import datetime, timedelta, timezone
from typing import Any, List, NamedTuple, Tuple

from demo.readings import Channel, Record, Row
from demo.words import clock, count, day, duration, number

MOST_POINTS = 2_000  # more readings are thinned to the first, last, lowest and highest of a run
MOST_HOVERS = 500
LABELLED_GAP = 9  # percent of the chart's width
LABELLED_GAP_ON_PHONES = 16
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_SHORT_STEPS_S = (0.001, 0.01, 0.05, 0.1, 0.2, 0.5)
_LONG_STEPS_S = (1, 5, 15, 30, 60, 300, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)

Ticks = List[Tuple[float, str]]


class Chart(NamedTuple):
    """One channel over time. Times are milliseconds since 1970 in UTC."""

    unit: str
    x: Tuple[float, float]
    time_ticks: Ticks
    y: Tuple[float, float]
    value_ticks: Ticks
    limits: Ticks
    gaps: List[Tuple[float, float, str]]  # start, end, length in words
    segments: List[List[List[Any]]]  # between gaps: points of time, value, z-score, level


def make_chart(channel: Channel, record: Record) -> Chart:
    """All that is drawn of a channel."""
    size = thinning(record)
    columns = (channel.name, f"{channel.name}_zscore", f"{channel.name}_alert")
    segments = [
        [
            [milliseconds(row["timestamp"]), *(row[column] for column in columns)]
            for row in thinned(segment, channel.name, size)
        ]
        for segment in record.segments
    ]
    last = record.last if record.last > record.first else record.first + timedelta(seconds=1)
    low, high, value_ticks = value_axis(channel, [row[channel.name] for row in record.rows])
    limits = (("low limit", channel.low), ("high limit", channel.high))
    return Chart(
        unit=channel.unit,
        x=(milliseconds(record.first), milliseconds(last)),
        time_ticks=time_ticks(record.first, last),
        y=(low, high),
        value_ticks=value_ticks,
        limits=[(value, f"{name} {value:,g}") for name, value in limits if low <= value <= high],
        gaps=[(milliseconds(a), milliseconds(b), duration(b - a)) for a, b in record.gaps],
        segments=segments,
    )


def thinning(record: Record) -> int:
    """Of how many readings at most four are drawn; up to 4: every reading is."""
    return math.ceil(4 * len(record.rows) / MOST_POINTS)


def thinned(rows: List[Row], name: str, size: int) -> List[Row]:
    """First, last, lowest and highest of every `size` rows, so that no spike is lost."""
    if size <= 4:
        return rows
    kept = []
    for at in range(0, len(rows), size):
        values = [row[name] for row in rows[at : at + size]]
        places = {0, len(values) - 1, values.index(min(values)), values.index(max(values))}
        kept += [rows[at + place] for place in sorted(places)]
    return kept


def milliseconds(time: datetime) -> float:
    exact = (time - EPOCH) / timedelta(milliseconds=1)
    return int(exact) if exact.is_integer() else exact


def value_axis(channel: Channel, values: List[float]) -> Tuple[float, float, Ticks]:
    """Ends and ticks; a limit is shown where it is no farther off than half of what values span."""
    low, high = min(values), max(values)
    reach = (high - low) / 2 or 10.0
    near = [limit for limit in channel[3:5] if low - reach <= limit <= high + reach]
    low, high = min([low, *near]) - reach / 10, max([high, *near]) + reach / 10
    step = round_step((high - low) / 5)
    first, last = math.floor(low / step), math.ceil(high / step)
    ticks = [(place * step, f"{place * step:,.10g}") for place in range(first, last + 1)]
    return first * step, last * step, ticks


def round_step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next((power * each for each in (1, 2, 2.5, 5) if power * each >= least), 10 * power)


def time_ticks(first: datetime, last: datetime) -> Ticks:
    """At most twelve round times in UTC; midnight is the date."""
    start, end = milliseconds(first) / 1000, milliseconds(last) / 1000
    whole_days = 86400 * math.ceil((end - start) / 12 / 86400)
    steps = _SHORT_STEPS_S + _LONG_STEPS_S
    step = next((each for each in steps if (end - start) / each <= 12), whole_days)
    ticks: Ticks = []
    for place in range(math.ceil(start / step), math.floor(end / step) + 1):
        time = EPOCH + timedelta(seconds=place * step)
        label = day(time) if f"{time:%H%M%S%f}".strip("0") == "" else clock(time)
        ticks.append((milliseconds(time), label))
    return ticks


def describe(channel: Channel, record: Record) -> str:
    """The chart in words, for those who do not see it."""
    values = [row[channel.name] for row in record.rows]
    levels = [row[f"{channel.name}_alert"] for row in record.rows]
    return (
        f"{channel.label} over time: {number(min(values))} to {number(max(values))} "
        f"{channel.unit}, {levels.count('red')} red and {levels.count('yellow')} yellow readings, "
        f"{count(len(record.gaps), 'gap')}"
    )


def draw_svg(chart: Chart) -> str:
    """The plot as HTML: a stretched SVG, and over it the marks and words at their places."""
    points = [point for segment in chart.segments for point in segment]
    return "\n".join(
        [
            '<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">',
            _lines(chart),
            *(_hovers(chart, points) if len(points) <= MOST_HOVERS else []),
            "</svg>",
            *(_gap(chart, gap) for gap in chart.gaps),
            *(_mark(chart, point) for point in points if point[3] != "normal"),
            *_words(chart),
        ]
    )


def _x(chart: Chart, time: float) -> float:
    first, last = chart.x
    return round(100 * (time - first) / (last - first), 3)


def _y(chart: Chart, value: float) -> float:
    low, high = chart.y
    return round(100 * (high - value) / (high - low), 3)


def _lines(chart: Chart) -> str:
    grid = [f"M0 {_y(chart, value)}H100" for value, _ in chart.value_ticks]
    grid += [f"M{_x(chart, time)} 0V100" for time, _ in chart.time_ticks]
    limits = [f"M0 {_y(chart, value)}H100" for value, _ in chart.limits]
    lines, dots = [], []
    for segment in chart.segments:
        places = [f"{_x(chart, time)} {_y(chart, value)}" for time, value, _, _ in segment]
        if len(places) > 1:
            lines.append("M" + "L".join(places))
        else:  # between two gaps: a line of no length, with round ends
            dots.append(f"M{places[0]}h0")
    drawn = (("grid", grid), ("limit", limits), ("line", lines), ("line dot", dots))
    return "\n".join(f'<path class="{name}" d="{"".join(parts)}"/>' for name, parts in drawn)


def _hovers(chart: Chart, points: List[List[Any]]) -> List[str]:
    """An invisible strip for each reading, which says its time and value."""
    width = max(100 / len(points), 0.4)
    return [
        f'<rect x="{round(_x(chart, point[0]) - width / 2, 3)}" width="{width:.3g}" height="100">'
        f"<title>{_says(chart, point)}</title></rect>"
        for point in points
    ]


def _says(chart: Chart, point: List[Any]) -> str:
    time, value, zscore, level = point
    when = EPOCH + timedelta(milliseconds=time)
    level = "" if level == "normal" else f", {level}"
    return html.escape(
        f"{day(when)} {clock(when)} UTC: {number(value)} {chart.unit}{level}, z {number(zscore, 2)}"
    )


def _mark(chart: Chart, point: List[Any]) -> str:
    time, value, _, level = point
    place = f"left:{_x(chart, time)}%;top:{_y(chart, value)}%"
    return (
        f'<svg class="mark {level}" viewBox="0 0 10 10" style="{place}"><title>'
        f'{_says(chart, point)}</title><use href="#{level}"/></svg>'
    )


def _gap(chart: Chart, gap: Tuple[float, float, str]) -> str:
    left, right = _x(chart, gap[0]), _x(chart, gap[1])
    width = round(right - left, 3)
    words = f"<span>no data<br>{gap[2]}</span>" if width > LABELLED_GAP else ""
    room = "" if width > LABELLED_GAP_ON_PHONES else " narrow"
    return f'<div class="gap{room}" style="left:{left}%;width:{width}%">{words}</div>'


def _words(chart: Chart) -> List[str]:
    """Labels of the axes and limits; every second time is spare on a narrow screen."""
    values = [("value", f"top:{_y(chart, at)}%", label) for at, label in chart.value_ticks]
    times = [("time", f"left:{_x(chart, at)}%", label) for at, label in chart.time_ticks]
    times[1::2] = [(f"{name} spare", place, label) for name, place, label in times[1::2]]
    limits = [("limit", f"top:{_y(chart, at)}%", label) for at, label in chart.limits]
    return [
        f'<span class="{name}" style="{place}">{label}</span>'
        for name, place, label in values + times + limits
    ]
