"""A circuit breaker that counts the share of failures in a sliding window.

States: closed (calls pass), open (calls are refused at once), half-open (a few probes pass; all must
succeed to close, one failure opens again).
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum

from core.common.clock import Clock
from core.errors import CircuitOpenError


class BreakerState(IntEnum):
    """Values of the `gateway_circuit_breaker_state` metric."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class CircuitBreaker:
    """Guards calls to the API server.

    Args:
        clock: source of monotonic time.
        failure_ratio: share of failures that opens it.
        min_calls: how many calls the window must hold before that share counts.
        window: seconds a call is remembered.
        open_seconds: how long it stays open before probes.
        probes: calls let through when half-open.
        on_change: called with each new state.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        failure_ratio: float = 0.5,
        min_calls: int = 10,
        window: float = 10.0,
        open_seconds: float = 30.0,
        probes: int = 3,
        on_change: Callable[[BreakerState], None] = lambda _state: None,
    ) -> None:
        self._clock = clock
        self._failure_ratio = failure_ratio
        self._min_calls = min_calls
        self._window = window
        self._open_seconds = open_seconds
        self._probes = probes
        self._on_change = on_change
        self._state = BreakerState.CLOSED
        self._calls: deque[tuple[float, bool]] = deque()
        self._failures = 0
        self._opened_at = 0.0
        self._probes_started = 0
        self._probes_passed = 0

    @property
    def state(self) -> BreakerState:
        """The state now; an open breaker turns half-open by the next call, not by itself."""
        return self._state

    @contextmanager
    def guard(self, *, failed: Callable[[BaseException], bool | None]) -> Iterator[None]:
        """Let one call through and learn from it.

        Args:
            failed: tells whether an exception is the API server's failure or an answer like any other; None where it
                says nothing of the API server.

        Raises:
            CircuitOpenError: the breaker is open; nothing was called.
        """
        self._admit()
        probing = self._state is BreakerState.HALF_OPEN
        try:
            yield
        except BaseException as error:
            failure = failed(error) if isinstance(error, Exception) else None
            if failure is not None:
                self._record(failure=failure, probing=probing)
            elif probing:
                self._probes_started -= 1
            raise
        self._record(failure=False, probing=probing)

    def _admit(self) -> None:
        if self._state is BreakerState.OPEN:
            waited = self._clock.monotonic() - self._opened_at
            if waited < self._open_seconds:
                raise self._refusal(self._open_seconds - waited)
            self._probes_started = self._probes_passed = 0
            self._turn(BreakerState.HALF_OPEN)
        if self._state is BreakerState.HALF_OPEN:
            if self._probes_started >= self._probes:
                raise self._refusal(1.0)
            self._probes_started += 1

    def _refusal(self, seconds: float) -> CircuitOpenError:
        return CircuitOpenError(
            "the circuit breaker is open: the Kubernetes API failed too often a moment ago",
            retry_after=max(1.0, seconds),
        )

    def _record(self, *, failure: bool, probing: bool) -> None:
        if probing:
            self._record_probe(failure=failure)
        elif self._state is BreakerState.CLOSED:
            self._record_call(failure=failure)

    def _record_probe(self, *, failure: bool) -> None:
        if self._state is not BreakerState.HALF_OPEN:
            return
        if failure:
            self._open()
            return
        self._probes_passed += 1
        if self._probes_passed >= self._probes:
            self._forget()
            self._turn(BreakerState.CLOSED)

    def _record_call(self, *, failure: bool) -> None:
        now = self._clock.monotonic()
        self._calls.append((now, failure))
        self._failures += failure
        while now - self._calls[0][0] > self._window:
            self._failures -= self._calls.popleft()[1]
        if len(self._calls) >= self._min_calls and self._failures >= self._failure_ratio * len(self._calls):
            self._open()

    def _open(self) -> None:
        self._opened_at = self._clock.monotonic()
        self._forget()
        self._turn(BreakerState.OPEN)

    def _forget(self) -> None:
        self._calls.clear()
        self._failures = 0

    def _turn(self, state: BreakerState) -> None:
        self._state = state
        self._on_change(state)
