"""What Knative's validation lets pass, although it cannot work: misspelt annotations, probes that miss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.manifests.building import Manifest

_AUTOSCALING = "autoscaling.knative.dev/"
# Knative Serving 0.50, pkg/apis/autoscaling/register.go
AUTOSCALING_KEYS = {
    f"{_AUTOSCALING}{key}"
    for key in (
        "activation-scale",
        "class",
        "initial-scale",
        "max-scale",
        "metric",
        "metric-aggregation-algorithm",
        "min-scale",
        "panic-threshold-percentage",
        "panic-window-percentage",
        "scale-down-delay",
        "scale-to-zero-pod-retention-period",
        "target",
        "target-burst-capacity",
        "target-utilization-percentage",
        "window",
    )
}
AUTOSCALING_CLASSES = {"kpa.autoscaling.knative.dev", "hpa.autoscaling.knative.dev"}
KNATIVE_LABELS = {"networking.knative.dev/visibility": {"cluster-local"}}
HARDENED = {
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def violations(manifests: list[Manifest]) -> list[str]:
    """Sentences that name object, field and value."""
    return [
        f"{each['kind']} {each['metadata']['name']}: {violation}" for each in manifests for violation in _of_any(each)
    ]


def _of_any(manifest: Manifest) -> Iterator[str]:
    if manifest["apiVersion"].startswith("serving.knative.dev/"):
        yield from _of_service(manifest)
    if manifest["kind"] == "ConfigMap":
        yield from _of_settings(manifest["data"])


def _of_service(service: Manifest) -> Iterator[str]:
    template = service["spec"]["template"]
    yield from _of_annotations(template.get("metadata", {}).get("annotations", {}))
    for key, value in service["metadata"].get("labels", {}).items():
        if "knative.dev/" in key and value not in KNATIVE_LABELS.get(key, ()):
            yield f"label {key}={value} means nothing to Knative"
    if not template["spec"].get("containerConcurrency"):
        yield "containerConcurrency is 0: a burst falls on the first instance unthrottled"
    for container in template["spec"]["containers"]:
        yield from _of_container(container)


def _of_annotations(annotations: dict[str, str]) -> Iterator[str]:
    for key, value in annotations.items():
        if "knative.dev/" in key and key not in AUTOSCALING_KEYS:
            yield f"annotation {key} means nothing to Knative"
        if key == f"{_AUTOSCALING}class" and value not in AUTOSCALING_CLASSES:
            yield f"annotation {key}={value} names no autoscaler"


def _of_container(container: dict[str, Any]) -> Iterator[str]:
    ports = {port["containerPort"] for port in container.get("ports", ())}
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        probe = container.get(name, {})
        port = (probe.get("httpGet") or probe.get("tcpSocket") or {}).get("port")
        if port is not None and port not in ports:
            yield f"{name} asks port {port}, the container has {sorted(ports)}"
    context = container.get("securityContext", {})
    for field, value in HARDENED.items():
        if context.get(field) != value:
            yield f"securityContext.{field} is {context.get(field)}, not {value}"
    if not container.get("resources", {}).get("requests"):
        yield "resources.requests is missing"
    yield from _of_settings({each["name"]: each.get("value", "") for each in container.get("env", ())})


def _of_settings(environment: dict[str, str]) -> Iterator[str]:
    known = {f"SLUICE_{name.upper()}" for name in Settings.fields}
    for name in environment:
        if name.startswith("SLUICE_") and name not in known:
            yield f"{name} is no setting"
