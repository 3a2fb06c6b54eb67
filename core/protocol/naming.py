"""Deterministic object names: two instances with the same thought choose the same name, and collide."""

from uuid import UUID, uuid5

_GENERATIONS = UUID("0c7d6f0e-6a57-5d0b-9a43-5f6a1a2f6a10")  # fixed for ever: another value forks every chain


def lease_name(fingerprint: str) -> str:
    """Return the Lease that guards a fingerprint (seed: gw-lock-{fingerprint[:16]})."""
    return f"gw-lock-{fingerprint[:16]}"


def request_name(fingerprint: str, *, head_uid: str = "", salt: int = 0) -> str:
    """Return the fenced name of the request that follows `head_uid` (seed: rr-{fingerprint[:12]}-{uuid[:8]}).

    Args:
        fingerprint: 64-character SHA-256 of the problem.
        head_uid: uid of the newest terminal request, empty where there is none.
        salt: counts the names found taken by another fingerprint with the same first twelve characters.
    """
    generation = f"{fingerprint}/{head_uid}" + (f"/{salt}" if salt else "")
    return f"rr-{fingerprint[:12]}-{uuid5(_GENERATIONS, generation).hex[:8]}"
