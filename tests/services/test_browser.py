"""The browser that other tests rely on: it draws, it notices, and nothing leaks out of it."""

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.services.browser import OpenPage, assert_quiet, canvas_ink, watch_of
from tests.services.chromium import chromium

ROOT = Path(__file__).parents[2]

DRAWN = """<!doctype html><title>Drawn</title><body style="margin:0">
<canvas id="drawn" width="200" height="60"></canvas><canvas id="blank" width="200" height="60">
</canvas><script>
const context = document.getElementById("drawn").getContext("2d");
context.font = "20px sans-serif";
context.fillText("54.8 hPa", 10, 40);
</script>"""


@pytest.fixture
def drawn(tmp_path: Path) -> str:
    path = tmp_path / "drawn.html"
    path.write_text(DRAWN, encoding="utf-8")
    return path.as_uri()


def test_canvas_with_text_has_ink_and_an_empty_one_has_none(page: Page, drawn: str) -> None:
    page.goto(drawn)
    assert 0.01 < canvas_ink(page, "#drawn") < 0.2
    assert canvas_ink(page, "#blank") == 0
    assert_quiet(page)


def test_letters_differ_so_a_font_is_there(page: Page) -> None:
    """Without a font every glyph is the same empty box."""
    page.set_content('<body style="font: 40px sans-serif"><b id="a">W8</b><br><b id="b">il</b>')
    wide, narrow = (page.locator(f"#{name}").bounding_box() for name in "ab")
    assert wide is not None
    assert narrow is not None
    assert wide["width"] > 2 * narrow["width"]
    assert page.locator("#a").screenshot() != page.locator("#b").screenshot()


def test_text_is_set_in_the_packaged_font(page: Page) -> None:
    if not chromium().environment:
        pytest.skip("a browser named by SMART_SENSOR_CHROMIUM has its own fonts")
    page.set_content('<p style="font: 16px system-ui">1,011.6 hPa</p>')
    session = page.context.new_cdp_session(page)
    session.send("DOM.enable")
    session.send("CSS.enable")
    root = session.send("DOM.getDocument")["root"]["nodeId"]
    node = session.send("DOM.querySelector", {"nodeId": root, "selector": "p"})["nodeId"]
    fonts = session.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]
    assert [font["familyName"] for font in fonts] == ["Open Sans"]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        pytest.param("console.error('too hot')", "too hot", id="console error"),
        pytest.param("console.warn('warm')", "warm", id="console warning"),
        pytest.param("setTimeout(() => { throw new Error('burst') })", "burst", id="page error"),
        pytest.param("fetch('http://192.0.2.1/x').catch(() => 0)", "192.0.2.1", id="other host"),
        pytest.param("new WebSocket('ws://example.org/live')", "example.org", id="other socket"),
    ],
)
def test_a_noisy_page_is_not_quiet(page: Page, drawn: str, script: str, message: str) -> None:
    page.goto(drawn)
    page.evaluate(f"() => {{ {script} }}")
    page.wait_for_timeout(200)
    with pytest.raises(AssertionError, match=message):
        assert_quiet(page)


def test_pages_do_not_share_notes_or_options(open_page: OpenPage, drawn: str) -> None:
    dark, light = open_page(color_scheme="dark"), open_page()
    dark.goto(drawn)
    dark.evaluate("console.error('only here')")
    light.goto(drawn)
    assert_quiet(light)
    assert watch_of(dark).console
    assert dark.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") is True
    assert light.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") is False


@pytest.mark.parametrize("noise", ["", "<script>console.error('seen')</script>"])
def test_screenshot_command_reports_what_it_heard(tmp_path: Path, noise: str) -> None:
    page, picture = tmp_path / "page.html", tmp_path / "page.png"
    page.write_text(DRAWN + noise, encoding="utf-8")
    command = [sys.executable, "-m", "tests.services.screenshot", page.as_uri(), str(picture)]
    options = ["--width=390", "--height=844", "--dark", "--wait=0.1"]
    done = subprocess.run(
        [*command, *options], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert picture.read_bytes()[16:24] == (390).to_bytes(4) + (844).to_bytes(4)
    assert done.returncode == (1 if noise else 0)
    assert ("seen" in done.stderr) is bool(noise)
