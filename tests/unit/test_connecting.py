"""A program of one's own connects in two lines; the examples of docs/python.md run as they stand."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

import core
from core.common.clock import RealClock
from core.common.resilience import Deadline
from core.common.trace_context import current_span
from core.errors import ConfigurationError
from core.kube.resources import remediation_requests
from core.local.cluster import embedded_cluster, open_client
from core.settings import Settings
from core.tracing import OpenTelemetryTracer
from tests.support.otlp import Collector
from tests.unit.functions.asgi import call

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
KIND = remediation_requests(group="remediation.kubernaut.ai", version="v1alpha1")
SETTINGS = Settings(namespace="ns")
TRACE = "0af7651916cd43dd8448eb211c80319c"


def example(number: int) -> dict[str, Any]:
    """What an example of the page defines."""
    source = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)[number]
    defined: dict[str, Any] = {"__name__": "example"}
    exec(compile(source, str(PAGE), "exec"), defined)
    return defined


def seconds(many: float) -> Deadline:
    return Deadline(clock=RealClock(), seconds=many)


def webhook(pod: str) -> bytes:
    labels = {"alertname": "KubePodCrashLooping", "namespace": "shop", "pod": pod, "severity": "critical"}
    alert = {"status": "firing", "labels": labels, "startsAt": "2026-01-02T03:04:05Z"}
    return json.dumps({"version": "4", "status": "firing", "alerts": [alert]}).encode()


@pytest.fixture
async def stored(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """Lists the RRs of an embedded cluster that the environment names."""
    async with embedded_cluster(SETTINGS) as cluster:
        monkeypatch.setenv("KUBECONFIG", cluster.kubeconfig)
        monkeypatch.setenv("SLUICE_NAMESPACE", "ns")
        async with open_client(SETTINGS, clock=RealClock()) as client:

            async def listed() -> list[str]:
                deadline = Deadline(clock=RealClock(), seconds=60)
                found = await client.list(KIND, namespace="ns", query={}, deadline=deadline)
                return sorted(each["spec"]["targetResource"]["name"] for each in found.items)

            yield listed


async def test_two_lines_store_a_webhook_and_a_repeat_joins(stored: Any):
    async with core.connect() as sluice:
        first = await sluice.receive(webhook("web"))
        again = await sluice.receive(webhook("web"))
    assert (first.status, again.status) == (201, 202)
    assert await stored() == ["web"]


async def test_rules_of_the_settings_hold_as_in_a_function(
    stored: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules: [{name: quiet, match: 'pod=web', ignore: it is being replaced}]")
    monkeypatch.setenv("SLUICE_RULES", str(rules))
    async with core.connect() as sluice:
        statuses = [(await sluice.receive(webhook(pod))).status for pod in ("web", "db")]
    assert statuses == [200, 201]
    assert await stored() == ["db"]


async def test_rules_file_that_cannot_work_is_told(stored: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SLUICE_RULES", "/nowhere/rules.yaml")
    with pytest.raises(ConfigurationError, match=r"SLUICE_RULES=/nowhere/rules\.yaml cannot be read"):
        async with core.connect():
            pass


async def test_what_can_never_work_and_what_may_later_are_told_apart(stored: Any):
    async with core.connect() as sluice:
        assert (await sluice.receive(b"no JSON")).status == 400
    async with core.connect(settings=Settings(namespace="elsewhere")) as sluice:
        later = await sluice.receive(webhook("web"))
    assert later.status == 503
    assert "Retry-After" in later.headers


async def test_two_connections_of_one_process_have_metrics_of_their_own(stored: Any):
    async with core.connect() as one, core.connect() as other:
        assert (await one.receive(webhook("web"))).status == 201
        assert (await other.receive(webhook("web"))).status == 202
        assert one.metrics is not other.metrics


async def test_program_says_who_sent_it_and_whose_trace_it_is(stored: Any):
    headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    async with core.connect() as sluice:
        assert (await sluice.receive(webhook("web"), headers=headers, sender="team-a")).status == 201
        rrs = await sluice.gateway.client.list(KIND, namespace="ns", query={}, deadline=seconds(60))
    annotations = rrs.items[0]["metadata"]["annotations"]
    assert annotations["sluice.kubernaut.ai/sender"] == "team-a"
    assert annotations["gateway.kubernaut.ai/trace-id"] == TRACE


async def test_tracer_that_is_brought_makes_spans_in_the_callers_trace(stored: Any):
    with Collector() as collector:
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=f"{collector.url}/v1/traces")))
        tracer = OpenTelemetryTracer(provider=provider)
        async with core.connect(tracer=tracer) as sluice:
            headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "tracestate": "vendor=1"}
            assert (await sluice.receive(webhook("web"), headers=headers)).status == 201
            assert (await sluice.receive(b"no JSON")).status == 400
        await tracer.close()
    whole, refused = (span for span in collector.spans if span.name == "receive")
    assert (whole.trace_id, whole.parent_id, whole.state) == (TRACE, "b7ad6b7169203331", "vendor=1")
    assert "create remediationrequests" in {span.name for span in collector.spans if span.trace_id == TRACE}
    assert (whole.attributes["http.response.status_code"], refused.attributes["http.response.status_code"]) == (
        201,
        400,
    )
    assert current_span.get().context is None


async def test_no_cluster_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KUBECONFIG", "")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ConfigurationError, match="no Kubernetes API is configured"):
        async with core.connect():
            pytest.fail("it connected to nothing")


async def test_web_application_of_the_page_works(stored: Any):
    app = example(0)["app"]
    async with app.router.lifespan_context(app):
        answered = await call(app, "POST", "/alerts", body=webhook("web"))
    assert answered.status == 201
    assert await stored() == ["web"]


async def test_batch_of_the_page_works(stored: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for pod in ("a", "b"):
        (tmp_path / f"{pod}.json").write_bytes(webhook(pod))
    await example(1)["main"](tmp_path)
    assert capsys.readouterr().out == "a.json 201\nb.json 201\n"
    assert await stored() == ["a", "b"]


async def test_answer_that_a_program_passes_on_says_nothing_of_the_api_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    cluster = {"name": "t", "cluster": {"server": "http://127.0.0.1:1"}}
    context = {"name": "t", "context": {"cluster": "t"}}
    config = {"current-context": "t", "contexts": [context], "clusters": [cluster]}
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    async with core.connect() as sluice:
        answer = await sluice.receive(webhook("web"))
    assert answer.status == 503
    assert b"127.0.0.1" not in answer.body
    assert "the Kubernetes API at http://127.0.0.1:1 did not answer" in caplog.text


async def test_webhook_that_is_given_up_is_answered_and_logged(stored: Any, caplog: pytest.LogCaptureFixture):
    one = json.loads(webhook("web"))
    many = json.dumps(one | {"alerts": one["alerts"] * 1000}).encode()
    async with core.connect() as sluice:
        answer = await sluice.receive(many, seconds=-1.0)
    assert (answer.status, json.loads(answer.body)["results"]) == (503, [])
    assert "a webhook has to be sent again: the request's time ended" in caplog.text
