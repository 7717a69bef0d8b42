"""Frames on disk between two passes."""

import polars as pl
import pytest

from pipeline.errors import SmartSensorError
from pipeline.rig import LEVELS
from pipeline.spool import Spool


def test_frames_come_back_as_they_were_in_any_order() -> None:
    frames = [
        pl.DataFrame({"x": [1.5, None], "level": pl.Series(["red", None], dtype=pl.Enum(LEVELS))}),
        pl.DataFrame({"text": ["ü", ""]}),
        pl.DataFrame(schema={"x": pl.Int64}),
    ]
    spool = Spool()
    for frame in frames:
        spool.append(frame)
    assert len(spool) == 3
    assert all(spool[number].equals(frames[number]) for number in (2, 0, 1))
    assert [frame.columns for frame in spool] == [["x", "level"], ["text"], ["x"]]
    spool.close()


def test_a_full_disk_is_one_line_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool()
    file, spool._file = spool._file, _FullDisk()  # type: ignore[assignment]
    with pytest.raises(SmartSensorError, match=r"No space left on device; .* set TMPDIR"):
        spool.append(pl.DataFrame({"x": [1]}))
    file.close()


class _FullDisk:
    def seek(self, _: int) -> None: ...

    def write(self, _: memoryview) -> None:
        raise OSError(28, "No space left on device")
