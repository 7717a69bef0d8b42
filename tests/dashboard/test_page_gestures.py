"""The wheel and two fingers on a chart: they zoom it, and never hold up who scrolls past."""

from datetime import datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import CDPSession, Page

from tests.dashboard.conftest import Asked, show
from tests.services.browser import OpenPage, assert_quiet

LOW = {"width": 1440, "height": 500}
HOUR = "?rig=spiky&start=2025-07-13T01:00:00Z&end=2025-07-13T02:00:00Z"
BETWEEN_TURNS_MS = 60
REST_MS = 700


@pytest.fixture
def low(house: Asked, open_page: OpenPage) -> Page:
    """An hour on a page that is longer than its window."""
    return show(open_page(viewport=LOW), house, HOUR)


def scrolled(page: Page) -> float:
    page.wait_for_timeout(300)
    found: float = page.evaluate("window.scrollY")
    return found


def shown_s(page: Page) -> float:
    """Length of the shown range, as the charts have it."""
    length: float = page.evaluate(
        """() => { const {x} = window.smartSensor.charts.get("temperature").scales;
            return (x.max - x.min) / 1000; }"""
    )
    return length


def centre(page: Page, channel: str = "temperature") -> tuple[float, float]:
    box = page.locator(f"#chart-{channel} .plot").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def turn(page: Page, times: int, delta: float = 100) -> None:
    """The wheel, without a pause."""
    for _ in range(times):
        page.mouse.wheel(0, delta)
        page.wait_for_timeout(BETWEEN_TURNS_MS)


def test_whoever_scrolls_past_a_chart_is_not_held_up(low: Page) -> None:
    low.mouse.move(*centre(low))
    turn(low, 2, 60)
    first = scrolled(low)
    assert first > 0
    # The mouse has rested over a chart all the time, but for a tremble.
    x, y = centre(low)
    low.mouse.move(x + 2, y)
    low.wait_for_timeout(REST_MS)
    turn(low, 2, 60)
    assert scrolled(low) > first
    assert low.url.endswith(HOUR)
    assert shown_s(low) == 3600
    assert_quiet(low)


def test_the_wheel_zooms_a_chart_that_was_clicked_and_the_link_follows(low: Page) -> None:
    x, y = centre(low)
    low.mouse.click(x, y)
    turn(low, 3, -100)
    low.wait_for_function(
        "() => { const {x} = window.smartSensor.charts.get('temperature').scales;"
        " return x.max - x.min < 1_800_000; }"
    )
    assert scrolled(low) == 0
    query = parse_qs(urlsplit(low.url).query)
    start, end = (datetime.fromisoformat(query[name][0]) for name in ("start", "end"))
    assert (end - start).total_seconds() < 1800
    # About the pointer, which is near the middle.
    assert start.hour == 1
    assert 15 < start.minute < 30 < end.minute < 45
    assert_quiet(low)


def test_another_chart_than_the_clicked_one_still_scrolls(low: Page) -> None:
    low.mouse.click(*centre(low))
    low.mouse.move(700, 495)
    low.mouse.move(*centre(low, "pressure"))
    turn(low, 2)
    assert scrolled(low) > 0
    assert shown_s(low) == 3600


def test_the_wheel_zooms_a_chart_that_somebody_points_at(low: Page) -> None:
    x, y = centre(low)
    low.mouse.move(x - 200, y)
    low.mouse.move(x, y, steps=5)
    low.wait_for_timeout(REST_MS)
    turn(low, 2, -100)
    assert scrolled(low) == 0
    assert shown_s(low) < 3600
    assert_quiet(low)


def test_a_turn_that_began_beside_the_charts_goes_on_scrolling(low: Page) -> None:
    low.locator("#chart-temperature .plot").focus()
    low.mouse.move(200, 100)
    page_is_at = scrolled(low)
    low.mouse.wheel(0, 10)
    low.mouse.move(*centre(low))
    turn(low, 3)
    assert scrolled(low) > page_is_at
    assert shown_s(low) == 3600


def test_where_everything_is_shown_the_page_scrolls(house: Asked, open_page: OpenPage) -> None:
    page = show(open_page(viewport=LOW), house, "?rig=spiky&range=all")
    page.mouse.click(*centre(page))
    turn(page, 2)
    assert scrolled(page) > 0
    assert page.url.endswith("range=all")


def test_with_control_it_zooms_at_once(low: Page) -> None:
    low.mouse.move(*centre(low))
    low.keyboard.down("Control")
    turn(low, 2, -100)
    low.keyboard.up("Control")
    assert scrolled(low) == 0
    assert shown_s(low) < 3600


def test_a_page_with_nothing_to_scroll_zooms_at_once(house: Asked, open_page: OpenPage) -> None:
    page = show(open_page(viewport={"width": 1440, "height": 1600}), house, HOUR)
    page.mouse.move(*centre(page))
    turn(page, 2, -100)
    page.wait_for_timeout(300)
    assert shown_s(page) < 3600


# Fingers


def touch(session: CDPSession, kind: str, *places: tuple[float, float]) -> None:
    points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def pinch(page: Page, before: float, after: float) -> None:
    """Two fingers about the middle of a chart, from one distance to another."""
    session = page.context.new_cdp_session(page)
    x, y = centre(page)

    def fingers(distance: float) -> list[tuple[float, float]]:
        return [(x - distance / 2, y), (x + distance / 2, y + 10)]

    touch(session, "touchStart", fingers(before)[0])
    touch(session, "touchStart", *fingers(before))
    for step in range(1, 11):
        touch(session, "touchMove", *fingers(before + (after - before) * step / 10))
        page.wait_for_timeout(16)
    touch(session, "touchEnd", fingers(after)[0])
    touch(session, "touchEnd")


@pytest.fixture
def phone(house: Asked, open_page: OpenPage) -> Page:
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    show(page, house, HOUR)
    page.locator("#chart-temperature .plot").scroll_into_view_if_needed()
    return page


@pytest.mark.parametrize(("before", "after"), [(60, 180), (180, 60)], ids=["apart", "together"])
def test_two_fingers_zoom_a_chart_and_not_the_page(phone: Page, before: int, after: int) -> None:
    pinch(phone, before, after)
    phone.wait_for_timeout(600)
    assert shown_s(phone) == pytest.approx(3600 * before / after, rel=0.15)
    assert phone.evaluate("visualViewport.scale") == 1
    # Asked anew at the new resolution, and in the address.
    query = parse_qs(urlsplit(phone.url).query)
    start, end = (datetime.fromisoformat(query[name][0]) for name in ("start", "end"))
    assert (end - start).total_seconds() == pytest.approx(shown_s(phone), rel=0.01)
    assert_quiet(phone)


def test_one_finger_scrolls_the_page_over_a_chart(phone: Page) -> None:
    before = scrolled(phone)
    session = phone.context.new_cdp_session(phone)
    x, y = centre(phone)
    touch(session, "touchStart", (x, y))
    for step in range(1, 11):
        touch(session, "touchMove", (x, y - 15 * step))
        phone.wait_for_timeout(16)
    touch(session, "touchEnd")
    assert scrolled(phone) > before + 50
    assert shown_s(phone) == 3600
