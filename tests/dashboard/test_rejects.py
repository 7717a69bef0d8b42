"""Rejected rows: as they were read, all of them, a page at a time, and why."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboard.load_models import RejectModel
from pipeline.quality import REASONS
from tests.dashboard import made
from tests.dashboard.sent import Loader
from tests.services.server import running_server

ROWS = 300


def rejects_csv(rig: str, first: int) -> str:
    """Rows of all faults in turn, five minutes apart, and one that begins with `=`."""
    faults = ("{t},,1000,1", "{t},x,1000,1", "{t},NaN,1000,1", "{t},999,1000,1", "{t},1", "z,5,5,5")
    lines = [made.HEADER, "2025-07-13T00:00:00Z,50,1000,1"]
    for number in range(ROWS):
        minute = 5 * (number + first)
        time = f"2025-07-{13 + minute // 1440}T{minute // 60 % 24:02}:{minute % 60:02}:00Z"
        lines.append(faults[number % len(faults)].format(t=time))
    return "\n".join([*lines, f'=cmd("{rig}"),1,2,3']) + "\n"


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def loader(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Loader]:
    """A server with three loads for two rigs, which all have rejects."""
    folder = tmp_path_factory.mktemp("rejects")
    options = {}
    if request.param == "postgres":
        options["database_url"] = request.getfixturevalue("postgres_server").fresh_database()
    with running_server(folder, **options) as server:
        loader = Loader(server)
        for number, rig in enumerate(("one", "two", "one")):
            text = rejects_csv(rig, 10 * number)
            job = loader.load(text, name=f"{number}.csv", rig=rig)
            assert (job["status"], job["rejected"]) == ("complete", ROWS + 1)
        yield loader


def everything(loader: Loader, **query: Any) -> list[dict[str, Any]]:
    """All rows that fit, page by page."""
    rows: list[dict[str, Any]] = []
    after: dict[str, Any] = {}
    while True:
        page = loader.get("/api/rejects", **query, **after)
        assert page["total"] == sum(page["by_reason"].values())
        rows += page["rejects"]
        if page["next"] is None:
            assert len(rows) == page["total"]
            assert Counter(row["reason"] for row in rows) == page["by_reason"]
            return rows
        assert len(page["rejects"]) == query.get("limit", 100)
        after = {"after": page["next"]}


def test_all_are_there_newest_first_as_they_were_read(loader: Loader) -> None:
    rows = everything(loader, limit=97)
    assert len(rows) == 3 * (ROWS + 1)
    ids = [row["id"] for row in rows]
    assert ids == sorted(set(ids), reverse=True)
    texts = {
        f"{n}.csv": rejects_csv(("one", "two", "one")[n], 10 * n).split("\n") for n in range(3)
    }
    for row in rows:
        assert row["raw"] == texts[row["source"]][row["line"] - 1]
        assert row["reason"] in REASONS
        assert row["detail"]
        assert row["load_id"] == int(row["source"][0]) + 1
        assert set(row) == set(RejectModel.model_fields)


FILTERS: dict[str, dict[str, Any]] = {
    "rig": {"rig": "one"},
    "load": {"load": 2},
    "reason": {"reason": "unparsable"},
    "rig and reason": {"rig": "two", "reason": "missing_value"},
    "load of another rig": {"rig": "one", "load": 2},
    "load and reason": {"load": 3, "reason": "out_of_range"},
    "start": {"start": "2025-07-13T12:00:00Z"},
    "range of a rig": {
        "rig": "one",
        "start": "2025-07-13T03:00:00Z",
        "end": "2025-07-13T09:00:00Z",
    },
    "range and reason": {"end": "2025-07-13T09:00:00Z", "reason": "not_finite"},
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_leaves_what_fits(loader: Loader, name: str) -> None:
    query = FILTERS[name]

    def fits(row: dict[str, Any]) -> bool:
        time = row["timestamp"]
        return (
            row["rig"] == query.get("rig", row["rig"])
            and row["load_id"] == query.get("load", row["load_id"])
            and row["reason"] == query.get("reason", row["reason"])
            and ("start" not in query or (time is not None and time >= query["start"]))
            and ("end" not in query or (time is not None and time < query["end"]))
        )

    wanted = [row for row in everything(loader) if fits(row)]
    assert everything(loader, limit=7, **query) == wanted
    assert wanted or name == "load of another rig"


def test_all_of_them_as_csv(loader: Loader) -> None:
    answer = httpx.get(f"{loader.server.url}/api/rejects", params={"format": "csv", "rig": "one"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    wanted = everything(loader, rig="one")
    assert [int(row["id"]) for row in rows] == [row["id"] for row in wanted]
    for row, known in zip(rows, wanted, strict=True):
        assert row["timestamp"] == (known["timestamp"] or "")
        # No spreadsheet takes it for a formula.
        assert row["raw"] == ("'" if known["raw"].startswith("=") else "") + known["raw"]
    assert any(row["raw"].startswith("'=cmd") for row in rows)


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ({"rig": "nobody"}, 404, "no rig is named 'nobody'"),
        ({"reason": "ugly"}, 400, "reason='ugly' does not exist; there are: wrong_field_count"),
        ({"start": "yesterday"}, 400, "start='yesterday'"),
        ({"start": "2025-07-14", "end": "2025-07-13"}, 400, "is not before"),
        ({"limit": 0}, 400, "limit"),
        ({"after": 0}, 400, "after"),
    ],
)
def test_what_cannot_be_asked(
    loader: Loader, query: dict[str, Any], status: int, words: str
) -> None:
    answer = httpx.get(f"{loader.server.url}/api/rejects", params=query)
    assert answer.status_code == status
    assert words in answer.json()["detail"]


def test_none(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        found = Loader(server).get("/api/rejects")
    assert found == {"total": 0, "by_reason": {}, "rejects": [], "next": None}
