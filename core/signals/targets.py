"""The Kubernetes objects that an alert's labels name, the likeliest first.

1. Hints: `target_kind`, `target_name` and `target_namespace`, on labels or annotations, were written for this.
2. `exported_*` labels come before the plain ones: Prometheus renames a metric's own labels so when the scraped
   target carries the same ones, and the plain ones then belong to the exporter: never used instead.
3. OpenTelemetry's names come next, then the plain ones. Among each, workloads come before the Pod and the Pod before
   the Node: kube-state-metrics measures workloads beside its own pod, and most samples say on which node they arose.
4. Two labels may name kind and name of any object (`resource_kind` and `resource_name`).
5. A plain `pod` does not count where it names the exporter that measured another object: the scrape's `job` or
   `service` ends in kube-state-metrics or `-exporter`, and the pod's name has it as whole words, after a Helm
   release's name too; or the pod's own name says that it is an exporter. Where a `uid` label stands beside it,
   kube-state-metrics speaks about that very pod, be it its own. Beside `exported_namespace` it counts only where that
   namespace has such a pod; where that is the exporter's own namespace and `endpoint` is there too, never, for then
   Prometheus' operator has written `pod`, and a pod that was measured would be `exported_pod`. Nor does it where a
   label says in which namespace the measured object is (`resource_namespace`). Where labels name another object's kind
   and name, it counts only where there is such a pod.
6. A plain `node` counts where the alert is about a node: the kubelet, kube-state-metrics or a node's own exporter
   measured it, or no namespace is named. Elsewhere it says on which node the scraped pod runs.
7. What node-exporter and its like measure is the Node that `instance` names, or that their pod runs on.
8. Any other label may be a kind's singular name (`rollout`, `certificate`): the API server knows.
9. `job`, `service`, `instance`, `endpoint`, `container` and `namespace` say how a sample was scraped, or
   where: they never name the target.

An alert whose labels name no object is well-formed: label values are free text, and many alerts are about no
object. So it is ignored with a reason, never refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from core.common.text import DNS_SUBDOMAIN, excerpt
from core.kube.resources import KINDS
from core.signals import names
from core.signals.signal import Candidate, Ignored, Lookup, TargetResource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from core.kube.resources import Resource

NO_TARGET = "no_target"
"""Reason of what is ignored because it names no object."""

MOST_CANDIDATES = 12
"""Of one alert; each may cost a call to the API server."""

_SUBDOMAIN = re.compile(rf"{DNS_SUBDOMAIN}\Z")
_KIND_LABEL = re.compile(r"[a-z]{3,63}\Z")
_ADDRESS = re.compile(r"[0-9.]+\Z")
_LONGEST_NAME = 253
_EXPORTERS = ("kube-state-metrics", "-exporter", "ceph-mgr")
_EXPORTERS_POD = re.compile(r"(^|-)(exporter|pushgateway)(-|$)")
_NODE_EXPORTERS = ("node-exporter", "node-problem-detector", "dcgm-exporter", "smartctl-exporter")
_LONGHORN = "longhorn-backend"
_ABOUT_PODS = ("kubelet", "cadvisor", "kube-state-metrics")
_ABOUT_NODES = (*_NODE_EXPORTERS, *_ABOUT_PODS, _LONGHORN)


def target_of(labels: Mapping[str, str]) -> TargetResource | Ignored:
    """Return the target that `labels` name where nothing is looked up, or why there is none."""
    found = candidates_of(labels)
    if isinstance(found, Ignored):
        return found
    named = next((each for each in found if each.lookup is Lookup.OBJECT and not each.must_exist), None)
    return named.target if named else Ignored(NO_TARGET, "only labels that may name the exporter name something")


def candidates_of(
    labels: Mapping[str, str], annotations: Mapping[str, str] | None = None, *, to_namespace: bool = False
) -> Sequence[Candidate] | Ignored:
    """Return what an alert may be about, the likeliest first; or why there is nothing.

    With `to_namespace` the alert's Namespace is the last.
    """
    reading = _Reading(labels, annotations or {})
    found = [*reading.candidates(), *(reading.namespaces() if to_namespace else ())]
    return found or Ignored(NO_TARGET, reading.why_none())


class _Reading:
    """One alert's labels; it notes what is passed over."""

    def __init__(self, labels: Mapping[str, str], annotations: Mapping[str, str]) -> None:
        self._labels = labels
        self._annotations = annotations
        self._namespace = next(filter(None, map(self._text, names.NAMESPACES)), "")
        self._refused: list[str] = []
        self._misplaced = ""

    def candidates(self) -> list[Candidate]:
        found: dict[tuple[TargetResource, Lookup], Candidate] = {}
        for candidate in (
            *self._hinted(),
            *self._exported(),
            *self._by_opentelemetry(),
            *self._workloads(),
            *self._by_kind_and_name(),
            *self._pods(),
            *self._nodes(),
            *self._by_singular_name(),
        ):
            found.setdefault((candidate.target, candidate.lookup), candidate)
        return list(found.values())[:MOST_CANDIDATES]

    def namespaces(self) -> Iterator[Candidate]:
        """Yield the Namespace that the alert names, if it does."""
        if names.NAMESPACE_PATTERN.match(self._namespace):
            yield from self._named("namespace", self._namespace, KINDS["Namespace"], "untargeted", "")

    def why_none(self) -> str:
        """Say why no label names a target."""
        if self._misplaced:
            return self._misplaced
        if self._refused:
            return (
                f"no label is a valid Kubernetes name: {', '.join(self._refused[:MOST_CANDIDATES])}; names have "
                "lower-case letters, digits, '-' and '.', at most 253 characters"
            )
        return (
            f"no label names a target: keep one of {', '.join(names.KIND_LABELS)} (or exported_*) on the alert, or "
            "route it elsewhere"
        )

    def _hinted(self) -> Iterator[Candidate]:
        for where in (self._labels, self._annotations):
            kind = where.get("target_kind", "").lower()
            if not kind or not where.get("target_name"):
                continue
            spaces = [where.get("target_namespace", ""), *map(self._text, names.NAMESPACES)]
            namespace = next(filter(None, spaces), "")
            if named := names.BY_SINGULAR.get(kind):
                yield from self._named("target_name", where["target_name"], named, "hint", namespace)
            elif _KIND_LABEL.match(kind):
                yield from self._singular("target_name", kind, where["target_name"], namespace, "hint")

    def _exported(self) -> Iterator[Candidate]:
        yield from self._labelled(names.EXPORTED, "exported")

    def _by_opentelemetry(self) -> Iterator[Candidate]:
        if not any(label.startswith("k8s") for label in self._labels):
            return
        namespace = self._dotted(names.OPENTELEMETRY_NAMESPACE)[1]
        for each, kind in names.OPENTELEMETRY_KINDS.items():
            if namespace and kind is KINDS["Node"]:
                continue
            label, name = self._dotted(each)
            yield from self._named(label, name, kind, "opentelemetry", namespace or self._namespace)

    def _workloads(self) -> Iterator[Candidate]:
        yield from self._labelled(names.WORKLOADS, "workload", unless_exported=True)
        if by_type := names.BY_SINGULAR.get(self._text("workload_type").lower()):
            yield from self._labelled({"workload": by_type}, "workload_type")
        claims = self._text("pvc_namespace") or self._namespace
        yield from self._named("pvc", self._text("pvc"), KINDS["PersistentVolumeClaim"], "pvc", claims)
        yield from self._of_the_mesh()

    def _of_the_mesh(self) -> Iterator[Candidate]:
        name = self._text(names.MESH_WORKLOAD)
        if name in ("", "unknown"):
            return
        namespace = next(filter(None, map(self._text, names.MESH_NAMESPACES)), "")
        for kind in names.MESH_KINDS:
            named = names.BY_SINGULAR[kind]
            yield from self._named(names.MESH_WORKLOAD, name, named, "mesh", namespace, must_exist=True)

    def _by_kind_and_name(self) -> Iterator[Candidate]:
        for kind_label, name_label, namespace_label in names.KIND_AND_NAME.values():
            kind = self._text(kind_label).lower()
            if not kind:
                continue
            name, namespace = self._text(name_label), self._text(namespace_label) or self._namespace
            if named := names.BY_SINGULAR.get(kind):
                yield from self._named(name_label, name, named, "kind_and_name", namespace, must_exist=True)
            elif _KIND_LABEL.match(kind):
                yield from self._singular(name_label, kind, name, namespace, "kind_and_name")

    def _pods(self) -> Iterator[Candidate]:
        if "pod" in self._labels and not self._is_exporters_own():
            must_exist = self._may_be_elsewhere()
            yield from self._labelled(names.POD, "pod", unless_exported=True, must_exist=must_exist)
        yield from self._labelled(names.POD_NAMES, "pod_name")

    def _nodes(self) -> Iterator[Candidate]:
        if not self._text("exported_node") and self._is_about_a_node():
            yield from self._labelled(names.NODE, "node")
            yield from self._labelled(names.NODE_NAMES, "node_name", must_exist=True)
        if self._is_scraped_from(_NODE_EXPORTERS):
            yield from self._node_of_the_exporter()

    def _node_of_the_exporter(self) -> Iterator[Candidate]:
        host = self._text("instance").partition(":")[0]
        if not _ADDRESS.match(host) and _is_name(host):
            yield from self._named("instance", host, KINDS["Node"], "node_exporter", "", must_exist=True)
        pod, namespace = self._text("pod"), self._text("namespace")
        if _is_name(pod) and names.NAMESPACE_PATTERN.match(namespace):
            target = TargetResource(kind="Pod", name=pod, namespace=namespace, api_version="v1")
            yield Candidate(
                target=target, label="pod", rule="node_exporter", lookup=Lookup.NODE_OF_POD, must_exist=True
            )

    def _by_singular_name(self) -> Iterator[Candidate]:
        for label, name in self._labels.items():
            plain = label.removeprefix("exported_").lower()  # KEDA's is scaledObject
            if plain in names.NEVER_A_KIND or not _KIND_LABEL.match(plain) or not _is_name(name):
                continue
            if not label.startswith("exported_") and self._text(f"exported_{label}"):
                continue
            yield from self._singular(label, plain, name, self._namespace, "kind")

    def _singular(self, label: str, kind: str, name: str, namespace: str, rule: str) -> Iterator[Candidate]:
        if _is_name(name) and (not namespace or names.NAMESPACE_PATTERN.match(namespace)):
            target = TargetResource(kind=kind, name=name, namespace=namespace)
            yield Candidate(target=target, label=label, rule=rule, lookup=Lookup.SINGULAR, must_exist=True)

    def _labelled(
        self, kinds: Mapping[str, Resource], rule: str, *, unless_exported: bool = False, must_exist: bool = False
    ) -> Iterator[Candidate]:
        """Yield what the labels of `kinds` name, in their order."""
        for label, kind in kinds.items():
            name = self._labels.get(label)
            if name and not (unless_exported and self._text(f"exported_{label}")):
                yield from self._named(label, name, kind, rule, self._namespace, must_exist=must_exist)

    def _named(
        self,
        label: str,
        name: str,
        kind: Resource,
        rule: str,
        namespace: str,
        *,
        must_exist: bool = False,
    ) -> Iterator[Candidate]:
        if not name:
            return
        if not _is_name(name):
            self._refused.append(f"{label}={excerpt(name)}")
            return
        if kind.namespaced and not names.NAMESPACE_PATTERN.match(namespace):
            self._misplaced = self._misplaced or _misplaced(label, namespace)
            return
        target = TargetResource(
            kind=kind.kind, name=name, namespace=namespace if kind.namespaced else "", api_version=kind.api_version
        )
        yield Candidate(target=target, label=label, rule=rule, must_exist=must_exist)

    def _text(self, label: str) -> str:
        return self._labels.get(label, "")

    def _dotted(self, label: str) -> tuple[str, str]:
        """Return a label of OpenTelemetry's as it is written here, and its value."""
        dotted = label.replace("_", ".")
        return (label, self._text(label)) if self._text(label) else (dotted, self._text(dotted))

    def _is_exporters_own(self) -> bool:
        if "uid" in self._labels:
            return False
        if any(map(self._text, names.NAMESPACES_OF_OTHERS)):
            return True
        if self._text("endpoint") and self._text("exported_namespace") == self._text("namespace") != "":
            return True
        pod, scraped = f"-{self._text('pod')}", self._scraped()
        if any(f"-{name}-" in pod for name in scraped if name.endswith((*_EXPORTERS, *_NODE_EXPORTERS))):
            return True
        if _LONGHORN in scraped:
            return True
        # What the kubelet and kube-state-metrics say of an exporter's pod is about that pod.
        return any(scraped) and not self._is_scraped_from(_ABOUT_PODS) and _EXPORTERS_POD.search(pod) is not None

    def _may_be_elsewhere(self) -> bool:
        """Tell whether `pod` may be in another namespace than the one that counts, for it may be what measured."""
        if "uid" in self._labels:
            return False
        if self._text("exported_namespace") not in ("", self._text("namespace")):
            return True
        pairs = (pair for whose, pair in names.KIND_AND_NAME.items() if whose != "owner")
        return any(self._text(kind) and self._text(name) for kind, name, _ in pairs)

    def _is_about_a_node(self) -> bool:
        if self._text("exported_namespace") or self._text("volume"):
            return False
        return not self._namespace or self._is_scraped_from(_ABOUT_NODES)

    def _is_scraped_from(self, exporters: tuple[str, ...]) -> bool:
        return any(name.endswith(exporters) for name in self._scraped())

    def _scraped(self) -> list[str]:
        """Return `kube-state-metrics` of `monitoring/kube-state-metrics`: a PodMonitor's jobs have a path before it."""
        return [self._text(label).rpartition("/")[2].replace("_", "-") for label in ("job", "service")]


def _is_name(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_NAME and _SUBDOMAIN.match(text) is not None


def _misplaced(label: str, namespace: str) -> str:
    if not namespace:
        return f"label {label} names a target but no label its namespace: keep `namespace` (or exported_namespace)"
    return (
        f"{label}'s namespace={excerpt(namespace)} is no Kubernetes namespace: lower-case letters, digits and '-', "
        "at most 63 characters"
    )
