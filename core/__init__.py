"""Sluice: alert bursts in, exactly one RemediationRequest per problem out.

The names below are the parts that kubernaut's gateway has too: docs/kubernaut.md sets them side by side.
"""

from core.common.backoff import GATEWAY_RETRY_BACKOFF
from core.common.clock import Clock, MockClock, RealClock
from core.errors import CRDCreationError, DeduplicationError, OperationError, RetryError
from core.protocol.creator import CRDCreator, RetryObserver
from core.protocol.deduplication import PhaseBasedDeduplicationChecker
from core.protocol.lock import LOCK_DURATION_SECONDS, DistributedLockManager
from core.protocol.remediation_request import is_terminal_phase
from core.protocol.status import StatusUpdater
from core.results import DeduplicationMetadata

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
