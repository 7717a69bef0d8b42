"""Loading files in a real browser: looked at before, followed, shown; refused with the reason."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from pipeline.rig import parse_rig
from pipeline.simulate import write_csv
from tests.dashboard import made
from tests.dashboard.conftest import Asked, asked, show
from tests.dashboard.sent import Loader, faulty_text, left_on_disk
from tests.services.browser import OpenPage, assert_quiet, watch_of
from tests.services.server import Server, running_server

SCREENS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1440, "height": 900}},
    "desktop dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}},
    "phone dark": {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"},
}
# What happens in the browser when somebody lets go of a file over the page.
DROP = """([name, text]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([text], name));
    for (const kind of ["dragenter", "dragover", "drop"])
        document.body.dispatchEvent(new DragEvent(kind,
            {dataTransfer: transfer, bubbles: true, cancelable: true}));
}"""


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Asked]:
    """A server without readings, for one test."""
    yield from asked(tmp_path)


def choose(page: Page, path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Load file").click()
    chooser.value.set_files(path)


@pytest.mark.parametrize("screen", SCREENS)
def test_a_file_is_looked_at_loaded_and_shown(
    empty: Asked, open_page: OpenPage, screen: str, tmp_path: Path
) -> None:
    page = show(open_page(**SCREENS[screen]), empty, state="empty")
    path = tmp_path / "run7.csv"
    path.write_text(faulty_text(), encoding="utf-8")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Load a file").click()
    chooser.value.set_files(path)
    dialog = page.get_by_role("dialog", name="Load run7.csv?")
    expect(dialog).to_contain_text("20 of 25 rows would be accepted.")
    expect(dialog).to_contain_text(
        "Rejected: 2 missing value, 1 wrong field count, 1 unparsable, 1 duplicate timestamp."
    )
    expect(dialog).to_contain_text("UTC, of times without an offset")
    columns = dialog.get_by_role("region", name="Columns").get_by_role("row")
    expect(columns.nth(2)).to_contain_text("temperature")
    rejects = dialog.get_by_role("region", name="First rejected rows")
    expect(rejects).to_contain_text("2025-07-13T12:30:00Z,,1000.0,1.0")
    expect(dialog.get_by_role("button", name="Load", exact=True)).to_be_focused()
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= SCREENS[screen]["viewport"]["width"]
    assert empty.json("/api/loads")["loads"] == []

    page.keyboard.press("Enter")
    done = page.get_by_role("dialog", name="run7.csv is loaded")
    expect(done).to_contain_text("#1: 20 readings of 25 rows.")
    # The page behind it has followed by itself.
    page.wait_for_selector("body[data-state=ready]", timeout=10_000)
    done.get_by_role("button", name="Show these readings").click()
    expect(done).to_be_hidden()
    expect(page).to_have_url(re.compile("start=2025-07-13T00:00:00Z&end=2025-07-13T00:19:01Z"))
    shown = "() => window.smartSensor.charts.get('temperature').data.datasets[0].data.length"
    page.wait_for_function(f"({shown})() === 20")
    assert empty.json("/api/kpis")["total_records"] == 20
    assert_quiet(page)
    assert left_on_disk(empty.database.parent) == []


def test_a_file_that_is_dropped_and_then_not_loaded(empty: Asked, page: Page) -> None:
    show(page, empty, state="empty")
    page.evaluate(DROP, ["<img src=x onerror=alert(1)>.csv", faulty_text()])
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text("Load <img src=x onerror=alert(1)>.csv?")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator(".drop-hint")).to_be_hidden()
    assert empty.json("/api/loads")["loads"] == []
    assert_quiet(page)


def test_several_files_come_one_after_the_other(empty: Asked, page: Page, tmp_path: Path) -> None:
    show(page, empty, state="empty")
    paths = [made.plain_csv(tmp_path / f"{n}.csv", 5, made.START.replace(day=n)) for n in (1, 2)]
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Load file").click()
    chooser.value.set_files(paths)
    for path in paths:
        dialog = page.get_by_role("dialog", name=f"Load {path.name}?")
        dialog.get_by_role("button", name="Load", exact=True).click()
        done = page.get_by_role("dialog", name=f"{path.name} is loaded")
        done.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert empty.json("/api/kpis")["total_records"] == 10


def test_what_the_server_says_against_a_file_is_shown(empty: Asked, page: Page) -> None:
    show(page, empty, state="empty")
    page.evaluate(DROP, ["other.csv", "a,b\n1,2\n"])
    dialog = page.get_by_role("dialog")
    alert = dialog.get_by_role("alert")
    expect(alert).to_contain_text("other.csv: required column missing: 'timestamp'")
    expect(dialog.get_by_role("button", name="Another file")).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    # The browser tells of each answer that is an error; nothing else is wrong.
    watch = watch_of(page)
    assert watch.errors == []
    assert all("422" in line for line in watch.console)


def test_for_a_file_that_no_rig_reads_a_rig_file_is_shown(empty: Asked, page: Page) -> None:
    show(page, empty, state="empty")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate(DROP, ["odd.csv", "Zeit;Druck (bar)\n31.12.2024 23:59:59;1,5\n"])
    dialog = page.get_by_role("dialog")
    alert = dialog.get_by_role("alert")
    expect(alert).to_contain_text("Whoever runs this server can make them known")
    # Nothing that only means something on the server.
    for word in ("--rig-file", "RIG_FILE", ".toml", "/"):
        expect(alert).not_to_contain_text(word)
    shown = dialog.get_by_role("region", name="Rig file")
    text = shown.inner_text()
    assert parse_rig(text, "shown").files.time_format == "DD.MM.YYYY HH:mm:ss"
    dialog.get_by_role("button", name="Copy").click()
    expect(dialog.get_by_role("status").filter(has_text="Copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").strip() == text.strip()


OF_ANOTHER_UNIT = (
    "rig 'rig-1': channel 'pressure' is stored as gauge in 'hPa', the rig file says gauge in "
    "'bar'. Load it under another name. Or whoever runs this server can"
)


@pytest.fixture(scope="module")
def in_bar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Its rig file has another unit than what is stored."""
    folder = tmp_path_factory.mktemp("bar")
    made.load(folder / "readings.db", made.plain_csv(folder / "plain.csv", 5))
    rig_file = folder / "rig.toml"
    rig_file.write_text('name = "rig-1"\n[channels.pressure]\nunit = "bar"\n', encoding="utf-8")
    with running_server(folder, rig_file=rig_file) as server:
        yield server


def test_of_another_unit_than_the_stored_one_is_said_what_people_at_a_browser_can_do(
    in_bar: Server, page: Page
) -> None:
    show(page, in_bar)
    row = "timestamp,pressure\n2025-07-20T00:00:00Z,1.5\n"
    page.evaluate(DROP, ["bar.csv", row])
    dialog = page.get_by_role("dialog", name="bar.csv cannot be loaded")
    alert = dialog.get_by_role("alert")
    expect(alert).to_contain_text(OF_ANOTHER_UNIT)
    # Nothing that only means something on the server.
    for word in ("--rig", "RIG_FILE", ".toml", "/"):
        expect(alert).not_to_contain_text(word)
    # What it says first is possible.
    assert Loader(in_bar).load(row, name="bar.csv", rig="bench-2")["status"] == "complete"


@pytest.mark.parametrize(
    "text",
    [
        "timestamp,pressure\n2025-07-20T00:00:00Z,1.5\n",
        "timestamp,rig,pressure\n2025-07-20T00:00:00Z,rig-1,1.5\n",
    ],
    ids=["of the rig", "that names its rigs"],
)
def test_a_file_of_another_unit_that_nobody_previewed_fails_when_it_is_to_be_stored(
    in_bar: Server, text: str
) -> None:
    job = Loader(in_bar).load(text, name="bar.csv")
    assert job["status"] == "failed"
    assert OF_ANOTHER_UNIT in job["error"]


@pytest.mark.parametrize(
    ("row", "times"),
    [
        ("2025-07-13T00:00:00Z,5,0;1", "those of rows that would be rejected"),
        ("soon,5,0;1", "none that can be read"),
    ],
)
def test_times_are_told_apart_from_what_rows_are_rejected_for(
    row: str, times: str, empty: Asked, page: Page
) -> None:
    show(page, empty, state="empty")
    page.evaluate(DROP, ["x.csv", f"{made.HEADER}\n{row},1\n"])
    expect(page.get_by_role("dialog").locator(".facts")).to_contain_text(f"Times{times}")


@pytest.mark.parametrize("screen", ["desktop", "phone"])
def test_a_long_rejected_row_is_scrolled_to_in_its_own_table(
    screen: str, empty: Asked, open_page: OpenPage
) -> None:
    page = show(open_page(**SCREENS[screen]), empty, state="empty")
    note = "a note that somebody wrote, " * 20
    page.evaluate(DROP, ["x.csv", f'{made.HEADER},note\n2025-07-13T00:00:00Z,,1,1,"{note}"\n'])
    table = page.get_by_role("dialog").get_by_role("region", name="First rejected rows")
    expect(table).to_contain_text(" …")
    # The reason without scrolling, the end of the row with it, and nothing beside the box.
    inside = """node => {
        const {right} = node.getBoundingClientRect();
        const [reason, row] = [...node.querySelectorAll("td")].slice(1);
        const reasonFits = reason.getBoundingClientRect().right <= right;
        node.scrollLeft = 1e6;
        return [reasonFits, node.scrollLeft > 0, row.getBoundingClientRect().right <= right + 1];
    }"""
    assert table.evaluate(inside) == [True, True, True]
    body = page.locator(".upload-body")
    assert body.evaluate("node => node.scrollWidth <= node.clientWidth")


def test_a_file_that_was_loaded_before_is_said_to_be(empty: Asked, page: Page) -> None:
    Loader(empty.server).load(faulty_text(), name="first.csv")
    show(page, empty, state="ready")
    page.evaluate(DROP, ["again.csv", faulty_text()])
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The same content was loaded before, as #1.")
    dialog.get_by_role("button", name="Load again").click()
    expect(page.get_by_role("dialog", name="again.csv is loaded")).to_contain_text("#2: 20")


def test_another_rig_reads_the_file_in_its_own_way(tmp_path: Path, page: Page) -> None:
    database = tmp_path / "readings.db"
    made.load(database, made.sample_csv(tmp_path / "sample.csv"))
    made.load(database, made.vibration_csv(tmp_path / "vibration.csv"), made.vibration_rig())
    with running_server(tmp_path) as server, page.expect_event("close"):
        page.goto(f"{server.url}/dashboard")
        page.wait_for_selector("body[data-state=ready]", timeout=10_000)
        page.evaluate(DROP, ["run.csv", faulty_text()])
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("combobox", name="Rig").select_option("shaker-7")
        expect(dialog.get_by_role("alert")).to_contain_text("required column missing: 'Zeitpunkt'")
        # And back again, without sending it once more.
        dialog.get_by_role("combobox", name="Rig").select_option("rig-1")
        expect(dialog).to_contain_text("20 of 25 rows would be accepted.")
        expect(dialog.get_by_role("button", name="Load", exact=True)).to_be_enabled()
        page.close()


def test_where_no_row_would_be_accepted_nothing_can_be_loaded(empty: Asked, page: Page) -> None:
    show(page, empty, state="empty")
    page.evaluate(DROP, ["hot.csv", f"{made.HEADER}\n2025-07-13T00:00:00Z,999,1000,1\n"])
    dialog = page.get_by_role("dialog", name="Load hot.csv?")
    expect(dialog.get_by_role("button", name="Load", exact=True)).to_be_disabled()
    expect(dialog.get_by_role("status")).to_contain_text("there is nothing to load")
    expect(dialog).to_contain_text("Rejected: 1 out of range.")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    assert empty.json("/api/loads")["loads"] == []
    assert_quiet(page)


def test_another_rig_that_reads_the_file_can_be_loaded(tmp_path: Path, page: Page) -> None:
    database = tmp_path / "readings.db"
    made.load(database, made.sample_csv(tmp_path / "sample.csv"))
    made.load(database, made.spiky_csv(tmp_path / "spiky.csv"))
    with contextmanager(asked)(tmp_path, database=database) as server:
        show(page, server, "?rig=rig-1")
        page.evaluate(DROP, ["run.csv", faulty_text()])
        dialog = page.get_by_role("dialog", name="Load run.csv?")
        rigs = dialog.get_by_role("combobox", name="Rig")
        expect(rigs).to_have_value("rig-1")
        rigs.focus()
        rigs.select_option("spiky")
        readings = dialog.get_by_role("region", name="First accepted rows")
        expect(readings).to_contain_text("spiky")
        # Whoever goes through the rigs with the keyboard goes on from there.
        expect(rigs).to_be_focused()
        expect(rigs).to_have_value("spiky")
        dialog.get_by_role("button", name="Load", exact=True).click()
        expect(page.get_by_role("dialog", name="run.csv is loaded")).to_contain_text("20 readings")
        assert server.json("/api/loads", limit=1)["loads"][0]["rig"] == "spiky"
        assert_quiet(page)
        page.close()


def test_a_new_rig_is_named_in_the_dialog(empty: Asked, page: Page) -> None:
    show(page, empty, state="empty")
    page.evaluate(DROP, ["run.csv", faulty_text()])
    dialog = page.get_by_role("dialog", name="Load run.csv?")
    rigs = dialog.get_by_role("combobox", name="Rig")
    rigs.select_option("A new rig …")
    name = dialog.get_by_role("textbox", name="Name of the new rig")
    expect(name).to_be_focused()
    # Until it has one, what was looked at would be of another rig.
    expect(dialog.get_by_role("button", name="Load", exact=True)).to_have_count(0)
    name.fill("  ")
    name.press("Enter")
    expect(name).to_have_value("")
    name.fill("bench-2")
    name.press("Enter")
    readings = dialog.get_by_role("region", name="First accepted rows")
    expect(readings).to_contain_text("bench-2")
    expect(rigs).to_have_value("bench-2")
    dialog.get_by_role("button", name="Load", exact=True).click()
    done = page.get_by_role("dialog", name="run.csv is loaded")
    done.get_by_role("button", name="Show these readings").click()
    expect(page.get_by_role("combobox", name="Rig")).to_have_value("bench-2")
    assert [rig["name"] for rig in empty.json("/api/rigs")["rigs"]] == ["bench-2"]
    assert_quiet(page)


def test_what_a_file_has_brought_is_shown_to_its_last_reading(
    empty: Asked, page: Page, tmp_path: Path
) -> None:
    file = made.plain_csv(tmp_path / "long.csv", 500, step_s=10)
    show(page, empty, state="empty")
    page.evaluate(DROP, ["long.csv", file.read_text()])
    dialog = page.get_by_role("dialog", name="Load long.csv?")
    dialog.get_by_role("button", name="Load", exact=True).click()
    done = page.get_by_role("dialog", name="long.csv is loaded")
    done.get_by_role("button", name="Show these readings").click()
    expect(page.locator("#tiles")).to_contain_text("all 500 rows accepted")
    assert_quiet(page)


def test_a_file_that_names_its_rigs_is_not_asked_for_one(empty: Asked, page: Page) -> None:
    show(page, empty, state="empty")
    row = "2025-07-13T00:00:00Z,50,1000,1"
    page.evaluate(DROP, ["rigs.csv", f"Rig,{made.HEADER}\nbench-3,{row}\nbench-4,{row}\n"])
    dialog = page.get_by_role("dialog", name="Load rigs.csv?")
    expect(dialog).to_contain_text("The rig of each row is in the file, as Rig.")
    expect(dialog.get_by_role("combobox")).to_have_count(0)
    dialog.get_by_role("button", name="Load", exact=True).click()
    done = page.get_by_role("dialog", name="rigs.csv is loaded")
    done.get_by_role("button", name="Show these readings").click()
    expect(page.get_by_role("combobox", name="Rig")).to_have_value("bench-3")
    assert_quiet(page)


def test_a_long_load_is_followed_and_goes_on_when_the_dialog_is_closed(
    empty: Asked, page: Page, tmp_path: Path
) -> None:
    write_csv(tmp_path / "long.csv", 400_000)
    show(page, empty, state="empty")
    choose(page, tmp_path / "long.csv")
    dialog = page.get_by_role("dialog", name="Load long.csv?")
    dialog.get_by_role("button", name="Load", exact=True).click(timeout=30_000)
    running = page.get_by_role("dialog", name="Loading long.csv")
    expect(running.get_by_role("status")).to_have_text(re.compile(r"^(Reading|Storing): [1-9]"))
    expect(running.get_by_role("progressbar")).to_be_visible()
    running.get_by_role("button", name="Close").click()
    expect(running).to_be_hidden()
    page.wait_for_selector("body[data-state=ready]", timeout=60_000)
    expect(page.get_by_role("button", name="Load file")).to_be_visible()
    assert empty.json("/api/kpis")["total_records"] == 400_000
    assert_quiet(page)
