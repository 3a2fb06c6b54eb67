"""Whether the work that was timed is the work that was asked for: a benchmark of anything else is worth nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_OURS = "rr-"  # what the bare client creates has other names


class WrongWorkError(Exception):
    """The requests in the cluster are not those that the answers promised."""


def check_counts(requests: Iterable[Mapping[str, Any]], *, sent: Mapping[str, int]) -> None:
    """Every target has one request, which counted as many signals as it was sent. Raises WrongWorkError."""
    counted = _counted(requests)
    for target in sent.keys() | counted.keys():
        expected = [sent[target]] if target in sent else []
        found = counted.get(target, [])
        if found != expected:
            raise WrongWorkError(f"{target} was sent {sent.get(target, 0)} times, but its requests count {found}.")


def _counted(requests: Iterable[Mapping[str, Any]]) -> dict[str, list[int]]:
    counted: dict[str, list[int]] = {}
    for request in requests:
        if request["metadata"]["name"].startswith(_OURS):
            # A request without a status stands for one signal.
            count = request.get("status", {}).get("deduplication", {}).get("occurrenceCount", 1)
            counted.setdefault(request["spec"]["targetResource"]["name"], []).append(count)
    return counted
