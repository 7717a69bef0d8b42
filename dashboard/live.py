"""Live updates: each change, from any process, to every connected client.

One task looks for changes and builds each message once; delivery.py brings them to the clients.
"""

import asyncio
import logging
import secrets
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect

from dashboard.answers import Context, Filter
from dashboard.delivery import Client, Message, News
from dashboard.kept import to_json
from dashboard.problems import problem, refuse
from pipeline.errors import NothingFoundError, SmartSensorError
from pipeline.rig import Rig
from pipeline.stores.base import Change, Range
from pipeline.stores.watch import is_other_file

logger = logging.getLogger(__name__)
router = APIRouter()

# How often is looked for changes: where they are seen or heard of, and where a server is asked.
LOOK_INTERVAL_S = 0.02
ASK_INTERVAL_S = 0.2
# After news nobody looks for so long: changes that come soon after each other are told together.
_TOGETHER_S = 0.05
_PAUSE_S = 2.0
# More readings or changes than this at once: clients fetch what they show instead.
_MOST_READINGS = 100
_MOST_CHANGES = 32
# While changes keep coming it is looked for more of them so many times.
_MOST_LOOKS = 3
# A client that was away is told more than that: half a minute of ten changes a second.
_MOST_MISSED = 300
_JUST_AFTER = timedelta(microseconds=1)
_MOST_CLIENTS = 1_000
# The sequence number of what belongs to no change.
_IN_ANY_CASE = sys.maxsize


@dataclass(frozen=True)
class Heard:
    """What a client has heard last: it resumes after that, where nothing else has happened."""

    sequence: int
    epoch: str


class Live:
    """The changes of a store, broadcast to clients for as long as `watch` runs."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._clients: set[Client] = set()
        self._dropped_for_others = 0
        self._sequence = 0
        self._version: int | None = None
        # Another one after each refresh, which nobody can be told of later, and each start.
        self._epoch = _new_epoch()
        # It does not wait for a thread that answers requests.
        self._thread = anyio.CapacityLimiter(1)
        # When it has looked for changes last, by the monotonic clock.
        self.looked_at: float | None = None

    @property
    def dropped(self) -> int:
        """Messages that clients were too slow for, since the start."""
        # Asked from other threads, while clients come and go.
        return self._dropped_for_others + sum(each.dropped for each in list(self._clients))

    @property
    def clients(self) -> int:
        return len(self._clients)

    def join(self, socket: WebSocket | None = None) -> Client:
        client = Client(socket)
        self._clients.add(client)
        return client

    def leave(self, client: Client) -> None:
        self._clients.discard(client)
        self._dropped_for_others += client.dropped

    def broadcast(self, message: dict[str, Any]) -> None:
        """Send something that is no change of data; who is too slow for it does without."""
        news = News([Message(_IN_ANY_CASE, to_json(message))])
        for client in self._clients:
            client.offer_if_quick(news)

    async def watch(self) -> None:
        """Look for changes until cancelled. A database that is away is waited for."""
        store = self._context.store
        while True:
            interval = ASK_INTERVAL_S
            try:
                seen = store.version_at_once()
                if store.hears:
                    interval = LOOK_INTERVAL_S
                if seen is None or seen != self._version:
                    news = News(await run_sync(self._news, limiter=self._thread))
                    for client in self._clients:
                        client.offer(news)
                    interval = max(interval, _TOGETHER_S)
                self.looked_at = time.monotonic()
            except SmartSensorError as error:
                logger.warning("live updates wait: %s", error)
                await asyncio.sleep(_PAUSE_S)
            except Exception:
                # An error of ours: were it to end this task, all clients would wait for ever.
                logger.exception("live updates wait")
                await asyncio.sleep(_PAUSE_S)
            await asyncio.sleep(interval)

    def greeting(self, rig: str | None, heard: Heard | None) -> tuple[int, list[bytes]]:
        """What a client is sent at first, and the sequence number that it includes.

        The present state, and then, where `resumed` says so, each change that came after what
        the client has `heard`: it need not ask for everything again.
        """
        store = self._context.store
        # Notices a database that has gone, or that another one has taken the place of.
        store.version()
        epoch, sequence = self._epoch, store.last_sequence()
        missed = None
        if heard is not None and heard.epoch == epoch:
            missed = self._missed(heard.sequence, sequence)
        snapshot = self._snapshot(rig) | {
            "sequence": sequence,
            "epoch": epoch,
            "resumed": missed is not None,
        }
        return sequence, [to_json(snapshot), *(missed or [])]

    def _snapshot(self, rig: str | None) -> dict[str, Any]:
        store = self._context.store
        try:
            stored = Filter(rig).find_rig(self._context)
        except NothingFoundError:
            stored = None
        last, extent = [], None
        if stored and stored.last_timestamp:
            extent = store.extent(Range(stored.rig.name))
            selection = Range(stored.rig.name, start=stored.last_timestamp)
            last = self._readings(selection, stored.rig)[-1:]
        return {
            "type": "snapshot",
            "rig": stored.rig.name if stored else None,
            "total_records": extent.records if extent else 0,
            "last_reading": last[0] if last else None,
        }

    def _missed(self, heard: int, sequence: int) -> list[bytes] | None:
        """The changes between two sequence numbers; None where they cannot be told one by one."""
        if heard > sequence:
            return None
        changes = self._context.store.changes_after(heard, _MOST_MISSED + 1)
        changes = [each for each in changes if each.sequence <= sequence]
        rigs = self._context.store.definitions()
        if len(changes) > _MOST_MISSED or not _can_be_told(changes, rigs):
            return None
        return [self._message(each, rigs[each.rig]) for each in changes]

    def _news(self) -> list[Message]:
        """Messages for what has been committed since the last look."""
        store = self._context.store
        version = store.version()
        if version == self._version:
            return []
        if self._version is None:
            self._sequence = store.last_sequence()
            self._version = version
            # What came before the first look was not looked at.
            self._epoch = _new_epoch()
            return []
        changes = store.changes_after(self._sequence, _MOST_CHANGES + 1)
        for _ in range(_MOST_LOOKS):
            now = store.version()
            if not changes or now == version:
                break
            # What has come since the first look may be among them: the next one would find a
            # commit without a change, and send everybody to read everything anew.
            version = now
            changes = store.changes_after(self._sequence, _MOST_CHANGES + 1)
        rigs = store.definitions()
        # Somebody else's write leaves no change; too many are one.
        tellable = changes and len(changes) <= _MOST_CHANGES and _can_be_told(changes, rigs)
        another = is_other_file(version, self._version)
        if not tellable or another:
            sequence = store.last_sequence()
            if not changes and not another:
                # What has come since we looked is told by itself: a source begins with a commit
                # that changes only the ledger.
                sequence = min(sequence, self._sequence)
            self._epoch = _new_epoch()
            refresh = {
                "type": "refresh",
                "sequence": sequence,
                "epoch": self._epoch,
                "dropped": 0,
            }
            news = [Message(sequence, to_json(refresh))]
        else:
            news = [Message(each.sequence, self._message(each, rigs[each.rig])) for each in changes]
        # Only now: what could not be read is looked for again.
        self._sequence, self._version = news[-1].sequence, version
        return news

    def _message(self, change: Change, rig: Rig) -> bytes:
        readings = None
        if change.rows <= _MOST_READINGS:
            end = change.last_timestamp + _JUST_AFTER
            readings = self._readings(Range(rig.name, change.first_timestamp, end), rig)
            # Between the first and the last there may be readings of earlier loads.
            readings = readings if len(readings) <= _MOST_READINGS else None
        return to_json(
            {
                "type": "change",
                "sequence": change.sequence,
                "rig": change.rig,
                "first_timestamp": change.first_timestamp,
                "last_timestamp": change.last_timestamp,
                "rows": change.rows,
                "readings": readings,
            }
        )

    def _readings(self, selection: Range, rig: Rig) -> list[dict[str, Any]]:
        return [
            {
                "timestamp": row["timestamp"],
                "values": {c.name: row[c.name] for c in rig.channels},
                "zscores": {c.name: row[c.zscore_column] for c in rig.scored_channels},
                "levels": {c.name: row[c.alert_column] for c in rig.scored_channels},
            }
            for row in self._context.store.first_readings(rig, selection, _MOST_READINGS + 1)
        ]


def _can_be_told(changes: list[Change], rigs: dict[str, Rig]) -> bool:
    """Whether each is readings that came, of a rig that is there; without rows readings went."""
    return all(each.rig in rigs and each.rows for each in changes)


def _new_epoch() -> str:
    return secrets.token_hex(8)


@router.websocket("/ws/data")
async def data(
    socket: WebSocket,
    rig: str | None = None,
    after: Annotated[int | None, Query(ge=0, lt=1 << 62)] = None,
    epoch: Annotated[str, Query(max_length=64)] = "",
) -> None:
    """The present state at once, then each change as it lands in the database.

    A client that comes back says by `after` and `epoch` what it has heard last.
    """
    live: Live = socket.app.state.live
    if live.clients >= _MOST_CLIENTS:
        detail = f"{_MOST_CLIENTS:,} clients are listening already; try again later"
        response = problem(socket, 503, detail, {"Retry-After": "10"})
        await refuse(response, socket.scope, socket.receive, socket.send)
        return
    await socket.accept()
    client = live.join(socket)
    try:
        # Joined first: what lands while the snapshot is built waits in the queue.
        heard = None if after is None else Heard(after, epoch)
        included, greeting = await run_sync(live.greeting, rig, heard)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_listen, socket, tasks.cancel_scope.cancel)
            await client.deliver(socket, included, greeting)
            tasks.cancel_scope.cancel()
    except* SmartSensorError as group:
        logger.warning("/ws/data: %s", group.exceptions[0])
        with suppress(WebSocketDisconnect, RuntimeError):  # it may have gone meanwhile
            await socket.close(1013, "the database is not reachable; try again")
    finally:
        live.leave(client)


async def _listen(socket: WebSocket, gone: Callable[[], None]) -> None:
    """Clients have nothing to say; reading is how we learn that one has gone."""
    with suppress(WebSocketDisconnect, RuntimeError):
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass
    gone()
