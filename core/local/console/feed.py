"""What the page shows: all RRs as the watch tells them, and for each open page what has changed since it last heard.

A thread follows the watch, for the `kubernetes` package blocks; everything else is on the event loop. A page that is
slow to read gets the latest state of each RR, never a queue of all its states.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any

from core.common.text import parse_rfc3339
from core.local.viewing.rows import Row, mapping
from core.workloads.qualification import OWNER_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from core.common.clock import Clock
    from core.local.viewing.reader import Event, Reader

JsonObject = dict[str, Any]

_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)  # seconds before the API server is asked again
TOGETHER_SECONDS = 0.15
"""How long changes are gathered before a page hears of them: nobody sees faster, and a storm is one message."""


class Page:
    """One open page: what it has not heard yet."""

    def __init__(self) -> None:
        self._changed: set[str] = set()
        self._whole = True
        self._wake = asyncio.Event()
        self._wake.set()
        self.closed = False

    def note(self, *uids: str, whole: bool = False) -> None:
        """Remember that these RRs have changed or gone; `whole`: everything may have."""
        self._changed.update(uids)
        self._whole = self._whole or whole
        self._wake.set()

    def close(self) -> None:
        """Let its stream end."""
        self.closed = True
        self._wake.set()

    async def changes(self, *, within: float) -> tuple[bool, set[str]] | None:
        """Return what has changed since the last call, None where nothing has `within` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._wake.wait()
        if not self._wake.is_set():
            return None
        self._wake.clear()
        if not (self._whole or self.closed):
            await asyncio.sleep(TOGETHER_SECONDS)
        whole, changed = self._whole, self._changed
        self._whole, self._changed = False, set()
        return whole, changed


class Feed:
    """Follows the watch of `reader` from `start` to `stop`, and tells the pages."""

    def __init__(self, reader: Reader, *, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._rows: dict[str, Row] = {}
        self._pages: set[Page] = set()
        self._timeline = Timeline()
        self._looked = False
        self._ended = threading.Event()
        self.stale = "the first look at the API server has not ended yet"
        """Why the rows may be out of date; empty while the watch runs."""

    def start(self) -> None:
        """Follow the watch from now on, in a thread that holds up no process that ends."""
        loop = asyncio.get_running_loop()

        def tell(event: Event) -> None:
            with suppress(RuntimeError):  # the loop has ended before us
                loop.call_soon_threadsafe(self.take, event)

        threading.Thread(target=self._follow, args=(tell,), name="sluice-console", daemon=True).start()

    def stop(self) -> None:
        """End all pages' streams. The thread ends when the API server says something next."""
        self._ended.set()
        for page in self._pages:
            page.close()

    @contextmanager
    def page(self) -> Iterator[Page]:
        """Have a page hear of every change until the block ends."""
        page = Page()
        if self._ended.is_set():  # it was asked for just as the console ends
            page.close()
        self._pages.add(page)
        try:
            yield page
        finally:
            self._pages.discard(page)

    def snapshot(self) -> JsonObject:
        """Return all there is."""
        place = {
            "context": self._reader.context,
            "server": self._reader.server,
            "namespace": self._reader.namespace or "all namespaces",
        }
        rows = [shown(row) for row in self._rows.values()]
        return {"rows": rows, "timeline": self._timeline.as_object(), "stale": self.stale, "place": place}

    def change(self, uids: set[str]) -> JsonObject:
        """Return the RRs of these uids as they are now."""
        rows = [shown(self._rows[uid]) for uid in uids if uid in self._rows]
        gone = [uid for uid in uids if uid not in self._rows]
        return {"rows": rows, "gone": gone, "timeline": self._timeline.as_object(), "stale": self.stale}

    def take(self, event: Event) -> None:
        """Follow one event of the watch."""
        if event.kind == "LOST":
            self.stale = event.why
            self._tell()
            return
        was_stale, self.stale = self.stale, event.why
        rows = {row.view.uid: row for row in map(_without_payload, event.objects)}
        if event.kind == "LIST":
            self._count(rows)
            self._rows = rows
            self._tell(whole=True)
            return
        if event.kind == "DELETED":
            for uid in rows:
                self._rows.pop(uid, None)
        else:
            self._count(rows)
            self._rows.update(rows)
        if rows or was_stale:
            self._tell(*rows, whole=bool(was_stale))

    def _follow(self, tell: Callable[[Event], None]) -> None:
        tries = count()
        for event in self._reader.watch():
            if self._ended.is_set():
                return
            tell(event)
            if event.kind != "LOST":
                tries = tries if event.why else count()
            elif self._ended.wait(_PAUSES[min(next(tries), len(_PAUSES) - 1)]):
                return

    def _tell(self, *uids: str, whole: bool = False) -> None:
        for page in self._pages:
            page.note(*uids, whole=whole)

    def _count(self, rows: dict[str, Row]) -> None:
        now = self._clock.now().timestamp()
        for uid, row in rows.items():
            before = self._rows.get(uid)
            if before is not None:
                more = row.view.occurrences - before.view.occurrences
                if more > 0:
                    self._timeline.count(now, alerts=more, opened=0)
            elif self._looked:
                self._timeline.count(now, alerts=row.view.occurrences, opened=1)
            else:
                first, last = (
                    _seconds(moment or row.view.creation_timestamp) for moment in (row.first_seen, row.last_seen)
                )
                self._timeline.look_back(row, first=first, last=last)
        self._looked = True


def shown(row: Row) -> JsonObject:
    """Return what a line of the page shows."""
    annotations = mapping(mapping(row.obj.get("metadata")).get("annotations"))
    return {
        "uid": row.view.uid,
        "name": row.view.name,
        "namespace": row.view.namespace,
        "phase": "Deleting" if row.view.deleting else row.view.phase or "Pending",
        "active": row.view.active,
        "target": row.target,
        "owner": str(annotations.get(OWNER_ANNOTATION, "")),
        "alert": row.alert,
        "severity": row.severity,
        "count": row.view.occurrences,
        "first": row.first_seen or row.view.creation_timestamp,
        "last": row.last_seen or row.view.creation_timestamp,
        "created": row.view.creation_timestamp,
        "fingerprint": row.view.fingerprint,
    }


def _without_payload(obj: JsonObject) -> Row:
    """Keep an RR without what is long and only one drawer shows: some thousands of payloads are hundreds of MB."""
    spec = {key: value for key, value in mapping(obj.get("spec")).items() if key != "originalPayload"}
    return Row.from_object(obj | {"spec": spec})


def _seconds(moment: str) -> float:
    try:
        return parse_rfc3339(moment).timestamp()
    except ValueError:
        return datetime(1970, 1, 1, tzinfo=UTC).timestamp()


STEP_SECONDS = 10
STEPS = 90


@dataclass(slots=True)
class _Step:
    start: int
    alerts: int = 0
    opened: int = 0


class Timeline:
    """Counts in steps of ten seconds, for a quarter of an hour.

    An RR tells when its first and its last alert came, not when those between did. So what is counted before the
    console looked on stands at the time of the last alert.
    """

    def __init__(self) -> None:
        self._steps: deque[_Step] = deque(maxlen=STEPS)

    def count(self, now: float, *, alerts: int, opened: int) -> None:
        """Add at a time, in seconds since 1970; what is older than the window is dropped."""
        start = int(now) // STEP_SECONDS * STEP_SECONDS
        step = next((each for each in self._steps if each.start == start), None)
        if step is None:
            if len(self._steps) == STEPS and start < self._steps[0].start:
                return
            step = _Step(start)
            self._steps = deque(sorted((*self._steps, step), key=lambda each: each.start), maxlen=STEPS)
        step.alerts += alerts
        step.opened += opened

    def look_back(self, row: Row, *, first: float, last: float) -> None:
        """Count an RR that was there before anybody looked: opened at `first`, its other alerts at `last`."""
        self.count(first, alerts=1, opened=1)
        if row.view.occurrences > 1:
            self.count(last, alerts=row.view.occurrences - 1, opened=0)

    def as_object(self) -> dict[str, Any]:
        """Return it for the page."""
        return {"step": STEP_SECONDS, "steps": [[each.start, each.alerts, each.opened] for each in self._steps]}
