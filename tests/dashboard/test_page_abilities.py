"""What people do with the page: zoom, compare, hide, pause, take away; and that all of them can."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.dashboard.conftest import Asked, show
from tests.services.browser import OpenPage, assert_quiet


def test_dragging_zooms_and_the_link_shows_the_same(house: Asked, page: Page) -> None:
    show(page, house)
    box = page.locator("#chart-temperature .plot").bounding_box()
    assert box is not None
    height = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.3, height)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, height, steps=4)
    with page.expect_request("**/api/trends*"):
        page.mouse.up()
    page.wait_for_url(re.compile("start="))
    zoomed, url = page.locator("#range-text").inner_text(), page.url
    show(page, house, url[url.index("?") :])
    assert page.locator("#range-text").inner_text() == zoomed
    page.locator("#chart-temperature .plot").dblclick()
    expect(page.locator("#range-text")).not_to_have_text(zoomed)
    page.go_back()
    expect(page.locator("#range-text")).to_have_text(zoomed)
    assert_quiet(page)


def test_figures_stand_against_the_range_before(house: Asked, page: Page) -> None:
    show(page, house, "?range=6h")
    expect(page.get_by_role("group", name="Average temperature")).to_contain_text(
        re.compile("(more|less) than in the 6 h before")
    )


def test_a_channel_is_hidden_and_shown_by_keyboard(house: Asked, page: Page) -> None:
    show(page, house)
    page.locator("#chart-pressure .plot").focus()
    page.keyboard.press("h")
    expect(page.locator("#chart-pressure")).to_be_hidden()
    assert "hide=pressure" in page.url
    expect(page.get_by_role("button", name="Show Pressure")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#chart-pressure")).to_be_visible()
    page.keyboard.press("f")
    assert "fixed=pressure" in page.url
    assert_quiet(page)


def test_everything_and_the_picture_can_be_taken_away(house: Asked, page: Page) -> None:
    show(page, house, "?range=6h")
    page.keyboard.press("e")
    with page.expect_download() as downloading:
        page.get_by_role("link", name="CSV, everything").click()
    text = Path(downloading.value.path()).read_text()
    assert text == house.get("/api/download", rig="rig-1").text
    shown = page.get_by_role("link", name="CSV, shown range").get_attribute("href") or ""
    assert "start=2025-07-13T06" in shown
    with page.expect_download() as downloading:
        page.get_by_role("button", name="PNG").click()
    assert downloading.value.suggested_filename.startswith("rig-1_20250713T")
    assert Path(downloading.value.path()).read_bytes().startswith(b"\x89PNG")
    assert_quiet(page)


def test_a_paused_page_waits(house: Asked, page: Page) -> None:
    show(page, house)
    expect(page.locator("[data-connection=live]")).to_be_visible()
    page.keyboard.press("p")
    expect(page.locator("[data-connection=paused]")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("[data-connection=live]")).to_be_visible()
    assert_quiet(page)


def test_a_phone_of_360_pixels_needs_no_sideways_scrolling(
    house: Asked, open_page: OpenPage
) -> None:
    page = show(open_page(viewport={"width": 360, "height": 780}), house)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
