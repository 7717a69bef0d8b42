"""The whole page without a mouse, and always with a focus that can be seen."""

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from tests.dashboard.conftest import Asked, show
from tests.services.browser import OpenPage, assert_quiet

# The element with the focus, whether it is marked, and whether the mark is in sight.
FOCUS = """() => {
    const node = document.activeElement;
    const {boxShadow, outlineStyle} = getComputedStyle(node);
    const box = node.getBoundingClientRect();
    const [x, y] = [(box.left + box.right) / 2, Math.max(box.top, 0) + 4];
    const top = document.elementFromPoint(x, y);
    return {
        name: node.id || node.getAttribute("aria-label") || node.textContent.trim().slice(0, 40),
        marked: boxShadow !== "none" || outlineStyle !== "none",
        inSight: box.width > 0 && box.top < innerHeight && box.bottom > 0
            && Boolean(top) && (node.contains(top) || top.contains(node)),
    };
}"""
PLOT = "#chart-temperature .plot"


def type_day(page: Page) -> None:
    """13 July 2025, in the order of this browser's own language, which no page can choose."""
    for digits in ("07132025", "13072025", "20250713"):
        page.keyboard.type(digits)
        if page.locator("#day").input_value() == "2025-07-13":
            return
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
    raise AssertionError("the day could not be typed")


class Walk:
    """Presses keys, and looks at the focus after each of them."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.look(key)

    def look(self, key: str) -> None:
        focus: dict[str, Any] = self.page.evaluate(FOCUS)
        assert focus["marked"], f"after {key} nobody sees that {focus['name']} has the focus"
        assert focus["inSight"], f"after {key} {focus['name']} has the focus and is not in sight"

    def tab_to(self, selector: str, most: int = 60) -> None:
        target = self.page.locator(selector).first
        for _ in range(most):
            if target.evaluate("node => node === document.activeElement"):
                return
            self.press("Tab")
        raise AssertionError(f"{selector} was not reached")


def test_from_the_load_of_the_page_to_an_export(house: Asked, page: Page) -> None:
    walk = Walk(show(page, house))
    walk.press("Tab")
    expect(page.get_by_role("link", name="Skip to the readings")).to_be_focused()
    # The readings as a whole have no mark: what comes next has.
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()

    walk.tab_to(PLOT)
    walk.press("End", "ArrowLeft", "ArrowLeft")
    expect(page.locator(".tooltip")).to_be_visible()
    walk.press("+", "+")
    page.wait_for_url(re.compile("start="))
    expect(page.locator(PLOT)).to_be_focused()

    page.keyboard.press("d")
    expect(page.locator("#day")).to_be_focused()
    walk.look("d")
    type_day(page)
    walk.press("Enter")
    expect(page).to_have_url(re.compile(r"\?date=2025-07-13$|&date=2025-07-13$"))
    expect(page.locator("#range")).to_be_focused()

    walk.press("a")
    expect(page.get_by_role("tab", name=re.compile("^Alerts"))).to_be_focused()
    walk.tab_to("#panel-alerts .event")
    alert = page.locator("#panel-alerts .event:focus")
    name = alert.locator(".event-name").inner_text()
    walk.press("Enter")
    page.wait_for_url(re.compile("start="))
    expect(page.locator("#panel-alerts .event[aria-current=true]")).to_be_focused()
    expect(page.locator(".tooltip")).to_contain_text(name.split()[1])

    walk.press("e")
    expect(page.get_by_role("link", name="CSV, shown range")).to_be_focused()
    walk.press("Tab", "Tab")
    with page.expect_download() as downloading:
        page.keyboard.press("Enter")
    assert downloading.value.suggested_filename.endswith(".json")
    assert Path(downloading.value.path()).stat().st_size > 0
    walk.press("Escape")
    expect(page.locator("#export")).to_be_focused()

    walk.press("?")
    expect(page.get_by_role("dialog", name="Help")).to_be_visible()
    expect(page.get_by_role("heading", name="Help")).to_be_focused()
    walk.press("Escape")
    expect(page.get_by_role("dialog", name="Help")).to_be_hidden()
    expect(page.locator("#export")).to_be_focused()
    assert_quiet(page)


def test_the_help_opens_at_its_beginning(house: Asked, open_page: OpenPage) -> None:
    """On a phone, where it is longer than the screen; also when it was left at its end."""
    page = show(open_page(viewport={"width": 360, "height": 740}), house)
    help_dialog = page.get_by_role("dialog", name="Help")
    for _ in range(2):
        page.get_by_role("button", name="Help and keyboard").click()
        expect(help_dialog.get_by_role("heading", name="Help")).to_be_focused()
        expect(help_dialog.get_by_role("heading", name="Help")).to_be_in_viewport(ratio=1)
        close = help_dialog.get_by_role("button", name="Close")
        expect(close).not_to_be_in_viewport()
        close.click()
        expect(help_dialog).to_be_hidden()
    assert_quiet(page)


def test_the_tab_key_shows_its_way_through_everything(house: Asked, open_page: OpenPage) -> None:
    """On a phone too, where the bar at the top may hide what is below it."""
    for width, height in ((1440, 900), (360, 740)):
        page = show(open_page(viewport={"width": width, "height": height}), house)
        walk = Walk(page)
        seen: list[str] = []
        while True:
            walk.press("Tab")
            name = page.evaluate(FOCUS)["name"]
            if "#overview-end" in (f"#{name}", name):
                break
            seen.append(name)
            assert len(seen) < 80, seen
        assert "range" in seen
        assert any("Temperature over time" in name for name in seen)
        page.close()


def test_the_focus_stays_at_an_alert_that_grows(house: Asked, page: Page) -> None:
    """While readings come in, the text of the newest one changes with each of them."""
    show(page, house)
    found = page.evaluate("""async () => {
        const { Rail } = await import("/static/rail.js");
        const rail = new Rail({ showEvent() {}, opened() {}, filtered() {} });
        const start = Date.parse("2025-07-13T00:00:00Z");
        const answer = (count) => ({
            total_red: count, total_yellow: 0, truncated: false,
            alerts: [{
                channel: "temperature", label: "Temperature", unit: "degC", level: "red", count,
                timestamp: "2025-07-13T00:00:00Z", last_timestamp: `2025-07-13T00:0${count}:00Z`,
                value: 90, zscore: 3, reason: "above.",
            }],
        });
        const frame = {
            range: { start, end: start + 86400000 }, zone: "UTC", interval: 60,
            decimals: () => ({ measured: 1, shown: 1 }),
        };
        rail.showAlerts(answer(2), [], frame);
        document.querySelector("#panel-alerts .event").focus();
        const { key } = document.activeElement.dataset;
        rail.showAlerts(answer(3), [], frame);
        const { tagName, dataset, textContent } = document.activeElement;
        return [tagName, dataset.key === key, textContent.includes("3 readings")];
    }""")
    assert found == ["BUTTON", True, True]
