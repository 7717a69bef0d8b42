"""The report on paper."""

import re
from pathlib import Path

import pytest

from tests.dashboard import made
from tests.dashboard.conftest import show
from tests.services.browser import OpenPage
from tests.services.server import running_server


@pytest.mark.parametrize("width", [1280, 390])
def test_a_report_has_one_page(tmp_path: Path, open_page: OpenPage, width: int) -> None:
    """However many alerts there are."""
    made.load(tmp_path / "readings.db", made.hot_csv(tmp_path / "hot.csv"))
    with running_server(tmp_path) as server:
        page = show(open_page(viewport={"width": width, "height": 900}), server)
        page.wait_for_load_state("networkidle")
        assert page.locator("#panel-alerts li").count() > 50
        document = page.pdf(prefer_css_page_size=True)
        assert len(re.findall(rb"/Type\s*/Page\b", document)) == 1
