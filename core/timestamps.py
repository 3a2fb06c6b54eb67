"""RFC 3339, as Kubernetes writes and reads it."""

from datetime import UTC, datetime


def rfc3339(moment: datetime) -> str:
    """Write a timezone-aware time in UTC, with microseconds where it has any."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def micro_time(moment: datetime) -> str:
    """Write a time as metav1.MicroTime wants it: always six decimals, a whole second is refused without them."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_rfc3339(text: str) -> datetime:
    """Read a time written by the API server.

    Raises:
        ValueError: `text` is no RFC 3339 time with a zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        message = f"time {text!r} has no zone; RFC 3339 wants one, such as 2026-01-02T03:04:05Z"
        raise ValueError(message)
    return moment
