"""What is worth a log line once in a while, however often it happens."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

    from core.clock import Clock

NOTICE_SECONDS = 3600.0
REMEMBERED_NOTICES = 1000


class Notices:
    """Subjects that were logged within the last hour: at most `capacity`, so at most so many lines an hour."""

    def __init__(self, *, clock: Clock, capacity: int = REMEMBERED_NOTICES) -> None:
        self._clock = clock
        self._capacity = capacity
        self._logged_at: OrderedDict[Hashable, float] = OrderedDict()

    def due(self, subject: Hashable) -> bool:
        """Tell whether `subject` is to be logged now; it then counts as logged.

        Where `capacity` subjects were logged within the hour, no new one is due until the oldest is an hour old.
        """
        now = self._clock.monotonic()
        while self._logged_at and now - next(iter(self._logged_at.values())) >= NOTICE_SECONDS:
            self._logged_at.popitem(last=False)
        if subject in self._logged_at or len(self._logged_at) >= self._capacity:
            return False
        self._logged_at[subject] = now
        return True
