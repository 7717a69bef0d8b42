"""Headers for browsers, and whether pages keep to them in a real one."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from playwright.sync_api import Page, expect

import main
from dashboard.headers import HEADERS, policy
from tests.dashboard.conftest import Asked, asked
from tests.dashboard.guarded import ELSEWHERE, guarded
from tests.dashboard.test_access_network import shut, token_for
from tests.dashboard.test_limits import every_answer
from tests.services.browser import OpenPage, assert_quiet, watch_of
from tests.services.server import MAIN

__all__ = ["shut"]  # a fixture

NASTY = "<img src=x onerror=alert(1)>"
# What the page has done against its policy since it was opened.
COUNT = """addEventListener("securitypolicyviolation", (event) =>
    console.error(`against the policy: ${event.violatedDirective} ${event.blockedURI}`))"""


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[FastAPI]:
    with guarded(tmp_path, max_request_kb=1, allowed_origins="https://wiki.example.org") as app:
        yield app


def test_every_answer_has_them(narrow: FastAPI) -> None:
    for response in every_answer(narrow):
        for name, value in HEADERS.items():
            assert response.headers.get_list(name) == [value], (response.url, name)


def test_the_policy_is_strict() -> None:
    for text in (policy(), policy(main.PAGE)):
        assert text.startswith("default-src 'none'; ")
        assert "unsafe" not in text
        assert "*" not in text
        assert re.findall(r"https?:|data:|blob:", text) == []
    assert len(re.findall(r"'sha256-[A-Za-z0-9+/]{43}='", policy(main.PAGE))) == 2


def test_what_is_not_allowed_is_noticed_here(house: Asked, page: Page) -> None:
    """The tests below could not fail otherwise."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"{house.server.url}/api/health")
    page.evaluate("document.body.setAttribute('style', 'color: red')")
    page.evaluate("document.head.append(Object.assign(document.createElement('script'),"
                  " { textContent: 'window.ran = true' }))")  # fmt: skip
    assert page.evaluate("window.ran") is None
    assert any("Content Security Policy" in text for text in said), said


@pytest.mark.parametrize("query", ["", "?rig=shaker-7&range=all", "?rig=nobody"])
def test_the_dashboard_keeps_to_the_policy(house: Asked, page: Page, query: str) -> None:
    page.add_init_script(COUNT)
    page.goto(f"{house.server.url}/dashboard{query}")
    page.wait_for_selector("body:not([data-state=loading])")
    if query != "?rig=nobody":
        page.wait_for_selector("body[data-state=ready]")
        page.keyboard.press("?")
        page.keyboard.press("Escape")
        page.mouse.move(500, 400)
        for name in ("Quality", "Loads", "Alerts"):
            page.get_by_role("tab", name=name).click()
        expect(page.locator("#connection")).to_have_attribute("data-connection", "live")
        assert_quiet(page)
    else:
        assert not [text for text in console_of(page) if "policy" in text.lower()]


def console_of(page: Page) -> list[str]:
    return watch_of(page).console


def test_a_rigs_name_is_text(house: Asked, page: Page) -> None:
    page.add_init_script(COUNT)
    page.goto(f"{house.server.url}/dashboard?range=all")
    page.wait_for_selector("body[data-state=ready]")
    page.get_by_role("combobox", name="Rig").select_option(NASTY)
    expect(page).to_have_title(re.compile(re.escape(NASTY)))
    page.wait_for_selector("body[data-state=ready]")
    assert page.locator("img").count() == 0
    assert NASTY in page.locator("#rig option:checked").inner_text()
    assert_quiet(page)


def test_the_small_page_keeps_to_its_policy(tmp_path: Path, page: Page) -> None:
    page.add_init_script(COUNT)
    server = asked(tmp_path, *MAIN)
    page.goto(next(server).server.url)
    page.wait_for_selector("body[data-state=ready]")
    expect(page.locator("#state")).to_have_text("live")
    assert page.evaluate("getComputedStyle(document.querySelector('main')).display") == "grid"
    assert_quiet(page)
    page.close()
    next(server, None)


def test_no_page_of_others_can_frame_ours(house: Asked, page: Page, tmp_path: Path) -> None:
    (tmp_path / "frame.html").write_text(f'<iframe src="{house.server.url}/dashboard"></iframe>')
    page.goto((tmp_path / "frame.html").as_uri())
    page.wait_for_timeout(500)
    frame = page.frames[1]
    assert frame.url.startswith("chrome-error:") or not frame.locator("#tiles").count()


# Signing in

# The browser of these tests reaches this machine only; so asked, it is another one.
THROUGH_A_PROXY = {"X-Forwarded-For": ELSEWHERE}


def test_a_person_signs_in_sees_all_and_signs_out(shut: Asked, open_page: OpenPage) -> None:
    page = open_page(extra_http_headers=THROUGH_A_PROXY)
    page.add_init_script(COUNT)
    secret = token_for(shut, "person", "read")
    page.goto(f"{shut.server.url}/dashboard?range=all")
    expect(page).to_have_url(re.compile(r"/sign-in\?next="))
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not known")
    page.get_by_label("Token").fill(secret)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{shut.server.url}/dashboard?range=all")
    page.wait_for_selector("body[data-state=ready]")
    expect(page.locator("#connection")).to_have_attribute("data-connection", "live")
    assert page.evaluate("document.cookie") == ""
    page.goto(f"{shut.server.url}/sign-in")
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{shut.server.url}/dashboard")
    expect(page).to_have_url(re.compile(r"/sign-in\?next="))
    assert [text for text in console_of(page) if "policy" in text.lower()] == []


def test_a_link_of_another_site_opens_for_who_has_signed_in(
    shut: Asked, open_page: OpenPage
) -> None:
    """Browsers keep a strict cookie back when a link of another site is followed."""
    page = open_page(extra_http_headers=THROUGH_A_PROXY)
    secret = token_for(shut, "colleague", "read")
    page.goto(f"{shut.server.url}/sign-in?next=/dashboard")
    page.get_by_label("Token").fill(secret)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector("body[data-state=ready]")
    # The same server by another name is another site.
    page.goto(f"http://localhost:{shut.server.port}/sign-in")
    assert page.get_by_label("Token").is_visible()
    target = f"{shut.server.url}/dashboard?range=all"
    page.evaluate("url => { location.href = url }", target)
    page.wait_for_url(target)
    page.wait_for_selector("body[data-state=ready]")
