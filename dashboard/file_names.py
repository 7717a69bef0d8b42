"""What a download is called: after its rig and its range, whatever the rig is called."""

import re
import unicodedata
from urllib.parse import quote

from pipeline.stores.base import Range

_LONGEST_RIG = 100


def disposition(selection: Range, date: str | None, ending: str) -> str:
    """The value of Content-Disposition (RFC 6266).

    The file is in no folder and begins with no dot. A name that is not ASCII is there twice: as
    near as ASCII comes to it, and in full by RFC 8187.
    """
    rest = "".join(f"_{part}" for part in _range(selection, date)) + f".{ending}"
    decomposed = unicodedata.normalize("NFKD", selection.rig).encode("ascii", "ignore").decode()
    plain = _safe(decomposed) + rest
    full = _safe(unicodedata.normalize("NFC", selection.rig)) + rest
    header = f'attachment; filename="{plain}"'
    return header if full == plain else f"{header}; filename*=UTF-8''{quote(full, safe='')}"


def _range(selection: Range, date: str | None) -> list[str]:
    if date is not None:
        return [date]
    start, end = (
        None if moment is None else f"{moment:%Y%m%dT%H%M%SZ}"
        for moment in (selection.start, selection.end)
    )
    if start and end:
        return [start, end]
    return [f"{word}-{moment}" for word, moment in (("from", start), ("until", end)) if moment]


def _safe(rig: str) -> str:
    return re.sub(r"[^\w.-]+", "-", rig).strip("-._")[:_LONGEST_RIG] or "readings"
