"""A real Alertmanager in a pod, with the configuration of knative/examples."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tests.cluster.images import ALERTMANAGER_IMAGE
from tests.cluster.machine import SETTLES_WITHIN
from tests.cluster.product import ROOT

if TYPE_CHECKING:
    from tests.cluster.machine import Machine

NAMESPACE, NAME = "monitoring", "alertmanager"
_PORT = 9093
_CONFIGURATION = "/run/config"
_PROXY = f"/api/v1/namespaces/{NAMESPACE}/services/{NAME}:http/proxy"


def start_alertmanager(machine: Machine) -> None:
    """Start it; returns when it is ready."""
    # Ten seconds to gather a group are right for people; a test need not wait for them.
    text = (ROOT / "knative" / "examples" / "alertmanager.yml").read_text().replace("group_wait: 10s", "group_wait: 1s")
    objects = [_config_map(text), _pod(), _service()]
    machine.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    machine.kubectl("-n", NAMESPACE, "wait", "--for=condition=ready", f"--timeout={SETTLES_WITHIN:.0f}s", "pod", NAME)


def post_alerts(machine: Machine, alerts: list[dict[str, Any]]) -> None:
    """Tell it of alerts, as Prometheus does."""
    posted = machine.request("POST", f"{_PROXY}/api/v2/alerts", alerts)
    assert posted.status == 200, posted.body


def failed_notifications(machine: Machine) -> float:
    """Webhooks that it has given up."""
    text = str(machine.request("GET", f"{_PROXY}/metrics").body)
    values = re.findall(
        r'^alertmanager_notifications_failed_total\{integration="webhook".*\} (\S+)$', text, re.MULTILINE
    )
    assert values, text
    return sum(map(float, values))


def _config_map(text: str) -> dict[str, Any]:
    return _object("v1", "ConfigMap", data={"alertmanager.yml": text})


def _pod() -> dict[str, Any]:
    container = {
        "name": NAME,
        "image": ALERTMANAGER_IMAGE,
        "args": [
            f"--config.file={_CONFIGURATION}/alertmanager.yml",
            "--storage.path=/run/alertmanager",
            "--cluster.listen-address=",
            f"--web.listen-address=:{_PORT}",
        ],
        "ports": [{"containerPort": _PORT, "name": "http"}],
        "readinessProbe": {"httpGet": {"path": "/-/ready", "port": "http"}, "periodSeconds": 1},
        "volumeMounts": [{"name": "config", "mountPath": _CONFIGURATION}],
    }
    spec = {
        "serviceAccountName": NAME,
        "terminationGracePeriodSeconds": 5,
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": NAME}}],
    }
    return _object("v1", "Pod", labels={"app": NAME}, spec=spec)


def _service() -> dict[str, Any]:
    return _object("v1", "Service", spec={"selector": {"app": NAME}, "ports": [{"name": "http", "port": _PORT}]})


def _object(version: str, kind: str, *, labels: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    metadata = {"name": NAME, "namespace": NAMESPACE, "labels": labels or {}}
    return {"apiVersion": version, "kind": kind, "metadata": metadata} | fields
