"""Time, passed in: the real one, and one that tests move by hand (kubernaut: Clock, RealClock, MockClock)."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where every part takes its time from."""

    def now(self) -> datetime:
        """Return the wall time in UTC. It may jump: use it for records, never for durations."""

    def monotonic(self) -> float:
        """Return seconds since some start; never goes back."""

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` have passed."""


class RealClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """Return the machine's wall time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the machine's monotonic time in seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the running event loop."""
        await asyncio.sleep(seconds)


class MockClock:
    """A clock that stands still until it is moved; sleeping moves it (kubernaut: MockClock)."""

    def __init__(self, initial: datetime) -> None:
        self._now = initial
        self._elapsed = 0.0

    def now(self) -> datetime:
        """Return the mock wall time."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds this clock was advanced; `set` does not count."""
        return self._elapsed

    def advance(self, duration: timedelta) -> None:
        """Move both wall and monotonic time forward.

        Raises:
            TypeError: `duration` is a number, which has no unit.
        """
        try:
            self._now += duration
        except TypeError:
            message = f"advance() takes a timedelta, such as timedelta(seconds=1); {duration!r} has no unit"
            raise TypeError(message) from None
        self._elapsed += duration.total_seconds()

    def set(self, moment: datetime) -> None:
        """Set the wall time, as an operator or NTP would; monotonic time stays."""
        self._now = moment

    async def sleep(self, seconds: float) -> None:
        """Advance by `seconds` at once, letting other tasks run."""
        self.advance(timedelta(seconds=seconds))
        await asyncio.sleep(0)


class Deadline:
    """A moment after which nobody waits for the answer any more."""

    def __init__(self, *, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._started = clock.monotonic()
        self._at = self._started + seconds

    def remaining(self) -> float:
        """Return the seconds left, never below zero."""
        return max(0.0, self._at - self._clock.monotonic())

    @property
    def elapsed(self) -> float:
        """The seconds since it was set, which is when the request came."""
        return self._clock.monotonic() - self._started

    @property
    def passed(self) -> bool:
        """Whether no time is left."""
        return self._clock.monotonic() >= self._at
