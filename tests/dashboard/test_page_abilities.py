"""What people do with the page: zoom, and send a link to what they see."""

import re

from playwright.sync_api import Page, expect

from tests.dashboard.conftest import Asked
from tests.services.browser import assert_quiet


def show(page: Page, house: Asked, query: str = "", state: str = "ready") -> Page:
    page.goto(f"{house.server.url}/dashboard{query}")
    page.wait_for_selector(f"body[data-state={state}]", timeout=10_000)
    return page


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
