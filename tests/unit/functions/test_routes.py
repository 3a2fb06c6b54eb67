"""What is served where, to whom, and what everything else is answered."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.scripted import answered, refused
from tests.unit.functions.conftest import Function
from tests.unit.functions.webhooks import alert, webhook

LIST = "LIST remediationrequests"
NOT_TOLD = answered(404, b"404 page not found\n")
"""As an API server answers that publishes no OpenAPI document, and reviews no rules."""
CRD_MISSING = answered(404, b"404 page not found\n")


async def samples(function: Function) -> dict[str, float]:
    """All samples of /metrics, by name and labels."""
    text = (await function.get("/metrics")).body.decode()
    return {
        f"{sample.name}{dict(sorted(sample.labels.items()))}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class TestHealth:
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    async def test_process_is_alive_whatever_its_api_server_does(self, function, scripted, method):
        answer = await function.call(method, "/healthz")
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert answer.json["status"] == "healthy"
        assert abs(datetime.fromisoformat(answer.json["timestamp"]) - datetime.now(UTC)) < timedelta(hours=1)
        assert function.transports == []


class TestReadiness:
    async def test_ready_means_that_rrs_can_be_found_by_fingerprint(self, function, scripted):
        scripted.then(LIST, answered(200, {"items": []}))
        scripted.then("GET openapi", NOT_TOLD)
        scripted.then("CREATE selfsubjectrulesreviews", NOT_TOLD)
        answer = await function.get("/readyz")
        assert (answer.status, answer.json) == (200, {"status": "ready"})
        asked, *_ = scripted.requests
        assert asked.query == {
            "fieldSelector": f"spec.signalFingerprint={'0' * 64}",
            "resourceVersion": "0",
            "limit": "1",
        }

    @pytest.mark.parametrize(
        ("said", "remedy"),
        [
            (CRD_MISSING, "apply knative/cluster/crd.yaml to the cluster"),
            (refused(403, "Forbidden", message="no"), 'resources: ["remediationrequests"], verbs: ["list"]'),
            (refused(400, "BadRequest", message="field label not supported"), "field label not supported"),
            (refused(401, "Unauthorized", message="Unauthorized"), "401"),
            (refused(503, message="etcd is down"), "etcd is down"),
        ],
    )
    async def test_unready_says_what_is_missing(self, function, scripted, said, remedy):
        scripted.then(LIST, said)
        answer = await function.get("/readyz")
        assert remedy in answer.problem(503)
        assert answer.headers["Retry-After"] == "1"

    async def test_probe_that_fails_is_a_warning_and_no_error_about_a_request(self, function, scripted, capsys):
        scripted.then(LIST, refused(503, message="etcd is down"))
        await function.get("/readyz")
        (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert line["severity"] == "WARNING"
        assert line["message"].startswith("not ready: ")
        assert "etcd is down" in line["message"]

    async def test_cluster_that_does_not_answer_is_named(self, function):
        answer = await function.get("/readyz")
        assert answer.problem(503).startswith("the Kubernetes API did not answer GET /apis/")

    async def test_kubeconfig_that_broke_after_the_start_is_named(self, function, tmp_path):
        function.load()
        (tmp_path / "kubeconfig").write_text("{")
        answer = await function.get("/readyz")
        assert answer.problem(503) == "the gateway's KUBECONFIG cannot be used; its log says why"

    async def test_kubeconfig_that_was_mended_is_used(self, function, scripted, tmp_path):
        function.load()
        good = (tmp_path / "kubeconfig").read_text()
        (tmp_path / "kubeconfig").write_text("{")
        assert (await function.get("/readyz")).status == 503
        (tmp_path / "kubeconfig").write_text(good)
        scripted.then(LIST, answered(200, {"items": []}))
        scripted.then("GET openapi", NOT_TOLD)
        scripted.then("CREATE selfsubjectrulesreviews", NOT_TOLD)
        assert (await function.get("/readyz")).status == 200

    async def test_other_clusters_of_signals_are_shown_with_the_setting_to_change(self, function, wire, capsys):
        function.set(cluster="west", cluster_labels="cluster,dc")
        for labels in ({"cluster": "east"}, {"dc": "east"}, {"cluster": "west"}, {}):
            named = {"alertname": "A", "namespace": "prod", "pod": "web-1", **labels}
            assert (await function.post(webhook(alert(labels=named)))).status in (201, 202)
        ready = (await function.get("/readyz")).json
        assert ready["status"] == "ready"
        (warning,) = ready["warnings"]
        assert "signals name the cluster 'east', and this one is 'west' (SLUICE_CLUSTER)" in warning
        logged = [line for line in capsys.readouterr().out.splitlines() if "name the cluster" in line]
        assert len(logged) == 1
        counted = (await function.get("/metrics")).body.decode()
        assert re.search(r'gateway_foreign_signals_total\{cluster_name="east"\} [2-9]', counted)
        assert 'cluster_name="west"' not in counted


class TestMetrics:
    async def test_are_text_that_prometheus_reads(self, function, scripted):
        answer = await function.get("/metrics")
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/plain")
        names = {family.name for family in text_string_to_metric_families(answer.body.decode())}
        assert {"gateway_signals_received", "gateway_http_request_duration_seconds"} <= names

    async def test_are_openmetrics_where_that_is_asked_for(self, function, scripted):
        answer = await function.get("/metrics", Accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
        assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
        assert answer.body.endswith(b"# EOF\n")

    async def test_tell_of_calls_rounds_and_the_cold_start(self, function, wire):
        for _ in range(2):
            await function.post(webhook(alert("metrics-of-calls")))
        found = await samples(function)
        assert found["gateway_api_calls_total{'code': '200', 'resource': 'remediationrequests', 'verb': 'list'}"] >= 1
        assert found["gateway_api_calls_total{'code': '201', 'resource': 'leases', 'verb': 'create'}"] >= 1
        assert found["gateway_api_call_duration_seconds_count{'verb': 'patch'}"] >= 1
        assert found["gateway_round_signals_count{}"] >= 2
        assert found["gateway_cold_start_seconds{}"] > 0

    async def test_count_what_was_answered_by_path_method_and_code(self, function, wire):
        counted = "gateway_http_request_duration_seconds_count"
        keys = [
            f"{counted}{{'endpoint': '/', 'method': 'POST', 'status': '201'}}",
            f"{counted}{{'endpoint': '/api/v1/signals/prometheus', 'method': 'POST', 'status': '202'}}",
            f"{counted}{{'endpoint': 'other', 'method': 'POST', 'status': '404'}}",
        ]
        before = await samples(function)
        await function.post(webhook(alert()))
        await function.post(webhook(alert()), "/api/v1/signals/prometheus")
        await function.post(webhook(alert()), "/some/path")
        await function.post(webhook(alert()), "/another/path")
        after = await samples(function)
        assert [after[key] - before.get(key, 0) for key in keys] == [1, 1, 2]
        seconds = keys[0].replace("_count", "_sum")
        assert 0 < after[seconds] - before.get(seconds, 0) < 60

    async def test_count_signals_rrs_and_repeats(self, function, wire):
        keys = {
            "gateway_signals_received_total{'severity': 'critical', 'source_type': 'prometheus-alert'}": 3,
            "gateway_crds_created_total{'source_type': 'prometheus-alert', 'status': 'created'}": 1,
            "gateway_signals_deduplicated_total{'signal_name': 'HighMemoryUsage'}": 2,
            "gateway_signals_rejected_total{'reason': 'malformed_alert'}": 1,
        }
        before = await samples(function)
        await function.post(webhook(alert(), alert(), {}))
        await function.post(webhook(alert()))
        after = await samples(function)
        assert {key: after[key] - before.get(key, 0) for key in keys} == keys
        assert after["gateway_circuit_breaker_state{'name': 'kubernetes-api'}"] == 0

    async def test_count_bodies_that_were_refused_by_reason(self, function, scripted):
        before = await samples(function)
        await function.post(b"no JSON")
        await function.post(b"", Content_Type="text/plain")
        after = await samples(function)
        for reason in ("no_json", "content_type"):
            key = f"gateway_signals_parse_dropped_total{{'reason': '{reason}'}}"
            assert after[key] - before.get(key, 0) == 1

    async def test_count_no_method_that_nobody_serves(self, function, scripted):
        for method in ("TRACE", "PROPFIND", "X" * 100):
            await function.call(method, "/")
        assert "PROPFIND" not in " ".join(await samples(function))


class TestEverythingElse:
    @pytest.mark.parametrize(
        "path", ["/nothing", "/api/v1/signals", "/healthz/", "//", "/%00", "/api/v1/signals/prometheus/"]
    )
    @pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
    async def test_unknown_path_is_told_where_alerts_go(self, function, scripted, method, path):
        answer = await function.call(method, path)
        assert answer.problem(404) == (
            f"nothing is served at {path}; send signals to / or /api/v1/signals/prometheus or "
            "/api/v1/signals/kubernetes-event"
        )

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("GET", "/", "POST"),
            ("HEAD", "/", "POST"),
            ("PUT", "/", "POST"),
            ("DELETE", "/api/v1/signals/prometheus", "POST"),
            ("PATCH", "/api/v1/signals/prometheus", "POST"),
            ("GET", "/api/v1/signals/kubernetes-event", "POST"),
            ("OPTIONS", "/", "POST"),
            ("POST", "/healthz", "GET, HEAD"),
            ("DELETE", "/readyz", "GET, HEAD"),
            ("POST", "/metrics", "GET"),
        ],
    )
    async def test_wrong_method_is_told_the_right_one(self, function, scripted, method, path, allowed):
        answer = await function.call(method, path)
        assert answer.problem(405) == f"{path} does not take {method}, only {allowed}"
        assert answer.headers["Allow"] == allowed

    @pytest.mark.parametrize("method", ["TRACE", "PROPFIND"])
    async def test_method_that_functions_framework_does_not_pass_on_is_refused_too(self, function, scripted, method):
        answer = await function.call(method, "/")
        assert answer.status == 405
        assert b"Traceback" not in answer.body
