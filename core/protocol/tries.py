"""How often an update of an object that others write too is tried, and how long it waits in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.backoff import CONFLICT_BACKOFF, GATEWAY_RETRY_BACKOFF, Backoff, Random

if TYPE_CHECKING:
    from core.kube.errors import KubernetesError


@dataclass(slots=True, kw_only=True)
class Tries:
    """What one update has met. A conflict says that somebody else got on, a failure that nobody may: each has
    a policy of its own, and its own number of tries."""

    random: Random
    failures: int = 0
    conflicts: int = 0

    def wait_after(self, error: KubernetesError) -> float:
        """Return the seconds before the next try. Raises `error` where there is none.

        After the first conflict there is no wait: the object as remembered was old, and one fresh read settles
        it most often.
        """
        if error.transient:
            self.failures += 1
            seconds = self._wait(GATEWAY_RETRY_BACKOFF, self.failures, error)
        else:
            self.conflicts += 1
            seconds = self._wait(CONFLICT_BACKOFF, self.conflicts, error)
            if self.conflicts == 1:
                seconds = 0.0
        return max(seconds, error.retry_after or 0.0)

    def _wait(self, backoff: Backoff, met: int, error: KubernetesError) -> float:
        if met >= backoff.steps:
            raise error
        return backoff.delay(met, random=self.random)
