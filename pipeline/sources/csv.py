"""CSV files: delimiter, encoding and header found, lines counted, in blocks of bounded size.

Three ways to read a block, from fast to careful, with the same result: all lines have the right
number of fields (Polars reads the block as it is); some have not (the others are read);
from the first quote on, Python's `csv` module, which knows where a quoted record ends.
"""

import codecs
import csv
import gzip
import hashlib
import io
import weakref
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, cast

import polars as pl

from pipeline.errors import FormatError, SourceError
from pipeline.rig import Rig
from pipeline.sources.base import Batch, ColumnMap, Misshapen
from pipeline.sources.proposal import SAMPLE_ROWS, Sample
from pipeline.sources.quoted import quoted_batches

_BLOCK_BYTES = 8 << 20
_LONGEST_LINE = 16 << 20
_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_UTF8 = {"utf-8", "utf-8-sig", "ascii"}


class CsvSource:
    """One CSV file, plain or gzip-compressed, or standard input spooled to a file."""

    def __init__(
        self,
        name: str,
        rig: Rig,
        *,
        path: Path | None = None,
        spooled: BinaryIO | None = None,
    ) -> None:
        self.name = name
        self.bytes_read = 0
        self._path = path
        self._spooled = spooled
        if spooled is not None:
            weakref.finalize(self, spooled.close)
        with self._open() as stream:
            magic = stream.read(4)
            self.size_bytes = stream.seek(0, io.SEEK_END)
        if not self.size_bytes:
            raise SourceError(f"{name}: is empty; expected a header line and rows")
        self._compressed = magic.startswith(b"\x1f\x8b")
        self._encoding = self._find_encoding(rig.files.encoding)
        self._header_line, header = self._find_header()
        try:
            self._delimiter = rig.files.delimiter or _find_delimiter(header, rig)
            fields = next(csv.reader([header], delimiter=self._delimiter))
        except csv.Error as error:
            line = self._header_line
            raise SourceError(f"{name}: line {line}: not a CSV header: {error}") from None
        self.columns = ColumnMap.find(fields, rig, name, lambda: self._sample(len(fields)))
        if not any(len(batch.rows) or batch.misshapen for batch in self.batches()):
            raise SourceError(f"{name}: has a header but no rows")

    def batches(self) -> Iterator[Batch]:
        line = 1
        blocks = self._blocks()
        for block in blocks:
            lines = block.count(b"\n")
            before = min(max(self._header_line - line + 1, 0), lines)
            rest = block.split(b"\n", before)[-1] if before else block
            line += before
            if b'"' in rest:
                yield from quoted_batches(
                    chain([rest], blocks), line, self._delimiter, self.columns
                )
                return
            if rest:
                yield self._batch(rest, line)
            line += lines - before

    def sha256(self) -> str:
        with self._open() as stream:
            return hashlib.file_digest(cast(io.BufferedReader, stream), "sha256").hexdigest()

    def describe(self) -> dict[str, str]:
        kind = "CSV, gzip-compressed" if self._compressed else "CSV"
        delimiter = _DELIMITERS.get(self._delimiter, repr(self._delimiter))
        return {"format": kind, "delimiter": delimiter, "encoding": self._encoding}

    def _batch(self, block: bytes, line: int) -> Batch:
        """A block without quotes, of whole lines, the first of them being line `line`."""
        separator = self._delimiter.encode()
        commas = len(self.columns.header) - 1
        lines = block.count(b"\n")
        special = block.startswith((b"\n", b"#")) or b"\n\n" in block or b"\n#" in block
        # Of a single column a blank line has as many delimiters as a row.
        if commas and not special and block.count(separator) == lines * commas:
            try:
                rows = self._parse(block)
            except pl.exceptions.PolarsError:
                pass  # One line has a field too many and another one too few.
            else:
                numbers = pl.int_range(line, line + lines, dtype=pl.Int64, eager=True)
                return Batch(
                    rows.insert_column(0, numbers.alias("line")),
                    _raw_of(block),
                    commas + 1,
                )
        good: list[bytes] = []
        numbers_of_good: list[int] = []
        misshapen: list[Misshapen] = []
        blank = b" \t\r\v\f".replace(separator, b"")
        for number, text in enumerate(block.split(b"\n")[:-1], line):
            found = text.count(separator)
            if text.startswith(b"#") or not text.strip(blank):
                continue
            if found == commas:
                good.append(text)
                numbers_of_good.append(number)
            else:
                misshapen.append(Misshapen(number, found + 1, text.decode()))
        rows = self._parse(b"\n".join([*good, b""]))
        rows = rows.insert_column(0, pl.Series("line", numbers_of_good, dtype=pl.Int64))
        return Batch(
            rows,
            lambda places: [good[place].decode() for place in places],
            commas + 1,
            misshapen,
        )

    def _parse(self, block: bytes) -> pl.DataFrame:
        """Our columns, as text, of lines that all have the header's number of fields."""
        positions = self.columns.positions
        schema = {str(position): pl.String for position in range(len(self.columns.header))}
        names = {str(position): name for name, position in positions.items()}
        if not block:
            return pl.DataFrame(schema=dict.fromkeys(positions, pl.String))
        return (
            pl.read_csv(
                block,
                has_header=False,
                schema=schema,
                separator=self._delimiter,
                quote_char=None,
            )
            .select(list(names))
            .rename(names)
        )

    def _blocks(self) -> Iterator[bytes]:
        """The content as UTF-8 in blocks of whole lines, every line ended by a line feed."""
        decoder = None
        if self._encoding not in _UTF8:
            decoder = codecs.getincrementaldecoder(self._encoding)()
        rest = b""
        line = 1
        with self._open() as raw:
            stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if self._compressed else raw
            first = True
            ended = False
            while not ended:
                chunk = self._read(stream, line)
                ended = not chunk
                self.bytes_read = raw.tell()
                if decoder:
                    chunk = self._decode(decoder, chunk, line, ended).encode()
                if first:
                    chunk = chunk.removeprefix(codecs.BOM_UTF8)
                    old_line_ends = b"\r" in chunk[:-1] and b"\n" not in chunk
                    first = False
                if old_line_ends:
                    chunk = chunk.replace(b"\r", b"\n")
                block = rest + chunk
                if ended and block and not block.endswith(b"\n"):
                    block += b"\n"
                cut = block.rfind(b"\n") + 1
                block, rest = block[:cut], block[cut:]
                if len(rest) > _LONGEST_LINE:
                    raise FormatError(f"{self.name}: line {line} does not end; not a CSV file")
                if block:
                    block = self._checked(block, line)
                    yield block
                    line += block.count(b"\n")

    def _checked(self, block: bytes, line: int) -> bytes:
        """The block with `\\n` line ends. Raises SourceError unless it is UTF-8 text."""
        if b"\0" in block:
            place = line + block.count(b"\n", 0, block.index(b"\0"))
            raise FormatError(f"{self.name}: line {place} has a zero byte: a binary file, not CSV")
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        if not block.isascii():
            try:
                block.decode()
            except UnicodeDecodeError as error:
                place = line + block.count(b"\n", 0, error.start)
                raise self._wrong_encoding(place, block[error.start]) from None
        return block

    def _decode(
        self, decoder: codecs.IncrementalDecoder, chunk: bytes, line: int, final: bool
    ) -> str:
        try:
            return decoder.decode(chunk, final)
        except UnicodeError as error:
            raise SourceError(
                f"{self.name}: after line {line}: not {self._encoding} text ({error}); "
                "set encoding in the rig file"
            ) from None

    def _wrong_encoding(self, line: int, byte: int) -> SourceError:
        return SourceError(
            f"{self.name}: line {line}: byte 0x{byte:02X} is not UTF-8; if it is text, set "
            'encoding in the rig file: encoding = "cp1252" (Windows) or "latin-1"'
        )

    def _read(self, stream: BinaryIO, line: int) -> bytes:
        try:
            return stream.read(_BLOCK_BYTES)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise SourceError(f"{self.name}: damaged gzip after line {line}: {error}") from None
        except OSError as error:
            raise SourceError(f"{self.name}: {error.strerror or error}") from None

    def _find_encoding(self, encoding: str) -> str:
        """The encoding that a byte-order mark tells, else the rig file's."""
        with self._open() as raw:
            stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if self._compressed else raw
            try:
                start = stream.read(3)
            except (EOFError, zlib.error, OSError) as error:
                raise SourceError(f"{self.name}: damaged gzip: {error}") from None
        for mark, name in _BYTE_ORDER_MARKS.items():
            if start.startswith(mark):
                return name
        return codecs.lookup(encoding).name

    def _find_header(self) -> tuple[int, str]:
        """Number and text of the first line that is neither blank nor a comment."""
        line = 0
        for block in self._blocks():
            for text in io.BytesIO(block):
                line += 1
                if text.strip() and not text.startswith(b"#"):
                    return line, text.decode().rstrip("\n")
        raise SourceError(f"{self.name}: has no header line, only blank lines and comments")

    def _sample(self, width: int) -> Sample:
        """The first rows as text."""
        lines = (text.decode() for block in self._blocks() for text in io.BytesIO(block))
        rows = islice(lines, self._header_line, self._header_line + SAMPLE_ROWS)
        kept = (text for text in rows if text.strip() and not text.startswith("#"))
        found: list[list[str]] = []
        with suppress(csv.Error):
            found.extend(
                row for row in csv.reader(kept, delimiter=self._delimiter) if len(row) == width
            )
        columns = [pl.Series(values, dtype=pl.String) for values in zip(*found, strict=True)]
        # What a byte-order mark tells needs no entry in a rig file.
        told = self._encoding in {*_UTF8, *_BYTE_ORDER_MARKS.values()}
        return Sample(columns, self._delimiter, "utf-8" if told else self._encoding)

    def _open(self) -> AbstractContextManager[BinaryIO]:
        if self._spooled is not None:
            self._spooled.seek(0)
            return nullcontext(self._spooled)
        assert self._path is not None
        try:
            return self._path.open("rb")
        except OSError as error:
            raise SourceError(f"{self.name}: {error.strerror}") from None


def _find_delimiter(header: str, rig: Rig) -> str:
    """The delimiter under which most of the wanted columns are found, then most fields."""
    wanted = {rig.files.time_column, "timestamp"}
    wanted |= {name for channel in rig.channels for name in (channel.column, channel.name)}
    wanted = {name.casefold() for name in wanted}

    def fit(delimiter: str) -> tuple[int, int]:
        fields = next(csv.reader([header], delimiter=delimiter))
        return len(wanted & {field.strip().casefold() for field in fields}), len(fields)

    return max(_DELIMITERS, key=fit)


class _raw_of:
    """The lines of a block by position; split only when somebody asks."""

    def __init__(self, block: bytes) -> None:
        self._block = block

    def __call__(self, places: Sequence[int]) -> list[str]:
        if not places:
            return []
        lines = self._block.split(b"\n")
        return [lines[place].decode() for place in places]
