"""Takes the README's pictures of the dashboard, with the sample data: `make screenshots`."""

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page

from pipeline import simulate
from pipeline.etl_pipeline import run_etl
from tests.services.browser import assert_quiet, open_watched, running_browser
from tests.services.server import Server, running_server, settings_for

DOCS = Path(__file__).resolve().parents[1] / "docs"
MOST_BYTES = 250_000
# Until everything is drawn that comes after the first answers.
SETTLED_MS = 1_500


def _as_it_opens(page: Page) -> None:
    """Nothing is touched."""


def _at_an_alert(page: Page) -> None:
    """The newest red reading, with what came before and after, and why."""
    page.locator("#panel-alerts .event:has(.mark-red)").first.click()


@dataclass(frozen=True)
class Picture:
    """A file in docs/, and how the page is shown on it."""

    name: str
    width: int
    height: int
    scale: float
    dark: bool = False
    prepare: Callable[[Page], None] = _as_it_opens


PICTURES = (
    Picture("dashboard.png", 1440, 900, 1),
    Picture("dashboard-dark.png", 1440, 900, 1, dark=True, prepare=_at_an_alert),
    Picture("dashboard-phone.png", 390, 844, 2),
)


def main(arguments: Sequence[str] = ()) -> int:
    """Write all pictures into docs/, or into the folder that is named.

    Raises AssertionError where a page is not quiet, or a picture larger than MOST_BYTES.
    """
    folder = Path(arguments[0]) if arguments else DOCS
    with tempfile.TemporaryDirectory() as temporary, running_browser() as browser:
        place = Path(temporary)
        sample = place / "simulated_raw.csv"
        sample.write_text(simulate.raw_csv(simulate.sample()), encoding="utf-8")
        run_etl([str(sample)], settings=settings_for(place / "readings.db"))
        with running_server(place) as server:
            for picture in PICTURES:
                path = folder / picture.name
                _take(browser, server, picture, path)
                size = path.stat().st_size
                print(f"{path}: {size / 1000:.0f} kB")
                assert size <= MOST_BYTES, f"{path} has {size} bytes, more than {MOST_BYTES}"
    return 0


def _take(browser: Browser, server: Server, picture: Picture, path: Path) -> None:
    page = open_watched(
        browser,
        viewport={"width": picture.width, "height": picture.height},
        color_scheme="dark" if picture.dark else "light",
        device_scale_factor=picture.scale,
    )
    page.goto(f"{server.url}/dashboard")
    page.wait_for_selector("body[data-state=ready]")
    page.wait_for_selector("[data-connection=live]")
    page.wait_for_timeout(SETTLED_MS)
    picture.prepare(page)
    page.wait_for_timeout(SETTLED_MS)
    page.screenshot(path=path)
    assert_quiet(page)
    page.context.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
