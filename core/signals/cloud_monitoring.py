"""Incidents of Google Cloud Monitoring (notification channel Pub/Sub, schema version 1.2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from core.common.text import cut_utf8, describe_invalid, excerpt, texts_of
from core.signals.rules import IGNORED_BY_RULE, Rules, default_rules
from core.signals.signal import (
    CLUSTER_LABELS,
    PAYLOAD_BYTES,
    RESOLVED,
    Candidate,
    Entry,
    Ignored,
    NormalizedSignal,
    Poison,
    TargetResource,
    alert_id,
    bounded_json,
    bounded_texts,
    cluster_of,
    fingerprint_of,
)
from core.signals.targets import NO_TARGET, candidates_of, target_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SOURCE = "cloud-monitoring"
SIGNAL_TYPE = "cloud-monitoring-incident"

# Resource type → label that names the target; its namespace is `namespace_name`.
_TARGETS = {
    "k8s_container": ("pod", "pod_name"),
    "k8s_pod": ("pod", "pod_name"),
    "k8s_node": ("node", "node_name"),
}
_PROMETHEUS_RESOURCE = "prometheus_target"
_PROMETHEUS_METRICS = "prometheus.googleapis.com/"
_WHERE_GOOGLE_KEEPS_IT = ("project_id", "location")
_CLUSTER_LABELS = ("cluster_name",)  # of Google's own resources
_NAME_BYTES, _SEVERITY_BYTES = 253, 50


class _Resource(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    type: str
    labels: dict[str, str] | None = None


def _texts(labels: object) -> dict[str, str]:
    return {key: text for key, text in labels.items() if isinstance(text, str)} if isinstance(labels, dict) else {}


class _Metric(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    type: Annotated[str, BeforeValidator(lambda value: value if isinstance(value, str) else "")] = ""
    labels: Annotated[dict[str, str], BeforeValidator(_texts)] = Field(default_factory=dict)


class Incident(BaseModel):
    """The fields that the gateway reads; all others stay in the payload."""

    model_config = ConfigDict(extra="ignore", strict=True)

    state: str
    resource: _Resource | None = None
    metric: Annotated[_Metric, BeforeValidator(lambda value: value if isinstance(value, dict) else {})] = Field(
        default_factory=_Metric
    )
    incident_id: str | None = None
    policy_name: str | None = None
    condition_name: str | None = None
    severity: str | None = None
    summary: str | None = None
    url: str | None = None
    started_at: float | None = None
    policy_user_labels: dict[str, str] | None = None

    @property
    def of_prometheus(self) -> bool:
        """Whether Managed Prometheus measured it: then its labels are those that Prometheus gives."""
        kind = self.resource.type if self.resource else ""
        return kind == _PROMETHEUS_RESOURCE or (
            kind not in _TARGETS and self.metric.type.startswith(_PROMETHEUS_METRICS)
        )

    @property
    def measured(self) -> dict[str, str]:
        """The labels of what was measured: those of the resource, and of the metric where they tell the object."""
        resource = (self.resource and self.resource.labels) or {}
        return self.metric.labels | resource if self.of_prometheus else resource

    def cluster(self, labels: Sequence[str]) -> str:
        """Return the cluster's name, empty where none is told; what Prometheus measured has it in one of `labels`."""
        return cluster_of(self.measured, labels if self.of_prometheus else _CLUSTER_LABELS)


_NAMED_BY = ("incident_id", "policy_name", "condition_name")


def read_incident(
    body: Mapping[str, Any],
    *,
    received_time: datetime,
    rules: Rules | None = None,
    cluster_labels: Sequence[str] = CLUSTER_LABELS,
) -> Entry:
    """Return what becomes of a notification: `open` is firing, `closed` is resolved.

    Args:
        body: the notification.
        received_time: timezone-aware; stands in for a missing `started_at`.
        rules: decide before labels are read; None: those that are built in.
        cluster_labels: those that name the cluster where Prometheus measured it, the first that is not empty.
    """
    try:
        incident = Incident.model_validate(body.get("incident"))
    except ValidationError as error:
        return Poison(
            "malformed_incident",
            describe_invalid(error, root="incident")[1],
            texts_of(body.get("incident"), *_NAMED_BY),
        )
    state = incident.state.lower()  # the console's test notification writes OPEN
    if state not in ("open", "closed"):
        return Poison(
            "malformed_incident",
            f"incident.state is {excerpt(incident.state)}; it must be open or closed",
            texts_of(body.get("incident"), *_NAMED_BY),
        )
    signal = _signal(incident, body, received_time, rules or default_rules(), cluster_labels)
    if state == "closed":
        return Ignored(RESOLVED, ended=replace(signal, resolved=True) if isinstance(signal, NormalizedSignal) else None)
    return signal


def _signal(
    incident: Incident,
    body: Mapping[str, Any],
    received_time: datetime,
    rules: Rules,
    cluster_labels: Sequence[str],
) -> NormalizedSignal | Ignored:
    signal_name = cut_utf8(incident.policy_name or incident.condition_name or "unknown", limit=_NAME_BYTES)
    labels = {"incident_id": incident.incident_id or "", **incident.measured, **(incident.policy_user_labels or {})}
    decision = rules.decide({"alertname": signal_name, **labels})
    if decision.ignored:
        return Ignored(IGNORED_BY_RULE, decision.ignored, signal_name)
    aim = _aim(incident, decision.hints)
    if isinstance(aim, Ignored):
        return replace(aim, signal_name=signal_name)
    target, candidates = aim
    cluster = incident.cluster(cluster_labels) if decision.cluster is None else decision.cluster
    return NormalizedSignal(
        fingerprint=fingerprint_of(target, cluster=cluster),
        signal_name=signal_name,
        severity=decision.severity or cut_utf8((incident.severity or "unknown").lower(), limit=_SEVERITY_BYTES),
        signal_type=SIGNAL_TYPE,
        signal_source=SOURCE,
        target=target,
        candidates=candidates,
        cluster_id=cut_utf8(cluster, limit=_NAME_BYTES),
        firing_time=_moment(incident.started_at) or received_time,
        received_time=received_time,
        provenance=decision.provenance,
        labels=bounded_texts(labels),
        annotations=bounded_texts(_annotations(incident)),
        payload=partial(bounded_json, dict(body), limit=PAYLOAD_BYTES),
        alert=alert_id({"incident_id": incident.incident_id}) if incident.incident_id else "",
    )


def _aim(incident: Incident, hints: Mapping[str, str]) -> tuple[TargetResource, Sequence[Candidate]] | Ignored:
    """Return what an incident is about until the cluster has decided, and the candidates where there are more."""
    if not incident.of_prometheus:
        target = target_of(hints) if hints else _target(incident.resource)
        return target if isinstance(target, Ignored) else (target, ())
    labels = {key: text for key, text in incident.measured.items() if key not in _WHERE_GOOGLE_KEEPS_IT}
    found = candidates_of({**labels, **hints}, incident.policy_user_labels)
    return found if isinstance(found, Ignored) else (found[0].target, found)


def _target(resource: _Resource | None) -> TargetResource | Ignored:
    if resource is None or resource.type not in _TARGETS:
        return Ignored(
            NO_TARGET,
            f"incident.resource.type is {excerpt(resource and resource.type)}; only {', '.join(_TARGETS)} and "
            f"{_PROMETHEUS_RESOURCE} name a Kubernetes object: route other policies elsewhere",
        )
    label, carrier = _TARGETS[resource.type]
    known = resource.labels or {}
    labels = {label: known.get(carrier, ""), "namespace": known.get("namespace_name", "")}
    target = target_of(labels)
    if isinstance(target, Ignored):
        return Ignored(
            NO_TARGET,
            f"incident.resource.labels of a {resource.type}: {carrier} is {excerpt(labels[label])}, namespace_name is "
            f"{excerpt(labels['namespace'])}; both must be names of Kubernetes objects",
        )
    return target


def _annotations(incident: Incident) -> dict[str, str]:
    known = {"summary": incident.summary, "url": incident.url, "condition_name": incident.condition_name}
    return {key: value for key, value in known.items() if value}


def _moment(seconds: float | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds and seconds > 0 else None
    except (ValueError, OverflowError, OSError):
        return None
