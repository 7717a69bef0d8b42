"""What leaves the page: links that show others the same, and files that hold what is stored."""

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import Asked, show
from tests.dashboard.stored import moment, rows_of
from tests.services.browser import OpenPage, assert_quiet

SEEN = """() => ({
    range: document.getElementById("range-text").textContent,
    rig: document.getElementById("rig").value,
    zone: document.getElementById("zone").value,
    hidden: [...document.querySelectorAll("#hidden-channels button")].map(node => node.textContent),
    fixed: [...document.querySelectorAll(".chart-tools [aria-pressed=true]")]
        .map(node => node.getAttribute("aria-label")),
    charts: [...window.smartSensor.charts]
        .filter(([, {canvas}]) => !canvas.closest(".chart-card").hidden)
        .map(([name, {scales: {x, y}, data}]) =>
        [name, x.min, x.max, y.min, y.max, data.datasets[0].series.times.length]),
    figures: document.getElementById("tiles").innerText.split("Last reading")[0],
})"""


def settle(page: Page) -> None:
    """Wait for the figures of the zoomed range, and the drawing of its readings."""
    expect(page.locator("#tiles")).to_contain_text(re.compile("than in the .* before"))
    page.wait_for_timeout(500)


def test_a_link_shows_somebody_else_the_same(house: Asked, open_page: OpenPage) -> None:
    mine = show(open_page(), house)
    mine.get_by_role("combobox", name="Rig").select_option("spiky")
    mine.wait_for_url(re.compile("rig=spiky"))
    # At once, while the readings of the rig are still to come: that is not "no readings".
    mine.get_by_role("combobox", name="Time zone").select_option("utc")
    mine.keyboard.press("6")
    mine.locator("#chart-uptime .plot").focus()
    mine.keyboard.press("h")
    mine.locator("#chart-pressure .plot").focus()
    mine.keyboard.press("f")
    mine.locator("#chart-temperature .plot").scroll_into_view_if_needed()
    expect(mine.locator("#chart-temperature")).to_contain_text("thinned")
    box = mine.locator("#chart-temperature .plot").bounding_box()
    assert box is not None
    height = box["y"] + box["height"] / 2
    mine.mouse.move(box["x"] + box["width"] * 0.3, height)
    mine.mouse.down()
    mine.mouse.move(box["x"] + box["width"] * 0.7, height, steps=4)
    mine.mouse.up()
    mine.wait_for_url(re.compile("start="))
    mine.mouse.move(5, 5)
    settle(mine)
    seen: dict[str, Any] = mine.evaluate(SEEN)
    assert (seen["rig"], seen["zone"], seen["hidden"]) == ("spiky", "utc", ["Uptime"])
    assert seen["fixed"] == ["Pressure: fixed scale"]

    # Somebody who has never been here, elsewhere, and by night.
    other = open_page(timezone_id="America/New_York", color_scheme="dark")
    other.goto(mine.url)
    other.wait_for_selector("body[data-state=ready]")
    settle(other)
    assert other.evaluate(SEEN) == seen
    assert other.url == mine.url
    assert_quiet(other)
    # And it leads back to the whole of it, as for who has sent it.
    other.keyboard.press("Escape")
    expect(other).to_have_url(re.compile(r"\?rig=spiky&range=all&zone=utc&hide=uptime&fixed="))
    assert_quiet(mine)


def read(format: str, path: Path) -> pl.DataFrame:
    if format == "CSV":
        return pl.read_csv(path, infer_schema_length=None)
    return pl.read_parquet(path) if format == "Parquet" else pl.read_json(path)


@pytest.mark.parametrize("format", ["CSV", "Parquet", "JSON"])
@pytest.mark.parametrize("what", ["shown range", "everything"])
def test_a_file_holds_what_is_stored(house: Asked, page: Page, format: str, what: str) -> None:
    start, end = "2025-07-13T01:00:00Z", "2025-07-13T02:30:00Z"
    show(page, house, f"?rig=spiky&start={start}&end={end}")
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as downloading:
        page.get_by_role("link", name=f"{format}, {what}").click()
    assert downloading.value.suggested_filename.startswith("spiky")
    found = read(format, Path(downloading.value.path()))
    stored = rows_of(house, "spiky")
    if what == "shown range":
        stored = [row for row in stored if moment(start) <= row["timestamp"] < moment(end)]
        # Twenty times what the chart draws one by one: a file is not what is on the screen.
        assert len(stored) == 5400
    times = found["timestamp"]
    if times.dtype == pl.String:
        times = times.str.to_datetime(time_zone="UTC", time_unit="us")
    assert times.to_list() == [row["timestamp"] for row in stored]
    for name in ("temperature", "pressure", "uptime", "temperature_zscore", "temperature_alert"):
        assert found[name].to_list() == [row[name] for row in stored], name
    assert set(found["rig"]) == {"spiky"}
    assert_quiet(page)
