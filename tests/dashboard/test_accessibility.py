"""Everybody can use the pages: axe-core finds nothing against them, in any state of theirs."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from tests.dashboard.conftest import Asked, asked, show
from tests.dashboard.sent import faulty_text
from tests.services.axe import violations
from tests.services.browser import OpenPage
from tests.services.server import MAIN

SIZES = {"desktop": (1440, 900), "phone": (360, 740)}


def found_on(page: Page) -> dict[str, list[str]]:
    """What breaks a rule, in both themes and on a phone as well."""
    found = {}
    for screen, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of its words
            found[f"{screen}, {scheme}"] = violations(page)
    return {where: lines for where, lines in found.items() if lines}


def alerts(page: Page, house: Asked) -> None:
    show(page, house)
    expect(page.get_by_role("tabpanel", name=re.compile("^Alerts"))).to_contain_text("limit")


def reading(page: Page, house: Asked) -> None:
    """The crosshair at a red reading, its sentence, and a channel that is hidden."""
    show(page, house, "?hide=uptime&fixed=pressure")
    page.get_by_role("tabpanel").get_by_role("button", name=re.compile("^red")).first.click()
    expect(page.locator(".tooltip")).to_be_visible()


def table(page: Page, house: Asked) -> None:
    show(page, house)
    page.locator("#chart-temperature summary").click()
    expect(page.get_by_role("table").first).to_be_visible()


def thinned(page: Page, house: Asked) -> None:
    show(page, house, "?rig=spiky&range=all")


def other_rig(page: Page, house: Asked) -> None:
    show(page, house, "?rig=shaker-7&range=all&zone=utc")


def quality(page: Page, house: Asked) -> None:
    show(page, house, "?range=all")
    page.get_by_role("tab", name="Quality").click()
    panel = page.get_by_role("tabpanel", name="Quality")
    expect(panel).to_contain_text("rejected")
    panel.get_by_role("button", name="missing value").click()
    expect(panel.locator("code").first).to_be_visible()


def loads(page: Page, house: Asked) -> None:
    show(page, house)
    page.get_by_role("tab", name="Loads").click()
    expect(page.get_by_role("tabpanel", name="Loads")).to_contain_text("sample.csv")


def choice_of_time(page: Page, house: Asked) -> None:
    show(page, house)
    page.locator("#range").click()
    page.get_by_label("From").fill("")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("#range-refusal")).not_to_be_empty()


def export(page: Page, house: Asked) -> None:
    show(page, house)
    page.get_by_role("button", name="Export").click()
    expect(page.get_by_role("button", name="PNG")).to_be_visible()


def guide(page: Page, house: Asked) -> None:
    show(page, house)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Help")).to_be_visible()


def preview(page: Page, house: Asked) -> None:
    show(page, house)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Load file").click()
    content = {"name": "run.csv", "mimeType": "text/csv", "buffer": faulty_text().encode()}
    chooser.value.set_files(content)  # type: ignore[arg-type]  # a FilePayload, spelled as a dict
    expect(page.get_by_role("dialog", name="Load run.csv?")).to_contain_text("20 of 25 rows")


def nothing(page: Page, house: Asked) -> None:
    show(page, house, "?date=1999-12-31", state="nothing")


def only_rejects(page: Page, house: Asked) -> None:
    show(page, house, "?date=2025-07-14", state="nothing")
    page.get_by_role("tab", name="Quality").click()
    page.get_by_role("button", name="out of range 1").click()
    expect(page.locator("code").first).to_be_visible()


def failed(page: Page, house: Asked) -> None:
    def fails(route: Route) -> None:
        route.fulfill(status=503, content_type="application/problem+json", body="{}")

    page.route("**/api/trends*", fails)
    show(page, house, state="failed")


def not_refreshed(page: Page, house: Asked) -> None:
    """The readings are still there, with a banner over them."""
    show(page, house)
    page.route("**/api/trends*", lambda route: route.abort())
    page.keyboard.press("6")
    expect(page.locator("#problem")).to_be_visible()


STATES: tuple[Callable[[Page, Asked], None], ...] = (
    alerts,
    reading,
    table,
    thinned,
    other_rig,
    quality,
    loads,
    choice_of_time,
    export,
    guide,
    preview,
    nothing,
    only_rejects,
    failed,
    not_refreshed,
)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_the_dashboard(house: Asked, page: Page, state: Callable[[Page, Asked], None]) -> None:
    state(page, house)
    assert found_on(page) == {}


def test_a_phone_from_the_start(house: Asked, open_page: OpenPage) -> None:
    page = show(open_page(viewport={"width": 360, "height": 740}, has_touch=True), house)
    assert violations(page) == []


def test_the_dashboard_without_readings(empty: Asked, page: Page) -> None:
    show(page, empty, state="empty")
    assert found_on(page) == {}


def test_signing_in(house: Asked, page: Page) -> None:
    page.goto(f"{house.server.url}/sign-in")
    assert found_on(page) == {}
    page.get_by_label("Token").fill("not-one")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert found_on(page) == {}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """The small application."""
    yield from asked(tmp_path_factory.mktemp("small"), *MAIN)


def test_the_page_of_the_small_application(small: Asked, page: Page) -> None:
    page.goto(small.server.url)
    page.wait_for_selector("body[data-state=ready]")
    assert found_on(page) == {}
