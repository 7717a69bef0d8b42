"""A server that is killed while its page is open: the page says so, and goes on when it is back."""

import os
import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from pipeline.simulate import write_csv
from tests.dashboard import made
from tests.dashboard.conftest import show
from tests.dashboard.sent import Loader, left_on_disk
from tests.services.browser import watch_of
from tests.services.server import Server, free_port, start_server

if os.name == "nt":
    pytest.skip("kill -9 is of POSIX", allow_module_level=True)

ROWS = 400_000


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that no socket's buffers take at once, and whose load takes a moment."""
    path = tmp_path_factory.mktemp("long") / "long.csv"
    write_csv(path, ROWS)
    return path


def kill(server: Server) -> None:
    server.process.kill()
    server.process.wait()


def choose(page: Page, path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Load file").click()
    chooser.value.set_files(path)


def loaded_once(server: Server) -> None:
    """All rows of the file are there, by one load, and nothing is left of any other."""
    loads = Loader(server).get("/api/loads")["loads"]
    assert [(load["status"], load["accepted"]) for load in loads] == [("complete", ROWS)]
    assert Loader(server).get("/api/kpis")["total_records"] == ROWS
    assert left_on_disk(server.database.parent) == []


def test_a_file_on_its_way_is_sent_again_and_loaded_once(
    tmp_path: Path, page: Page, long: Path
) -> None:
    port = free_port()
    with start_server(tmp_path, port=port) as server:
        show(page, server, state="empty")
        # It takes nothing more, so that the file stays on its way.
        server.process.send_signal(signal.SIGSTOP)
        choose(page, long)
        bar = page.get_by_role("dialog", name="Load long.csv").get_by_role("progressbar")
        expect(bar).to_be_visible()
        page.wait_for_timeout(500)
        assert 0 < bar.evaluate("bar => bar.position") < 1
        kill(server)
    dialog = page.get_by_role("dialog", name="long.csv was not loaded")
    expect(dialog.get_by_role("alert")).to_have_text(
        "The connection broke before the server had the whole file."
    )
    # It is still away.
    dialog.get_by_role("button", name="Send again").click()
    expect(dialog.get_by_role("alert")).to_contain_text("The connection broke")
    with start_server(tmp_path, port=port) as server:
        dialog.get_by_role("button", name="Send again").click()
        asked = page.get_by_role("dialog", name="Load long.csv?")
        expect(asked).to_contain_text("rows would be accepted", timeout=30_000)
        asked.get_by_role("button", name="Load", exact=True).click()
        done = page.get_by_role("dialog", name="long.csv is loaded")
        expect(done).to_be_visible(timeout=60_000)
        done.get_by_role("button", name="Close").click()
        page.wait_for_selector("body[data-state=ready]", timeout=30_000)
        loaded_once(server)
        assert watch_of(page).errors == []
        page.close()


def test_a_load_that_was_under_way_goes_on_by_itself(
    tmp_path: Path, page: Page, long: Path
) -> None:
    port = free_port()

    def said(dialog: Locator, text: str | re.Pattern[str]) -> None:
        expect(dialog.get_by_role("status")).to_have_text(text, timeout=20_000)

    with start_server(tmp_path, port=port) as server:
        show(page, server, state="empty")
        page.evaluate("window.notReloaded = true")
        choose(page, long)
        dialog = page.get_by_role("dialog", name="Load long.csv?")
        dialog.get_by_role("button", name="Load", exact=True).click(timeout=30_000)
        running = page.get_by_role("dialog", name="Loading long.csv")
        said(running, re.compile("^(Reading|Storing): [1-9]"))
        kill(server)
        said(running, "The server does not answer. The load goes on when it is back.")
    with start_server(tmp_path, port=port) as server:
        done = page.get_by_role("dialog", name="long.csv is loaded")
        expect(done).to_be_visible(timeout=60_000)
        done.get_by_role("button", name="Close").click()
        page.wait_for_selector("body[data-state=ready]", timeout=30_000)
        assert page.evaluate("window.notReloaded")
        loaded_once(server)
        assert watch_of(page).errors == []
        page.close()


def test_what_another_process_has_loaded_meanwhile_is_shown_without_a_reload(
    tmp_path: Path, page: Page
) -> None:
    """More than one killing, more than a message carries, and another rig."""
    database, port = tmp_path / "readings.db", free_port()
    made.load(database, made.sample_csv(tmp_path / "sample.csv"))
    with start_server(tmp_path, port=port) as server:
        show(page, server, "?range=all")
        page.evaluate("window.notReloaded = true")
        expect(page.locator("[data-connection=live]")).to_be_visible()
        kill(server)
        expect(page.locator("[data-connection=reconnecting]")).to_be_visible(timeout=5_000)
    first = made.START.replace(day=14)
    made.load(database, made.plain_csv(tmp_path / "more.csv", 500, first))
    made.load(database, made.vibration_csv(tmp_path / "vibration.csv"), made.vibration_rig())
    with start_server(tmp_path, port=port) as server:
        page.wait_for_selector("[data-connection=live]", timeout=20_000)
        expect(page.get_by_label("State of the data")).to_contain_text(
            "600 of 600 readings shown", timeout=5_000
        )
        rigs = page.get_by_role("combobox", name="Rig").get_by_role("option")
        expect(rigs).to_have_count(2)
        assert page.evaluate("window.notReloaded")
        kill(server)
        expect(page.locator("[data-connection=reconnecting]")).to_be_visible(timeout=5_000)
    with start_server(tmp_path, port=port) as server:
        page.wait_for_selector("[data-connection=live]", timeout=20_000)
        # Live again, and not only once: what is written now slides in.
        with made.live_writer(database) as writer:
            page.wait_for_timeout(500)
            writer.write(made.live_rows(first.replace(day=15), [71.0]))
        expect(page.locator("#chart-temperature")).to_contain_text("71", timeout=5_000)
        assert page.evaluate("window.notReloaded")
        assert watch_of(page).errors == []
        page.close()
