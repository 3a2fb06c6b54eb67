"""Knative's own validation accepts what we ship, and our checks catch what it lets pass."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from core.settings import Settings
from tests.manifests.building import FOLDERS, Manifest, objects, the, validate
from tests.manifests.checks import violations

if TYPE_CHECKING:
    from collections.abc import Callable

    Break = Callable[[Manifest], object]

FUNCTIONS = ("sluice-alertmanager", "sluice-kubernetes-event", "sluice-pubsub", "sluice-dead-letters")


@pytest.fixture
def service() -> Manifest:
    return deepcopy(the("Service", "sluice-alertmanager", of=objects("base")))


def template(service: Manifest) -> Any:
    return service["spec"]["template"]


def container(service: Manifest) -> Any:
    return template(service)["spec"]["containers"][0]


def annotate(key: str, value: str) -> Break:
    return lambda service: template(service)["metadata"]["annotations"].update(
        {f"autoscaling.knative.dev/{key}": value}
    )


@pytest.mark.parametrize("folder", FOLDERS)
def test_knative_accepts_every_object(folder: str) -> None:
    judged = validate(*objects(folder))
    assert [line for line in judged if line.startswith("FAIL")] == []
    accepted = {line.split()[-1] for line in judged if line.startswith("ok")}
    assert accepted >= {*FUNCTIONS, "sluice", "sluice-events"}
    assert len(judged) == len(objects(folder))


@pytest.mark.parametrize("folder", FOLDERS)
def test_our_checks_accept_every_object(folder: str) -> None:
    assert violations(objects(folder)) == []


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (annotate("min-scale", "one"), "invalid value: one"),
        (annotate("metric", "concurency"), "invalid value: concurency"),
        (lambda s: template(s)["spec"].update(containerConcurrency=1001), "expected 0 <= 1001 <= 1000"),
        (lambda s: template(s)["spec"].update(timeoutSeconds=601), "expected 0 <= 601 <= 600"),
        (lambda s: template(s)["spec"].update(securityContext={"runAsNonRoot": True}), "must not set the field(s)"),
        (lambda s: template(s)["spec"].update(nodeSelector={"a": "b"}), "must not set the field(s)"),
        (
            lambda s: container(s)["env"].append(
                {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}
            ),
            "must not set the field(s)",
        ),
        (lambda s: container(s)["env"].append({"name": "PORT", "value": "1"}), '"PORT" is a reserved environment'),
        (lambda s: container(s)["ports"].append({"containerPort": 9102}), "more than one container port"),
        (lambda s: container(s).update(lifecycle={"preStop": {"sleep": {"seconds": 1}}}), "must not set the field(s)"),
        (lambda s: container(s).update(imagePulPolicy="Always"), 'unknown field "imagePulPolicy"'),
    ],
)
def test_knative_refuses_what_it_cannot_run(service: Manifest, broken: Break, said: str) -> None:
    broken(service)
    (line,) = validate(service)
    assert line.startswith("FAIL serving.knative.dev/v1/Service sluice-alertmanager: ")
    assert said in line


@pytest.mark.parametrize(
    ("kind", "name", "broken", "said"),
    [
        (
            "Broker",
            "sluice",
            lambda b: b["spec"]["delivery"].update(retry=-1),
            "invalid value: -1",
        ),
        ("Broker", "sluice", lambda b: b["spec"]["delivery"].update(backoffPolicy="expo"), "invalid value: expo"),
        ("Broker", "sluice", lambda b: b["spec"]["delivery"].update(backoffDelay="5s"), "invalid value: 5s"),
        ("Trigger", "sluice-events", lambda t: t["spec"].pop("subscriber"), "spec.subscriber"),
        ("Trigger", "sluice-events", lambda t: t["spec"].update(filters=[{"cesql": "type ="}]), "spec.filters"),
        ("ApiServerSource", "sluice-events", lambda a: a["spec"].update(mode="Whole"), "spec.mode"),
        ("ApiServerSource", "sluice-events", lambda a: a["spec"].update(resources=[]), "spec.resources"),
        ("ApiServerSource", "sluice-events", lambda a: a["spec"].pop("sink"), "spec.sink"),
    ],
)
def test_eventing_refuses_what_it_cannot_deliver(kind: str, name: str, broken: Break, said: str) -> None:
    manifest = deepcopy(the(kind, name, of=objects("base")))
    broken(manifest)
    (line,) = validate(manifest)
    assert line.startswith("FAIL ")
    assert said in line


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (annotate("min-scales", "1"), "annotation autoscaling.knative.dev/min-scales means nothing to Knative"),
        (annotate("class", "kpa"), "annotation autoscaling.knative.dev/class=kpa names no autoscaler"),
        (lambda s: container(s)["readinessProbe"]["httpGet"].update(port=8081), "readinessProbe asks port 8081"),
        (lambda s: template(s)["spec"].update(containerConcurrency=0), "containerConcurrency is 0"),
        (lambda s: container(s)["securityContext"].pop("seccompProfile"), "securityContext.seccompProfile is None"),
        (lambda s: container(s)["securityContext"].update(readOnlyRootFilesystem=False), "readOnlyRootFilesystem"),
        (lambda s: container(s).pop("resources"), "resources.requests is missing"),
        (
            lambda s: container(s)["env"].append({"name": "SLUICE_NAMESPCE", "value": "x"}),
            "SLUICE_NAMESPCE is no setting",
        ),
        (
            lambda s: s["metadata"]["labels"].update({"networking.knative.dev/visibility": "cluster_local"}),
            "label networking.knative.dev/visibility=cluster_local means nothing",
        ),
    ],
)
def test_what_knative_lets_pass_is_caught_by_our_checks(service: Manifest, broken: Break, said: str) -> None:
    broken(service)
    assert validate(service) == ["ok serving.knative.dev/v1/Service sluice-alertmanager"]
    (violation,) = violations([service])
    assert said in violation


def test_misspelt_setting_of_the_config_map_is_caught() -> None:
    config = deepcopy(the("ConfigMap", "sluice", of=objects("base")))
    config["data"]["SLUICE_LOGLEVEL"] = "DEBUG"
    assert violations([config]) == ["ConfigMap sluice: SLUICE_LOGLEVEL is no setting"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_settings_of_the_config_map_are_good(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in the("ConfigMap", "sluice", of=objects(folder))["data"].items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.auth == "kubernetes"
    for name in FUNCTIONS:
        limits = template(the("Service", name, of=objects(folder)))["spec"]
        assert settings.request_deadline < limits["timeoutSeconds"]
        assert limits["containerConcurrency"] <= settings.max_concurrent


def test_production_keeps_two_instances_and_a_budget_that_lets_one_go() -> None:
    production = objects("overlays/production")
    budget = the("PodDisruptionBudget", "sluice-alertmanager", of=production)
    annotations = template(the("Service", "sluice-alertmanager", of=production))["metadata"]["annotations"]
    assert int(annotations["autoscaling.knative.dev/min-scale"]) > budget["spec"]["maxUnavailable"]
    assert container(the("Service", "sluice-pubsub", of=production))["image"] == "example.com/sluice:0.1.0"


def test_flow_schema_comes_before_that_of_all_service_accounts() -> None:
    schema = the("FlowSchema", "sluice", of=objects("base"))
    assert schema["spec"]["matchingPrecedence"] < 9000
    level = schema["spec"]["priorityLevelConfiguration"]["name"]
    assert the("PriorityLevelConfiguration", level, of=objects("base"))
