"""What the page shows of a range in a real browser: gaps, channels without readings, its window."""

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import Asked, show
from tests.services.browser import OpenPage, assert_quiet, canvas_ink

# The sample has one gap, of the 13th of July 2025 from 5 to 7 o'clock.
GAPS = {
    "?range=all": ("1 gap of 2 h", 1),
    "?start=2025-07-13T00:00:00Z&end=2025-07-13T04:00:00Z": ("No gaps", 0),
    "?start=2025-07-13T00:00:00Z&end=2025-07-13T06:00:00Z": ("1 gap that reaches in", 1),
    "?start=2025-07-13T06:00:00Z&end=2025-07-13T08:00:00Z": ("1 gap that reaches in", 1),
}


@pytest.mark.parametrize("query", GAPS)
def test_the_heading_of_gaps_counts_those_that_are_listed(
    house: Asked, page: Page, query: str
) -> None:
    show(page, house, query)
    page.get_by_role("tab", name="Quality").click()
    panel = page.get_by_role("tabpanel", name="Quality")
    heading, listed = GAPS[query]
    expect(panel.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    entries = panel.get_by_role("button", name="No data for 2 h")
    expect(entries).to_have_count(listed)
    if listed:
        expect(entries).to_contain_text("20 usual intervals, until 07:00")
    assert_quiet(page)


def test_a_channel_without_readings_is_a_line_and_no_chart(house: Asked, page: Page) -> None:
    """The coil current of shaker-7 is missing now and then."""
    silence = page.get_by_text("No readings of coil current in this range.")
    card = page.locator("#chart-coil_current")
    show(page, house, "?rig=shaker-7&start=2025-03-29T01:00:00Z&end=2025-03-29T01:30:00Z")
    expect(silence).to_be_visible()
    expect(card).to_be_hidden()
    expect(page.locator("#chart-acceleration")).to_be_visible()
    page.get_by_role("button", name="All: the whole record").click()
    expect(silence).to_have_count(0)
    expect(card).to_be_visible()
    assert canvas_ink(page, "#chart-coil_current canvas") > 0.003
    # One that was put away is not told of.
    page.go_back()
    expect(silence).to_be_visible()
    show(
        page,
        house,
        "?rig=shaker-7&start=2025-03-29T01:00:00Z&end=2025-03-29T01:30:00Z&hide=coil_current",
    )
    expect(silence).to_have_count(0)
    assert_quiet(page)


# What is in the middle of an element, and how wide it can be taken hold of.
GRIPS = """() => Object.fromEntries(["window", "start", "end"].map(name => {
    const node = document.getElementById(`overview-${name}`);
    const {left, top, width, height} = node.getBoundingClientRect();
    const hit = document.elementFromPoint(left + width / 2, top + height / 2);
    return [name, {width, hit: hit?.id}];
}))"""


@pytest.mark.parametrize("width", [1440, 360])
@pytest.mark.parametrize(
    "query",
    [
        "?rig=static-fire&range=1s",
        "?rig=spiky&start=2025-07-13T00:00:00Z&end=2025-07-13T00:00:05Z",
        "?rig=spiky&start=2025-07-13T02:00:00Z&end=2025-07-13T02:00:05Z",
        "?rig=spiky&range=all",
    ],
)
def test_the_window_and_both_its_ends_can_be_taken_hold_of(
    house: Asked, open_page: OpenPage, query: str, width: int
) -> None:
    page = show(open_page(viewport={"width": width, "height": 900}), house, query)
    page.locator("#overview").scroll_into_view_if_needed()
    found = page.evaluate(GRIPS)
    assert {name: grip["hit"] for name, grip in found.items()} == {
        "window": "overview-window",
        "start": "overview-start",
        "end": "overview-end",
    }
    assert found["window"]["width"] >= 12
    assert found["start"]["width"] == found["end"]["width"] == 24
    assert_quiet(page)


@pytest.mark.parametrize("width", [1440, 360])
@pytest.mark.parametrize("rig", ["rig-1", "shaker-7"])
def test_no_tile_is_cut(house: Asked, open_page: OpenPage, rig: str, width: int) -> None:
    page = show(open_page(viewport={"width": width, "height": 900}), house, f"?rig={rig}&range=all")
    cut = """nodes => nodes.filter(node => node.scrollWidth > node.clientWidth + 1)
        .map(node => node.textContent)"""
    for part in (".tile-label", ".tile-note"):
        assert page.locator(part).evaluate_all(cut) == [], part
    assert_quiet(page)


# What is written on a chart, and how far from its left side.
WRITTEN = """() => {
    const chart = window.smartSensor.charts.get("temperature");
    const found = {};
    chart.ctx.fillText = (text, x) => { found[text] = x / chart.width; };
    chart.draw();
    delete chart.ctx.fillText;
    chart.draw();
    return found;
}"""


def test_the_names_of_limits_give_way_to_readings(house: Asked, page: Page) -> None:
    """In the last quarter of an hour the temperature falls to the lower end of its scale."""
    show(page, house, "?rig=spiky&range=15min")
    found = page.evaluate(WRITTEN)
    assert found["low limit 10"] < 0.2
    assert found["high limit 80"] > 0.8
    show(page, house, "?rig=spiky&range=all")
    found = page.evaluate(WRITTEN)
    assert found["low limit 10"] > 0.8
    assert_quiet(page)
