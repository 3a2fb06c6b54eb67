"""What the manifests really say about scaling."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

_KNATIVE = Path(__file__).parents[3] / "knative"
_PREFIX = "autoscaling.knative.dev/"
_ANNOTATION_PATH = "/spec/template/metadata/annotations/autoscaling.knative.dev~1"
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """A Service's settings; defaults are those of Knative's config-autoscaler. Seconds; 0 max_scale: no limit."""

    container_concurrency: int = 0
    timeout: float = 300.0
    target: float = 100.0
    utilization: float = 0.7
    window: float = 60.0
    panic_window_share: float = 0.1
    panic_threshold: float = 2.0
    target_burst_capacity: float = 211.0
    min_scale: int = 0
    max_scale: int = 0
    retention: float = 0.0
    cpu_request: float = 0.0
    cpu_limit: float = 1.0

    @classmethod
    def of(cls, service: Any) -> ServiceSettings:
        """Read a Knative Service."""
        template = service["spec"]["template"]
        notes = template["metadata"]["annotations"]
        unknown = {note for note in notes if note.startswith(_PREFIX)} - {_PREFIX + name for name in _KNOWN}
        if unknown:
            raise ValueError(f"the model does not know {', '.join(sorted(unknown))}")
        values = {name: notes[_PREFIX + name] for name in _KNOWN if _PREFIX + name in notes}
        concurrency = int(template["spec"].get("containerConcurrency", 0))
        target = float(values.get("target", concurrency or cls.target))
        resources = template["spec"]["containers"][0]["resources"]
        return cls(
            container_concurrency=concurrency,
            timeout=float(template["spec"].get("timeoutSeconds", cls.timeout)),
            target=min(target, concurrency) if concurrency else target,
            utilization=float(values.get("target-utilization-percentage", 70)) / 100,
            window=_seconds(values.get("window", "60s")),
            panic_window_share=float(values.get("panic-window-percentage", 10)) / 100,
            panic_threshold=float(values.get("panic-threshold-percentage", 200)) / 100,
            target_burst_capacity=float(values.get("target-burst-capacity", 211)),
            min_scale=int(values.get("min-scale", 0)),
            max_scale=int(values.get("max-scale", 0)),
            retention=_seconds(values.get("scale-to-zero-pod-retention-period", "0s")),
            cpu_request=_cores(resources["requests"]["cpu"]),
            cpu_limit=_cores(resources["limits"]["cpu"]),
        )


_KNOWN = (
    "class",
    "metric",
    "target",
    "target-utilization-percentage",
    "window",
    "panic-window-percentage",
    "panic-threshold-percentage",
    "target-burst-capacity",
    "min-scale",
    "max-scale",
    "scale-to-zero-pod-retention-period",
)


def base_service(name: str = "alertmanager") -> ServiceSettings:
    """The Service of knative/base."""
    return ServiceSettings.of(_load(_KNATIVE / "base" / f"{name}.yaml"))


def overlay_service(overlay: str, name: str = "alertmanager") -> ServiceSettings:
    """The Service with the patches of an overlay (JSON patches of annotations and the CPU request)."""
    service = _load(_KNATIVE / "base" / f"{name}.yaml")
    for patch in _load(_KNATIVE / "overlays" / overlay / "kustomization.yaml")["patches"]:
        if patch["target"]["kind"] == "Service" and name in patch["target"]["name"]:
            for step in yaml.safe_load(patch["patch"]):
                _apply(service, step)
    return ServiceSettings.of(service)


def _apply(service: Any, step: Mapping[str, Any]) -> None:
    template = service["spec"]["template"]
    if step["path"].startswith(_ANNOTATION_PATH):
        template["metadata"]["annotations"][_PREFIX + step["path"].removeprefix(_ANNOTATION_PATH)] = step["value"]
    elif step["path"] == "/spec/template/spec/containers/0/resources/requests/cpu":
        template["spec"]["containers"][0]["resources"]["requests"]["cpu"] = step["value"]
    else:
        raise ValueError(f"the model does not know the patch of {step['path']}")


def _load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def _seconds(duration: str) -> float:
    return float(duration[:-1]) * _UNITS[duration[-1]]


def _cores(quantity: str) -> float:
    return float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)
