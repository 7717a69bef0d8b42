"""What the page says of a range in a real browser: its gaps."""

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import Asked, show
from tests.services.browser import assert_quiet

# The sample has one gap, of the 13th of July 2025 from 5 to 7 o'clock.
GAPS = {
    "?range=all": ("1 gap of 2 h", 1),
    "?start=2025-07-13T00:00:00Z&end=2025-07-13T04:00:00Z": ("No gaps", 0),
    "?start=2025-07-13T00:00:00Z&end=2025-07-13T06:00:00Z": ("1 gap that reaches in", 1),
    "?start=2025-07-13T06:00:00Z&end=2025-07-13T08:00:00Z": ("1 gap that reaches in", 1),
}


@pytest.mark.parametrize("query", GAPS)
def test_the_heading_of_gaps_counts_those_that_are_listed(
    house: Asked, page: Page, query: str
) -> None:
    show(page, house, query)
    page.get_by_role("tab", name="Quality").click()
    panel = page.get_by_role("tabpanel", name="Quality")
    heading, listed = GAPS[query]
    expect(panel.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    entries = panel.get_by_role("button", name="No data for 2 h")
    expect(entries).to_have_count(listed)
    if listed:
        expect(entries).to_contain_text("20 usual intervals, until 07:00")
    assert_quiet(page)
