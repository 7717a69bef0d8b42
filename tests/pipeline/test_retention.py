"""What is too old goes, in steps that are each consistent."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipeline.etl_pipeline import run_etl
from pipeline.retention import apply_retention, prune
from pipeline.rig import Rig
from pipeline.stores import pruning
from pipeline.stores.base import Pruned
from tests.conftest import Command
from tests.pipeline.transfer.conftest import (
    Fill,
    everything,
    fill,
    one_session,
    opened,
    settings_of,
    template,
)

__all__ = ["fill", "one_session", "template"]  # fixtures
MIDNIGHT = datetime(2025, 7, 13, tzinfo=UTC)


def test_what_is_older_goes_and_is_accounted_for(
    database_url: str, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fill(database_url)
    old = pl.col("timestamp") < MIDNIGHT
    monkeypatch.setattr(pruning, "ROWS_AT_ONCE", {"sqlite": 500, "postgresql": 500})
    with opened(database_url) as store:
        sequence = store.last_sequence()
        expected = Pruned(
            before["readings"].filter(old).height, before["rejects"].filter(old).height
        )
        assert store.expired(MIDNIGHT, None) == expected
        steps: list[Pruned] = []
        assert prune(store, MIDNIGHT, progress=steps.append) == expected
        assert store.expired(MIDNIGHT, None) == Pruned()
        assert prune(store, MIDNIGHT) == Pruned()
        changes = store.changes_after(sequence, 1000)
    after = everything(database_url)  # which is sound
    assert after["readings"].equals(before["readings"].filter(~old))
    assert after["rejects"].equals(before["rejects"].filter(pl.col("timestamp").is_null() | ~old))
    pruned = after["loads"]["readings_pruned"].sum(), after["loads"]["rejects_pruned"].sum()
    assert pruned == (expected.readings, expected.rejects)
    assert {change.rows for change in changes} == {0}
    assert len(changes) >= len(steps) > 1
    gone = before["readings"].filter(old)
    for change in changes:
        assert change.first_timestamp <= change.last_timestamp < MIDNIGHT
    for rig in gone["rig"].unique():
        mine = [change for change in changes if change.rig == rig]
        times = gone.filter(pl.col("rig") == rig)["timestamp"]
        assert min(change.first_timestamp for change in mine) == times.min()


@pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
def test_one_rig_only(database_url: str, fill: Fill) -> None:
    before = fill(database_url)
    with opened(database_url) as store:
        prune(store, datetime(2030, 1, 1, tzinfo=UTC), "rig-1")
    after = everything(database_url)
    assert after["readings"].equals(before["readings"].filter(pl.col("rig") != "rig-1"))


@pytest.mark.parametrize("database_url", ["timescale"], indirect=True)
def test_whole_chunks_are_dropped(database_url: str, home: Path, rig: Rig) -> None:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    rows = "".join(
        f"{(start + timedelta(hours=6 * n)).isoformat()},20,1000,{n},rig-{n % 2}\n"
        for n in range(400)
    )
    (home / "x.csv").write_text(f"timestamp,temperature,pressure,uptime,rig\n{rows}")
    settings = settings_of(database_url)
    run_etl([str(home / "x.csv")], settings=settings, rig=rig)
    with opened(database_url) as store:
        steps: list[Pruned] = []
        limit = start + timedelta(days=40, hours=3)
        pruned = prune(store, limit, progress=steps.append)
        assert pruned == Pruned(readings=161)
        assert store.total_records() == 239
        assert [each for each in store.check() if each.wrong] == []
    assert everything(database_url)["loads"]["readings_pruned"].to_list() == [161]


def test_the_command(
    home: Path, fill: Fill, smart_sensor: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{home / 'processed.db'}"
    before = fill(url)
    count = before["readings"].height
    warned = [
        f"rig {name!r}: nothing stays of readings that are deleted: {reason}"
        for name, reason in (
            ("rig-1", "they are too far apart for roll-ups"),
            ("rig-2", "they are too far apart for roll-ups"),
            (
                "rig-é ' \"",
                "their usual interval is not known; first set interval_s in its rig file",
            ),
        )
    ]
    shown = smart_sensor("prune", "--older-than", "1h", "--dry-run").err.splitlines()
    assert shown[0].startswith(f"{count:,} readings and 1 reject are older than 20")
    assert shown[1:] == warned
    unasked = smart_sensor("prune", "--older-than", "1h")
    assert unasked.code == 2
    *before_asking, asked = unasked.err.splitlines()
    assert before_asking == warned
    assert asked.startswith(f"smart-sensor: Delete {count:,} readings and 1 reject older")
    assert everything(url)["readings"].equals(before["readings"])
    for arguments, message in (
        (
            ["--older-than", "soon"],
            "--older-than='soon' is not a length of time; allowed is a whole",
        ),
        (["--older-than", "1999y"], "1999"),
        (
            ["--older-than", "1d", "--rig", "r9"],
            "--rig='r9': there is no such rig; there are: rig-1",
        ),
    ):
        refused = smart_sensor("prune", *arguments)
        if message == "1999":
            assert refused.err.startswith("0 readings and 0 rejects are older than 00"), refused.err
            continue
        assert refused.code == 2
        assert refused.err.startswith(f"smart-sensor: {message}"), refused.err
    done = smart_sensor("prune", "--older-than", "1h", "--yes")
    assert done.err.splitlines() == [*warned, f"{count:,} readings and 1 reject deleted"]
    assert everything(url)["readings"].is_empty()
    again = smart_sensor("prune", "--older-than", "1h", "--yes")
    assert again.err.startswith("0 readings and 0 rejects are older than")


def test_retention_by_itself_after_a_load(
    home: Path,
    smart_sensor: Command,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = datetime.now(UTC)
    rows = "".join(
        f"{(now - timedelta(days=days)).isoformat()},20,1000,1\n" for days in (1, 29, 31, 400)
    )
    (home / "x.csv").write_text(f"timestamp,temperature,pressure,uptime\n{rows}")
    monkeypatch.setenv("RETENTION", "30d")
    assert smart_sensor("etl", "x.csv").code == 0
    url = f"sqlite:///{home / 'processed.db'}"
    found = everything(url)
    assert found["readings"].height == 2
    assert found["loads"]["readings_pruned"].to_list() == [2]
    assert smart_sensor("etl", "x.csv").code == 0  # known, and not loaded again
    with opened(url) as store:
        kept = settings_of(url).model_copy(update={"retention": ""})
        assert apply_retention(store, kept, now + timedelta(days=1000)) == Pruned()
        later = settings_of(url)
        with caplog.at_level("INFO", "pipeline.retention"):
            assert apply_retention(store, later, now + timedelta(days=10)) == Pruned(readings=1)
        assert caplog.messages[-1] == "RETENTION=30d: 1 reading and 0 rejects deleted"
