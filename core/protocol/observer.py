"""Who watches the creator's tries in production: the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging

    from core.models.signal import NormalizedSignal


class LoggingObserver:
    """A RetryObserver that logs each failed try, for audits."""

    def __init__(self, *, logger: logging.Logger) -> None:
        self._logger = logger

    def on_retry_attempt(self, signal: NormalizedSignal, attempt: int, error: BaseException) -> None:
        """Log the try with the fingerprint it was for."""
        self._logger.warning(
            "try %d to create a RemediationRequest failed: %s",
            attempt,
            error,
            extra={"fingerprint": signal.fingerprint, "attempt": attempt},
        )
