"""Sluice: alert bursts in, exactly one RemediationRequest per problem out.

The names below are the parts of kubernaut's gateway. They load at first use, so that importing one module of core
does not import them all.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.backoff import GATEWAY_RETRY_BACKOFF
    from core.clock import Clock, MockClock, RealClock
    from core.errors import CRDCreationError, DeduplicationError, OperationError, RetryError
    from core.models.metadata import DeduplicationMetadata
    from core.protocol.creator import CRDCreator, RetryObserver
    from core.protocol.deduplication import PhaseBasedDeduplicationChecker
    from core.protocol.lock import LOCK_DURATION_SECONDS, DistributedLockManager
    from core.protocol.remediation_request import is_terminal_phase
    from core.protocol.status import StatusUpdater

__all__ = [
    "GATEWAY_RETRY_BACKOFF",
    "LOCK_DURATION_SECONDS",
    "CRDCreationError",
    "CRDCreator",
    "Clock",
    "DeduplicationError",
    "DeduplicationMetadata",
    "DistributedLockManager",
    "MockClock",
    "OperationError",
    "PhaseBasedDeduplicationChecker",
    "RealClock",
    "RetryError",
    "RetryObserver",
    "StatusUpdater",
    "is_terminal_phase",
]

_HOME = {
    "GATEWAY_RETRY_BACKOFF": "backoff",
    "LOCK_DURATION_SECONDS": "protocol.lock",
    "CRDCreationError": "errors",
    "CRDCreator": "protocol.creator",
    "Clock": "clock",
    "DeduplicationError": "errors",
    "DeduplicationMetadata": "models.metadata",
    "DistributedLockManager": "protocol.lock",
    "MockClock": "clock",
    "OperationError": "errors",
    "PhaseBasedDeduplicationChecker": "protocol.deduplication",
    "RealClock": "clock",
    "RetryError": "errors",
    "RetryObserver": "protocol.creator",
    "StatusUpdater": "protocol.status",
    "is_terminal_phase": "protocol.remediation_request",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"core.{_HOME[name]}"), name)
