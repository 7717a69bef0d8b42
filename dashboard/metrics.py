"""What this process, or each of several workers, has done, and what is stored, for Prometheus."""

import os
import platform
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from fastapi import APIRouter, FastAPI, Request, Response
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.answers import Context
from dashboard.live import Live
from dashboard.worker_figures import FOLDER_VARIABLE, WorkerFigures
from pipeline import __version__
from pipeline.errors import SmartSensorError
from pipeline.stores.base import Accounts, StoredRig

router = APIRouter(tags=["operation"])

Labels = TypeVar("Labels", bound=tuple[str, ...])

# Kept answers take less than a millisecond, questions about years some hundred.
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
_OTHER = "other"
# Each rig is a time series in whatever scrapes this.
_MOST_RIGS = 1_000


class Metrics:
    """The figures of one application, in a registry of its own."""

    def __init__(self, context: Context, live: Live) -> None:
        own = CollectorRegistry()
        self.requests = Counter(
            "smart_sensor_http_requests",
            "Requests that were answered.",
            ("method", "route", "status"),
            registry=own,
        )
        self.latency = Histogram(
            "smart_sensor_http_request_seconds",
            "Seconds until an answer began to be sent.",
            ("method", "route"),
            buckets=_BUCKETS_S,
            registry=own,
        )
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        own.register(_Process(context, live))
        ProcessCollector(registry=own)
        self.registry, self.workers = own, None
        if folder := os.environ.get(FOLDER_VARIABLE):
            self.registry, self.workers = CollectorRegistry(), WorkerFigures(Path(folder), own)
            self.registry.register(self.workers)
        self.registry.register(_Stored(context))

    def of(self, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
        """What such requests are counted by; to look it up by its labels takes as long again."""
        found = self._children.get((method, route, status))
        if found is None:
            requests = self.requests.labels(method, route, str(status))
            found = self._children[method, route, status] = (
                requests,
                self.latency.labels(method, route),
            )
        return found

    async def watch(self) -> None:
        """Let other workers know the figures of this one, until cancelled."""
        if self.workers is not None:
            await self.workers.keep_written()


def install(app: FastAPI) -> None:
    """Count the requests of an application, and answer with its figures at `/metrics`."""
    metrics = Metrics(app.state.context, app.state.live)
    app.state.metrics = metrics
    app.add_middleware(CountRequests, metrics=metrics)
    app.include_router(router)


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}, "application/openmetrics-text": {}}}},
)
def metrics(request: Request) -> Response:
    """Requests, latency, connections, kept answers, WebSockets, loads, rejects and readings."""
    found: Metrics = request.app.state.metrics
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(found.registry), headers={"Content-Type": media_type})


class CountRequests:
    """Counts requests by the template of their route: there is no end of addresses."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        root = scope.get("root_path", "")
        answered = False

        def count(status: int) -> None:
            nonlocal answered
            answered = True
            method = scope["method"] if scope["method"] in _METHODS else _OTHER
            route = _route(scope, root)
            requests, latency = self._metrics.of(method, route, status)
            requests.inc()
            latency.observe(time.perf_counter() - begun)

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                count(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, counting)
        except Exception:
            if not answered:
                count(500)  # what answers with that stands before us
            raise


def _route(scope: Scope, root: str) -> str:
    """The template of the route that was found, or the folder of static files."""
    if scope.get("kept"):
        # No route was asked for it; those that keep answers have addresses without parameters.
        return str(scope["path"]).removeprefix(root)
    template: str | None = getattr(scope.get("route"), "path", None)
    return template or scope.get("root_path", "").removeprefix(root) or _OTHER


class _Process(Collector):
    """What is known without the database."""

    def __init__(self, context: Context, live: Live) -> None:
        self._context = context
        self._live = live

    def describe(self) -> list[Metric]:
        """Nothing: collecting would be the answer."""
        return []

    def collect(self) -> Iterator[Metric]:
        store, answers = self._context.store, self._context.answers
        yield _gauge(
            "build_info",
            "What runs here.",
            ("version", "python", "backend"),
            {(__version__, platform.python_version(), store.backend): 1},
        )
        connections = {
            (pool, state): number
            for pool, found in store.connections().items()
            for state, number in zip(
                ("in_use", "idle", "overflow"),
                (found.in_use, found.idle, found.overflow),
                strict=True,
            )
        }
        yield _gauge(
            "database_connections", "Connections to the database.", ("pool", "state"), connections
        )
        yield _counter("answers_hits", "Questions with an answer that was kept.", answers.hits)
        yield _counter("answers_misses", "Questions whose answer had to be made.", answers.misses)
        yield _gauge(
            "answers_kept_bytes", "Size of the kept answers.", (), {(): answers.kept_bytes}
        )
        yield _gauge("websocket_clients", "Open WebSockets.", (), {(): self._live.clients})
        yield _counter(
            "websocket_messages_dropped",
            "Messages that clients were too slow for.",
            self._live.dropped,
        )


class _Figures(NamedTuple):
    accounts: Accounts
    rigs: list[StoredRig]


class _Stored(Collector):
    """What is stored, asked for when it is scraped; asked again when it has changed."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._lock = threading.Lock()
        self._version: int | None = None
        self._kept: _Figures | None = None

    def describe(self) -> list[Metric]:
        """Nothing: it would ask the database at the start."""
        return []

    def collect(self) -> Iterator[Metric]:
        try:
            figures = self._figures()
        except SmartSensorError:
            figures = None
        yield _gauge("database_up", "Whether the database answers.", (), {(): figures is not None})
        if figures is None:
            return
        accounts, rigs = figures
        loads = {(status,): number for status, number in accounts.loads.items()}
        yield _gauge("loads", "Loads in the ledger.", ("status",), loads)
        rejected = {(reason,): number for reason, number in accounts.rejected_by_reason.items()}
        yield _gauge("rejected_rows", "Rejected rows, by the ledger.", ("reason",), rejected)
        yield _gauge("rigs", "Rigs that are stored.", (), {(): len(rigs)})
        shown = rigs[:_MOST_RIGS]
        readings = {(each.rig.name,): each.total_records or 0 for each in shown}
        yield _gauge("readings", "Stored readings of a rig.", ("rig",), readings)
        last = {
            (each.rig.name,): each.last_timestamp.timestamp()
            for each in shown
            if each.last_timestamp is not None
        }
        yield _gauge(
            "last_reading_timestamp_seconds", "Time of the newest reading of a rig.", ("rig",), last
        )

    def _figures(self) -> _Figures:
        with self._lock:
            version = self._store.version()
            if self._kept is None or version != self._version:
                self._kept = _Figures(self._store.accounts(), self._store.rigs())
                self._version = version
            return self._kept


def _gauge(name: str, text: str, labels: tuple[str, ...], values: Mapping[Labels, float]) -> Metric:
    family = GaugeMetricFamily(f"smart_sensor_{name}", text, labels=labels)
    for found, value in values.items():
        family.add_metric(found, value)
    return family


def _counter(name: str, text: str, value: float) -> Metric:
    family = CounterMetricFamily(f"smart_sensor_{name}", text)
    family.add_metric((), value)
    return family
