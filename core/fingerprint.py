"""What makes two signals the same problem: the object they are about."""

import hashlib

from core.models.signal import TargetResource


def fingerprint_of(target: TargetResource, *, cluster: str = "") -> str:
    """Return the 64-character lower-case SHA-256 of `namespace:Kind:name`.

    Where `cluster` is not empty, of `cluster:namespace:Kind:name`. The alert's name is not part of it:
    different alerts on one workload share one request (RemediationRequest reference, "Signals").
    """
    identity = f"{target.namespace}:{target.kind}:{target.name}"
    return hashlib.sha256(f"{cluster}:{identity}".encode() if cluster else identity.encode()).hexdigest()
