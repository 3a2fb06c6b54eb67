"""Whether the work that was timed is the work that was asked for: a benchmark of anything else is worth nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_OURS = "rr-"  # what the bare client creates has other names


class WrongWorkError(Exception):
    """The requests in the cluster are not those that the answers promised."""


def check_counts(
    requests: Iterable[Mapping[str, Any]], *, sent: Mapping[str, int], refused: Mapping[str, int] | None = None
) -> None:
    """Every target has one request, which counts each signal on it that was acknowledged.

    Of those that were `refused` with 503 it may count some, as a webhook is refused whose alerts were stored in
    part. Raises WrongWorkError.
    """
    counted = _counted(requests)
    maybe = refused or {}
    for target in sent.keys() | maybe.keys() | counted.keys():
        least = sent.get(target, 0)
        found = counted.get(target, [])
        if len(found) > 1 or not least <= sum(found) <= least + maybe.get(target, 0):
            raise WrongWorkError(f"{target} was acknowledged {least} times, but its requests count {found}.")


def _counted(requests: Iterable[Mapping[str, Any]]) -> dict[str, list[int]]:
    counted: dict[str, list[int]] = {}
    for request in requests:
        if request["metadata"]["name"].startswith(_OURS):
            # A request without a status stands for one signal.
            count = request.get("status", {}).get("deduplication", {}).get("occurrenceCount", 1)
            counted.setdefault(request["spec"]["targetResource"]["name"], []).append(count)
    return counted
