"""Parents that the name of a vanished object points to: only guesses, each to be looked up."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from core.models.signal import TargetResource

if TYPE_CHECKING:
    from collections.abc import Iterator

# The alphabet of Kubernetes' generated names (k8s.io/apimachinery/pkg/util/rand): no vowels, 0, 1 or 3.
_RANDOM = "[bcdfghjklmnpqrstvwxz2456789]"
_OF_REPLICA_SET = re.compile(rf"(?P<parent>.+)-{_RANDOM}{{1,10}}\Z")
_OF_POD = re.compile(rf"(?P<parent>.+)-{_RANDOM}{{5}}\Z")
_ORDINAL = re.compile(r"(?P<parent>.+)-\d{1,10}\Z")
_OF_CRON_JOB = re.compile(r"(?P<parent>.+)-\d{8,11}\Z")  # minutes, or seconds, since 1970

_APPS = "apps/v1"
_BATCH = "batch/v1"


def likely_parents(target: TargetResource) -> Iterator[TargetResource]:
    """Yield the workloads that could have made `target`, the nearest first."""
    if target.kind == "Pod":
        yield from _of_pod(target)
    elif target.kind == "ReplicaSet":
        yield from _named(target, _OF_REPLICA_SET, ("Deployment", _APPS))
    elif target.kind == "Job":
        yield from _named(target, _OF_CRON_JOB, ("CronJob", _BATCH))


def _of_pod(pod: TargetResource) -> Iterator[TargetResource]:
    # An ordinal may also look like a random suffix: the StatefulSet comes first, it is the plainer reading.
    yield from _named(pod, _ORDINAL, ("StatefulSet", _APPS))
    for maker in _named(pod, _OF_POD, ("ReplicaSet", _APPS), ("DaemonSet", _APPS), ("Job", _BATCH)):
        yield maker
        yield from likely_parents(maker)
    for indexed in _named(pod, _OF_POD, ("Job", _BATCH)):
        yield from _named(indexed, _ORDINAL, ("Job", _BATCH))


def _named(target: TargetResource, pattern: re.Pattern[str], *kinds: tuple[str, str]) -> Iterator[TargetResource]:
    found = pattern.match(target.name)
    if found is None:
        return
    for kind, api_version in kinds:
        yield TargetResource(kind=kind, name=found["parent"], namespace=target.namespace, api_version=api_version)
