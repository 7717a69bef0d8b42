"""The demo runs with nothing but the standard library, and its page needs nothing else."""

import ast
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.services.browser import assert_quiet, canvas_ink

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "demo" / "run_demo.py"
SAMPLE = ROOT / "data" / "simulated_processed.csv"
HEADER = "timestamp,temperature,pressure,uptime,temperature_alert,pressure_alert\n"
ROW = "2025-07-13T00:00:00Z,50,1000,1,normal,normal\n"


def run(*arguments: object, script: Path = DEMO) -> subprocess.CompletedProcess[str]:
    """The demo without site packages, in Python's isolated mode."""
    command = [sys.executable, "-I", "-S", str(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the demo and its sample without the chart libraries."""
    for name in ("demo", "data"):
        shutil.copytree(ROOT / name, tmp_path / "tree" / name)
    return tmp_path / "tree"


@pytest.fixture
def svg_page(tree: Path) -> Path:
    page = tree / "page.html"
    assert run("--output", page, script=tree / "demo" / "run_demo.py").returncode == 0
    return page


def test_imports_only_the_standard_library() -> None:
    nodes = list(ast.walk(ast.parse(DEMO.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    assert names <= sys.stdlib_module_names | {name for name in names if name.startswith("http.")}


def test_runs_on_python_3_8() -> None:
    vermin = Path(sys.executable).with_name("vermin")
    command = [str(vermin), "-t=3.8-", "--violations", str(DEMO)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_subscripts_no_built_in_type() -> None:
    """`list[str]` parses under Python 3.8, and fails when it is run."""
    for node in ast.walk(ast.parse(DEMO.read_text())):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            assert node.value.id not in {"list", "dict", "tuple", "set", "type", "frozenset"}


def test_page_without_libraries_draws_the_same_data_as_svg(svg_page: Path) -> None:
    text = svg_page.read_text()
    assert "<canvas" not in text
    assert "<script" not in text
    # One line a channel, in two parts: the gap is a gap.
    lines = re.findall(r"<path class='line (\w+)' d='([^']*)'", text)
    assert [name for name, _ in lines] == ["temperature", "pressure"]
    for _, path in lines:
        assert path.count("M") == 2
        assert path.count("L") == 98


def test_page_names_no_other_file_or_host(svg_page: Path) -> None:
    text = svg_page.read_text()
    assert not re.search(r"""(src|href)=(?!["']?data:)\S""", text)
    assert "http:" not in text
    assert "https:" not in text


def test_libraries_are_inlined_and_cannot_end_their_script(tree: Path) -> None:
    vendor = tree / "dashboard" / "static" / "vendor"
    vendor.mkdir(parents=True)
    (vendor / "charts.bundle.min.js").write_text("var a = '</script>';")
    page = tree / "page.html"
    assert run("--output", page, script=tree / "demo" / "run_demo.py").returncode == 0
    text = page.read_text()
    assert r"var a = '<\/script>';" in text
    assert text.count("<canvas") == 2


def test_key_figures_are_those_of_the_sample(svg_page: Path) -> None:
    tiles = re.findall(
        r"<p class=value>(.*?) <small>.*?</small></p><p class=note>(.*?)</p>", svg_page.read_text()
    )
    assert tiles == [
        ("60.1", "28.6 to 84.3"),
        ("1,018.2", "934.0 to 1,108.0"),
        ("5", "4 yellow"),
        ("4.9", "9.8 h running"),
        ("100", "1 gap, 2 h"),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"", "is empty"),
        (HEADER.encode(), "no rows"),
        (b"timestamp,temperature\n", "no pressure, uptime"),
        (b"\xff\xfe\x00", "not a CSV file in UTF-8"),
        ((HEADER + "soon,50,1000,1,normal,normal\n").encode(), "line 2: timestamp='soon'"),
        ((HEADER + ROW.replace("50", "warm")).encode(), "line 2: temperature='warm'"),
        ((HEADER + ROW + ROW.replace("1000", "nan")).encode(), "line 3: pressure='nan'"),
        ((HEADER + ROW.replace("normal", "odd", 1)).encode(), "temperature_alert='odd'"),
        ((HEADER + "2025-07-13T00:00:00Z,50\n").encode(), "line 2: pressure=None"),
    ],
    ids=[
        "missing",
        "empty",
        "header only",
        "columns",
        "binary",
        "time",
        "number",
        "nan",
        "level",
        "short row",
    ],
)
def test_bad_file_is_one_clear_line(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "readings.csv"
    if content is not None:
        path.write_bytes(content)
    found = run("--csv", path, "--output", tmp_path / "page.html")
    assert found.returncode == 2
    assert found.stderr.count("\n") == 1
    assert str(path) in found.stderr
    assert said in found.stderr
    assert not (tmp_path / "page.html").exists()


def test_text_of_the_file_is_text_on_the_page(tmp_path: Path) -> None:
    path = tmp_path / "<img src=x onerror=alert(1)>.csv"
    path.write_text(HEADER + ROW)
    assert run("--csv", path, "--output", tmp_path / "page.html").returncode == 0
    assert "<img" not in (tmp_path / "page.html").read_text()


def test_serves_on_the_next_free_port_until_interrupted(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-I", "-S", str(DEMO), "--no-browser", "--port", str(port)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        said = process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:(\d+)/", said)
        assert address is not None, said
        assert int(address[1]) > port
        assert "Ctrl+C" in said
        with urllib.request.urlopen(address[0], timeout=10) as answer:  # noqa: S310  # loopback
            assert b"Smart Sensor demo" in answer.read()
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "Stopped" in rest


def test_impossible_port_is_one_clear_line() -> None:
    found = run("--no-browser", "--port", "65536")
    assert found.returncode == 2
    assert "no free port" in found.stderr
    assert found.stderr.count("\n") == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_file_works_offline_in_a_browser(tmp_path: Path, open_page, scheme: str) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "demo.html"
    assert run("--output", file).returncode == 0
    page = open_page(color_scheme=scheme, viewport={"width": 390, "height": 844})
    page.context.set_offline(True)
    page.goto(file.as_uri())
    for channel in ("temperature", "pressure"):
        assert canvas_ink(page, f"#{channel}") > 0
        points = page.evaluate(f"smartSensor.charts.{channel}.data.datasets[0].data.length")
        assert points == 101  # 100 readings, and one empty point for the gap
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert_quiet(page)


def test_svg_page_works_in_a_browser(svg_page: Path, page) -> None:  # type: ignore[no-untyped-def]
    page.goto(svg_page.as_uri())
    assert page.locator("svg[role=img]").count() == 2
    assert page.locator("path.mark.red").first.is_visible()
    assert_quiet(page)
