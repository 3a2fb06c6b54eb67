"""`sluice watch`: remediation requests as they come and change, in place on a terminal, line by line elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.text import Text

from core.local.shell import new_console
from core.local.viewing.rows import Filter, Output, Row, table, written, youngest_last

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.console import Console, RenderableType

    from core.common.clock import Clock
    from core.local.viewing.reader import Event

_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)  # seconds before the API server is asked again
_LINES_OF_FRAME = 4


class Board:
    """What is shown: all rows that the filter lets through, as the events so far make them."""

    def __init__(self, *, chosen: Filter) -> None:
        self._chosen = chosen
        self._rows: dict[str, Row] = {}
        self.stale = ""
        """Why the rows may be out of date; empty while the watch runs."""

    def take(self, event: Event) -> list[Row]:
        """Follow an event; return the rows that are new or changed."""
        self.stale = event.why
        if event.kind == "LOST":
            return []
        rows = [Row.from_object(obj) for obj in event.objects]
        before = self._rows
        if event.kind == "LIST":
            self._rows = {row.view.uid: row for row in rows if self._chosen.lets_through(row)}
        for row in rows if event.kind != "LIST" else ():
            if event.kind == "DELETED" or not self._chosen.lets_through(row):
                self._rows.pop(row.view.uid, None)
            else:
                self._rows = self._rows | {row.view.uid: row}
        return [
            row
            for row in rows
            if row.view.uid in self._rows
            and (row.view.uid not in before or before[row.view.uid].view.resource_version != row.view.resource_version)
        ]

    @property
    def rows(self) -> list[Row]:
        """In the order of their last signal."""
        return youngest_last(self._rows.values())

    @property
    def sums(self) -> str:
        """One line: how many remediation requests stand for how many signals."""
        rows = self._rows.values()
        active = sum(row.view.active for row in rows)
        signals = sum(row.view.occurrences for row in rows)
        return f"{len(rows)} remediation requests, {active} active, for {signals} signals"


class Display:
    """Follows a watch until its events end or the command is interrupted.

    `pause` waits some seconds before a lost watch is tried again; `where` is said in the head line.
    """

    def __init__(
        self,
        console: Console,
        *,
        chosen: Filter,
        output: Output,
        clock: Clock,
        pause: Callable[[float], None],
        where: str,
        namespaces: bool = False,
    ) -> None:
        self._console = console
        self._board = Board(chosen=chosen)
        self._output = output
        self._clock = clock
        self._pause = pause
        self._where = where
        self._namespaces = namespaces

    def follow(self, events: Iterable[Event]) -> None:
        """Show each event."""
        if self._output is Output.TABLE and self._console.is_terminal:
            with Live(console=self._console, auto_refresh=False) as live:
                for _ in self._taken(events, lambda _: live.update(self._frame(), refresh=True)):
                    pass
            return
        for changed in self._taken(events, self._tell_if_stale):
            for row in youngest_last(changed):
                self._console.out(self._line(row), highlight=False)

    def _taken(self, events: Iterable[Event], shown: Callable[[Event], None]) -> Iterator[list[Row]]:
        lost = 0
        for event in events:
            changed = self._board.take(event)
            shown(event)
            yield changed
            if event.kind == "LOST":
                self._pause(_PAUSES[min(lost, len(_PAUSES) - 1)])
                lost += 1
            elif not event.why:
                lost = 0

    def _frame(self) -> RenderableType:
        room = max(1, self._console.height - _LINES_OF_FRAME)
        rows = self._board.rows
        head = Text(f"{self._board.sums}  ({self._where})", style="bold")
        hidden = [Text(f"... and {len(rows) - room} before these", style="dim")] if len(rows) > room else []
        stale = (
            [Text(f"Out of date: {self._board.stale}. Trying again.", style="bold red")] if self._board.stale else []
        )
        return Group(head, *stale, *hidden, table(rows[-room:], now=self._clock.now(), namespaces=self._namespaces))

    def _tell_if_stale(self, event: Event) -> None:
        if event.kind == "LOST":
            new_console(stderr=True).print(Text(f"sluice: {event.why}. Trying again."), soft_wrap=True)

    def _line(self, row: Row) -> str:
        if self._output is not Output.TABLE:
            return written([row], self._output, one=True).rstrip("\n")
        place = f"{row.view.namespace}/{row.view.name}" if self._namespaces else row.view.name
        phase = row.view.phase or "Pending"
        return f"{row.last_seen}  {place}  {phase}  {row.target}  {row.alert}  {row.view.occurrences}"
