"""The chart libraries: built once, whole or not at all, working in a browser."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

import hatch_build
from hatch_build import BUNDLE, LICENSES, ROOT, SCRIPTS, STAMP, VENDOR, ChartsError, ensure_charts
from tests.services.browser import assert_quiet, canvas_ink

NAMES = [Path(script).name for script in SCRIPTS]
FakeNpm = Callable[[Path, Path], Path]


def _refuse(message: str) -> None:
    raise AssertionError(message)


def _fake_modules(root: Path, folder: Path) -> Path:
    """What npm would install, each script one line that names its package."""
    modules = folder / "node_modules"
    for script in (*SCRIPTS, "@kurkle/color/dist/color.js"):
        path = modules / script
        path.parent.mkdir(parents=True)
        path.write_text(f"made_of({script!r})\n//# sourceMappingURL={path.name}.map\n")
        package = path.relative_to(modules).parts[0]
        if package.startswith("@"):
            package = "/".join(path.relative_to(modules).parts[:2])
        manifest = {"name": package, "version": "1.2.3", "license": "MIT"}
        (modules / package / "package.json").write_text(json.dumps(manifest))
        (modules / package / "LICENSE.md").write_text(f"Terms of {package}\n")
    return modules


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.setattr(hatch_build, "_npm_install", _fake_modules)
    return tmp_path


def _content(root: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in (root / VENDOR).iterdir()}


def test_builds_every_file_without_source_maps(checkout: Path) -> None:
    assert ensure_charts(checkout, _refuse)
    content = _content(checkout)
    assert sorted(content) == sorted([*NAMES, BUNDLE, LICENSES, STAMP])
    assert [name for name in content if "sourceMappingURL" in content[name]] == []
    assert content["luxon.min.js"] == "made_of('luxon/build/global/luxon.min.js')\n"


def test_bundle_has_the_scripts_in_load_order(checkout: Path) -> None:
    ensure_charts(checkout, _refuse)
    content = _content(checkout)
    positions = [content[BUNDLE].index(content[name]) for name in NAMES]
    assert positions == sorted(positions)


def test_licences_name_every_package_also_the_inlined_one(checkout: Path) -> None:
    ensure_charts(checkout, _refuse)
    text = _content(checkout)[LICENSES]
    for package in ("@kurkle/color", "chart.js", "hammerjs", "luxon"):
        assert f"{package} 1.2.3 (MIT)\n\nTerms of {package}\n" in text


def test_second_build_does_nothing(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_charts(checkout, _refuse)
    monkeypatch.setattr(hatch_build, "_build", lambda *_: _refuse("built again"))
    assert ensure_charts(checkout, _refuse)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda root: (root / "package-lock.json").write_text("{}"), id="lock"),
        pytest.param(lambda root: (root / VENDOR / BUNDLE).unlink(), id="file is gone"),
        pytest.param(lambda root: (root / VENDOR / STAMP).write_text("old"), id="other stamp"),
    ],
)
def test_a_change_builds_again(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], object]
) -> None:
    ensure_charts(checkout, _refuse)
    change(checkout)
    built: list[Path] = []
    monkeypatch.setattr(hatch_build, "_build", lambda root, digest: built.append(root))
    ensure_charts(checkout, _refuse)
    assert built == [checkout]


def _unreachable(root: Path, folder: Path) -> Path:
    raise ChartsError("npm ci failed (ECONNREFUSED)")


@pytest.mark.parametrize(("before", "state"), [(False, "are missing"), (True, "stay as they were")])
def test_without_npm_a_warning_says_what_to_run(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, before: bool, state: str
) -> None:
    if before:
        ensure_charts(checkout, _refuse)
        (checkout / "package-lock.json").write_text("{}")
    old = _content(checkout) if before else {}
    monkeypatch.setattr(hatch_build, "_npm_install", _unreachable)
    warnings: list[str] = []
    assert not ensure_charts(checkout, warnings.append)
    assert warnings == [
        f"The charts of the dashboard {state}: npm ci failed (ECONNREFUSED). To repeat: run"
        " `make charts`, or `pip install --no-deps -e .`, when npm can be reached."
    ]
    assert (_content(checkout) if before else {}) == old


def test_interrupted_build_leaves_the_old_files(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(modules: Path) -> str:
        raise KeyboardInterrupt

    ensure_charts(checkout, _refuse)
    old = _content(checkout)
    (checkout / "package-lock.json").write_text("{}")
    monkeypatch.setattr(hatch_build, "_licenses", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ensure_charts(checkout, _refuse)
    assert _content(checkout) == old
    assert [path.name for path in (checkout / VENDOR).parent.iterdir()] == ["vendor"]


@pytest.mark.parametrize(
    ("output", "code"),
    [
        pytest.param(
            b"npm warn x\nnpm error code ENOTFOUND\nnpm error at https://host.example/",
            "ENOTFOUND",
            id="code among private lines",
        ),
        pytest.param(b"killed in /home/someone", "no error code", id="no code"),
    ],
)
def test_of_npms_words_only_the_code_is_repeated(output: bytes, code: str) -> None:
    assert hatch_build._npm_code(output) == code


def test_by_hand_says_where_the_charts_are(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hatch_build, "ROOT", checkout)
    assert hatch_build.main() == 0
    assert capsys.readouterr().out == f"The charts are in {VENDOR}.\n"
    monkeypatch.setattr(hatch_build, "_npm_install", _unreachable)
    (checkout / "package-lock.json").write_text("{}")
    assert hatch_build.main() == 1
    assert "make charts" in capsys.readouterr().err


CHART = """() => {
    document.body.innerHTML = '<div style="width:600px"><canvas id="chart"></canvas></div>';
    const data = [[0, 20], [3600e3, 80], [7200e3, 40]].map(([x, y]) => ({x, y}));
    const limit = {type: "line", yMin: 60, yMax: 60, borderColor: "red"};
    const chart = new Chart(document.getElementById("chart"), {
        type: "line",
        data: {datasets: [{data}]},
        options: {
            animation: false,
            scales: {x: {type: "time", adapters: {date: {zone: "UTC"}}}},
            plugins: {annotation: {annotations: {limit}}, zoom: {zoom: {wheel: {enabled: true}}}},
        },
    });
    const zoom = typeof chart.zoom, ticks = chart.scales.x.ticks.map(tick => tick.label);
    return {zoom, first: ticks[0], plugins: ["zoom", "annotation"].map(
        name => Chart.registry.plugins.get(name).version)};
}"""


@pytest.mark.parametrize("files", [[BUNDLE], NAMES], ids=["bundle", "single files"])
def test_built_charts_draw_in_a_browser(page: Page, files: list[str]) -> None:
    """The real ones, as the installation has built them."""
    page.set_content("<!doctype html><title>Charts</title>")
    for name in files:
        page.add_script_tag(path=ROOT / VENDOR / name)
    drawn = page.evaluate(CHART)
    assert drawn == {"zoom": "function", "first": "00:00", "plugins": ["2.2.0", "3.1.0"]}
    assert canvas_ink(page, "#chart") > 0.01
    assert_quiet(page)


def test_bundle_can_stand_inside_a_script_element() -> None:
    text = (ROOT / VENDOR / BUNDLE).read_text(encoding="utf-8").lower()
    assert "</script" not in text
    assert "<!--" not in text
