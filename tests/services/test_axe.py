"""What breaks a rule is found and named; a page in order is not."""

import pytest
from playwright.sync_api import Page

from tests.services.axe import violations

WHOLE = """<!doctype html><html lang="en"><head><title>Page</title></head>
<body><main><h1>Heading</h1>{}</main></body></html>"""


@pytest.mark.parametrize(
    ("content", "rule", "place"),
    [
        ("<img src='data:,'>", "image-alt", "img"),
        ("<button></button>", "button-name", "button"),
        ("<p style='color: #bbb; background: #fff'>faint</p>", "color-contrast", "p"),
        ("<table><tr><th></th><td>1</td></tr></table>", "empty-table-header", "th"),
    ],
)
def test_each_break_is_named_with_its_place(
    page: Page, content: str, rule: str, place: str
) -> None:
    page.set_content(WHOLE.format(content))
    found = violations(page)
    assert [line.split(":")[0] for line in found] == [rule]
    assert f"['{place}']" in found[0]


def test_a_page_in_order_is_not_blamed(page: Page) -> None:
    page.set_content(WHOLE.format("<p>Text</p>"))
    assert violations(page) == []
