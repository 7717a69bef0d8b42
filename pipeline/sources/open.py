"""From what somebody typed (a path, a glob, `-`) to sources that can be read twice."""

import glob
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import FormatError, SourceError
from pipeline.rig import Rig
from pipeline.sources.base import Source
from pipeline.sources.csv import CsvSource
from pipeline.sources.parquet import ParquetSource

_GLOB = frozenset("*?[")
# How files begin that people take for tables, and what to do with them.
_OTHERS = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook; unpack it, or save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save the sheet as CSV",
    b"BZh": "compressed with bzip2; unpack it, or compress it with gzip",
    b"\xfd7zX": "compressed with xz; unpack it, or compress it with gzip",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; unpack it, or compress it with gzip",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"%PDF": "a PDF document; export its table as CSV",
    b"ARRO": "an Arrow file; write it as Parquet",
}


def expand_paths(arguments: Sequence[str]) -> list[str]:
    """Paths in order; globs expanded and sorted, `-` kept. Raises SourceError for no match."""
    paths: list[str] = []
    for argument in arguments:
        if argument == "-" or not _GLOB & set(argument) or Path(argument).exists():
            paths.append(argument)
            continue
        matches = sorted(path for path in glob.glob(argument, recursive=True))
        if not matches:
            raise SourceError(f"{argument}: no file matches")
        paths.extend(matches)
    return list(dict.fromkeys(paths))


def open_source(
    path: str, rig: Rig, standard_input: BinaryIO | None = None, *, name: str | None = None
) -> Source:
    """A source for a path or `-`, its header already read and matched with the rig.

    It is called `name` in messages and in the ledger, else by its path.

    Standard input is first copied to a temporary file that vanishes with the process: the ETL
    reads its rows once more when some turn out to be duplicates.
    Raises SourceError when it is missing, unreadable, empty or lacks a required column, and
    FormatError where it is no CSV or Parquet.
    """
    if path == "-":
        return CsvSource("standard input", rig, spooled=_spool(standard_input or sys.stdin.buffer))
    file = Path(path)
    name = path if name is None else name
    try:
        if file.is_dir():
            raise SourceError(f"{path}: is a folder; give its files, such as {path}/*.csv")
        with file.open("rb") as stream:
            if not file.is_file():
                # A pipe, such as a shell's <(...), can be read only once.
                return CsvSource(name, rig, spooled=_spool(stream))
            magic = stream.read(4)
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file") from None
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None
    if magic == b"PAR1":
        return ParquetSource(file, rig, name)
    for beginning, what in _OTHERS.items():
        if magic.startswith(beginning):
            raise FormatError(f"{name}: not CSV or Parquet, but {what}")
    return CsvSource(name, rig, path=file)


def _spool(stream: BinaryIO) -> BinaryIO:
    spooled = tempfile.TemporaryFile()
    shutil.copyfileobj(stream, spooled, 1 << 20)
    return spooled
