"""How long to wait between tries: small policies, with the random source passed in."""

from collections.abc import Callable
from dataclasses import dataclass

Random = Callable[[], float]
"""Returns a float in [0, 1), such as `random.random`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """An exponential wait. Durations are seconds; `jitter` is the fraction by which a wait may differ (1: from
    nothing to twice as long), `steps` how many tries are made in all, the first one included."""

    steps: int
    duration: float
    factor: float
    jitter: float
    cap: float = float("inf")

    def __post_init__(self) -> None:
        if self.steps < 1 or self.duration <= 0 or self.factor < 1 or not 0 <= self.jitter <= 1:
            message = f"backoff cannot work: {self}; wanted steps >= 1, duration > 0, factor >= 1, 0 <= jitter <= 1"
            raise ValueError(message)

    def delay(self, tries: int, *, random: Random) -> float:
        """Return the seconds to wait after try number `tries` (from 1) has failed."""
        base = min(self.duration * self.factor ** (tries - 1), self.cap)
        return base * (1 + self.jitter * (2 * random() - 1))


GATEWAY_RETRY_BACKOFF = Backoff(steps=4, duration=0.010, factor=5.0, jitter=0.1)
"""Between status updates that failed for a moment (kubernaut: GatewayRetryBackoff; client-go's DefaultBackoff)."""

CONFLICT_BACKOFF = Backoff(steps=24, duration=0.005, factor=1.05, jitter=1.0)
"""Between status updates that met other writers, from the second conflict on. kubernaut waits as above: several
instances then starve each other, for the one that wrote last goes on at once (docs/performance.md)."""

LOCK_WAIT_BACKOFF = Backoff(steps=10, duration=0.100, factor=2.0, jitter=0.1, cap=1.0)
"""Between tries for a Lease held by another request."""

CREATE_RETRY_BACKOFF = Backoff(steps=3, duration=0.100, factor=2.0, jitter=0.1, cap=5.0)
"""Between tries of a RemediationRequest CREATE that failed for a moment."""
