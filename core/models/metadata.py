"""What the sender is told about a signal's request (kubernaut: DeduplicationMetadata)."""

from typing import TypedDict


class DeduplicationMetadata(TypedDict, total=False):
    """Deduplication facts of one signal, as they stand in the answer's JSON; empty fields are left out.

    Keys:
        fingerprint: SHA-256 of the problem.
        count: signals counted on the request up to and including this one.
        remediationRequestRef: name of the request.
        firstOccurrence: when the problem was first seen, RFC 3339.
        lastOccurrence: when it was last seen, RFC 3339.
    """

    fingerprint: str
    count: int
    remediationRequestRef: str
    firstOccurrence: str
    lastOccurrence: str
