"""Incidents of Google Cloud Monitoring (notification channel Pub/Sub, schema version 1.2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from core.common.text import cut_utf8, describe_invalid, excerpt, texts_of
from core.signals.bounds import PAYLOAD_BYTES, bounded_json, bounded_texts
from core.signals.rules import IGNORED_BY_RULE, Rules, default_rules
from core.signals.signal import Entry, Ignored, NormalizedSignal, Poison, TargetResource, fingerprint_of
from core.signals.targets import NO_TARGET, target_of

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE = "cloud-monitoring"
SIGNAL_TYPE = "cloud-monitoring-incident"

# Resource type → label that names the target; its namespace is `namespace_name`.
_TARGETS = {
    "k8s_container": ("pod", "pod_name"),
    "k8s_pod": ("pod", "pod_name"),
    "k8s_node": ("node", "node_name"),
}
_NAME_BYTES, _SEVERITY_BYTES = 253, 50


class _Resource(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    type: str
    labels: dict[str, str] | None = None


class Incident(BaseModel):
    """The fields that the gateway reads; all others stay in the payload."""

    model_config = ConfigDict(extra="ignore", strict=True)

    state: str
    resource: _Resource | None = None
    incident_id: str | None = None
    policy_name: str | None = None
    condition_name: str | None = None
    severity: str | None = None
    summary: str | None = None
    url: str | None = None
    started_at: float | None = None
    policy_user_labels: dict[str, str] | None = None


_NAMED_BY = ("incident_id", "policy_name", "condition_name")


def read_incident(body: Mapping[str, Any], *, received_time: datetime, rules: Rules | None = None) -> Entry:
    """Return what becomes of a notification: `open` is firing, `closed` is resolved."""
    try:
        incident = Incident.model_validate(body.get("incident"))
    except ValidationError as error:
        return Poison(
            "malformed_incident",
            describe_invalid(error, root="incident")[1],
            texts_of(body.get("incident"), *_NAMED_BY),
        )
    state = incident.state.lower()  # the console's test notification writes OPEN
    if state == "closed":
        return Ignored("resolved")
    if state != "open":
        return Poison(
            "malformed_incident",
            f"incident.state is {excerpt(incident.state)}; it must be open or closed",
            texts_of(body.get("incident"), *_NAMED_BY),
        )
    resource = (incident.resource and incident.resource.labels) or {}
    signal_name = cut_utf8(incident.policy_name or incident.condition_name or "unknown", limit=_NAME_BYTES)
    labels = {"incident_id": incident.incident_id or "", **resource, **(incident.policy_user_labels or {})}
    decision = (rules or default_rules()).decide({"alertname": signal_name, **labels})
    if decision.ignored:
        return Ignored(IGNORED_BY_RULE, decision.ignored, signal_name)
    target = target_of(decision.hints) if decision.hints else _target(incident.resource)
    if isinstance(target, Ignored):
        return replace(target, signal_name=signal_name)
    cluster = resource.get("cluster_name", "") if decision.cluster is None else decision.cluster
    return NormalizedSignal(
        fingerprint=fingerprint_of(target, cluster=cluster),
        signal_name=signal_name,
        severity=decision.severity or cut_utf8((incident.severity or "unknown").lower(), limit=_SEVERITY_BYTES),
        signal_type=SIGNAL_TYPE,
        signal_source=SOURCE,
        target=target,
        cluster_id=cut_utf8(cluster, limit=_NAME_BYTES),
        firing_time=_moment(incident.started_at) or received_time,
        received_time=received_time,
        provenance=decision.provenance,
        labels=bounded_texts(labels),
        annotations=bounded_texts(_annotations(incident)),
        payload=partial(bounded_json, dict(body), limit=PAYLOAD_BYTES),
    )


def _target(resource: _Resource | None) -> TargetResource | Ignored:
    if resource is None or resource.type not in _TARGETS:
        return Ignored(
            NO_TARGET,
            f"incident.resource.type is {excerpt(resource and resource.type)}; only {', '.join(_TARGETS)} name a "
            "Kubernetes object: route other policies elsewhere",
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
