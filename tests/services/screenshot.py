"""Take a picture of a page: `python -m tests.services.screenshot URL FILE [--dark ...]`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page

from tests.services.browser import open_watched, running_browser, watch_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the picture; exit code 1 when the page is not quiet (what happened is printed)."""
    options = _parser().parse_args(arguments)
    with running_browser() as browser:
        page = open_watched(
            browser,
            viewport={"width": options.width, "height": options.height},
            color_scheme="dark" if options.dark else "light",
            device_scale_factor=options.scale,
        )
        page.goto(options.url)
        if options.wait_for:
            page.locator(options.wait_for).first.wait_for()
        page.wait_for_timeout(options.wait * 1000)
        if options.evaluate:
            page.evaluate(options.evaluate)
            page.wait_for_timeout(200)
        page.screenshot(path=options.file, full_page=options.full_page)
        return _report(page)


def _report(page: Page) -> int:
    watch = watch_of(page)
    noise = watch.errors + watch.console
    noise += [f"request to another host: {url}" for url in watch.foreign_requests()]
    for line in noise:
        print(line, file=sys.stderr)
    return 1 if noise else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.services.screenshot")
    parser.add_argument("url", help="http, file or data URL")
    parser.add_argument("file", type=Path, help="the PNG or JPEG to write")
    parser.add_argument("--width", type=int, default=1440)
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--scale", type=float, default=1.0, help="device pixels a CSS pixel")
    parser.add_argument("--dark", action="store_true", help="prefers-color-scheme: dark")
    parser.add_argument("--full-page", action="store_true", help="the whole page, not the window")
    parser.add_argument("--wait-for", metavar="SELECTOR", help="an element to wait for")
    parser.add_argument("--wait", type=float, default=0.5, metavar="SECONDS", help="then wait")
    parser.add_argument("--evaluate", metavar="SCRIPT", help="JavaScript to run before the picture")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
