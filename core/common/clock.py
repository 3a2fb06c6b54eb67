"""Time, passed in: the real one, and one that tests move by hand (kubernaut: Clock, RealClock, MockClock)."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from functools import partial
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
    """The machine's clocks: the wall time in UTC, the monotonic one, and sleep on the running event loop.

    They are the library's own functions as they are: one alert asks for the time some thirty times.
    """

    now = staticmethod(partial(datetime.now, UTC))
    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(asyncio.sleep)


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
