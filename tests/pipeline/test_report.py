"""Texts for people: every figure that is known, and none that is not."""

import io
from typing import Any

import pytest
from rich.console import Console

from pipeline.preview import Preview
from pipeline.report import print_preview, print_summary
from pipeline.rig import Rig
from pipeline.sources.simulation import simulation_source
from pipeline.summary import EtlSummary, SourceSummary
from pipeline.transform import transform


def printed(show: Any, thing: object) -> str:
    stream = io.StringIO()
    show(thing, Console(file=stream, width=200, highlight=False))
    return stream.getvalue()


@pytest.fixture
def kpis(rig: Rig) -> dict[str, Any]:
    with transform(simulation_source(rig), rig) as outcome:
        list(outcome.readings())
        return outcome.tallies["rig-1"].kpis(outcome.moments["rig-1"], {}, None)


def test_the_key_figures_of_a_load(kpis: dict[str, Any]) -> None:
    source = SourceSummary("x.csv", "loaded", 7, 100, 100, kpis={"rig-1": kpis})
    text = printed(print_summary, EtlSummary([source]))
    words = " ".join(text.split())
    assert words.startswith("x.csv: loaded, load 7 rows read 100 accepted 100 rejected 0 rig rig-1")
    assert "gaps 1, 2 h together" in words
    assert "running 9.8 h" in words
    assert "data quality 100.00 %" in words
    assert "from, to 2025-07-13 00:00:00 UTC, 2025-07-13 11:54:00 UTC" in words
    assert "rows/s" not in words


def test_short_gaps_and_runs_are_told_in_seconds(kpis: dict[str, Any]) -> None:
    short = {**kpis, "gap_count": 1, "gap_hours": 7.056e-05, "running_hours": 0.01}
    summary = EtlSummary([SourceSummary("x", "loaded", kpis={"r": short})])
    words = " ".join(printed(print_summary, summary).split())
    assert "gaps 1, 0.254 s together" in words
    assert "running 36 s" in words


def test_what_is_not_known_is_left_out(kpis: dict[str, Any]) -> None:
    unknown = {"gap_count": None, "running_hours": None, "data_quality_score": None}
    channels = {"x": {**kpis["channels"]["pressure"], "label": "X", "mean": None}}
    source = SourceSummary("x", "loaded", kpis={"r": {**kpis, **unknown, "channels": channels}})
    text = printed(print_summary, EtlSummary([source]))
    assert "alerts" in text
    for name in ("gaps", "running", "data quality", "on average", "None"):
        assert name not in text


def test_rejects_come_with_the_most_frequent_reason_first() -> None:
    reasons = {"unparsable": 2, "out_of_range": 3000}
    source = SourceSummary("x", "loaded", rows_read=4000, rejected_by_reason=reasons)
    lines = [line.split() for line in printed(print_summary, EtlSummary([source])).splitlines()]
    assert lines[3:6] == [["rejected", "3,002"], ["out_of_range", "3,000"], ["unparsable", "2"]]


def test_a_preview_without_rows_has_no_empty_tables() -> None:
    found = Preview("x.csv", "rig-1", "UTC", "ISO 8601", {"format": "CSV"}, [], [], [])
    text = printed(print_preview, found)
    assert "x.csv: preview, nothing is loaded" in text
    assert "First" not in text


@pytest.mark.parametrize(
    ("statuses", "succeeded"),
    [
        (["loaded"], True),
        (["already loaded"], True),
        (["nothing accepted"], False),
        (["nothing accepted", "already loaded"], True),
        (["loaded", "failed"], False),
        ([], False),
    ],
)
def test_whether_a_run_succeeded(statuses: list[str], succeeded: bool) -> None:
    assert EtlSummary([SourceSummary("x", status) for status in statuses]).succeeded is succeeded
