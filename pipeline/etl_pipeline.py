"""Extract, transform, load: the story in one page. `python pipeline/etl_pipeline.py` runs it."""

import hashlib
import json
import logging
import runpy
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.ahead import ahead
from pipeline.errors import SourceError
from pipeline.frames import FrameKind, from_polars, to_polars
from pipeline.output import ProcessedCsv
from pipeline.retention import apply_retention
from pipeline.retry import Retry
from pipeline.rig import Rig, configured_rig
from pipeline.scoring import scored_schema
from pipeline.settings import Settings, get_settings
from pipeline.sources import Source, expand_paths, open_source
from pipeline.sources.frame import FrameSource
from pipeline.sources.simulation import simulation_source
from pipeline.stores import Store, open_store
from pipeline.stores.base import Incoming, LoadOutcome, SourceIdentity, span
from pipeline.summary import EtlSummary, SourceSummary
from pipeline.transform import Transformed, transform
from pipeline.words import counted

logger = logging.getLogger(__name__)

# stage, done, total; bytes while reading, rows while loading
Progress = Callable[[str, int, int], None]


def extract_data(
    path: str | None = None,
    *,
    settings: Settings | None = None,
    rig: Rig | None = None,
    kind: FrameKind = "pandas",
) -> Any:
    """The rows of a file (default: DATA_PATH, or the simulation where there is none).

    Columns are named as the rig's channels; a channel of which every value is a number has that
    type, everything else of a text file stays text as written. Records with the wrong number of
    fields have no place in a frame: they are counted in a warning (`run_etl` keeps them as
    rejects). Raises SourceError.
    """
    settings = settings or get_settings()
    rig = rig or configured_rig(settings)
    source = open_source(path, rig) if path else _default_source(settings, rig)
    batches = list(source.batches())
    misshapen = sum(len(batch.misshapen) for batch in batches)
    if misshapen:
        logger.warning(
            "%s: %s with the wrong number of fields", source.name, counted(misshapen, "row")
        )
    rows = pl.concat([batch.rows for batch in batches]).drop("line")
    return from_polars(_typed(rows, rig), kind)


def transform_data(df: Any, *, settings: Settings | None = None, rig: Rig | None = None) -> Any:
    """Accepted readings of a frame (pandas, Polars, Arrow), scored; the same kind of frame.

    Columns: rig, timestamp (UTC), channels, then `<channel>_zscore` and `<channel>_alert` of
    each scored channel. Rejected rows are left out and counted in a log line.
    Raises SourceError when a required column is missing.
    """
    settings = settings or get_settings()
    rig = rig or configured_rig(settings)
    frame, kind = to_polars(df)
    with transform(FrameSource(frame, rig), rig, settings.outliers) as outcome:
        readings = list(outcome.readings())
        if outcome.rejected:
            logger.info("rejected: %s", dict(outcome.rejected))
    schema = scored_schema(rig)
    scored = pl.concat(readings).select(list(schema)) if readings else pl.DataFrame(schema=schema)
    return from_polars(scored, kind)


def load_data(
    df: Any, *, settings: Settings | None = None, rig: Rig | None = None
) -> SourceSummary:
    """Store a frame that `transform_data` has made, as one load.

    Raises SourceError when it has not the columns of one.
    """
    settings = settings or get_settings()
    rig = rig or configured_rig(settings)
    frame = _transformed(df, rig)
    digest = hashlib.sha256(frame.write_ipc(None).getvalue()).hexdigest()
    identity = SourceIdentity("frame", digest, rig, "{}")
    outcome = LoadOutcome(rows_read=len(frame), accepted=len(frame))
    parts = frame.partition_by("rig", maintain_order=True)
    incoming = Incoming(len(frame), {part["rig"][0]: span(part)[:2] for part in parts})
    with closing(open_store(settings)) as store:

        def store_once() -> int | None:
            with store.loading(identity, incoming) as load:
                if load is None:
                    return None
                load.add_readings(parts)
                load.finish(outcome)
                return load.load_id

        load_id = Retry(settings.database_retry_s)(store_once)
        if load_id is None:
            return SourceSummary("frame", "already loaded", store.known_load(identity))
    return SourceSummary("frame", "loaded", load_id, len(frame), len(frame))


def _transformed(df: Any, rig: Rig) -> pl.DataFrame:
    """A frame that `transform_data` has made, with its rig. Raises SourceError for another one."""
    frame, _ = to_polars(df)
    missing = [name for name in ("timestamp", *rig.value_columns) if name not in frame.columns]
    if missing:
        raise SourceError(
            f"the frame has no column {', '.join(missing)}; pass it through transform_data first"
        )
    if "rig" not in frame.columns:
        frame = frame.with_columns(pl.lit(rig.name).alias("rig"))
    kind = frame.schema["timestamp"]
    if not isinstance(kind, pl.Datetime) or kind.time_zone is None:
        raise SourceError(
            "column timestamp holds no times with a zone; pass the frame through transform_data"
        )
    # Two nanoseconds may be one microsecond.
    utc = pl.col("timestamp").dt.cast_time_unit("us").dt.convert_time_zone("UTC")
    frame = frame.with_columns(utc)
    if frame.select(pl.any_horizontal(pl.col("rig", "timestamp").is_null().any())).item():
        raise SourceError("a row has no time or no rig; pass the frame through transform_data")
    if frame.select(pl.struct("rig", "timestamp").is_duplicated().any()).item():
        raise SourceError("the frame has a time twice; pass it through transform_data first")
    return frame


def run_etl(
    paths: Sequence[str] = (),
    *,
    settings: Settings | None = None,
    rig: Rig | None = None,
    output: Path | None = None,
    force: bool = False,
    progress: Progress = lambda stage, done, total: None,
) -> EtlSummary:
    """Read, check, score and store sources: DATA_PATH, or the paths, globs or `-` given.

    Each source is one load. The processed CSV goes to `output`; without paths its default is
    PROCESSED_DATA_PATH. Of several sources one that cannot be read is reported as `failed` and
    the others are loaded. At the end goes what is older than RETENTION. Raises SourceError,
    RigError, DatabaseError; what was loaded before stays.
    """
    settings = settings or get_settings()
    rig = rig or configured_rig(settings)
    files = _files(paths)
    if not paths:
        output = output or settings.processed_data_path
    summary = EtlSummary()
    with (
        closing(open_store(settings)) as store,
        ProcessedCsv(output, rig, [file or str(settings.data_path) for file in files]) as processed,
    ):
        for file in files:
            try:
                source = _open(file, settings, rig)
                summary.add(_load_source(source, rig, settings, store, processed, force, progress))
            except SourceError as error:
                if len(files) == 1:
                    raise
                summary.add(SourceSummary(str(file), "failed", error=str(error)))
        processed.publish()
        apply_retention(store, settings)
    return summary


def load_source(
    source: Source,
    rig: Rig,
    settings: Settings,
    store: Store,
    *,
    force: bool = False,
    progress: Progress = lambda stage, done, total: None,
) -> SourceSummary:
    """Store one source that is already open; nothing else is written.

    An error that `progress` raises ends the load, and nothing of it is stored.
    """
    nowhere = ProcessedCsv(None, rig)
    return _load_source(source, rig, settings, store, nowhere, force, progress)


def sources_of(paths: Sequence[str], settings: Settings, rig: Rig) -> Iterator[Source]:
    """The sources for what somebody typed, each opened when its turn comes."""
    for file in _files(paths):
        yield _open(file, settings, rig)


def _files(paths: Sequence[str]) -> list[str | None]:
    """The files that paths and globs stand for; None is what is read by default."""
    return list(expand_paths(paths)) or [None]


def _open(file: str | None, settings: Settings, rig: Rig) -> Source:
    return open_source(file, rig) if file else _default_source(settings, rig)


def identity_of(source: Source, rig: Rig, settings: Settings) -> SourceIdentity:
    """What makes a load of this source the same load again; its content is read for that."""
    used = json.dumps({"outliers": settings.outliers})
    return SourceIdentity(source.name, source.sha256(), rig, used)


def _load_source(
    source: Source,
    rig: Rig,
    settings: Settings,
    store: Store,
    processed: ProcessedCsv,
    force: bool,
    progress: Progress,
) -> SourceSummary:
    started = time.perf_counter()
    identity = identity_of(source, rig, settings)
    known = store.known_load(identity)
    if known is not None and not force and not processed.wanted:
        return SourceSummary(source.name, "already loaded", load_id=known)
    with transform(
        source,
        rig,
        settings.outliers,
        lambda done: progress("reading", done, source.size_bytes),
        store.retained_from(),
    ) as outcome:
        read_s = time.perf_counter() - started
        place = processed.place

        def store_once() -> int | None:
            # What an earlier try has written goes.
            processed.back_to(place)
            return _store(outcome, identity, store, processed, force, progress)

        load_id = Retry(settings.database_retry_s)(store_once)
    if load_id is None:
        return SourceSummary(source.name, "already loaded", store.known_load(identity))
    seconds = time.perf_counter() - started
    return SourceSummary(
        source.name,
        "loaded" if outcome.accepted else "nothing accepted",
        load_id=load_id,
        rows_read=outcome.rows_read,
        accepted=outcome.accepted,
        rejected_by_reason=outcome.rejected_by_reason,
        ignored_columns=source.columns.ignored,
        kpis={
            name: tally.kpis(
                outcome.accepted_moments[name],
                # Which of several rigs a rejected row belongs to is not always known.
                outcome.rejected_by_reason if len(outcome.tallies) == 1 else None,
                rig.interval_s,
            )
            for name, tally in outcome.tallies.items()
        },
        seconds={"read": read_s, "load": seconds - read_s, "total": seconds},
    )


def _store(
    outcome: Transformed,
    identity: SourceIdentity,
    store: Store,
    processed: ProcessedCsv,
    force: bool,
    progress: Progress,
) -> int | None:
    """One transaction: readings, rejects, ledger and change. None where it was done before."""
    progress("loading", 0, outcome.rows_read)  # it may wait for others from here on
    with store.loading(identity, outcome.incoming, again=force) as load:
        if load is not None:
            # Closed in any case: the thread of a try that failed must not go on beside the next.
            with closing(ahead(_written(outcome.readings(), processed))) as written:
                load.add_readings(_watched(written, outcome, progress))
            load.add_rejects(outcome.rejects())
            load.finish(outcome.load_outcome)
            return load.load_id
    for readings in outcome.readings():
        processed.add(readings)
    return None


def _watched(
    readings: Iterator[pl.DataFrame], outcome: Transformed, progress: Progress
) -> Iterator[pl.DataFrame]:
    for frame in readings:
        yield frame
        progress("loading", outcome.accepted, outcome.rows_read)


def _written(readings: Iterator[pl.DataFrame], processed: ProcessedCsv) -> Iterator[pl.DataFrame]:
    for frame in readings:
        processed.add(frame)
        yield frame


def _default_source(settings: Settings, rig: Rig) -> Source:
    """DATA_PATH, or the simulation where it does not exist."""
    if settings.data_path.exists():
        return open_source(str(settings.data_path), rig)
    logger.warning("%s does not exist: reading the simulation instead", settings.data_path)
    return simulation_source(rig)


def _typed(rows: pl.DataFrame, rig: Rig) -> pl.DataFrame:
    """Channels of which every value is a number get that type."""
    if rig.files.decimal != ".":
        return rows
    typed = []
    for channel in rig.channels:
        if rows.schema.get(channel.name) == pl.String:
            number = rows[channel.name].cast(pl.Float64, strict=False)
            if not number.is_null().any():
                typed.append(number)
    return rows.with_columns(typed)


if __name__ == "__main__":
    # By name, because the command imports this module.
    sys.argv.insert(1, "etl")
    runpy.run_module("pipeline.cli", run_name="__main__")
