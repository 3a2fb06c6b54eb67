"""The RemediationRequest object for a signal (seed: CRDCreator, steps 2 and 3)."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic_core import to_json

from core.models.remediation_request import ATTEMPT_ANNOTATION
from core.text import cut_utf8
from core.timestamps import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from core.kube.resources import Resource
    from core.models.signal import NormalizedSignal

PayloadEncoding = Literal["base64", "raw"]

SEED_GROUP = "remediation.kubernaut.ai"

_LABEL_VALUE_BYTES = 63
_ANNOTATION_VALUE_BYTES = 256 * 1024
# etcd takes 1.5 MiB. The API server answers a larger object with 500, which would be tried again for ever.
_SPEC_BYTES = 1024 * 1024
_SURELY_FITS = 64 * 1024  # however much escaping adds: no need to write it out twice to measure
_DROPPED_FIRST = ("originalPayload", "signalAnnotations", "providerData", "signalLabels")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestBuilder:
    """Builds objects of one API group in one namespace."""

    resource: Resource
    namespace: str
    payload_encoding: PayloadEncoding

    def build(self, signal: NormalizedSignal, *, name: str, attempt_id: str, now: datetime) -> dict[str, Any]:
        """Return the object to CREATE; every string is within the CRD's limits."""
        return {
            "apiVersion": self.resource.api_version,
            "kind": self.resource.kind,
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "labels": {
                    "app.kubernetes.io/managed-by": "gateway-service",
                    "app.kubernetes.io/component": "remediation",
                },
                "annotations": {
                    **signal.provenance,
                    "kubernaut.ai/created-at": rfc3339(now),
                    ATTEMPT_ANNOTATION: attempt_id,
                },
            },
            "spec": self._spec(signal),
        }

    def _spec(self, signal: NormalizedSignal) -> dict[str, Any]:
        labels = truncated(signal.labels, limit=_LABEL_VALUE_BYTES)
        spec = {
            "signalFingerprint": signal.fingerprint,
            "signalName": signal.signal_name,
            "severity": signal.severity,
            "signalType": signal.signal_type,
            "targetType": signal.target_type,
            "targetResource": _target(signal),
            "firingTime": rfc3339(signal.firing_time),
            "receivedTime": rfc3339(signal.received_time),
            "signalLabels": labels,
            "signalAnnotations": truncated(signal.annotations, limit=_ANNOTATION_VALUE_BYTES),
            "providerData": json.dumps({"namespace": signal.target.namespace, "labels": labels}),
        }
        return _fitting(
            spec
            | _present(
                signalSource=signal.signal_source,
                clusterID=signal.cluster_id,
                originalPayload=self._payload(signal.payload()),
                # The newest upstream CRD has no such fields: it would prune them, or refuse them when strict.
                environment=signal.environment if self.resource.group == SEED_GROUP else "",
                priority=signal.priority if self.resource.group == SEED_GROUP else "",
            )
        )

    def _payload(self, payload: bytes) -> str:
        return b64encode(payload).decode() if self.payload_encoding == "base64" else payload.decode()


def _fitting(spec: dict[str, Any]) -> dict[str, Any]:
    """Leave out what can be spared, the payload first, where the object would be too large to store."""
    if _characters(spec) > _SURELY_FITS:
        for field in _DROPPED_FIRST:
            if len(to_json(spec)) <= _SPEC_BYTES:
                break
            spec.pop(field, None)
    return spec


def _characters(spec: dict[str, Any]) -> int:
    maps = (spec["signalLabels"], spec["signalAnnotations"])
    return sum(len(key) + len(value) for values in (*maps, spec) for key, value in values.items())


def truncated(values: Mapping[str, str], *, limit: int) -> dict[str, str]:
    """Cut each value to at most `limit` bytes of UTF-8, never inside a character."""
    return {key: cut_utf8(value, limit=limit) for key, value in values.items()}


def _target(signal: NormalizedSignal) -> dict[str, str]:
    target = signal.target
    return {"kind": target.kind, "name": target.name} | _present(
        namespace=target.namespace, apiVersion=target.api_version
    )


def _present(**values: str) -> dict[str, str]:
    return {key: value for key, value in values.items() if value}
