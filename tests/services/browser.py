"""Pages in a real Chromium, and what went wrong on them.

Use it in `tests/conftest.py` with `pytest_plugins = ["tests.services.browser"]`.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Frame, Page, sync_playwright

from tests.services import ServiceUnavailable
from tests.services.chromium import chromium

OpenPage = Callable[..., Page]

# The same on every machine: a test that needs another size, zone or scheme says so.
CONTEXT: dict[str, Any] = {
    "viewport": {"width": 1440, "height": 900},
    "locale": "en-GB",
    "timezone_id": "UTC",
    "color_scheme": "light",
    "reduced_motion": "reduce",
}
_POLL_MS = 20
NETWORK_SCHEMES = frozenset({"http", "https", "ws", "wss"})


@dataclass(slots=True)
class Watch:
    """What happened on a page since it was opened."""

    console: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    visited: list[str] = field(default_factory=list)

    def foreign_requests(self) -> list[str]:
        """Requests to a host and port that the page itself did not come from."""
        own = {urlsplit(url).netloc for url in self.visited}
        parts = [(url, urlsplit(url)) for url in self.requests]
        return [url for url, p in parts if p.scheme in NETWORK_SCHEMES and p.netloc not in own]


_watches: WeakKeyDictionary[Page, Watch] = WeakKeyDictionary()


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A Chromium that ends with the block. Raises `ServiceUnavailable` where there is none."""
    found = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found.executable,
            args=list(found.arguments),
            env={**os.environ, **found.environment},
        )
        try:
            yield browser
        finally:
            browser.close()


def open_watched(browser: Browser, **options: Any) -> Page:
    """A page in a context of its own that notes errors and requests from the start."""
    page = browser.new_context(**(CONTEXT | options)).new_page()
    watch = _watches[page] = Watch()

    def on_console(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            watch.console.append(f"{message.type}: {message.text} ({message.location['url']})")

    def on_page_error(error: Error) -> None:
        watch.errors.append(error.stack or error.message)

    def on_navigation(frame: Frame) -> None:
        if frame == page.main_frame:
            watch.visited.append(frame.url)

    page.on("console", on_console)
    page.on("pageerror", on_page_error)
    page.on("framenavigated", on_navigation)
    page.on("request", lambda request: watch.requests.append(request.url))
    page.on("websocket", lambda socket: watch.requests.append(socket.url))
    page.wait_for_function = partial(wait_until, page)  # type: ignore[method-assign]  # see there
    return page


def wait_until(page: Page, expression: str, *, timeout: float = 30_000) -> Any:
    """Wait until a JavaScript expression is true on a page; returns what it is then.

    In the place of Playwright's own `wait_for_function`, which has the page itself evaluate the
    text: the policy of our pages forbids that.
    """
    deadline = time.monotonic() + timeout / 1000
    while not (found := page.evaluate(expression)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not true within {timeout:g} ms: {expression}")
        page.wait_for_timeout(_POLL_MS)
    return found


def watch_of(page: Page) -> Watch:
    """The notes on `page`, for a test that expects an error and wants to look at it."""
    return _watches[page]


def assert_quiet(page: Page) -> None:
    """Fail when the page logged an error or a warning, threw, or asked another host."""
    watch = watch_of(page)
    found = {
        "errors on the page": watch.errors,
        "console": watch.console,
        "requests to another host": watch.foreign_requests(),
    }
    lines = [f"{what}: {entry}" for what, entries in found.items() for entry in entries]
    assert not lines, "the page is not quiet:\n" + "\n".join(lines)


def canvas_ink(page: Page, selector: str) -> float:
    """Share of a canvas' pixels (0 to 1) that differ from its most frequent one; 0 is blank."""
    share: float = page.locator(selector).evaluate(
        """canvas => {
            const {width, height} = canvas;
            if (!width || !height) return 0;
            const pixels = canvas.getContext("2d").getImageData(0, 0, width, height).data;
            const counts = new Map();
            for (const pixel of new Uint32Array(pixels.buffer))
                counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
            return 1 - Math.max(...counts.values()) / (width * height);
        }"""
    )
    return share


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium a module, not a session: while Playwright is up no other event loop can run
    in its thread, so that `asyncio.run` would fail in every later test of the process."""
    try:
        with running_browser() as started:
            yield started
    except ServiceUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens watched pages with context options, e.g. `open_page(color_scheme="dark")`."""
    pages: list[Page] = []

    def open_one(**options: Any) -> Page:
        pages.append(open_watched(browser, **options))
        return pages[-1]

    yield open_one
    for page in pages:
        page.context.close()


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """A watched page of 1440 by 900, light, UTC."""
    return open_page()
