"""Hypothesis strategies: CSV texts that try hard to be misread, and the rigs to read them with."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from pipeline.rig import Rig, parse_rig

_CHANNELS = """
[channels.temperature]
unit = "degC"
valid = { min = 0, max = 150 }
limits = { low = 10, high = 80 }
z_score = { yellow = 1.5, red = 2.0 }
SOURCE_T

[channels.pressure]
unit = "hPa"
valid = { min = 800, max = 1200 }
limits = { low = 900, high = 1100 }
z_score = { yellow = 1.0, red = 1.6 }
SOURCE_P

[channels.uptime]
unit = "h"
kind = "counter"
valid = { min = 0 }

[channels.flow]
required = false
valid = { max = 10 }
"""


def _rig(head: str, temperature: str = "", pressure: str = "") -> Rig:
    text = _CHANNELS.replace("SOURCE_T", temperature).replace("SOURCE_P", pressure)
    return parse_rig(f'name = "rig-1"\n{head}\n{text}', "test")


PLAIN = _rig("")
BERLIN = _rig('time_zone = "Europe/Berlin"\n[files]\ndecimal = ","')
CONVERTED = _rig(
    'time_zone = "Asia/Kolkata"\n[files]\ntime_column = "When"',
    'source = { column = "Temp (°F)", unit = "degF" }',
    'source = { column = "P", unit = "bar" }',
)
GERMAN = _rig(
    'time_zone = "Europe/Berlin"\n[files]\ntime_format = "DD.MM.YYYY HH:mm:ss"\ndecimal = ","'
)
RIGS = {"plain": PLAIN, "berlin": BERLIN, "converted": CONVERTED, "german": GERMAN}

# Around both changes of Berlin's clocks, before 1970, and on an ordinary day.
_MOMENTS = (
    datetime(2025, 3, 30, 0, 30, tzinfo=UTC),
    datetime(2025, 10, 25, 23, 30, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 50, tzinfo=UTC),
    datetime(2025, 7, 13, tzinfo=UTC),
)
NASTY_TIMES = (
    "", " ", "NA", "n/a", "null", "None", "now", "2025-07-13", "12:00:00", "2025-13-01 00:00:00",
    "2025-07-32T00:00:00Z", "2025-02-29 00:00:00", "2025-07-13T24:00:00Z", "2025-07-13T12:60:00Z",
    "2025-07-13T12:00:60Z", "2025-07-13T12:30.5", "2025-07-13T12:00:00.1234567890Z",
    "2025-07-13T12:00:00.Z", "2025-07-13T12:00:00+24:00", "2025-07-13T12:00:00+02:60",
    "2025-07-13T12:00:00+2", "2025-07-13  12:00:00 +02:00", "2025-07-13t12:00:00z",
    "0000-06-01T00:00:00Z", "0001-01-01T00:00:00+02:00", "9999-12-31T23:59:59-05:00",
    "\u0662\u0660\u0662\u0665-07-13T12:00:00Z", "1e9", "1752364800.5", "99999999999999999999",
    "-99999999999",
    "-9223372036854775808", "9223372036854775807", "+1752364800", "-1", "0", "1_752_364_800",
    "31.12.2025 23:59:60", "30.03.2025 02:30:00", "26.10.2025 02:30:00", "32.01.2025 00:00:00",
    "13.07.25 12:00:00", "2025-03-30 02:30:00", "2025-10-26T02:30:00", "2025-10-26T02:30",
)  # fmt: skip
NASTY_NUMBERS = (
    "", " ", "NA", "n/a", "NULL", "None", "nil", "-", "NaN", "nan", "-nan", "inf", "-Infinity",
    "1e400", "-1e-400", "-0", "+1", ".5", "1.", ".", "1e1", "1E+1", "1e", "1_000", "0x10", "1,5",
    "1,5,5", "1.5.5", "1.5,5", "\u0661\u0662",
    "½", " 12 ", "\t12", "12 ", "1 2", "--1", "+-1", "12°C",
    "1f", "True", "#12", "'12", "0", "150", "150.00000000001", "-0.0000001", "800", "1200",
    "1200.1", "799.9", "10", "80", "900", "1100",
)  # fmt: skip


@dataclass(frozen=True)
class CsvText:
    """A text, how it is read, and a block size that cuts it in an awkward place."""

    text: str
    rig: Rig
    delimiter: str
    block_bytes: int
    rows_at_once: int
    outliers: str


def _written(moment: datetime, notation: str, rig: Rig) -> str:
    """A moment in one of the notations of the design."""
    microseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    local = moment.astimezone(rig.zone).replace(tzinfo=None)
    texts = {
        "local": local.isoformat(),
        "local blank": local.isoformat(" "),
        "local formatted": f"{local:%d.%m.%Y %H:%M:%S}",
        "zulu": f"{moment:%Y-%m-%dT%H:%M:%S}Z",
        "zulu fraction": f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond:06d}789Z",
        "tenths": f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 100_000}+00:00",
        "comma": f"{moment:%Y-%m-%dT%H:%M:%S},{moment.microsecond:06d}-0000",
        "colon": moment.astimezone(ZoneInfo("Asia/Kolkata")).isoformat(),
        "hours": moment.astimezone(ZoneInfo("Etc/GMT+5")).isoformat()[:-3],
        "no colon": f"{moment.astimezone(ZoneInfo('Europe/Berlin')):%Y-%m-%d %H:%M:%S%z}",
        "s": f"{microseconds // 1_000_000}",
        "ms": f"{microseconds // 1_000}",
        "us": f"{microseconds}",
        "ns": f"{microseconds}000",
    }
    return texts[notation]


_ISO_NOTATIONS = (
    "local", "local blank", "zulu", "zulu fraction", "tenths", "comma", "colon", "hours",
    "no colon", "s", "ms", "us", "ns",
)  # fmt: skip


@st.composite
def _times(draw: DrawFn, rig: Rig, base: datetime) -> str:
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(NASTY_TIMES))
    step = timedelta(minutes=15 * draw(st.integers(0, 12)))
    moment = base + step + timedelta(microseconds=draw(st.sampled_from((0, 0, 123456, 500000))))
    notations = ("local formatted",) if rig.files.time_format else _ISO_NOTATIONS
    return _written(moment, draw(st.sampled_from(notations)), rig)


@st.composite
def _numbers(draw: DrawFn, low: float, high: float, rig: Rig) -> str:
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(NASTY_NUMBERS))
    # A few values again and again, so that deviations are 0 as often as not.
    share = draw(st.sampled_from((0, 0, 500, 777)) | st.integers(0, 1000)) / 1000
    # As exact as sensors are: what differs in its last bit only has no deviation to speak of.
    value = round(low + (high - low) * share, 4)
    text = draw(st.sampled_from(("{:.3f}", "{:.6g}", "{!r}", "{:.4e}"))).format(value)
    return text.replace(".", ",") if rig.files.decimal == "," else text


def _fields(rig: Rig, base: datetime) -> dict[str, SearchStrategy[str]]:
    """Header -> what stands below it."""
    fahrenheit = rig.channels[0].source.unit == "degF"
    bar = rig.channels[1].source.unit == "bar"
    columns = {channel.name: channel.column for channel in rig.channels}
    return {
        rig.files.time_column: _times(rig, base),
        columns["temperature"]: _numbers(35, 300, rig) if fahrenheit else _numbers(5, 95, rig),
        columns["pressure"]: _numbers(0.81, 1.19, rig) if bar else _numbers(850, 1150, rig),
        columns["uptime"]: _numbers(0, 1e4, rig),
        columns["flow"]: _numbers(-5, 12, rig),
        "rig": st.sampled_from(
            ("rig-1", "", " rig-2 ", "rig-2", "=evil", "Motor 3", "a\ab", "x" * 201)
        ),
        "note": st.sampled_from(("", "a", "NA", "ü", "it's", "a # b", 'say "no"', "two\nlines")),
    }


@st.composite
def _lines(draw: DrawFn, columns: list[SearchStrategy[str]], delimiter: str) -> str:
    """One record, or something between records."""
    kind = draw(st.sampled_from("rrrrrrrrrrrr#b-+q"))
    if kind == "#":
        return draw(st.sampled_from(("# a comment", "#", f"#1{delimiter}2", '# "quoted')))
    if kind == "b":
        return draw(st.sampled_from(("", "", "  ", " " if delimiter == "\t" else "\t ")))
    fields = [draw(column) for column in columns]
    if kind == "-":
        fields = fields[:-1]
    if kind == "+":
        fields.append(draw(st.sampled_from(("", "5"))))
    quoted = [
        _quoted(text) if draw(st.integers(0, 19)) == 0 or _needs_quotes(text, delimiter) else text
        for text in fields
    ]
    if kind == "q":
        place = draw(st.integers(0, len(quoted) - 1))
        stray = draw(st.sampled_from(('"{}', '{}"', '"{}"x', '{}""', '""{}', ' "{}"')))
        quoted[place] = stray.format(fields[place])
    return delimiter.join(quoted)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _needs_quotes(text: str, delimiter: str) -> bool:
    return delimiter in text or "\n" in text


@st.composite
def csv_texts(draw: DrawFn) -> CsvText:
    """A CSV text with at least one record."""
    rig = draw(st.sampled_from(list(RIGS.values())))
    delimiters = ";\t|" if rig.files.decimal == "," else ",;\t|"
    delimiter = draw(st.sampled_from(delimiters))
    fields = _fields(rig, draw(st.sampled_from(_MOMENTS)))
    optional = [rig.channels[-1].column, "rig", "note"]
    left_out = draw(st.sets(st.sampled_from(optional)))
    order = draw(st.permutations([name for name in fields if name not in left_out]))
    header = delimiter.join(
        draw(st.sampled_from((name, name.upper(), f" {name}"))) for name in order
    )
    plain = _plain_record(rig, delimiter, order)
    lines = draw(st.lists(_lines([fields[name] for name in order], delimiter), max_size=14))
    before = draw(st.sampled_from(([], ["# made by a logger"], ["", "#"])))
    text = "\n".join([*before, header, plain, *lines])
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    return CsvText(
        text=draw(st.sampled_from(("", "\ufeff"))) + text + draw(st.sampled_from(("", "\n"))),
        rig=rig,
        delimiter=delimiter,
        block_bytes=draw(st.sampled_from((1 << 20, 400, 150, 61, 16))),
        rows_at_once=draw(st.sampled_from((1 << 20, 3, 1))),
        outliers=draw(st.sampled_from(("flag", "reject"))),
    )


def _plain_record(rig: Rig, delimiter: str, order: list[str]) -> str:
    """A row that nothing is wrong with, so that the text is never without one."""
    columns = {channel.column: channel.name for channel in rig.channels}
    fahrenheit, bar = rig.channels[0].source.unit, rig.channels[1].source.unit
    values = {
        rig.files.time_column: "30.03.2025 03:00:00" if rig.files.time_format else "1743296400",
        "temperature": "86" if fahrenheit else "30",
        "pressure": "1" if bar else "1000",
        "uptime": "1",
    }
    return delimiter.join(values.get(columns.get(name, name), "") for name in order)
