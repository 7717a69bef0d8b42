"""The page: key figures, charts and a list of what happened, in one file that needs no other."""

import html
import json
import re
from datetime import timedelta
from string import Template
from typing import Any, Dict, List, Optional, Tuple

from demo.charts import Chart, describe, draw_svg, make_chart, thinning
from demo.readings import CHANNELS, Channel, Record, compute_kpis
from demo.template import PAGE, SCRIPT, STYLE
from demo.words import Entry, clock, count, day, duration, find_entries, number, span

MOST_ENTRIES = 100


def build_page(record: Record, source: str, bundle: Optional[str]) -> str:
    """HTML of the readings; `bundle` is the code of Chart.js, None leaves the SVG as it is."""
    charts = [make_chart(channel, record) for channel in CHANNELS]
    canvas = '<div class="canvas"><canvas></canvas></div>' if bundle else ""
    figures = [_figure(*both, record, canvas) for both in zip(CHANNELS, charts)]
    every = "each one drawn" if thinning(record) <= 4 else "lowest and highest of each run drawn"
    return Template(PAGE).substitute(
        style=STYLE,
        span=span(record.first, record.last),
        tiles="\n".join(_tiles(compute_kpis(record), record)),
        figures="\n".join(figures),
        entries="\n".join(_entries(find_entries(record))),
        source=html.escape(source),
        readings=f"{count(len(record.rows), 'reading')}, {every}",
        script=_script(charts, bundle) if bundle else "",
    )


def _tiles(kpis: Dict[str, Any], record: Record) -> List[str]:
    degrees, pressures = kpis["temperature_range"], kpis["pressure_range"]
    interval = f"every {duration(record.interval)}" if record.interval else "a single one"
    silence = timedelta(hours=kpis["gap_hours"])
    without = f"{duration(silence)} without data" if silence else "no silence"
    values = f"of {len(CHANNELS) * len(record.rows):,} values"
    red, yellow = f"{kpis['alert_count']:,}", f"{kpis['warning_count']:,}"
    running = f"{number(kpis['running_hours'])} h running in all"
    facts = (
        ("Average temperature", _figures((number(kpis["avg_temp"]), "°C")), _range(degrees)),
        ("Average pressure", _figures((number(kpis["avg_pressure"]), "hPa")), _range(pressures)),
        ("Alerts", _figures((red, "red"), (yellow, "yellow")), values),
        ("Uptime", _figures((number(kpis["uptime_hours"]), "h")), running),
        ("Readings", _figures((f"{kpis['total_records']:,}", "")), interval),
        ("Gaps", _figures((f"{kpis['gap_count']:,}", "")), without),
    )
    return [
        f'<div class="panel tile"><h2>{label}</h2><p>{figures}</p><small>{note}</small></div>'
        for label, figures, note in facts
    ]


def _range(found: Dict[str, float]) -> str:
    return f"{number(found['min'])} to {number(found['max'])}"


def _figures(*pairs: Tuple[str, str]) -> str:
    """Value and unit; `red` and `yellow` are units with a colour."""
    return " ".join(f'<b class="{unit}">{value}</b> <span>{unit}</span>' for value, unit in pairs)


def _figure(channel: Channel, chart: Chart, record: Record, canvas: str) -> str:
    drawn = (
        "every reading" if thinning(record) <= 4 else f"lowest and highest of {thinning(record)}"
    )
    latest = f"{number(record.rows[-1][channel.name])} {channel.unit}"
    return (
        f'<figure class="panel {channel.name}"><figcaption><i></i><h2>{channel.label}</h2>'
        f'<small>{channel.unit} · {drawn}<span class="more"> · limits {channel.low:,g} to '
        f"{channel.high:,g}</span></small>"
        f'<b title="latest">{latest}</b></figcaption>'
        f'<div role="img" aria-label="{describe(channel, record)}">'
        f'<div class="plot">{draw_svg(chart)}</div>{canvas}</div></figure>'
    )


def _entries(entries: List[Entry]) -> List[str]:
    if not entries:
        return ["<li><p>No red or yellow reading, and no gap.</p></li>"]
    items = [
        f'<li><svg class="{entry.kind}" viewBox="0 0 10 10" role="img" aria-label="{entry.kind}">'
        f'<use href="#{entry.kind}"/></svg><h3>{entry.title}</h3>'
        f"<time>{day(entry.time)} {clock(entry.time)}</time><p>{_joined(entry.reason)}</p></li>"
        for entry in entries[:MOST_ENTRIES]
    ]
    if len(entries) > MOST_ENTRIES:
        items.append(f"<li><p>and {len(entries) - MOST_ENTRIES:,} earlier ones</p></li>")
    return items


def _joined(reason: str) -> str:
    return reason.replace("z = ", "z&nbsp;=&nbsp;")


def _script(charts: List[Chart], bundle: str) -> str:
    data = json.dumps([chart._asdict() for chart in charts], separators=(",", ":"), allow_nan=False)
    return (
        f"<script>{_harmless(bundle)}</script>\n"
        f'<script type="application/json" id="data">{_harmless(data)}</script>\n'
        f"<script>{SCRIPT}</script>"
    )


def _harmless(code: str) -> str:
    r"""Code or JSON that cannot end its element: `\u003c` is `<` in the strings of both."""
    return re.sub(r"<(?=/script|!--)", r"\\u003c", code, flags=re.IGNORECASE)
