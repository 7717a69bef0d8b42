"""From what somebody typed to sources: globs, folders, standard input, files not there."""

import gzip
import io
import os
import threading
from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import SourceError
from pipeline.rig import Rig
from pipeline.sources import expand_paths, open_source

TEXT = "timestamp,temperature,pressure,uptime\n2025-07-13T00:00:00Z,20,1000,1\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("b.csv", "a.csv", "c.txt", "[x].csv"):
        (tmp_path / name).write_text(TEXT)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "d.csv").write_text(TEXT)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["b.csv", "a.csv"], ["b.csv", "a.csv"], id="paths keep their order"),
        pytest.param(["?.csv"], ["a.csv", "b.csv"], id="a glob is sorted"),
        pytest.param(["b.csv", "?.csv"], ["b.csv", "a.csv"], id="nothing twice"),
        pytest.param(["**/d.csv"], [os.path.join("deep", "er", "d.csv")], id="folders below"),
        pytest.param(["[x].csv"], ["[x].csv"], id="a file named like a glob"),
        pytest.param(["-"], ["-"], id="standard input"),
        pytest.param(["missing.csv"], ["missing.csv"], id="what is not there is said later"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_expand_paths(arguments: list[str], expected: list[str]) -> None:
    assert expand_paths(arguments) == expected


def test_a_glob_without_a_match_is_an_error() -> None:
    with pytest.raises(SourceError, match=r"^z\*\.csv: no file matches$"):
        expand_paths(["a.csv", "z*.csv"])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv", TEXT.encode()),
        ("x.csv.gz", gzip.compress(TEXT.encode(), mtime=0)),
        ("named-wrongly.csv", gzip.compress(TEXT.encode(), mtime=0)),
        ("no-suffix", TEXT.encode()),
    ],
)
def test_the_format_is_told_by_the_content(
    name: str, content: bytes, folder: Path, rig: Rig
) -> None:
    (folder / name).write_bytes(content)
    source = open_source(name, rig)
    assert source.name == name
    assert sum(len(batch.rows) for batch in source.batches()) == 1


def test_parquet_is_told_by_its_content(folder: Path, rig: Rig) -> None:
    pl.read_csv(TEXT.encode()).write_parquet(folder / "x.csv")
    assert open_source("x.csv", rig).describe()["format"] == "Parquet"


def test_standard_input_is_read_more_than_once(rig: Rig) -> None:
    source = open_source("-", rig, standard_input=io.BytesIO(gzip.compress(TEXT.encode(), mtime=0)))
    assert source.name == "standard input"
    for _ in range(2):
        assert sum(len(batch.rows) for batch in source.batches()) == 1


@pytest.mark.skipif(os.name == "nt", reason="named pipes of POSIX")
def test_a_pipe_is_read_more_than_once(folder: Path, rig: Rig) -> None:
    os.mkfifo(folder / "pipe")
    writer = threading.Thread(target=(folder / "pipe").write_text, args=(TEXT,))
    writer.start()
    source = open_source("pipe", rig)
    writer.join()
    for _ in range(2):
        assert sum(len(batch.rows) for batch in source.batches()) == 1


def test_empty_standard_input_is_an_error(rig: Rig) -> None:
    with pytest.raises(SourceError, match=r"^standard input: is empty; expected a header line"):
        open_source("-", rig, standard_input=io.BytesIO())


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing.csv", r"^missing\.csv: no such file$"),
        ("deep", r"^deep: is a folder; give its files, such as deep/\*\.csv$"),
        ("a.csv/b.csv", r"^a\.csv/b\.csv: Not a directory$"),
        ("x" * 300, r"^x{300}: File name too long$"),
    ],
)
def test_what_cannot_be_opened_is_one_clear_line(path: str, message: str, rig: Rig) -> None:
    with pytest.raises(SourceError, match=message):
        open_source(path, rig)


def test_no_permission_is_one_clear_line(
    folder: Path, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    # Whoever runs the tests may be allowed everything.
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SourceError, match=r"^a\.csv: Permission denied$"):
        open_source("a.csv", rig)
