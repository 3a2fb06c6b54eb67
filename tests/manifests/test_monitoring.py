"""Metrics reach Prometheus: the port of the settings is open to it, and scraped, for every function."""

from __future__ import annotations

from typing import Any

import yaml

from tests.manifests.building import ROOT, objects, the

SERVICES = {"sluice-alertmanager", "sluice-kubernetes-event", "sluice-pubsub", "sluice-dead-letters"}


def selected(selector: Any) -> set[str]:
    """The Services whose pods a selector takes."""
    (expression,) = selector["matchExpressions"]
    assert (expression["key"], expression["operator"]) == ("serving.knative.dev/service", "In")
    return set(expression["values"])


def test_every_function_has_its_metrics_scraped_through_the_network_policy() -> None:
    manifests = objects("base")
    port = int(the("ConfigMap", "sluice", of=manifests)["data"]["SLUICE_METRICS_PORT"])
    policy = the("NetworkPolicy", "sluice", of=manifests)["spec"]
    monitor = yaml.safe_load((ROOT / "monitoring" / "pod-monitor.yaml").read_text())

    assert selected(policy["podSelector"]) == selected(monitor["spec"]["selector"]) == SERVICES
    assert [endpoint["portNumber"] for endpoint in monitor["spec"]["podMetricsEndpoints"]] == [port]
    (opened,) = [each for each in policy["ingress"] if {"port": port} in each.get("ports", [])]
    assert opened["from"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": monitor["metadata"]["namespace"]}}}
    ]
    for name in SERVICES:
        (container,) = the("Service", name, of=manifests)["spec"]["template"]["spec"]["containers"]
        assert container["envFrom"] == [{"configMapRef": {"name": "sluice"}}]


def test_google_managed_prometheus_scrapes_the_same_pods_and_port() -> None:
    port = int(the("ConfigMap", "sluice", of=objects("base"))["data"]["SLUICE_METRICS_PORT"])
    monitoring = yaml.safe_load((ROOT / "components" / "google-metrics" / "pod-monitoring.yaml").read_text())

    assert monitoring["apiVersion"] == "monitoring.googleapis.com/v1"
    assert monitoring["metadata"]["namespace"] == "sluice-system"  # PodMonitoring sees its own namespace alone
    assert selected(monitoring["spec"]["selector"]) == SERVICES
    assert [endpoint["port"] for endpoint in monitoring["spec"]["endpoints"]] == [port]
