"""Which object an alert is about, with the labels that kube-prometheus really puts on alerts."""

import pytest

from core.adapters.targets import target_of
from core.models.batch import Ignored
from core.models.signal import TargetResource

KSM = {
    "job": "kube-state-metrics",
    "service": "kube-state-metrics",
    "instance": "10.0.0.9:8443",
    "endpoint": "https-main",
}
KSM_POD = {"pod": "kube-state-metrics-7d4f8-x2x9z", "container": "kube-rbac-proxy-main", "namespace": "prod"}


def named(**labels: str) -> TargetResource:
    target = target_of(labels)
    assert isinstance(target, TargetResource), target
    return target


def refused(**labels: str) -> Ignored:
    target = target_of(labels)
    assert isinstance(target, Ignored), target
    assert target.reason == "no_target"
    return target


class TestRealAlerts:
    def test_crash_looping_pod(self):
        target = named(
            **KSM, namespace="prod", pod="web-6f5d-abcde", container="app", uid="u-1", reason="CrashLoopBackOff"
        )
        assert target == TargetResource(kind="Pod", name="web-6f5d-abcde", namespace="prod", api_version="v1")

    def test_crash_looping_pod_that_is_kube_state_metrics_itself(self):
        assert named(**KSM, **KSM_POD, uid="u-2").name == KSM_POD["pod"]

    @pytest.mark.parametrize(
        ("label", "kind", "api_version"),
        [
            ("deployment", "Deployment", "apps/v1"),
            ("statefulset", "StatefulSet", "apps/v1"),
            ("daemonset", "DaemonSet", "apps/v1"),
            ("replicaset", "ReplicaSet", "apps/v1"),
            ("job_name", "Job", "batch/v1"),
            ("cronjob", "CronJob", "batch/v1"),
            ("horizontalpodautoscaler", "HorizontalPodAutoscaler", "autoscaling/v2"),
            ("poddisruptionbudget", "PodDisruptionBudget", "policy/v1"),
            ("persistentvolumeclaim", "PersistentVolumeClaim", "v1"),
        ],
    )
    def test_workload_that_kube_state_metrics_measured_beside_its_own_pod(self, label, kind, api_version):
        target = named(**KSM, **KSM_POD, **{label: "the-name"})
        assert target == TargetResource(kind=kind, name="the-name", namespace="prod", api_version=api_version)

    @pytest.mark.parametrize(
        ("job", "service"),
        [
            ("kube-state-metrics", "kube-prometheus-stack-kube-state-metrics"),
            ("kube-state-metrics", ""),
            ("", "kube-prometheus-stack-kube-state-metrics"),
            ("monitoring/kube-state-metrics", ""),
            ("integrations/kubernetes/kube-state-metrics", ""),
            ("kube_state_metrics", ""),
        ],
    )
    def test_replicas_mismatch_as_a_helm_release_reports_it(self, job, service):
        labels = {**KSM, "job": job, "service": service, "container": "kube-state-metrics", "namespace": "kube-system"}
        pod = "kube-prometheus-stack-kube-state-metrics-6f664bc8c4-5lwq6"
        target = named(**labels, pod=pod, deployment="metrics-server")
        assert (target.kind, target.name, target.namespace) == ("Deployment", "metrics-server", "kube-system")

    def test_pod_of_kube_state_metrics_that_no_exporter_measured_is_a_target(self):
        pod = "kube-prometheus-stack-kube-state-metrics-6f664bc8c4-5lwq6"
        assert named(namespace="monitoring", pod=pod).name == pod

    def test_pod_whose_name_only_resembles_the_exporters_is_a_target(self):
        assert named(**KSM, namespace="prod", pod="kube-state-metricsworld-1").kind == "Pod"

    def test_node_has_no_namespace(self):
        target = named(**KSM, **KSM_POD, node="worker-1.example.internal")
        assert target == TargetResource(kind="Node", name="worker-1.example.internal", api_version="v1")

    def test_persistent_volume_has_no_namespace(self):
        assert named(**KSM, **KSM_POD, persistentvolume="pv-1").namespace == ""

    def test_volume_that_fills_up_as_the_kubelet_reports_it(self):
        target = named(
            job="kubelet", namespace="prod", node="worker-1", persistentvolumeclaim="data-db-0", service="kubelet"
        )
        assert (target.kind, target.name) == ("PersistentVolumeClaim", "data-db-0")

    def test_container_out_of_memory_as_cadvisor_reports_it(self):
        target = named(job="kubelet", namespace="prod", pod="web-1", container="app", image="nginx", node="worker-1")
        assert (target.kind, target.name) == ("Pod", "web-1")

    def test_application_that_reports_about_itself(self):
        assert (
            named(job="web", service="web", namespace="prod", pod="web-6f5d-abcde", instance="10.0.0.1:80").kind
            == "Pod"
        )


class TestExportedLabels:
    def test_exported_pod_comes_before_the_exporters_own(self):
        target = named(**KSM, **KSM_POD, exported_pod="web-1", exported_namespace="shop")
        assert (target.name, target.namespace) == ("web-1", "shop")

    def test_exported_workload_comes_before_a_plain_pod(self):
        assert (
            named(pod="collector-1", namespace="obs", exported_deployment="web", exported_namespace="shop").kind
            == "Deployment"
        )

    def test_exported_namespace_comes_before_the_plain_one(self):
        assert named(pod="web-1", namespace="monitoring", exported_namespace="shop").namespace == "shop"

    def test_plain_label_beside_an_unusable_exported_one_is_still_the_exporters(self):
        labels = {"exported_pod": "Web_1", "pod": "collector-1", "namespace": "obs", "exported_namespace": "shop"}
        assert "exported_pod='Web_1'" in refused(**labels).message
        assert named(**labels, exported_deployment="web").kind == "Deployment"

    def test_empty_exported_label_does_not_count(self):
        assert named(exported_pod="", pod="web-1", namespace="prod").name == "web-1"

    def test_empty_exported_namespace_does_not_count(self):
        assert named(pod="web-1", namespace="prod", exported_namespace="").namespace == "prod"


class TestReservedLabels:
    @pytest.mark.parametrize("label", ["job", "service", "instance", "endpoint", "container", "namespace"])
    def test_label_that_says_how_it_was_scraped_never_names_the_target(self, label):
        assert "deployment" in refused(**{label: "web", "namespace": "prod"}).message

    @pytest.mark.parametrize("pod", ["node-exporter-x2x9z", "kube-prometheus-stack-prometheus-node-exporter-x2x9z"])
    @pytest.mark.parametrize("job", ["node-exporter", "node_exporter", "integrations/node_exporter"])
    def test_node_exporters_own_pod_never_names_the_target(self, job, pod):
        labels = {
            "job": job,
            "pod": pod,
            "namespace": "monitoring",
            "instance": "worker-1",
        }
        refused(**labels)
        assert named(**labels, node="worker-1").kind == "Node"


class TestNames:
    @pytest.mark.parametrize(
        "name", ["Web", "web_1", "-web", "web-", "wéb", "web\0", "web\n", "a" * 254, "a..b", ".a", " web"]
    )
    def test_label_that_is_no_kubernetes_name_is_passed_over(self, name):
        assert named(pod=name, deployment="web", namespace="prod").kind == "Deployment"
        ignored = refused(pod=name, namespace="prod")
        assert "pod=" in ignored.message
        assert len(ignored.message) < 400

    @pytest.mark.parametrize("name", ["a", "web-1", "a.b-c.d", "0", "a" * 253])
    def test_kubernetes_name_is_taken(self, name):
        assert named(pod=name, namespace="prod").name == name

    def test_empty_label_is_no_label(self):
        assert "no label names a target" in refused(pod="", namespace="prod").message

    def test_target_without_a_namespace_is_none(self):
        assert "namespace" in refused(pod="web-1").message

    @pytest.mark.parametrize("namespace", ["Prod", "prod.eu", "p" * 64, "prod\0"])
    def test_target_in_a_namespace_that_is_no_name_is_none(self, namespace):
        assert "namespace=" in refused(pod="web-1", namespace=namespace).message
