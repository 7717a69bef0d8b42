"""axe-core: what the rules for accessible pages (WCAG 2.2 AA) find on a page."""

import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.services import npm
from tests.services.cache import CACHE, cached, digest

HERE = Path(__file__).parent / "axe"
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


def violations(page: Page) -> list[str]:
    """One line for each rule that the page breaks, and where; empty where it breaks none."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_script().read_text(encoding="utf-8"))
    found: dict[str, Any] = page.evaluate(
        "tags => axe.run(document, {runOnly: tags, resultTypes: ['violations']})", list(TAGS)
    )
    return [
        f"{each['id']}: {each['help']}: "
        + "; ".join(f"{node['target']} {node['failureSummary']}" for node in each["nodes"])
        for each in found["violations"]
    ]


def _script() -> Path:
    key = digest(HERE / "package.json", HERE / "package-lock.json")
    return cached(CACHE / "axe", key, _install) / "axe.min.js"


def _install(built: Path) -> None:
    with tempfile.TemporaryDirectory(dir=built.parent) as temporary:
        npm.install(HERE, Path(temporary))
        source = Path(temporary, "node_modules", "axe-core", "axe.min.js")
        source.rename(built / source.name)
