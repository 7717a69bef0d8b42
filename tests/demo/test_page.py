"""The page: what is in it, what cannot get into it, and how it looks in a real browser."""

import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import Page

from demo.charts import make_chart
from demo.readings import CHANNELS, Record, read_rows
from tests.conftest import ROOT
from tests.demo.process import BUNDLE, HEADER, ROW, SAMPLE, csv_file, page_of, with_bundle
from tests.services.browser import OpenPage, assert_quiet, canvas_ink

PHONE = {"viewport": {"width": 390, "height": 844}}
needs_bundle = pytest.mark.skipif(not (ROOT / BUNDLE).is_file(), reason="run `make charts`")


def test_page_shows_the_figures_and_the_zone(bare: Path, tmp_path: Path) -> None:
    text = re.sub(r"<[^>]*>|\s+", " ", page_of(bare, tmp_path))
    text = re.sub(r"\s+", " ", text)
    for expected in (
        "13 Jul 2025, 00:00 to 11:54 UTC",
        "Average temperature 60.1 °C 28.6 to 84.3",
        "Average pressure 1,018.2 hPa 934.0 to 1,108.0",
        "Alerts 5 red 4 yellow",
        "Uptime 4.9 h 9.8 h running in all",
        "Readings 100 every 6 min",
        "Gaps 1 2 h without data",
        "All times are UTC.",
    ):
        assert expected in text


class Elements(HTMLParser):
    """All elements of a page, and the text of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] == "script":
            self.scripts[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self.found.append(("after a script", {}))

    def having(self, tag: str, name: str) -> list[dict[str, str | None]]:
        """Elements of a class."""
        return [a for each, a in self.found if each == tag and name in (a.get("class") or "")]


def test_without_the_bundle_charts_are_svg(bare: Path, tmp_path: Path) -> None:
    page = Elements(page_of(bare, tmp_path))
    assert page.scripts == []
    temperature, pressure = page.having("path", "line")[::2]
    for line in (temperature["d"], pressure["d"]):
        assert line is not None
        assert line.count("M") == 2, "a gap is a gap"
        assert len(re.findall("[ML]", line)) == 100
    assert len(page.having("svg", "mark red")) == 5
    assert len(page.having("svg", "mark yellow")) == 4
    assert len(page.having("div", "gap")) == 2
    assert len(page.having("path", "limit")) == 2


def test_with_the_bundle_its_code_and_the_data_are_inside(bare: Path, tmp_path: Path) -> None:
    code = 'window.fake = "</script><!--<b>";'
    page = Elements(page_of(with_bundle(bare, code), tmp_path))
    assert len(page.scripts) == 3
    assert page.scripts[0] == r'window.fake = "\u003c/script>\u003c!--<b>";'
    record = Record(read_rows(SAMPLE))
    expected = [make_chart(channel, record)._asdict() for channel in CHANNELS]
    assert json.loads(page.scripts[1]) == json.loads(json.dumps(expected))


def test_an_empty_bundle_counts_as_none(bare: Path, tmp_path: Path) -> None:
    assert Elements(page_of(with_bundle(bare, ""), tmp_path)).scripts == []


@pytest.mark.skipif(os.name == "nt", reason="no such file name there")
def test_text_of_the_csv_is_only_text(bare: Path, tmp_path: Path) -> None:
    attack = "<script>alert(1)<!--"
    name = "<img src=x onerror=alert(1)>&$span.csv"
    path = csv_file(tmp_path, f"{HEADER},{attack}", f"{ROW},{attack}", name=name)
    text = page_of(with_bundle(bare, "fake();"), tmp_path, "--csv", path)
    assert "alert(1)<" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;&amp;$span.csv" in text
    assert "img" not in {tag for tag, _ in Elements(text).found}


@pytest.fixture(params=["svg", pytest.param("chart", marks=needs_bundle)])
def shown(request: pytest.FixtureRequest, bare: Path, tmp_path: Path) -> str:
    """The address of a page of each kind, from a file."""
    tree = bare if request.param == "svg" else ROOT
    page_of(tree, tmp_path)
    return (tmp_path / "page.html").as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_a_phone_and_makes_no_noise(open_page: OpenPage, shown: str, scheme: str) -> None:
    page = open_page(color_scheme=scheme, **PHONE)
    page.context.set_offline(True)
    page.goto(shown)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert_quiet(page)


def test_each_kind_shows_its_own_charts(page: Page, shown: str, bare: Path) -> None:
    page.goto(shown)
    canvases, plots = page.locator("canvas:visible"), page.locator(".plot:visible")
    scripted = page.evaluate("'Chart' in window")
    assert (canvases.count(), plots.count()) == ((2, 0) if scripted else (0, 2))
    boxes = (canvases if scripted else plots).all()
    assert all((box.bounding_box() or {"height": 0})["height"] > 200 for box in boxes)
    assert_quiet(page)


@needs_bundle
def test_chart_js_draws_every_reading_and_the_gap(page: Page, tmp_path: Path) -> None:
    page_of(ROOT, tmp_path)
    page.goto((tmp_path / "page.html").as_uri())
    points = page.evaluate(
        """[...document.querySelectorAll("canvas")].map((canvas) =>
            Chart.getChart(canvas).data.datasets[0].data.map(({ y }) => y))"""
    )
    rows = read_rows(SAMPLE)
    for channel, values in zip(CHANNELS, points, strict=True):
        expected = [row[channel.name] for row in rows]
        assert values == [*expected[:50], None, *expected[50:]]
    assert canvas_ink(page, ".temperature canvas") > 0.02
    assert canvas_ink(page, ".pressure canvas") > 0.02


@needs_bundle
def test_charts_follow_the_colour_scheme(page: Page, tmp_path: Path) -> None:
    page_of(ROOT, tmp_path)
    page.goto((tmp_path / "page.html").as_uri())
    colour = """() => Chart.getChart(document.querySelector("canvas"))
        .data.datasets[0].borderColor"""
    assert page.evaluate(colour) == "#c4500a"
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"({colour})() === '#ff9457'")
    assert canvas_ink(page, ".temperature canvas") > 0.02


@needs_bundle
def test_pointing_at_a_reading_says_its_time_and_value(page: Page, tmp_path: Path) -> None:
    page_of(ROOT, tmp_path)
    page.goto((tmp_path / "page.html").as_uri())
    page.locator(".temperature canvas").hover(position={"x": 48, "y": 100})
    tooltip = """() => {
        const { title, body } = Chart.getChart(document.querySelector("canvas")).tooltip;
        return [...title ?? [], ...(body ?? []).flatMap(({ lines }) => lines)].join(" | ");
    }"""
    page.wait_for_function(f"({tooltip})()")
    assert page.evaluate(tooltip) == "2025-07-13 00:00:00 UTC | 54.8 °C, normal, z -0.89"


def test_a_mark_of_the_svg_says_its_time_and_value(page: Page, bare: Path, tmp_path: Path) -> None:
    page_of(bare, tmp_path)
    page.goto((tmp_path / "page.html").as_uri())
    titles = page.locator(".temperature .mark.red title").all_text_contents()
    assert titles[0] == "13 Jul 02:48 UTC: 84.3 °C, red, z 4.07"
    assert page.locator(".temperature rect title").count() == 100


def test_page_asks_for_nothing_by_its_own_rule(page: Page, bare: Path, tmp_path: Path) -> None:
    """The policy in the page stops whatever might slip in."""
    code = 'fetch("https://example.com/x").catch(() => { window.refused = true; });'
    page_of(with_bundle(bare, code), tmp_path)
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_function("window.refused === true")
