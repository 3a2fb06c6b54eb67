"""Whether the work that was timed is the work that was asked for: a benchmark of anything else is worth nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_OURS = "rr-"  # what the bare client creates has other names


class WrongWorkError(Exception):
    """The RRs in the cluster are not those that the answers promised."""


def check_counts(
    rrs: Iterable[Mapping[str, Any]], *, sent: Mapping[str, int], refused: Mapping[str, int] | None = None
) -> None:
    """Every target has one request, which counts each signal on it that was acknowledged.

    Of those that were `refused` with 503 it may count some, as a webhook is refused whose alerts were stored in
    part. Raises WrongWorkError.
    """
    counted = _counted(rrs)
    maybe = refused or {}
    for target in sent.keys() | maybe.keys() | counted.keys():
        least = sent.get(target, 0)
        found = counted.get(target, [])
        if len(found) > 1 or not least <= sum(found) <= least + maybe.get(target, 0):
            raise WrongWorkError(f"{target} was acknowledged {least} times, but its RRs count {found}.")


def _counted(rrs: Iterable[Mapping[str, Any]]) -> dict[str, list[int]]:
    counted: dict[str, list[int]] = {}
    for rr in rrs:
        if rr["metadata"]["name"].startswith(_OURS):
            # An RR without a status stands for one signal.
            count = rr.get("status", {}).get("deduplication", {}).get("occurrenceCount", 1)
            counted.setdefault(rr["spec"]["targetResource"]["name"], []).append(count)
    return counted
