"""The Helm chart renders what kustomize does, changes what its values say, and refuses values that cannot work."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import yaml

from core.version import VERSION
from tests.manifests import chart_schema
from tests.manifests.building import Manifest, objects, the, validate
from tests.manifests.checks import violations
from tests.manifests.helm import CHART, run, template

FUNCTIONS = ("alertmanager", "kubernetes-event", "pubsub", "dead-letters")
MARK = "sluice.kubernaut.ai/settings"  # Helm's own: a changed ConfigMap makes new revisions
WHOLE: dict[str, Any] = {"namespace": {"create": True}}
LABEL = {"matchLabels": {"kubernaut.ai/managed": "true"}}
SMALL = {"maxScale": 1, "annotations": {"autoscaling.knative.dev/scale-to-zero-pod-retention-period": "30s"}}

# folder of knative/, values that ask for the same
SAME: dict[str, dict[str, Any]] = {
    "base": {},
    "overlays/production": yaml.safe_load((CHART / "values-production.yaml").read_text()),
    "overlays/dev": {
        "settings": {"SLUICE_LOG_LEVEL": "DEBUG"},
        **dict.fromkeys(("alertmanager", "kubernetesEvent", "pubsub"), SMALL),
    },
    "overlays/labelled": {"kubernetesEvent": {"namespaceSelector": LABEL}},
    "overlays/sender-tokens": {"kubernetesEvent": {"senderTokens": True}},
    "overlays/rules": {
        "rules": yaml.safe_load((CHART.parents[1] / "components" / "rules" / "rules.yaml").read_text())["rules"]
    },
}


def by_identity(manifests: list[Manifest]) -> dict[tuple[str, str, str], Manifest]:
    found = {
        (each["apiVersion"], each["kind"], each["metadata"]["name"]): comparable(deepcopy(each)) for each in manifests
    }
    assert len(found) == len(manifests)
    return found


def comparable(manifest: Manifest) -> Manifest:
    """Without what must differ: Helm's mark, the form of the rules' file, the order of variables; and a namespace.

    kustomize gives one to kinds which it wrongly takes for namespaced; the API server drops it.
    """
    if manifest["kind"] in ("FlowSchema", "PriorityLevelConfiguration"):
        manifest["metadata"].pop("namespace", None)
    if manifest["kind"] == "ConfigMap" and "rules.yaml" in manifest["data"]:
        manifest["data"] = yaml.safe_load(manifest["data"]["rules.yaml"])
    if not manifest["metadata"].get("labels"):
        manifest["metadata"].pop("labels", None)
    if manifest["kind"] == "Service":
        template = manifest["spec"]["template"]
        template["metadata"]["annotations"].pop(MARK, None)
        template["spec"]["containers"][0].get("env", []).sort(key=lambda variable: variable["name"])
    return manifest


def with_plain_names(manifests: list[Manifest]) -> list[Manifest]:
    """kustomize names the rules' ConfigMap by its content; the chart marks the revision instead."""
    names = [each["metadata"]["name"] for each in manifests if "sluice-rules-" in each["metadata"]["name"]]
    text = yaml.safe_dump_all(manifests)
    for name in names:
        text = text.replace(name, "sluice-rules")
    return list(yaml.safe_load_all(text))


@pytest.mark.parametrize("folder", SAME)
def test_chart_and_kustomize_say_the_same_of_every_object(folder: str) -> None:
    assert by_identity(template(values=SAME[folder] | WHOLE)) == by_identity(with_plain_names(objects(folder)))


def test_namespace_is_left_to_create_namespace_unless_asked_for() -> None:
    asked, left = (by_identity(template(values=values)) for values in (WHOLE, {}))
    assert set(asked) - set(left) == {("v1", "Namespace", "sluice-system")}


def test_every_revision_has_a_mark_that_changes_with_settings_and_rules() -> None:
    def marks(values: dict[str, Any]) -> set[str]:
        services = [the("Service", f"sluice-{name}", of=template(values=values)) for name in FUNCTIONS]
        return {each["spec"]["template"]["metadata"]["annotations"][MARK] for each in services}

    values: tuple[dict[str, Any], ...] = (
        {},
        {"settings": {"SLUICE_CLUSTER": "a"}},
        {"settings": {"SLUICE_CLUSTER": "b"}},
        SAME["overlays/rules"],
    )
    seen = [marks(each) for each in values]
    assert [len(each) for each in seen] == [1, 1, 1, 1]
    assert len(set.union(*seen)) == 4


def test_another_namespace_is_used_wherever_the_base_names_its_own() -> None:
    rendered = template(values=SAME["overlays/sender-tokens"] | WHOLE, namespace="gateway")
    assert "sluice-system" not in yaml.safe_dump_all(rendered)
    by_hand = yaml.safe_dump_all(objects("overlays/sender-tokens")).replace("sluice-system", "gateway")
    assert by_identity(rendered) == by_identity(list(yaml.safe_load_all(by_hand)))


def test_chart_and_kustomize_say_the_same_of_what_watches_sluice() -> None:
    without, rendered = (template(values={"monitoring": {"enabled": each}} | WHOLE) for each in (False, True))
    watching = {key: each for key, each in by_identity(rendered).items() if key not in by_identity(without)}
    assert watching == by_identity(objects("monitoring"))


def test_what_watches_sluice_goes_where_prometheus_is_with_the_labels_that_it_looks_for() -> None:
    values = {"monitoring": {"enabled": True, "labels": {"release": "stack"}}, "metricsNamespace": "observability"}
    rendered = template(values=values, namespace="gateway")
    for kind, name in (("PodMonitor", "sluice"), ("PrometheusRule", "sluice"), ("ConfigMap", "sluice-dashboard")):
        metadata = the(kind, name, of=rendered)["metadata"]
        assert (metadata["namespace"], metadata["labels"]["release"]) == ("observability", "stack")
    assert the("PodMonitor", "sluice", of=rendered)["spec"]["namespaceSelector"] == {"matchNames": ["gateway"]}
    rules = the("PrometheusRule", "sluice", of=rendered)["spec"]["groups"][0]["rules"]
    assert {rule["labels"]["namespace"] for rule in rules} == {"gateway"}


def test_knative_and_our_checks_accept_what_all_values_make() -> None:
    rendered = template(
        values={
            "image": {"repository": "registry.test/sluice", "digest": f"sha256:{'a' * 64}"},
            "settings": {"SLUICE_MAX_BODY": "1048576"},
            "rules": [{"name": "dev", "match": 'namespace=~"dev-.*"', "ignore": "not ours"}],
            "senders": [{"name": "alertmanager-main", "namespace": "monitoring"}],
            "alertmanager": {"minScale": 0, "env": {"SLUICE_LOG_LEVEL": "DEBUG"}},
            "pubsub": {"env": {"SLUICE_AUTH": "oidc"}, "resources": {"limits": {"memory": "512Mi"}}},
            "kubernetesEvent": {"namespaceSelector": LABEL, "senderTokens": True},
            "metricsNamespace": "observability",
            "apiServerPorts": [16443],
        }
    )

    assert [line for line in validate(*rendered) if line.startswith("FAIL")] == []
    assert violations(rendered) == []

    def container(name: str) -> Any:
        return the("Service", f"sluice-{name}", of=rendered)["spec"]["template"]["spec"]["containers"][0]

    assert {container(name)["image"] for name in FUNCTIONS} == {f"registry.test/sluice@sha256:{'a' * 64}"}
    assert {"name": "SLUICE_LOG_LEVEL", "value": "DEBUG"} in container("alertmanager")["env"]
    assert container("pubsub")["env"][0] == {"name": "SLUICE_AUTH", "value": "oidc"}
    assert "SLUICE_AUTH_NONE" not in {each["name"] for each in container("pubsub")["env"]}
    assert container("pubsub")["resources"]["limits"] == {"cpu": "1", "memory": "512Mi"}
    assert the("ConfigMap", "sluice", of=rendered)["data"]["SLUICE_MAX_BODY"] == "1048576"
    policy = the("NetworkPolicy", "sluice", of=rendered)["spec"]
    assert {"port": 16443} in policy["egress"][0]["ports"]
    assert "observability" in str(policy["ingress"])
    (account,) = the("RoleBinding", "sluice-sender-monitoring-alertmanager-main", of=rendered)["subjects"]
    assert account == {"kind": "ServiceAccount", "name": "alertmanager-main", "namespace": "monitoring"}


@pytest.mark.parametrize(
    ("function", "gone"),
    [
        ("alertmanager", {"sluice-alertmanager"}),
        ("pubsub", {"sluice-pubsub"}),
        ("kubernetesEvent", {"sluice-kubernetes-event", "sluice-event-source", "sluice-events", "sluice-dead-letters"}),
    ],
)
def test_function_that_is_not_wanted_leaves_with_all_that_is_its_own(function: str, gone: set[str]) -> None:
    left = {each["metadata"]["name"] for each in template(values={function: {"enabled": False}})}
    assert {each["metadata"]["name"] for each in template()} - left == gone


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"alertmanger": {"enabled": False}}, "alertmanger"),
        ({"settings": {"SLUICE_LOGLEVEL": "DEBUG"}}, "SLUICE_LOGLEVEL"),
        ({"settings": {"SLUICE_LOG_LEVEL": "LOUD"}}, "/settings/SLUICE_LOG_LEVEL"),
        ({"settings": {"SLUICE_MAX_BODY": 8388608}}, "/settings/SLUICE_MAX_BODY"),
        ({"settings": {"SLUICE_AUTH": "kubernets"}}, "/settings/SLUICE_AUTH"),
        ({"alertmanager": {"minScale": "two"}}, "/alertmanager/minScale"),
        ({"alertmanager": {"minScale": -1}}, "/alertmanager/minScale"),
        ({"pubsub": {"env": {"SLUICE_ATUH": "oidc"}}}, "SLUICE_ATUH"),
        ({"image": {"digest": "latest"}}, "/image/digest"),
        ({"senders": [{"name": "alertmanager"}]}, "/senders/0"),
        ({"rules": {"name": "a"}}, "/rules"),
        ({"apiServerPorts": [70000]}, "/apiServerPorts/0"),
        ({"kubernetesEvent": {"senderTokens": "yes"}}, "/kubernetesEvent/senderTokens"),
        ({"monitoring": {"labels": {"release": 1}}}, "/monitoring/labels/release"),
    ],
)
@pytest.mark.parametrize("command", [("lint",), ("template", "sluice")])
def test_wrong_value_is_refused_by_its_name(command: tuple[str, ...], values: dict[str, Any], said: str) -> None:
    refused = run(*command, str(CHART), values=values)
    assert refused.returncode == 1
    assert said in refused.stdout + refused.stderr


@pytest.mark.parametrize("arguments", [(), ("--values", str(CHART / "values-production.yaml"))])
def test_helm_finds_no_fault(arguments: tuple[str, ...]) -> None:
    linted = run("lint", "--strict", str(CHART), *arguments)
    assert (linted.returncode, "0 chart(s) failed" in linted.stdout) == (0, True), linted.stdout + linted.stderr


def test_package_holds_the_files_that_are_links_here(tmp_path: Any) -> None:
    assert run("package", str(CHART), "--destination", str(tmp_path)).returncode == 0
    (packed,) = tmp_path.glob("*.tgz")
    rendered = run("template", "sluice", str(packed), "--include-crds", "--namespace", "sluice-system", values=WHOLE)
    assert by_identity([each for each in yaml.safe_load_all(rendered.stdout) if each]) == by_identity(objects("base"))


def test_schema_knows_the_settings_of_the_code() -> None:
    assert chart_schema.FILE.read_text() == chart_schema.text(), "run `make chart`"


def test_schema_names_every_value() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert set(values) | {"global"} == set(chart_schema.schema()["properties"])


def test_chart_has_the_version_of_the_product() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)
