"""CSV with quotes: records that may go over several lines, read one by one, with line numbers."""

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import polars as pl

from pipeline.sources.base import Batch, ColumnMap, Misshapen

_RECORDS = 65_536


def quoted_batches(
    blocks: Iterable[bytes], line: int, delimiter: str, columns: ColumnMap
) -> Iterator[Batch]:
    """Batches of UTF-8 blocks of whole lines, the first being line `line` of the source."""
    reader = _Reader(blocks, line, delimiter, len(columns.header))
    while True:
        numbers: list[int] = []
        records: list[list[str]] = []
        raw: list[str] = []
        misshapen: list[Misshapen] = []
        for number, fields, text in reader:
            if len(fields) == len(columns.header):
                numbers.append(number)
                records.append(fields)
                raw.append(text)
            else:
                misshapen.append(Misshapen(number, len(fields), text))
            if len(records) + len(misshapen) == _RECORDS:
                break
        if not records and not misshapen:
            return
        yield Batch(
            _frame(numbers, records, columns),
            _picker(raw),
            len(columns.header),
            misshapen,
        )


def _frame(numbers: list[int], records: list[list[str]], columns: ColumnMap) -> pl.DataFrame:
    data = {
        name: [record[position] for record in records]
        for name, position in columns.positions.items()
    }
    schema = {"line": pl.Int64, **dict.fromkeys(data, pl.String)}
    return pl.DataFrame({"line": numbers, **data}, schema=schema)


class _picker:
    def __init__(self, raw: list[str]) -> None:
        self._raw = raw

    def __call__(self, places: Sequence[int]) -> list[str]:
        return [self._raw[place] for place in places]


class _Reader:
    """(line, fields, text) of each record; blank lines and comments are skipped.

    A record whose quote is never closed has no fields.
    """

    def __init__(self, blocks: Iterable[bytes], line: int, delimiter: str, width: int) -> None:
        self._lines = (text for block in blocks for text in block.decode().split("\n")[:-1])
        self._given_back: deque[str] = deque()
        self._line = line - 1
        self._delimiter = delimiter
        self._width = width

    def __iter__(self) -> Iterator[tuple[int, list[str], str]]:
        blank = " \t\r\v\f".replace(self._delimiter, "")
        while (text := self._next()) is not None:
            if text.startswith("#") or not text.strip(blank):
                continue
            if '"' not in text:
                yield self._line, text.split(self._delimiter), text
            else:
                yield self._record(text)

    def _record(self, first: str) -> tuple[int, list[str], str]:
        """A record that begins with the line `first`.

        A record over several lines with the wrong number of fields begins with a stray quote:
        then it is its first line only, and the following lines are read for themselves.
        """
        start = self._line
        used = [first]
        closed = True

        def feed() -> Iterator[str]:
            nonlocal closed
            yield first + "\n"
            while (text := self._next()) is not None:
                used.append(text)
                yield text + "\n"
            # Asked for more than there is.
            closed = False

        try:
            # Strict: text after a closing quote means that the opening one was a stray.
            fields = next(csv.reader(feed(), delimiter=self._delimiter, strict=True))
        except csv.Error:
            closed = False  # Or a field beyond the limit of `csv`.
        if not closed:
            fields = []
        if len(used) > 1 and len(fields) != self._width:
            self._given_back.extendleft(reversed(used[1:]))
            self._line = start
            return start, [], first
        return start, fields, "\n".join(used)

    def _next(self) -> str | None:
        self._line += 1
        if self._given_back:
            return self._given_back.popleft()
        return next(self._lines, None)
