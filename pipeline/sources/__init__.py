"""Where readings come from: one file a format, all giving the same batches of text rows."""

from pipeline.sources.base import Batch, ColumnMap, Misshapen, Source
from pipeline.sources.open import expand_paths, open_source

__all__ = ["Batch", "ColumnMap", "Misshapen", "Source", "expand_paths", "open_source"]
