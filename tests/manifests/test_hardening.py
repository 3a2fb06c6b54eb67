"""What a function that is broken into could reach, and whether its memory is enough for what it takes."""

from __future__ import annotations

import re
from typing import Any

import pytest

from core.settings import Settings
from tests.manifests.building import FOLDERS, ROOT, objects, the

FUNCTIONS = ("sluice-alertmanager", "sluice-kubernetes-event", "sluice-pubsub", "sluice-dead-letters")
MEBIBYTE = 1024 * 1024

AT_REST = 64 * MEBIBYTE
"""Measured: master and worker after the first answer."""

OF_A_BODY = 6
"""Bytes for each byte of SLUICE_BODY_BUDGET; three were seen under 200 webhooks of 1 MB (tests/e2e/test_loads.py)."""

OF_A_REQUEST = 320 * 1024
"""What a connection may bring before its body waits for room: uvicorn's buffer and uvloop's."""


def pods(folder: str, name: str) -> Any:
    return the("Service", name, of=objects(folder))["spec"]["template"]


def settings_of(folder: str) -> Settings:
    data = the("ConfigMap", "sluice", of=objects(folder))["data"]
    known = {name.removeprefix("SLUICE_").lower(): value for name, value in data.items()}
    return Settings(**known)


def needed(settings: Settings, requests: int) -> int:
    return AT_REST + OF_A_BODY * max(settings.body_budget, settings.max_body) + OF_A_REQUEST * requests


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("folder", FOLDERS)
def test_memory_is_enough_for_what_an_instance_takes(folder: str, name: str) -> None:
    spec = pods(folder, name)["spec"]
    limit = int(spec["containers"][0]["resources"]["limits"]["memory"].removesuffix("Mi")) * MEBIBYTE
    assert needed(settings_of(folder), spec["containerConcurrency"]) <= limit


def test_memory_of_cloud_functions_is_enough_too() -> None:
    script = (ROOT.parent / "functions" / "deploy-google.sh").read_text()
    (memory,) = re.findall(r"--memory=(\d+)Mi", script)
    (concurrency,) = re.findall(r"--concurrency=(\d+)", script)
    assert needed(Settings(), int(concurrency)) <= int(memory) * MEBIBYTE


def test_memory_that_is_too_small_would_be_noticed() -> None:
    assert needed(Settings(body_budget=64 * MEBIBYTE), 20) > 256 * MEBIBYTE


@pytest.mark.parametrize("folder", FOLDERS)
def test_namespace_enforces_the_restricted_profile(folder: str) -> None:
    labels = the("Namespace", "sluice-system", of=objects(folder))["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_functions_reach_the_api_server_and_names_alone() -> None:
    policy = the("NetworkPolicy", "sluice", of=objects("base"))["spec"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    open_ports = {port["port"] for rule in policy["egress"] for port in rule["ports"]}
    assert open_ports == {443, 6443, 8443, 53}


def test_functions_with_audit_events_reach_their_sink_besides() -> None:
    sink = settings_of("overlays/audit").audit_sink
    rules = the("NetworkPolicy", "sluice", of=objects("overlays/audit"))["spec"]["egress"]
    without = the("NetworkPolicy", "sluice", of=objects("base"))["spec"]["egress"]
    (namespace,) = re.fullmatch(r"http://[a-z-]+\.([a-z-]+)\.svc/.*", sink).groups()  # type: ignore[union-attr]
    sinks = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    assert rules == [*without, {"to": [sinks], "ports": [{"port": 8080}]}]


def test_functions_with_traces_reach_the_collector_besides() -> None:
    endpoint = the("ConfigMap", "sluice", of=objects("overlays/traces"))["data"]["OTEL_EXPORTER_OTLP_ENDPOINT"]
    rules = the("NetworkPolicy", "sluice", of=objects("overlays/traces"))["spec"]["egress"]
    without = the("NetworkPolicy", "sluice", of=objects("base"))["spec"]["egress"]
    namespace, port = re.fullmatch(r"http://[a-z-]+\.([a-z-]+)\.svc:(\d+)", endpoint).groups()  # type: ignore[union-attr]
    collectors = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    assert rules == [*without, {"to": [collectors], "ports": [{"port": int(port)}]}]


def test_collectors_of_google_reach_the_metrics_port_and_no_other() -> None:
    google = objects("overlays/google-metrics")
    rules = the("NetworkPolicy", "sluice", of=google)["spec"]["ingress"]
    without = the("NetworkPolicy", "sluice", of=objects("base"))["spec"]["ingress"]
    collectors = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "gmp-system"}}}
    assert rules == [*without, {"from": [collectors], "ports": [{"port": 9102}]}]
    (endpoint,) = the("PodMonitoring", "sluice", of=google)["spec"]["endpoints"]
    assert endpoint["port"] == settings_of("overlays/google-metrics").metrics_port


def test_number_of_rrs_has_a_bound() -> None:
    quota = the("ResourceQuota", "sluice", of=objects("overlays/production"))
    assert int(quota["spec"]["hard"]["count/remediationrequests.remediation.kubernaut.ai"]) > 0
    assert quota["metadata"]["namespace"] == "sluice-system"


def test_kinds_are_found_by_their_category() -> None:
    definition = the("CustomResourceDefinition", "remediationrequests.remediation.kubernaut.ai", of=objects("base"))
    assert definition["spec"]["names"]["categories"] == ["kubernaut"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_objects_and_pods_carry_the_usual_labels(folder: str) -> None:
    for each in objects(folder):
        assert each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "sluice", each["metadata"]["name"]
    for name in FUNCTIONS:
        labels = pods(folder, name)["metadata"]["labels"]
        assert {f"app.kubernetes.io/{key}" for key in ("name", "component", "part-of", "version")} <= labels.keys()


def test_no_sender_gets_a_token_that_never_ends() -> None:
    for path in (ROOT / "examples").rglob("*.y*ml"):
        assert "kubernetes.io/service-account-token" not in path.read_text(), path


def test_tokens_in_production_are_for_us_alone() -> None:
    assert settings_of("overlays/production").audience_list == ["sluice"]
    assert "audience: sluice" in (ROOT / "examples" / "sender.yaml").read_text()
