"""The lines of charts, pixel by pixel: a picture of a line is shown moved, and never an old one."""

from collections.abc import Sequence
from contextlib import suppress

from playwright.sync_api import Error, Page, Route

from tests.dashboard.conftest import Asked, show
from tests.services.browser import OpenPage, assert_quiet

HOUR = "?rig=spiky&start=2025-07-13T01:00:00Z&end=2025-07-13T02:00:00Z"
DRAGGED_PX = 120
SETTLED_MS = 1_500
# Of each column of pixels, how many have the colour of the line.
HEIGHTS = """name => {
    const {canvas, chartArea, currentDevicePixelRatio: ratio, data} =
        window.smartSensor.charts.get(name);
    const [left, top, right, bottom] = ["left", "top", "right", "bottom"]
        .map(side => Math.round(chartArea[side] * ratio));
    const copy = document.createElement("canvas");
    [copy.width, copy.height] = [canvas.width, canvas.height];
    const context = copy.getContext("2d", {willReadFrequently: true});
    context.fillStyle = data.datasets[0].borderColor;
    context.fillRect(0, 0, 1, 1);
    const colour = context.getImageData(0, 0, 1, 1).data;
    context.clearRect(0, 0, 1, 1);
    context.drawImage(canvas, 0, 0);
    const [width, height] = [right - left, bottom - top];
    const pixels = context.getImageData(left, top, width, height).data;
    const isOfLine = at => [0, 1, 2].every(part => Math.abs(pixels[at + part] - colour[part]) < 24);
    const heights = new Array(width).fill(0);
    for (let at = 0; at < width * height; at += 1) heights[at % width] += isOfLine(4 * at);
    return heights;
}"""


def heights(page: Page, name: str = "temperature") -> list[int]:
    page.wait_for_timeout(100)
    found: list[int] = page.evaluate(HEIGHTS, name)
    return found


def opened(page: Page, house: Asked, query: str = HOUR) -> Page:
    """The page when its charts have the width that they keep."""
    show(page, house, query).wait_for_load_state("networkidle")
    return page


def share_of_equal(some: Sequence[int], others: Sequence[int]) -> float:
    """How many columns are equal; labels and marks that stand elsewhere hide some of the line."""
    assert len(some) == len(others)
    return sum(abs(a - b) <= 1 for a, b in zip(some, others, strict=True)) / len(some)


def hold(page: Page, by_px: int) -> None:
    """Drag the window, and do not let go."""
    box = page.locator("#chart-temperature .plot").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.keyboard.down("Shift")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by_px, y, steps=10)


def let_go(page: Page) -> None:
    page.mouse.up()
    page.keyboard.up("Shift")
    page.wait_for_timeout(SETTLED_MS)


def test_a_dragged_window_shows_its_lines_moved(house: Asked, open_page: OpenPage) -> None:
    page = opened(open_page(), house)
    before = heights(page)
    assert sum(count > 0 for count in before) > 0.9 * len(before)
    unanswered: list[Route] = []
    page.route("**/api/trends*", lambda route: unanswered.append(route))
    hold(page, DRAGGED_PX)
    dragged = heights(page)
    assert sum(dragged[: DRAGGED_PX - 2]) == 0
    assert share_of_equal(dragged[DRAGGED_PX:], before[:-DRAGGED_PX]) > 0.9
    # Back where it was.
    hold(page, 0)
    assert share_of_equal(heights(page), before) > 0.95
    page.unroute("**/api/trends*")
    for route in unanswered:
        with suppress(Error):  # the page has asked anew since
            route.continue_()
    let_go(page)
    assert_quiet(page)


def test_where_a_dragged_window_stops_everything_is_as_if_it_had_been_opened_there(
    house: Asked, open_page: OpenPage
) -> None:
    page = opened(open_page(), house)
    hold(page, DRAGGED_PX)
    let_go(page)
    lines, figures, alerts = (
        heights(page),
        page.locator("#tiles").inner_text(),
        page.locator("#panel-alerts").inner_text(),
    )
    other = opened(open_page(), house, page.url.partition("/dashboard")[2])
    assert share_of_equal(heights(other), lines) > 0.98
    assert other.locator("#panel-alerts").inner_text() == alerts
    assert (
        other.locator("#tiles").inner_text().split("Last reading")[0]
        == (figures.split("Last reading")[0])
    )
    assert_quiet(page)


def test_another_theme_or_scale_draws_the_lines_anew(house: Asked, open_page: OpenPage) -> None:
    page = opened(open_page(), house)
    light = heights(page)
    page.emulate_media(color_scheme="dark")
    assert share_of_equal(heights(page), light) > 0.9
    page.emulate_media(color_scheme="light")
    page.get_by_role("button", name="Temperature: fixed scale").click()
    flat = heights(page)
    assert 0 < sum(flat) < 0.9 * sum(light)
    page.set_viewport_size({"width": 1000, "height": 900})
    assert len(heights(page)) < len(light)
    assert sum(count > 0 for count in heights(page)) > 0.9 * len(heights(page))
    assert_quiet(page)
