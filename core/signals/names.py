"""Names: which labels name which kinds, and what the parts of an object's identity look like."""

from __future__ import annotations

import re

from core.common.text import DNS_LABEL
from core.kube.resources import KINDS

KIND_PATTERN = re.compile(r"\A[A-Za-z][A-Za-z0-9]{0,62}\Z")
API_VERSION_PATTERN = re.compile(r"\A([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[a-z0-9]{1,63}\Z")
NAMESPACE_PATTERN = re.compile(rf"\A{DNS_LABEL}\Z")
NAME_PATTERN = re.compile(r"\A(?!\.{1,2}\Z)[^/%?#\s\x00-\x1f\x7f]{1,253}\Z")
"""What the API server calls a path segment, within ASCII's rules for URLs: some kinds take no DNS names, such as
roles with their colons."""


# Most specific first: kube-state-metrics' labels, https://github.com/kubernetes/kube-state-metrics.
WORKLOADS = {
    "job_name": KINDS["Job"],
    "replicaset": KINDS["ReplicaSet"],
    "deployment": KINDS["Deployment"],
    "statefulset": KINDS["StatefulSet"],
    "daemonset": KINDS["DaemonSet"],
    "cronjob": KINDS["CronJob"],
    "horizontalpodautoscaler": KINDS["HorizontalPodAutoscaler"],
    "poddisruptionbudget": KINDS["PodDisruptionBudget"],
    "persistentvolumeclaim": KINDS["PersistentVolumeClaim"],
    "persistentvolume": KINDS["PersistentVolume"],
}
POD = {"pod": KINDS["Pod"]}
NODE = {"node": KINDS["Node"]}
KIND_LABELS = WORKLOADS | POD | NODE
EXPORTED = {f"exported_{label}": kind for label, kind in KIND_LABELS.items()}
"""How Prometheus renames them where the scraped target has labels of the same names."""

BY_SINGULAR = {named.kind.lower(): named for named in KIND_LABELS.values()}
"""By a kind's singular name: in the values of `target_kind` and `workload_type`."""

_CADVISOR = "container_label_io_kubernetes_pod_"
"""Before the kubelet's own labels on containers, where a cAdvisor of one's own measures them."""

POD_NAMES = dict.fromkeys(("kubernetes_pod_name", "pod_name", f"{_CADVISOR}name"), KINDS["Pod"])
"""Labels that name a Pod besides `pod`: older relabelling, Google's, Datadog's, and log collectors'."""

NAMESPACES = (
    "exported_namespace",
    "namespace",
    "kubernetes_namespace",
    "kubernetes_namespace_name",
    "namespace_name",
    "pod_namespace",
    f"{_CADVISOR}namespace",
)
"""Labels that say in which namespace a plain label's object is, the first that is there."""

NODE_NAMES = dict.fromkeys(("nodename", "node_name", "kubernetes_node", "kubernetes_host", "Hostname"), KINDS["Node"])
"""Labels that name a Node besides `node`: node_uname_info, log collectors, older relabelling, NVIDIA's DCGM."""

KIND_AND_NAME = {
    "involved_object": ("involved_object_kind", "involved_object_name", "involved_object_namespace"),
    "object": ("object_kind", "object_name", "object_namespace"),
    "resource": ("resource_kind", "resource_name", "resource_namespace"),
    "customresource": ("customresource_kind", "name", ""),
    "kind": ("kind", "name", ""),
    "owner": ("owner_kind", "owner_name", ""),
}
"""Pairs of labels that name an object of whatever kind, and the label that has its namespace if it is not the alert's:
exporters of Events, scanners, kube-state-metrics (custom resources, owners), Flux."""

NAMESPACES_OF_OTHERS = (*filter(None, (namespace for _, _, namespace in KIND_AND_NAME.values())), "dest_namespace")
"""Labels that say in which namespace the measured object is, where that is not the measuring pod's. Argo CD's too."""

# OpenTelemetry's resource attributes (semantic conventions, k8s.*), with dots as they are or as Prometheus writes them.
OPENTELEMETRY_NAMESPACE = "k8s_namespace_name"
OPENTELEMETRY_KINDS = {
    "k8s_job_name": BY_SINGULAR["job"],
    "k8s_replicaset_name": BY_SINGULAR["replicaset"],
    "k8s_deployment_name": BY_SINGULAR["deployment"],
    "k8s_statefulset_name": BY_SINGULAR["statefulset"],
    "k8s_daemonset_name": BY_SINGULAR["daemonset"],
    "k8s_cronjob_name": BY_SINGULAR["cronjob"],
    "k8s_hpa_name": BY_SINGULAR["horizontalpodautoscaler"],
    "k8s_persistentvolumeclaim_name": KINDS["PersistentVolumeClaim"],
    "k8s_pod_name": KINDS["Pod"],
    "k8s_node_name": KINDS["Node"],
}

MESH_WORKLOAD = "destination_workload"
MESH_NAMESPACES = ("destination_workload_namespace", "destination_service_namespace")
MESH_KINDS = ("deployment", "statefulset", "daemonset")
"""Istio's metrics name a workload and not its kind."""

NEVER_A_KIND = frozenset(KIND_LABELS) | {
    "alertname",
    "cluster",
    "condition",
    "container",
    "controller",
    "device",
    "endpoint",
    "event",
    "group",
    "image",
    "instance",
    "job",
    "name",
    "namespace",
    "phase",
    "project",
    "prometheus",
    "reason",
    "resource",
    "service",
    "severity",
    "status",
    "team",
    "template",
    "user",
    *("app", "code", "component", "effect", "env", "environment", "handler", "key", "level", "method", "mode", "path"),
    *("priority", "quantile", "region", "state", "tier", "type", "uid", "verb", "version", "zone"),
}
"""Labels that are a kind's singular name somewhere, and say how a sample was scraped, or something else."""

SEVERITIES = (
    ("none", "debug"),
    ("info", "information", "notice", "low", "p5"),
    ("minor", "ticket", "p4"),
    ("warning", "medium", "p3"),
    ("major", "high", "error", "p2"),
    ("critical", "page", "alert", "p1"),
    ("emergency",),
)
"""Names of severities that are in use, in lower case: alike ones beside each other, the least first."""
