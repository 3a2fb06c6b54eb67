"""Traces: off unless OpenTelemetry's variables ask for them; then a span for each request, stage and call."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from core.common.trace_context import current_span
from core.kube.client import path_of
from core.kube.resources import remediation_requests
from core.kube.transport import ApiRequest
from core.settings import traces_asked_for
from functions import _worker
from tests.support.otlp import Collector
from tests.support.scripted import refused
from tests.support.wire import deliver
from tests.unit.functions.conftest import NAMESPACE
from tests.unit.functions.webhooks import alert, webhook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.functions.asgi import Answered
    from tests.unit.functions.conftest import Function

ROOT = Path(__file__).parents[3]
TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLERS_SPAN = "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{CALLERS_SPAN}-01"
SERVER = "POST /api/v1/signals/prometheus"
PATH = "/api/v1/signals/prometheus"
SECRET = "0123456789abcdef" * 2


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as listening:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", listening.url)
        yield listening


def post(function: Function, *alerts: Any, **headers: str) -> Answered:
    """Post one webhook, to a function that ends after it."""
    return asyncio.run(function.post(webhook(*alerts), PATH, **headers))


def logged(capsys: pytest.CaptureFixture[str]) -> list[Any]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


class TestNewAlert:
    def test_has_a_span_for_each_stage_and_call(self, function, wire, collector):
        assert post(function, alert()).status == 201

        assert collector.tree(collector.one(SERVER)) == (
            SERVER,
            [
                "body",
                (
                    "intake",
                    [
                        "qualification",
                        (
                            "recording",
                            [
                                (
                                    "placement",
                                    ["list remediationrequests", "create leases", "create remediationrequests"],
                                ),
                                "update leases",
                            ],
                        ),
                    ],
                ),
            ],
        )
        assert len({span.trace_id for span in collector.spans}) == 1

    def test_has_a_span_for_the_look_at_its_sender_where_senders_are_looked_at(
        self, function, wire, collector, tmp_path
    ):
        (secret := tmp_path / "secret").write_text(SECRET)
        function.set(auth="secret", secret_file=str(secret))
        assert post(function, alert(), authorization=f"Bearer {SECRET}").status == 201

        _, stages = collector.tree(collector.one(SERVER))
        assert stages[:2] == ["admission", "body"]

    def test_goes_on_with_the_callers_trace(self, function, wire, collector):
        post(function, alert(), traceparent=PARENT)

        server = collector.one(SERVER)
        assert (server.kind, server.trace_id, server.parent_id) == ("server", TRACE, CALLERS_SPAN)
        assert {span.trace_id for span in collector.spans} == {TRACE}

    def test_passes_on_what_other_systems_say_of_the_trace(self, function, wire, collector):
        sent = []

        async def note() -> None:
            sent.append(current_span.get().context)

        wire.on("CREATE leases", before=note)
        post(function, alert(), traceparent=PARENT, tracestate="vendor=1,other=2")

        assert {span.state for span in collector.spans} == {"vendor=1,other=2"}
        (context,) = sent
        assert context is not None
        assert context.traceparent == f"00-{TRACE}-{collector.one('create leases').span_id}-01"
        assert context.state == "vendor=1,other=2"

    def test_says_of_each_call_what_it_was_and_how_it_was_answered(self, function, wire, collector):
        post(function, alert())

        call = collector.one("create remediationrequests")
        assert call.kind == "client"
        assert call.attributes == {
            "http.request.method": "POST",
            "url.path": f"/apis/remediation.kubernaut.ai/v1alpha1/namespaces/{NAMESPACE}/remediationrequests",
            "kubernetes.verb": "create",
            "kubernetes.resource": "remediationrequests",
            "http.response.status_code": 201,
        }
        assert collector.one(SERVER).attributes["http.response.status_code"] == 201
        assert [span.error for span in collector.spans if span.error] == []

    def test_rr_carries_the_trace_and_the_request(self, function, wire, collector):
        response = post(function, alert(), traceparent=PARENT, X_Request_ID="deploy-42")

        annotations = stored(wire)[0]["metadata"]["annotations"]
        assert annotations["gateway.kubernaut.ai/trace-id"] == TRACE
        assert annotations["gateway.kubernaut.ai/request-id"] == "deploy-42"
        assert collector.one("recording").attributes == {
            "sluice.fingerprint": stored(wire)[0]["spec"]["signalFingerprint"],
            "sluice.signals": 1,
            "sluice.outcome": "created",
            "sluice.contended": False,
            "sluice.remediation_request": response.json["results"][0]["remediationRequestName"],
        }

    def test_log_lines_name_the_span_that_is_sent(self, function, wire, collector, capsys):
        post(function, alert(), traceparent=PARENT)

        (line,) = logged(capsys)
        assert line["logging.googleapis.com/trace"] == TRACE
        assert line["logging.googleapis.com/spanId"] == collector.one(SERVER).span_id

    def test_tells_who_sends_the_spans(self, function, wire, collector, monkeypatch):
        monkeypatch.setenv("K_SERVICE", "sluice-alertmanager")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging")
        post(function, alert())

        resource = collector.one(SERVER).resource
        assert resource["service.name"] == "sluice-alertmanager"
        assert resource["deployment.environment.name"] == "staging"


class TestFailure:
    def test_of_a_call_is_on_its_span_on_its_stage_and_on_the_request(self, function, wire, collector):
        for _ in range(3):
            wire.on("CREATE remediationrequests", answer=refused(500, message="etcd is down"))
        assert post(function, alert()).status == 503

        calls = [span for span in collector.spans if span.name == "create remediationrequests"]
        assert [(call.attributes["http.response.status_code"], call.error) for call in calls] == [
            (500, "answered 500")
        ] * 3
        placement, recording = collector.one("placement"), collector.one("recording")
        assert placement.attributes["error.type"] == "CRDCreationError"
        assert "etcd is down" in (placement.error or "")
        assert "etcd is down" in (recording.error or "")
        assert recording.attributes["sluice.outcome"] == "failed"
        assert collector.one(SERVER).error == "answered 503"

    def test_of_a_call_that_nobody_answers_is_told_too(self, function, wire, collector):
        wire.on("LIST remediationrequests", drop=True)
        assert post(function, alert()).status == 503

        call = collector.one("list remediationrequests")
        assert call.attributes["error.type"] == "ApiUnreachableError"
        assert "http.response.status_code" not in call.attributes

    def test_of_a_lost_race_is_none(self, function, wire, collector):
        wire.on("CREATE remediationrequests", answer=refused(409, "AlreadyExists"))
        post(function, alert())

        call = next(span for span in collector.spans if span.name == "create remediationrequests")
        assert (call.attributes["http.response.status_code"], call.error) == (409, None)

    def test_of_a_sender_is_none_of_ours(self, function, wire, collector):
        asyncio.run(function.post(b"no JSON", PATH))

        server = collector.one(SERVER)
        assert (server.attributes["http.response.status_code"], server.error) == (400, None)
        assert collector.one("intake").attributes["error.type"] == "PayloadError"


class TestRequestsOfOneRound:
    def test_are_linked_from_the_round_that_stores_them(self, function, wire, collector):
        async def all_at_once() -> list[int]:
            answers = await asyncio.gather(*(function.post(webhook(alert()), PATH) for _ in range(8)))
            return sorted(answer.status for answer in answers)

        assert asyncio.run(all_at_once()) == [201] + [202] * 7

        servers = {span.span_id: span for span in collector.spans if span.name == SERVER}
        intakes = {span.span_id: span.parent_id for span in collector.spans if span.name == "intake"}
        rounds = [span for span in collector.spans if span.name == "recording"]
        told = [intakes[each] for round_ in rounds for each in (round_.parent_id, *round_.links)]
        assert sorted(told) == sorted(servers)
        assert len(rounds) < len(servers)

    def test_each_round_is_part_of_its_own_request(self, function, wire, collector):
        async def one_after_another() -> None:
            started = asyncio.Event()

            async def start() -> None:
                started.set()
                await asyncio.sleep(0)

            wire.on("CREATE remediationrequests", before=start)
            first = asyncio.create_task(function.post(webhook(alert()), PATH, traceparent=PARENT))
            await started.wait()
            await function.post(webhook(alert()), PATH, traceparent=PARENT.replace(TRACE, "1" * 32))
            await first

        asyncio.run(one_after_another())

        first, second = (span for span in collector.spans if span.name == "recording")
        assert (first.trace_id, second.trace_id) == (TRACE, "1" * 32)


class TestOff:
    @pytest.mark.parametrize(
        "variables",
        [
            {},
            {"OTEL_SERVICE_NAME": "sluice"},
            {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
            {"OTEL_SDK_DISABLED": "True", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
        ],
    )
    def test_unless_a_variable_says_where_traces_go(self, variables):
        assert not traces_asked_for(variables)

    def test_loads_no_module_of_opentelemetry(self, tmp_path):
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(
            "{current-context: t, contexts: [{name: t, context: {cluster: t}}],"
            ' clusters: [{name: t, cluster: {server: "http://127.0.0.1:1"}}]}'
        )
        disabled = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"}
        modules = json.loads(in_a_process(disabled | {"KUBECONFIG": str(kubeconfig)}))
        assert "functions._serving" in modules
        assert [name for name in modules if name.startswith("opentelemetry") or name == "core.tracing"] == []

    def test_calls_are_the_same_ones_as_with_traces(self, function, wire, monkeypatch):
        assert post(function, alert()).status == 201
        without, wire.log[:] = list(wire.log), []

        with Collector() as collector:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
            again = type(function)(monkeypatch)
            assert post(again, alert("web-2")).status == 201
        assert collector.spans
        assert wire.log == without

    def test_rr_carries_the_callers_trace_all_the_same(self, function, wire):
        post(function, alert(), traceparent=PARENT)
        assert stored(wire)[0]["metadata"]["annotations"]["gateway.kubernaut.ai/trace-id"] == TRACE

    def test_probes_and_scrapes_have_no_span(self, function, wire, collector):
        async def probed() -> None:
            await function.post(webhook(alert()), PATH)
            for path in ("/healthz", "/readyz", "/metrics"):
                await function.get(path)

        asyncio.run(probed())
        assert [span.name for span in collector.spans if not span.parent_id] == [SERVER]


class TestWithoutTheCollector:
    def test_alerts_are_stored_and_the_log_says_why_there_are_no_traces(self, function, wire, monkeypatch, capsys):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        assert post(function, alert()).status == 201

        lines = [line for line in logged(capsys) if line["logger"].startswith("opentelemetry")]
        assert lines
        assert all("Failed to export" in line["message"] or "retry" in line["message"] for line in lines)


class TestWrongVariables:
    @pytest.mark.parametrize(
        ("variables", "sentence"),
        [
            (
                {"OTEL_TRACES_EXPORTER": "zipkin"},
                "OTEL_TRACES_EXPORTER='zipkin' cannot work: traces are sent as `otlp`",
            ),
            (
                {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
                "OTEL_EXPORTER_OTLP_PROTOCOL='grpc' cannot work: traces are sent as `http/protobuf`",
            ),
            (
                {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"},
                "OTEL_EXPORTER_OTLP_ENDPOINT='collector:4318' cannot work: it is a URL",
            ),
        ],
    )
    def test_stop_the_start(self, function, monkeypatch, variables, sentence):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit, match=f"sluice: {sentence}"):
            function.load()

    def test_package_that_is_not_installed_is_named_with_the_remedy(self, function, collector, monkeypatch):
        missing = "opentelemetry.exporter.otlp.proto.http"
        monkeypatch.setattr(_worker, "find_spec", lambda name: None if name == missing else object())
        with pytest.raises(
            SystemExit, match=f"OTEL_\\* needs the Python package of {missing}, which is not here"
        ) as no:
            function.load()
        assert str(no.value.code).endswith("build the image with --build-arg REQUIREMENTS=requirements-otel.txt")


def stored(wire: Any) -> list[Any]:
    path = path_of(remediation_requests(group="remediation.kubernaut.ai", version="v1alpha1"), namespace=NAMESPACE)
    items: list[Any] = json.loads(asyncio.run(deliver(wire.app, ApiRequest(method="GET", path=path))).body)["items"]
    return items


_LOADED = """
import asyncio, json, sys
sys.path.insert(0, {root!r})
from functions_framework.aio import create_asgi_app
from tests.unit.functions.asgi import call
app = create_asgi_app(target="alertmanager", source={source!r})
from tests.unit.functions.webhooks import alert, webhook
headers = {{"Content-Type": "application/json"}}
answered = asyncio.run(call(app, "POST", "/", body=webhook(alert()), headers=headers))
assert answered.status == 503, answered.body
print("MODULES" + json.dumps(sorted(sys.modules)))
"""


def in_a_process(variables: dict[str, str]) -> str:
    """The names of all modules that a new process has loaded after one webhook, as JSON."""
    program = _LOADED.format(root=str(ROOT), source=str(ROOT / "functions" / "alertmanager.py"))
    environment = {"SLUICE_AUTH": "none", "HOST": "127.0.0.1", "SLUICE_OWNERS": "as-named", "PATH": "/usr/bin:/bin"}
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment | variables, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.rpartition("MODULES")[2]
