"""Rejected rows on the page: by reason, as they were read, of the shown rig and range."""

import csv
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.dashboard import made
from tests.dashboard.conftest import Asked, asked, show
from tests.services.browser import assert_quiet, watch_of

NASTY = made.NASTY_NAMES[-1]
HOT_ROWS = 50


def faulty_rows(path: Path, rig: str) -> Path:
    """Two readings, a day apart; on the first day HOT_ROWS that are too hot, on both one without a
    pressure; one without a readable time, and one that would do something if it were no text."""
    lines = [
        f"rig,{made.HEADER}",
        f"{rig},2025-07-13T00:00:00Z,50,1000,1",
        f"{rig},2025-07-14T00:00:00Z,50,1000,1",
        f"{rig},2025-07-13T11:00:00Z,50,,1",
        f"{rig},2025-07-14T11:00:00Z,50,,1",
        f"{rig},yesterday,50,1000,1",
        f"{rig},2025-07-13T12:00:00Z,{NASTY},1000,1",
    ]
    for number in range(HOT_ROWS):
        moment = made.START + timedelta(minutes=1 + number)
        lines.append(f"{rig},{moment:%Y-%m-%dT%H:%M:%SZ},{200 + number},1000,1")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """A server with two rigs that have the same rejects, and one that has none."""
    folder = tmp_path_factory.mktemp("faulty")
    for number, rig in enumerate(("bench", NASTY)):
        made.load(folder / "readings.db", faulty_rows(folder / f"{number}.csv", rig))
    made.load(folder / "readings.db", made.sample_csv(folder / "sample.csv"))
    yield from asked(folder)


def open_quality(page: Page) -> Locator:
    page.get_by_role("tab", name="Quality").click()
    return page.get_by_role("tabpanel", name="Quality")


def reasons_in(panel: Locator) -> list[str]:
    return panel.locator(".reason").all_inner_texts()


def test_a_reason_leads_to_its_rows_as_they_were_read(faulty: Asked, page: Page) -> None:
    show(page, faulty, "?rig=bench&range=all")
    panel = open_quality(page)
    reasons = [("out of range", HOT_ROWS), ("missing value", 2), ("unparsable", 2)]
    for name, count in reasons:
        expect(panel.get_by_role("button", name=f"{name} {count}")).to_be_visible()
    assert [text.split("\n")[0] for text in reasons_in(panel)] == [name for name, _ in reasons]

    panel.get_by_role("button", name="missing value").click()
    rows = panel.get_by_role("group", name="Rows: missing value")
    expect(rows.get_by_role("listitem")).to_have_count(2)
    found = faulty.json("/api/rejects", rig="bench", reason="missing_value")["rejects"]
    for entry, known in zip(rows.get_by_role("listitem").all(), found, strict=True):
        text = entry.inner_text()
        assert f"0.csv, line {known['line']}" in text
        assert known["detail"] in text
        assert entry.locator("code").inner_text() == known["raw"]
    expect(rows.get_by_role("listitem").first).to_contain_text("14 Jul 2025 11:00:00")

    # One after the other: what was open goes.
    panel.get_by_role("button", name="unparsable").click()
    expect(rows).to_be_hidden()
    unparsable = panel.get_by_role("group", name="Rows: unparsable")
    expect(unparsable.get_by_role("listitem")).to_have_count(2)
    expect(unparsable).to_contain_text("time not read")
    expect(unparsable).to_contain_text(f"bench,2025-07-13T12:00:00Z,{NASTY},1000,1")
    panel.get_by_role("button", name="unparsable").click()
    expect(unparsable).to_be_hidden()
    assert page.locator("img").count() == 0
    assert_quiet(page)


def test_more_rows_come_by_keyboard_and_all_of_them_as_a_file(faulty: Asked, page: Page) -> None:
    show(page, faulty, "?rig=bench&range=all")
    panel = open_quality(page)
    panel.get_by_role("button", name="out of range").focus()
    page.keyboard.press("Enter")
    rows = panel.get_by_role("group", name="Rows: out of range")
    expect(rows).to_contain_text(f"The newest 20 of {HOT_ROWS} rows")
    rows.get_by_role("button", name="More").focus()
    for listed in (40, HOT_ROWS):
        page.keyboard.press("Enter")
        expect(rows.get_by_role("listitem")).to_have_count(listed)
    # The button has gone; whoever reads on is at the first of the last rows.
    expect(rows.get_by_role("button", name="More")).to_have_count(0)
    expect(rows.get_by_role("listitem").nth(40)).to_be_focused()
    stored = faulty.sql(
        "SELECT raw FROM sensor_data_rejects WHERE rig = 'bench' AND reason = 'out_of_range'"
        " ORDER BY id DESC"
    )
    assert rows.locator("code").all_inner_texts() == [raw for (raw,) in stored]
    with page.expect_download() as downloading:
        rows.get_by_role("link", name="CSV").click()
    with Path(downloading.value.path()).open(encoding="utf-8", newline="") as file:
        assert [row["raw"] for row in csv.DictReader(file)] == [raw for (raw,) in stored]
    assert_quiet(page)


def test_they_follow_the_rig_and_the_range(faulty: Asked, page: Page) -> None:
    show(page, faulty, "?rig=bench&date=2025-07-14")
    panel = open_quality(page)
    expect(panel.locator(".reason")).to_have_text(["missing value1"])
    expect(panel).to_contain_text("Rows whose time cannot be read are in no range")
    panel.get_by_role("button", name="missing value").click()
    rows = panel.get_by_role("group", name="Rows: missing value")
    expect(rows.get_by_role("listitem")).to_have_count(1)
    page.keyboard.press("6")
    expect(rows.get_by_role("listitem")).to_have_count(2)
    page.go_back()
    expect(rows.get_by_role("listitem")).to_have_count(1)
    link = rows.get_by_role("link", name="CSV").get_attribute("href") or ""
    assert "start=2025-07-14T00" in link
    # Another rig has reasons of its own; nothing of the one before stays open.
    page.get_by_role("combobox", name="Rig").select_option(NASTY)
    expect(rows).to_be_hidden()
    page.keyboard.press("6")
    panel.get_by_role("button", name="out of range 50").click()
    expect(panel.get_by_role("listitem").first).to_contain_text("1.csv")
    expect(panel.locator("code").first).to_have_text(f"{NASTY},2025-07-13T00:50:00Z,249,1000,1")
    page.get_by_role("combobox", name="Rig").select_option("rig-1")
    expect(panel).to_contain_text("No row was rejected.")
    assert page.locator("img").count() == 0
    assert_quiet(page)


def test_a_range_without_readings_may_have_rejects(faulty: Asked, page: Page) -> None:
    query = "?rig=bench&start=2025-07-14T10:00:00Z&end=2025-07-14T12:00:00Z"
    show(page, faulty, query, state="nothing")
    panel = open_quality(page)
    panel.get_by_role("button", name="missing value 1").click()
    expect(panel.locator("code")).to_have_text("bench,2025-07-14T11:00:00Z,50,,1")
    # Where there are none either, nothing but the way back is shown.
    show(page, faulty, "?rig=bench&date=1999-12-31", state="nothing")
    expect(page.get_by_role("heading", name="No readings in this range")).to_be_visible()
    expect(page.get_by_role("tab", name="Quality")).to_be_hidden()
    # The browser tells of each question that found no readings; nothing else is wrong.
    assert watch_of(page).errors == []
    assert all("404" in line for line in watch_of(page).console)


def test_a_reason_that_is_open_stays_where_the_range_has_none_of_it(
    faulty: Asked, page: Page
) -> None:
    show(page, faulty, "?rig=bench&range=all")
    panel = open_quality(page)
    panel.get_by_role("button", name="out of range").click()
    page.locator("#range").click()
    page.locator("#day").fill("2025-07-14")
    page.get_by_role("button", name="Show day").click()
    expect(panel.get_by_role("group", name="Rows: out of range")).to_contain_text(
        "None in this range."
    )
    expect(panel.get_by_role("button", name="out of range 0")).to_be_visible()


def test_what_the_server_says_instead_is_shown_and_asked_again(faulty: Asked, page: Page) -> None:
    def fails(route: Route) -> None:
        problem: dict[str, Any] = {"type": "about:blank", "title": "Service Unavailable"}
        body = json.dumps({**problem, "status": 503, "detail": "it is <b>away</b>"})
        route.fulfill(status=503, content_type="application/problem+json", body=body)

    show(page, faulty, "?rig=bench&range=all")
    panel = open_quality(page)
    page.route("**/api/rejects*", fails)
    panel.get_by_role("button", name="unparsable").click()
    expect(panel.get_by_role("alert")).to_contain_text("did not come: it is <b>away</b>")
    page.unroute("**/api/rejects*")
    panel.get_by_role("button", name="Retry").click()
    expect(panel.get_by_role("alert")).to_have_count(0)
    expect(panel.locator("code")).to_have_count(2)
    assert watch_of(page).errors == []


def test_a_rejected_row_appears_by_itself(tmp_path: Path, page: Page) -> None:
    made.load(tmp_path / "readings.db", made.plain_csv(tmp_path / "plain.csv", 5))
    for server in asked(tmp_path):
        show(page, server)
        panel = open_quality(page)
        expect(panel).to_contain_text("No row was rejected.")
        expect(page.locator("[data-connection=live]")).to_be_visible()
        made.load(tmp_path / "readings.db", faulty_rows(tmp_path / "faulty.csv", "rig-1"))
        panel.get_by_role("button", name="out of range 50").click()
        expect(panel.get_by_role("listitem").first).to_contain_text("faulty.csv")
        assert_quiet(page)
        page.close()
