"""Sluice: alert bursts in, exactly one RemediationRequest per problem out.

`connect` gives a gateway to a program of one's own (docs/python.md). The other names are the parts that kubernaut's
gateway has too: docs/kubernaut.md sets them side by side.
"""

from typing import TYPE_CHECKING, Any

from core.common.clock import Clock, MockClock, RealClock
from core.errors import CRDCreationError, DeduplicationError, OperationError, RetryError
from core.protocol.creator import CRDCreator, RetryObserver
from core.protocol.lock import LOCK_DURATION_SECONDS, DistributedLockManager
from core.protocol.placement import PhaseBasedDeduplicationChecker
from core.protocol.remediation_request import is_terminal_phase
from core.protocol.status import GATEWAY_RETRY_BACKOFF, StatusUpdater
from core.results import DeduplicationMetadata

if TYPE_CHECKING:
    from core.connecting import connect

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
    "connect",
    "is_terminal_phase",
]


def __getattr__(name: str) -> Any:
    """Load `connect` where it is asked for: with the whole gateway, `import core` would take three times as long."""
    if name == "connect":
        from core.connecting import connect  # noqa: PLC0415

        return connect
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
