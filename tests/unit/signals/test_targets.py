"""Which object an alert is about, with the labels that kube-prometheus really puts on alerts."""

import pytest

from core.signals.signal import Ignored, Lookup, TargetResource
from core.signals.targets import MOST_CANDIDATES, candidates_of, target_of

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
        assert named(deployment="web", namespace="monitoring", exported_namespace="shop").namespace == "shop"

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


def offered(**labels: str) -> list[str]:
    """The candidates in order, as `kind namespace/name by label, rule`; a question mark where it must exist."""
    found = candidates_of(labels)
    assert not isinstance(found, Ignored), found
    return [
        f"{each.target} by {each.label}, {each.rule}{'?' if each.must_exist else ''}"
        + ("" if each.lookup is Lookup.OBJECT else f" ({each.lookup})")
        for each in found
    ]


class TestOrder:
    def test_hints_come_first(self):
        labels = {"namespace": "shop", "pod": "checkout-1", "target_kind": "Deployment", "target_name": "payment"}
        assert offered(**labels) == [
            "Deployment shop/payment by target_name, hint",
            "Pod shop/checkout-1 by pod, pod",
        ]

    def test_hint_has_its_own_namespace(self):
        labels = {"namespace": "shop", "target_kind": "statefulset", "target_name": "db", "target_namespace": "data"}
        assert offered(**labels) == ["StatefulSet data/db by target_name, hint"]

    def test_hint_of_a_kind_without_a_namespace_has_none(self):
        assert offered(target_kind="Node", target_name="n1", namespace="shop") == ["Node n1 by target_name, hint"]

    def test_hint_of_a_custom_kind_is_for_the_api_server_to_know(self):
        assert offered(target_kind="Rollout", target_name="web", namespace="shop") == [
            "rollout shop/web by target_name, hint? (singular)"
        ]

    def test_hint_may_be_an_annotation(self):
        found = candidates_of({"namespace": "shop"}, {"target_kind": "Deployment", "target_name": "web"})
        assert not isinstance(found, Ignored)
        assert str(found[0].target) == "Deployment shop/web"

    def test_workload_comes_before_its_pod_and_the_pod_before_its_node(self):
        labels = {"namespace": "shop", "pod": "web-1", "node": "n1", "statefulset": "web", "job": "kubelet"}
        assert offered(**labels) == [
            "StatefulSet shop/web by statefulset, workload",
            "Pod shop/web-1 by pod, pod",
            "Node n1 by node, node",
        ]

    def test_exported_ones_come_before_the_plain(self):
        labels = {"exported_pod": "web-1", "exported_namespace": "shop", "deployment": "ksm", "namespace": "obs"}
        assert offered(**labels) == [
            "Pod shop/web-1 by exported_pod, exported",
            "Deployment shop/ksm by deployment, workload",
        ]

    def test_plain_pod_beside_an_exported_namespace_must_be_there(self):
        assert offered(pod="cert-manager-1", namespace="cert-manager", exported_namespace="shop") == [
            "Pod shop/cert-manager-1 by pod, pod?"
        ]

    def test_number_of_candidates_is_bounded(self):
        kinds = {"".join(chr(97 + (number // 26**index) % 26) for index in range(4)): "x" for number in range(1000)}
        assert len(offered(namespace="shop", **kinds)) == MOST_CANDIDATES


class TestNamespaces:
    @pytest.mark.parametrize("label", ["namespace", "exported_namespace"])
    def test_namespace_of_an_alert_is_the_last_candidate_where_that_is_wanted(self, label):
        labels = {label: "shop", "job_name": "report-1"}
        found = candidates_of(labels, to_namespace=True)
        assert not isinstance(found, Ignored)
        assert [str(each.target) for each in found] == ["Job shop/report-1", "Namespace shop"]

    def test_alert_that_names_nothing_else_is_about_its_namespace(self):
        found = candidates_of({"namespace": "shop", "pod": "my pod"}, to_namespace=True)
        assert not isinstance(found, Ignored)
        assert [(str(each.target), each.label, each.rule) for each in found] == [
            ("Namespace shop", "namespace", "untargeted")
        ]

    @pytest.mark.parametrize("labels", [{}, {"namespace": "Not One"}])
    def test_alert_without_a_namespace_still_names_nothing(self, labels):
        assert isinstance(candidates_of(labels, to_namespace=True), Ignored)


class TestNodes:
    def test_node_where_the_scraped_pod_runs_names_nothing(self):
        labels = {
            "exported_namespace": "shop",
            "namespace": "monitoring",
            "node": "worker-3",
            "service": "x-kube-state-metrics",
        }
        refused(**labels, job="kubernetes-service-endpoints")
        refused(namespace="shop", node="worker-3", job="my-app")

    @pytest.mark.parametrize("job", ["kubelet", "cadvisor", "node-exporter", "kube-state-metrics"])
    def test_node_that_its_own_exporter_measured_is_meant(self, job):
        assert named(namespace="kube-system", node="worker-3", job=job).kind == "Node"

    def test_node_without_a_namespace_is_meant(self):
        assert named(node="worker-3", instance="i").kind == "Node"

    @pytest.mark.parametrize("job", ["node-exporter", "prom/node_exporter", "node-problem-detector"])
    def test_exporter_of_a_node_speaks_of_the_node_of_its_pod(self, job):
        labels = {"job": job, "namespace": "monitoring", "pod": "prom-node-exporter-x1y2z"}
        pod = "Pod monitoring/prom-node-exporter-x1y2z by pod, node_exporter? (node-of-pod)"
        found = [each for each in offered(**labels, instance="worker-1:9100") if "node_exporter" in each]
        assert found == ["Node worker-1 by instance, node_exporter?", pod]
        assert [each for each in offered(**labels, instance="10.0.0.7:9100") if "node_exporter" in each] == [pod]


class TestOtherNames:
    @pytest.mark.parametrize("separator", ["_", "."])
    def test_opentelemetrys(self, separator):
        attributes = {
            "k8s_namespace_name": "shop",
            "k8s_pod_name": "web-1",
            "k8s_deployment_name": "web",
            "k8s_node_name": "n1",
        }
        assert offered(**{key.replace("_", separator): text for key, text in attributes.items()}) == [
            f"Deployment shop/web by k8s{separator}deployment{separator}name, opentelemetry",
            f"Pod shop/web-1 by k8s{separator}pod{separator}name, opentelemetry",
        ]

    def test_opentelemetrys_node_alone(self):
        assert offered(k8s_node_name="n1") == ["Node n1 by k8s_node_name, opentelemetry"]

    @pytest.mark.parametrize("label", ["kubernetes_pod_name", "pod_name"])
    @pytest.mark.parametrize("namespace", ["namespace", "kubernetes_namespace", "namespace_name"])
    def test_older_names_of_a_pod(self, label, namespace):
        assert named(**{label: "web-1", namespace: "shop"}).name == "web-1"

    @pytest.mark.parametrize(("kind", "expected"), [("deployment", "Deployment"), ("StatefulSet", "StatefulSet")])
    def test_workload_and_its_type(self, kind, expected):
        assert str(named(namespace="shop", workload="web", workload_type=kind)) == f"{expected} shop/web"

    def test_workload_without_a_type_names_nothing(self):
        refused(namespace="shop", workload="web")

    def test_claim_beside_the_storages_own_pod(self):
        labels = {"pvc": "data-0", "pvc_namespace": "shop", "namespace": "longhorn-system", "pod": "longhorn-manager-x"}
        assert offered(**labels)[0] == "PersistentVolumeClaim shop/data-0 by pvc, pvc"

    def test_workload_of_a_mesh_is_of_one_of_three_kinds(self):
        labels = {"destination_workload": "web", "destination_workload_namespace": "shop"}
        assert [each.split()[0] for each in offered(**labels)] == ["Deployment", "StatefulSet", "DaemonSet"]
        refused(**labels)
        refused(destination_workload="unknown", destination_workload_namespace="shop")

    @pytest.mark.parametrize("kind", ["rollout", "route", "certificate", "application", "ingress"])
    def test_any_kinds_singular_name_is_for_the_api_server_to_know(self, kind):
        assert offered(**{kind: "web", "namespace": "shop"}) == [f"{kind} shop/web by {kind}, kind? (singular)"]
        refused(**{kind: "web", "namespace": "shop"})
        assert offered(**{f"exported_{kind}": "web", "namespace": "x", "exported_namespace": "shop"})[0] == (
            f"{kind} shop/web by exported_{kind}, kind? (singular)"
        )

    def test_singular_name_may_be_written_as_in_code(self):
        assert offered(scaledObject="web", namespace="shop") == [
            "scaledobject shop/web by scaledObject, kind? (singular)"
        ]
        refused(nodeName="n1", Job="web", namespace="shop")

    def test_own_cadvisors_names_of_a_pod(self):
        labels = {
            "container_label_io_kubernetes_pod_name": "web-1",
            "container_label_io_kubernetes_pod_namespace": "shop",
        }
        assert str(named(**labels, job="cadvisor")) == "Pod shop/web-1"

    def test_log_collectors_names_of_a_pod(self):
        labels = {"kubernetes_pod_name": "web-1", "kubernetes_namespace_name": "shop", "kubernetes_host": "n1"}
        assert offered(**labels) == ["Pod shop/web-1 by kubernetes_pod_name, pod_name"]

    @pytest.mark.parametrize("label", ["nodename", "node_name", "kubernetes_node", "kubernetes_host", "Hostname"])
    def test_names_of_a_node_count_where_there_is_such_a_node(self, label):
        assert f"Node n1 by {label}, node_name?" in offered(**{label: "n1"})
        refused(**{label: "n1"})
        assert "Node" not in str(candidates_of({label: "n1", "namespace": "shop", "pod": "web-1"}))


class TestKindAndName:
    @pytest.mark.parametrize("pair", ["involved_object", "object", "resource"])
    def test_pair_names_an_object_of_its_own_namespace(self, pair):
        labels = {f"{pair}_kind": "StatefulSet", f"{pair}_name": "db", f"{pair}_namespace": "shop"}
        scanner = {"namespace": "scanners", "pod": "scanner-1", "job": "scanner"}
        assert offered(**labels, **scanner) == [f"StatefulSet shop/db by {pair}_name, kind_and_name?"]

    def test_pod_beside_a_pair_counts_only_where_it_is(self):
        labels = {"resource_kind": "ReplicaSet", "resource_name": "web-1", "namespace": "shop", "pod": "scanner-1"}
        assert offered(**labels) == [
            "ReplicaSet shop/web-1 by resource_name, kind_and_name?",
            "Pod shop/scanner-1 by pod, pod?",
        ]

    def test_owner_speaks_of_the_pod_beside_it(self):
        labels = {"owner_kind": "ReplicaSet", "owner_name": "web-6f5d", "namespace": "shop", "pod": "web-6f5d-abcde"}
        assert offered(**labels) == [
            "ReplicaSet shop/web-6f5d by owner_name, kind_and_name?",
            "Pod shop/web-6f5d-abcde by pod, pod",
        ]

    @pytest.mark.parametrize("label", ["customresource_kind", "kind"])
    def test_custom_kind_is_for_the_api_server_to_know(self, label):
        labels = {label: "Kustomization", "name": "apps", "exported_namespace": "flux", "namespace": "monitoring"}
        assert offered(**labels) == ["kustomization flux/apps by name, kind_and_name? (singular)"]

    def test_kind_without_a_name_and_name_without_a_kind_are_nothing(self):
        refused(kind="Deployment", namespace="shop")
        refused(name="web", namespace="shop")
        refused(kind="not a kind", name="web", namespace="shop")


class TestExporters:
    """A pod that measures others is never what an alert is about."""

    POD = "my-cluster-kafka-exporter-5f6d8c7b9-q8w2e"

    @pytest.mark.parametrize("pod", [POD, "blackbox-exporter-0", "exporter-x1y2z", "prometheus-pushgateway-7d8f-b2c3d"])
    def test_pod_whose_name_says_so_whatever_its_job_is_called(self, pod):
        refused(namespace="kafka", pod=pod, job="kafka/kafka-resources-metrics")
        refused(namespace="kafka", pod=pod, service="metrics")

    @pytest.mark.parametrize("job", ["kube-state-metrics", "kubelet", "x/cadvisor"])
    def test_what_kubernetes_itself_says_of_such_a_pod_is_about_it(self, job):
        assert named(namespace="kafka", pod=self.POD, job=job).name == self.POD

    def test_such_a_pod_that_nothing_is_said_to_have_scraped_is_a_target(self):
        assert named(namespace="kafka", pod=self.POD, container="x").name == self.POD

    @pytest.mark.parametrize("pod", ["exporters-1", "web-1", "myexporter-1"])
    def test_pod_whose_name_only_resembles_theirs_is_a_target(self, pod):
        assert named(namespace="kafka", pod=pod, job="web").name == pod

    def test_pod_in_the_namespace_of_what_it_measured_where_prometheus_operator_wrote_its_name(self):
        labels = {"exported_namespace": "argocd", "namespace": "argocd", "pod": "argocd-application-controller-0"}
        refused(**labels, endpoint="metrics", job="argocd-metrics")
        assert named(**labels, job="argocd-metrics").kind == "Pod"
        assert named(**labels, endpoint="metrics", uid="u-1").kind == "Pod"

    @pytest.mark.parametrize("label", ["dest_namespace", "resource_namespace", "involved_object_namespace"])
    def test_pod_beside_the_namespace_of_what_it_measured(self, label):
        refused(**{label: "shop"}, namespace="policies", pod="controller-1", job="policies")

    def test_ceph_manager_is_not_the_daemon_that_it_measured(self):
        refused(namespace="rook-ceph", pod="rook-ceph-mgr-a-58c7d9f6b-7hj2k", job="rook-ceph-mgr", ceph_daemon="osd.3")

    def test_longhorn_manager_speaks_of_any_node_and_of_no_volume_by_its_node(self):
        labels = {"namespace": "longhorn-system", "pod": "longhorn-manager-tt5xk", "job": "longhorn-backend"}
        assert offered(**labels, node="worker-2") == ["Node worker-2 by node, node"]
        assert "Node" not in str(candidates_of({**labels, "node": "worker-2", "volume": "v"}))
