"""The beginning of a source, for those who look at it before all of it is loaded."""

from collections.abc import Iterator

from pipeline.sources.base import Batch, Source


class FirstPart:
    """A source that ends with the batch in which it has given `most_rows`, or with its last one.

    `rows_read` says how many it has given since it was last begun, `complete` whether these are
    all there are.
    """

    def __init__(self, source: Source, most_rows: int | None = None) -> None:
        self.name = source.name
        self.size_bytes = source.size_bytes
        self.columns = source.columns
        self.bytes_read = 0
        self.rows_read = 0
        self.complete = True
        self._source = source
        self._most_rows = most_rows

    def batches(self) -> Iterator[Batch]:
        self.rows_read = 0
        batches = self._source.batches()
        for batch in batches:
            self.rows_read += len(batch.rows) + len(batch.misshapen)
            self.bytes_read = self._source.bytes_read
            yield batch
            if self._most_rows is not None and self.rows_read >= self._most_rows:
                self.complete = next(batches, None) is None
                return

    def sha256(self) -> str:
        return self._source.sha256()

    def describe(self) -> dict[str, str]:
        return self._source.describe()
