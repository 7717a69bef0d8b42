"""Texts for people on a terminal: tables of an ETL summary and of a preview."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.preview import Preview
from pipeline.scoring import unit_symbol
from pipeline.summary import EtlSummary, SourceSummary
from pipeline.words import length


def print_summary(summary: EtlSummary, console: Console) -> None:
    """Rows, rejects by reason, key figures and times of each source."""
    for source in summary.sources:
        console.print(_heading(source), highlight=False, markup=False)
        if source.status in ("already loaded", "failed"):
            continue
        table = Table.grid(padding=(0, 2))
        for name, value in _lines(source):
            table.add_row(Text(f"  {name}"), Text(value))
        console.print(table)


def _heading(source: SourceSummary) -> str:
    if source.status == "already loaded":
        return (
            f"{source.source}: already loaded as load {source.load_id}, nothing to do "
            "(--force loads it again)"
        )
    return f"{source.source}: {source.status}" + (
        f", load {source.load_id}" if source.load_id else ""
    )


def _lines(source: SourceSummary) -> list[tuple[str, str]]:
    lines = [
        ("rows read", f"{source.rows_read:,}"),
        ("accepted", f"{source.accepted:,}"),
        ("rejected", f"{source.rejected:,}"),
    ]
    for reason, count in sorted(source.rejected_by_reason.items(), key=lambda item: -item[1]):
        lines.append((f"  {reason}", f"{count:,}"))
    if source.ignored_columns:
        lines.append(("columns ignored", ", ".join(source.ignored_columns)))
    for rig, kpis in source.kpis.items():
        lines += _kpi_lines(rig, kpis)
    seconds = source.seconds
    if seconds:
        rate = source.rows_per_second or 0
        lines.append(
            (
                "time",
                f"{seconds['total']:.2f} s (read and check {seconds['read']:.2f} s, "
                f"score and store {seconds['load']:.2f} s), {rate:,.0f} rows/s",
            )
        )
    return lines


def _kpi_lines(rig: str, kpis: dict[str, Any]) -> list[tuple[str, str]]:
    lines = [("rig", rig)]
    for channel in kpis["channels"].values():
        if channel["mean"] is None:
            continue
        unit = unit_symbol(channel["unit"])
        lines.append(
            (
                channel["label"].lower(),
                f"{channel['mean']:.4g} {unit} on average, "
                f"{channel['min']:g} to {channel['max']:g} {unit}",
            )
        )
    lines.append(("alerts", f"{kpis['alert_count']:,} red, {kpis['warning_count']:,} yellow"))
    if kpis["gap_count"] is not None:
        lines.append(("gaps", _gaps(kpis["gap_count"], kpis["gap_hours"] * 3600)))
    if kpis["running_hours"] is not None:
        lines.append(("running", _hours(kpis["running_hours"])))
    if kpis["data_quality_score"] is not None:
        lines.append(("data quality", f"{kpis['data_quality_score']:.2f} %"))
    lines.append(
        (
            "from, to",
            f"{kpis['first_timestamp']:%Y-%m-%d %H:%M:%S} UTC, "
            f"{kpis['last_timestamp']:%Y-%m-%d %H:%M:%S} UTC",
        )
    )
    return lines


def _gaps(number: int, seconds: float) -> str:
    return f"{number:,}, {length(seconds)} together" if number else "none"


def _hours(hours: float) -> str:
    """As the counter counts; seconds where that would be a number nobody can read."""
    return f"{hours:.4g} h" if hours >= 0.1 or not hours else length(hours * 3600)


def print_preview(found: Preview, console: Console) -> None:
    """How a source would be read, its first rows and its rejects."""
    console.print(f"{found.source}: preview, nothing is loaded", highlight=False, markup=False)
    grid = Table.grid(padding=(0, 2))
    for name, value in found.format.items():
        grid.add_row(f"  {name}", value)
    grid.add_row("  rig", Text(found.rig))
    grid.add_row("  time", f"{found.time_format}; without an offset in {found.time_zone}")
    grid.add_row("  rows", f"{found.rows_read:,}, of which {found.accepted:,} would be accepted")
    for reason, count in found.rejected_by_reason.items():
        grid.add_row(f"    {reason}", f"{count:,}")
    if found.ignored_columns:
        grid.add_row("  columns ignored", Text(", ".join(found.ignored_columns)))
    console.print(grid)
    _print_rows(
        console,
        "Columns",
        [
            {"ours": c["name"], "in the source": c["column"], "unit": c["unit"]}
            for c in found.columns
        ],
    )
    _print_rows(console, "First readings", found.first_readings)
    _print_rows(console, "First rejects", found.first_rejects)


def _print_rows(console: Console, title: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row.values()))
    console.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
