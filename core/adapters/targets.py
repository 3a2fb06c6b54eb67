"""The Kubernetes object that an alert's labels name.

1. `exported_*` labels come before the plain ones: Prometheus renames a metric's own labels so when the
   scraped target carries the same ones, and the plain ones then belong to the exporter: never used instead.
2. Among labels that are valid Kubernetes names, the most specific kind wins, in the order of `_KINDS`.
3. `pod` does not count where it names the exporter that measured another object: the scrape's `job` or
   `service` ends in kube-state-metrics or `-exporter`, and the pod's name has it as whole words, after a Helm
   release's name too. Where a `uid` label stands beside it, kube-state-metrics speaks about that very pod, be
   it its own.
4. `job`, `service`, `instance`, `endpoint`, `container` and `namespace` say how a sample was scraped, or
   where: they never name the target.

An alert whose labels name no object is well-formed: label values are free text, and many alerts are about no
object. So it is ignored with a reason, never refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.models.batch import Ignored
from core.models.signal import TargetResource
from core.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")
_LONGEST_NAME = 253
_EXPORTERS = ("kube-state-metrics", "-exporter")


@dataclass(frozen=True, slots=True)
class _Kind:
    kind: str
    api_version: str
    namespaced: bool = True


# Most specific first; label names are those of kube-state-metrics.
_KINDS = {
    "pod": _Kind("Pod", "v1"),
    "job_name": _Kind("Job", "batch/v1"),
    "replicaset": _Kind("ReplicaSet", "apps/v1"),
    "deployment": _Kind("Deployment", "apps/v1"),
    "statefulset": _Kind("StatefulSet", "apps/v1"),
    "daemonset": _Kind("DaemonSet", "apps/v1"),
    "cronjob": _Kind("CronJob", "batch/v1"),
    "horizontalpodautoscaler": _Kind("HorizontalPodAutoscaler", "autoscaling/v2"),
    "poddisruptionbudget": _Kind("PodDisruptionBudget", "policy/v1"),
    "persistentvolumeclaim": _Kind("PersistentVolumeClaim", "v1"),
    "persistentvolume": _Kind("PersistentVolume", "v1", namespaced=False),
    "node": _Kind("Node", "v1", namespaced=False),
}
_EXPORTED_KINDS = {f"exported_{label}": kind for label, kind in _KINDS.items()}


NO_TARGET = "no_target"
"""Reason of what is ignored because it names no object."""


def target_of(labels: Mapping[str, str]) -> TargetResource | Ignored:
    """Return the target that `labels` name, or why there is none."""
    refused: list[str] = []
    for label, kind in _candidates(labels):
        name = labels[label]
        if not _is_name(name):
            refused.append(f"{label}={excerpt(name)}")
            continue
        if not kind.namespaced:
            return TargetResource(kind=kind.kind, name=name, api_version=kind.api_version)
        namespace = _namespace(labels)
        if isinstance(namespace, Ignored):
            return namespace
        return TargetResource(kind=kind.kind, name=name, namespace=namespace, api_version=kind.api_version)
    return _no_target(refused)


def _candidates(labels: Mapping[str, str]) -> Iterator[tuple[str, _Kind]]:
    for label, kind in _EXPORTED_KINDS.items():
        if labels.get(label):
            yield label, kind
    for label, kind in _KINDS.items():
        if labels.get(label) and not _is_exporters_own(label, labels):
            yield label, kind


def _is_exporters_own(label: str, labels: Mapping[str, str]) -> bool:
    if labels.get(f"exported_{label}"):
        return True
    return label == "pod" and "uid" not in labels and _is_exporter(labels["pod"], labels)


def _is_exporter(pod: str, labels: Mapping[str, str]) -> bool:
    scraped = (_component(labels.get(label, "")) for label in ("job", "service"))
    return any(f"-{name}-" in f"-{pod}" for name in scraped if name.endswith(_EXPORTERS))


def _component(scraped: str) -> str:
    """Return `kube-state-metrics` of `monitoring/kube-state-metrics`: a PodMonitor's jobs have a path before it."""
    return scraped.rpartition("/")[2].replace("_", "-")


def _namespace(labels: Mapping[str, str]) -> str | Ignored:
    label = "exported_namespace" if labels.get("exported_namespace") else "namespace"
    namespace = labels.get(label, "")
    if not namespace:
        return Ignored(
            NO_TARGET, "the labels name a target but no namespace: keep the label `namespace` (or exported_namespace)"
        )
    if not _LABEL.match(namespace):
        return Ignored(
            NO_TARGET,
            f"label {label}={excerpt(namespace)} is no Kubernetes namespace: lower-case letters, digits and '-', "
            "at most 63 characters",
        )
    return namespace


def _is_name(text: str) -> bool:
    return len(text) <= _LONGEST_NAME and _SUBDOMAIN.match(text) is not None


def _no_target(refused: list[str]) -> Ignored:
    if refused:
        return Ignored(
            NO_TARGET,
            f"no label is a valid Kubernetes name: {', '.join(refused)}; names have lower-case letters, digits, '-' "
            "and '.', at most 253 characters",
        )
    return Ignored(
        NO_TARGET,
        f"no label names a target: keep one of {', '.join(_KINDS)} (or exported_*) on the alert, or route it elsewhere",
    )
