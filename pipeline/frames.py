"""Frames of other libraries: taken as they come, given back as the kind they were."""

from typing import Any, Literal, TypeVar

import polars as pl

FrameKind = Literal["pandas", "polars", "arrow"]
Frame = TypeVar("Frame")


def to_polars(frame: Any) -> tuple[pl.DataFrame, FrameKind]:
    """A pandas, Polars or Arrow table as Polars, and which it was. Raises TypeError.

    In pandas a missing value is NaN: it becomes null here, not a value that is not finite.
    """
    if isinstance(frame, pl.DataFrame):
        return frame, "polars"
    if isinstance(frame, pl.LazyFrame):
        return frame.collect(), "polars"
    library = type(frame).__module__.partition(".")[0]
    if library == "pandas":
        return _from_pandas(frame), "pandas"
    if library == "pyarrow":
        table = pl.from_arrow(frame)
        assert isinstance(table, pl.DataFrame)
        return table, "arrow"
    raise TypeError(
        f"a pandas, Polars or Arrow table is needed, not {type(frame).__module__}."
        f"{type(frame).__qualname__}"
    )


def _from_pandas(frame: Any) -> pl.DataFrame:
    """A column of numbers and text, as `read_csv` makes of a long dirty file, becomes text."""
    from pandas.api.types import infer_dtype

    mixed = [
        name for name in frame.columns if infer_dtype(frame[name]).startswith(("mixed", "bytes"))
    ]
    text = {name: frame[name].map(str, na_action="ignore") for name in mixed}
    found: pl.DataFrame = pl.from_pandas(frame.assign(**text), nan_to_null=True)
    return found


def from_polars(frame: pl.DataFrame, kind: FrameKind) -> Any:
    """The frame as the given kind; categories become text outside Polars."""
    if kind == "polars":
        return frame
    text = frame.with_columns(pl.col(pl.Enum).cast(pl.String))
    return text.to_pandas() if kind == "pandas" else text.to_arrow()
