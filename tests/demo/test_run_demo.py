"""The command: what it needs, what it writes, where it serves, and how it says what is wrong."""

import ast
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.demo.process import HEADER, ROW, command, csv_file, page_of, run, with_bundle
from tests.services.server import free_port

DEMO = sorted((ROOT / "demo").glob("*.py"))
HIGHEST_PORT = 65535


@pytest.mark.parametrize("path", DEMO, ids=lambda path: path.name)
def test_imports_are_of_the_standard_library(path: Path) -> None:
    roots: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, "imported from the folder"
            roots.add(node.module.split(".")[0])
    assert roots - set(sys.stdlib_module_names) <= {"demo"}


def test_runs_on_python_3_8() -> None:
    vermin = shutil.which("vermin", path=str(Path(sys.executable).parent))
    assert vermin is not None
    options = ("--eval-annotations", "-t=3.8-", "--violations")
    done = subprocess.run([vermin, *options, *DEMO], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", DEMO, ids=lambda path: path.name)
def test_no_built_in_type_is_subscripted(path: Path) -> None:
    names = [
        node.value.id
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name)
    ]
    assert {"dict", "frozenset", "list", "set", "tuple", "type"} & set(names) == set()


def test_output_is_written_and_nothing_else(tmp_path: Path) -> None:
    """From any folder; the page names no other address."""
    done = run("--output", "page.html", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("page.html: ")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_an_installed_wheel_has_its_own_places(bare: Path, tmp_path: Path) -> None:
    """The sample lies elsewhere, the bundle in the same place."""
    data = bare / "pipeline" / "_bundled" / "data"
    data.parent.mkdir(parents=True)
    (bare / "data").rename(data)
    page = page_of(with_bundle(bare, "fake();"), tmp_path)
    assert "100 readings" in page
    assert "<script>fake();</script>" in page


@contextmanager
def serving(*arguments: object, **options: Any) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address that the demo prints, and its process."""
    process = subprocess.Popen(
        command(ROOT, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.endswith("  (Ctrl+C stops it)\n"), process.communicate(timeout=10)
            yield line.split()[3], process
        finally:
            process.kill()


def get(address: str) -> tuple[Any, bytes]:
    with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310  # always http
        return answer.headers, answer.read()


def port_of(address: str) -> int:
    return int(address.rstrip("/").rsplit(":", 1)[1])


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a demo with the sample."""
    with serving("--no-browser", "--port", free_port()) as (found, _):
        yield found


def test_served_page_is_the_written_one(address: str, tmp_path: Path) -> None:
    headers, body = get(address)
    assert body.decode() == page_of(ROOT, tmp_path)
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Content-Length"] == str(len(body))


def test_head_is_answered_without_the_page(address: str) -> None:
    with socket.create_connection(("127.0.0.1", port_of(address)), timeout=10) as connection:
        connection.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b" 200 " in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("path", ["run_demo.py", "../pyproject.toml", "data/"])
def test_nothing_but_the_page_is_served(address: str, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as raised:
        get(address + path)
    raised.value.close()
    assert raised.value.code == 404


def test_an_idle_connection_keeps_nobody_waiting(address: str) -> None:
    with socket.create_connection(("127.0.0.1", port_of(address))):
        assert get(address)[1]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
def test_only_this_machine_is_served(address: str) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port_of(address)), timeout=5)


@pytest.mark.skipif(os.name == "nt", reason="Ctrl+C is sent in another way there")
def test_ctrl_c_ends_it_cleanly() -> None:
    with serving("--no-browser", "--port", free_port()) as (_, process):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out.strip(), err) == (0, "Stopped.", "")


def test_a_port_that_is_taken_is_passed_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with serving("--no-browser", "--port", port) as (address, _):
            assert port < port_of(address) <= port + 100


@pytest.mark.skipif(os.name == "nt", reason="BROWSER names a script")
def test_a_browser_is_opened(tmp_path: Path) -> None:
    """And sees the page: the server is up before."""
    seen, browser = tmp_path / "seen", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {seen}.new && mv {seen}.new {seen}\n')
    browser.chmod(0o755)
    environment = {**os.environ, "BROWSER": f"{browser} %s"}
    with serving("--port", free_port(), env=environment) as (address, _):
        deadline = time.monotonic() + 10
        while not seen.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert seen.read_text().strip() == address


def assert_one_line(arguments: tuple[object, ...], expected: str, tree: Path = ROOT) -> None:
    done = run("--no-browser", *arguments, tree=tree)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("run_demo: ")
    assert expected in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith("\n")


def test_no_free_port_is_one_line() -> None:
    try:
        taken = socket.create_server(("127.0.0.1", HIGHEST_PORT))
    except OSError:
        taken = socket.socket()  # somebody else has it
    with taken:
        expected = "no free port from 65535 to 65535; stop what listens there, or name another"
        assert_one_line(("--port", HIGHEST_PORT), expected)


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http", "8080.0", "\N{SUPERSCRIPT TWO}"])
def test_no_port_is_one_line(text: str) -> None:
    assert_one_line((f"--port={text}",), "from 1 to 65535 is possible; --help shows")


def test_unknown_option_is_one_line() -> None:
    assert_one_line(("--open",), "unrecognized arguments: --open; --help shows what is possible")


def test_missing_csv_is_one_line(tmp_path: Path) -> None:
    expected = f"{tmp_path / 'none.csv'}: No such file or directory; name a processed CSV with"
    assert_one_line(("--csv", tmp_path / "none.csv"), expected)


def test_folder_as_csv_is_one_line(tmp_path: Path) -> None:
    assert_one_line(("--csv", tmp_path), f"{tmp_path}: ")


def test_missing_sample_is_one_line(bare: Path) -> None:
    sample = bare / "data" / "simulated_processed.csv"
    sample.unlink()
    assert_one_line((), f"{sample}: not found; name a processed CSV with --csv.", bare)


def test_bad_value_is_one_line_that_no_terminal_obeys(tmp_path: Path) -> None:
    row = ROW.replace("normal,normal", '"\x1b[31mred\nred",normal')
    path = csv_file(tmp_path, HEADER, row)
    assert_one_line(("--csv", path), f"{path}, line 2: temperature_alert is ")
    assert "\x1b" not in run("--csv", path).stderr


def test_strange_column_names_are_one_line(tmp_path: Path) -> None:
    path = csv_file(tmp_path, '"a\n\x1b[31mb",c', "1,2")
    assert_one_line(("--csv", path), "it has a ?[31mb, c;")


def test_output_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "none" / "page.html"
    assert_one_line(("--output", path), f"{path}: cannot be written (No such file or directory)")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere file names are text")
def test_a_name_that_is_no_text_is_no_problem(tmp_path: Path) -> None:
    done = run("--output", "\udcff.html", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert os.listdir(bytes(tmp_path)) == [b"\xff.html"]
