"""What both CloudEvents functions do, whatever their events carry."""

import asyncio
import socket
from typing import Any

import pytest
from prometheus_client import mmap_dict
from prometheus_client.mmap_dict import mmap_key

from core.kube.errors import ApiUnreachableError
from core.triggers import cloud_events
from tests.support.cloud_events import Sent, batch, binary, structured
from tests.support.http import send
from tests.support.kubernetes_events import kubelet_event
from tests.support.pubsub_messages import PUBLISHED, envelope
from tests.support.scripted import answered, reviewed
from tests.support.scripted import refused as refusal
from tests.unit.functions.answered_events import acknowledged, comes_again, logged, refused, stored
from tests.unit.functions.webhooks import alert, webhook

LIST = "LIST remediationrequests"
TRACE = "0af7651916cd43dd8448eb211c80319c"
GOOD: dict[str, tuple[str, Any]] = {
    "kubernetes_event": ("dev.knative.apiserver.resource.add", kubelet_event(lastTimestamp="2999-01-01T00:00:00Z")),
    "pubsub": (PUBLISHED, envelope(webhook(alert()))),
}


@pytest.fixture(params=sorted(GOOD))
def target(request) -> str:
    return str(request.param)


@pytest.fixture
def good(target):
    """Type and data of an event that becomes an RR."""
    return GOOD[target]


@pytest.mark.parametrize("mode", [binary, structured])
async def test_event_is_taken_in_either_mode_and_acknowledged(function, wire, good, mode):
    acknowledged(await function.send(mode(*good)))
    assert len(await stored(wire)) == 1


@pytest.mark.parametrize("path", ["/", "/any/path"])
async def test_event_is_taken_at_any_path(function, wire, good, path):
    acknowledged(await function.send(binary(*good), path))


async def test_attributes_that_nobody_knows_do_no_harm(function, wire, good):
    acknowledged(await function.send(binary(*good, kind="Event", apiversion="v1", subject="/apis/v1/x")))


@pytest.mark.parametrize("mode", [binary, structured])
@pytest.mark.parametrize("missing", ["type", "source", "id", "specversion"])
async def test_event_that_lacks_an_attribute_is_refused(function, scripted, good, mode, missing):
    refused(await function.send(mode(*good, **{missing: None})))


@pytest.mark.parametrize("version", ["0.1", "2.0", "", "x"])
async def test_other_version_of_cloud_events_is_refused(function, scripted, good, version):
    refused(await function.send(binary(*good, specversion=version)))


@pytest.mark.parametrize("mode", [binary, structured])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
async def test_other_encodings_that_nobody_named_are_refused(function, scripted, good, mode, encoding):
    sent = mode(*good)
    refused(await function.send(Sent(sent.headers, sent.body.decode().encode(encoding))))


async def test_batch_is_refused(function, scripted, good):
    refused(await function.send(batch(structured(*good), structured(*good))))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b"null", b"\xff", b"text", b"[" * 100_000])
async def test_body_that_is_no_cloud_event_is_refused(function, scripted, body):
    refused(await function.send(Sent({"Content-Type": "application/cloudevents+json"}, body)))
    refused(await function.send(Sent({"Content-Type": "application/json"}, body)))


@pytest.mark.parametrize(
    ("headers", "body", "sentence"),
    [
        ({"ce-type": "t", "ce-id": "1"}, b"{}", "ce-specversion is missing"),
        ({"ce-specversion": "1.0", "ce-type": "t", "ce-source": "s"}, b"{}", "ce-id is missing"),
        (
            {"ce-specversion": "2.0", "ce-type": "t", "ce-source": "s", "ce-id": "1"},
            b"{}",
            "ce-specversion is '2.0'",
        ),
        ({}, b"{", "the body is b'{', no JSON, and no header tells of a CloudEvent"),
        ({}, b"[7]", "the body is [7], no JSON object"),
        ({}, b'{"specversion": "1.0", "type": "t", "source": "s"}', "id is missing"),
        ({}, b'{"specversion": [1], "type": "t", "source": "s", "id": "1"}', "specversion is [1]"),
        (
            {},
            b'{"specversion": "1.0", "type": "t", "source": "s", "id": "1", "data_base64": 7}',
            "the CloudEvent's data is nested too deeply, or no base64",
        ),
        ({"Content-Type": "application/cloudevents-batch+json"}, b"[]", "this is a batch of CloudEvents"),
    ],
)
async def test_what_is_no_cloud_event_is_told_what_is_wrong_and_how_to_send_one(
    function, scripted, headers, body, sentence
):
    detail = refused(await function.send(Sent({"Content-Type": "application/json"} | headers, body)))
    assert detail.startswith(f"{sentence}")
    assert "; send one CloudEvent 1.0: its attributes in the headers ce-specversion, " in detail


async def test_large_body_that_is_no_cloud_event_is_not_given_back(function, scripted):
    answer = await function.send(Sent({"Content-Type": "application/json"}, b"x" * 1_000_000))
    refused(answer)
    assert len(answer.body) < 1000


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml"])
async def test_other_content_types_are_refused_unread(function, scripted, good, content_type):
    answer = await function.send(binary(*good, content_type=content_type))
    assert answer.problem(415) == f"Content-Type is {content_type!r}; send application/json"
    assert answer.chunks_read == 0


async def test_event_past_the_limit_is_not_read(function, scripted, good):
    function.set(max_body=1024)
    sent = binary(*good)
    answer = await function.send(Sent(dict(sent.headers) | {"Content-Length": "1025"}, sent.body))
    assert "the limit is 1024" in answer.problem(413)
    assert answer.chunks_read == 0


@pytest.mark.parametrize("path", ["/", "/any/path"])
async def test_event_without_a_token_is_refused_unread_where_tokens_are_asked_for(function, scripted, good, path):
    function.set(auth="kubernetes")
    answer = await function.send(binary(*good), path)
    assert "`Authorization: Bearer <token>`" in answer.problem(401)
    assert (answer.chunks_read, answer.headers["WWW-Authenticate"]) == (0, "Bearer")


async def test_event_of_a_sender_without_the_rule_is_refused_unread(function, scripted, good):
    function.set(auth="kubernetes")
    scripted.then("CREATE tokenreviews", reviewed({"authenticated": True, "user": {"username": "u"}}))
    scripted.then("CREATE subjectaccessreviews", reviewed({"allowed": False}))
    sent = binary(*good)
    answer = await function.send(Sent({**sent.headers, "Authorization": "Bearer t"}, sent.body))
    assert answer.problem(403).startswith("u may not send signals")
    assert answer.chunks_read == 0


async def test_event_of_a_sender_with_the_rule_is_stored(function, wire, good):
    function.set(auth="kubernetes", audiences="sluice")
    status = {"authenticated": True, "user": {"username": "u"}, "audiences": ["sluice"]}
    wire.on("CREATE tokenreviews", answer=reviewed(status))
    wire.on("CREATE subjectaccessreviews", answer=reviewed({"allowed": True}))
    sent = binary(*good)
    acknowledged(await function.send(Sent({**sent.headers, "Authorization": "Bearer t"}, sent.body)))
    assert len(await stored(wire)) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/any/path"])
async def test_signals_are_taken_by_post_alone(function, scripted, method, path):
    answer = await function.call(method, path)
    assert answer.problem(405) == f"{path} does not take {method}, only POST"
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
async def test_probes_are_those_of_the_http_function(function, scripted, path):
    assert (await function.get(path)).status == 200
    assert (await function.call("POST", path)).status == 405


async def test_readiness_reads_the_api(function, scripted):
    scripted.then(LIST, refusal(503, message="etcd is down"))
    assert "etcd is down" in (await function.get("/readyz")).problem(503)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (ApiUnreachableError("the Kubernetes API did not answer"), "the Kubernetes API did not answer"),
        (refusal(503, message="etcd is down"), "etcd is down"),
        (refusal(429, "TooManyRequests"), "429"),
        (refusal(500), "500"),
        (refusal(401, "Unauthorized"), "401"),
        (refusal(403, "Forbidden", message="no"), 'verbs: ["list"]'),
        (answered(404, b"404 page not found\n"), "is not installed here"),
        (answered(200, b"<html>"), "is no Kubernetes object"),
    ],
)
async def test_transient_failure_makes_the_event_come_again(function, scripted, good, said, sentence):
    scripted.then(LIST, said)
    detail = comes_again(await function.send(binary(*good)))
    assert detail.startswith("1 of 1 alerts could not be stored now; send the same request again: ")
    assert sentence in detail


async def test_wait_that_the_api_server_asks_for_is_passed_on(function, scripted, good):
    scripted.then(LIST, refusal(429, "TooManyRequests", Retry_After="17"))
    answer = await function.send(binary(*good))
    comes_again(answer)
    assert answer.headers["Retry-After"] == "17"


async def test_open_breaker_makes_events_come_again(function, scripted, good):
    for number in range(10):
        scripted.then(LIST, ApiUnreachableError("no answer"))
        await function.send(binary(*good, id=str(number)))
    assert "the circuit breaker is open" in comes_again(await function.send(binary(*good)))


async def test_unreachable_api_server_makes_events_come_again(function, good):
    """Over the real transport: nothing listens where the kubeconfig points to."""
    comes_again(await function.send(binary(*good)))


async def test_event_that_came_again_is_stored_once(function, wire, good):
    wire.on(LIST, drop=True)
    sent = binary(*good)
    comes_again(await function.send(sent))
    for _ in range(3):
        acknowledged(await function.send(sent))
    (rr,) = await stored(wire)
    assert rr["status"]["deduplication"]["occurrenceCount"] == 1


async def test_bug_is_logged_with_its_trace_and_answered_without(function, scripted, good, capsys):
    scripted.then(LIST, KeyError("a bug with a secret in it"))
    detail = comes_again(await function.send(binary(*good)))
    assert detail == "an unforeseen error; it is logged, and the same request may work later"
    (line,) = logged(capsys)
    assert line["stack_trace"].endswith("KeyError: 'a bug with a secret in it'")


async def test_bug_outside_of_storing_is_answered_alike(function, wire, good, monkeypatch):
    def broken(*_args: object, **_more: object) -> None:
        raise RecursionError

    monkeypatch.setattr(cloud_events, "answer", broken)
    comes_again(await function.send(binary(*good)))


@pytest.mark.parametrize("mode", [binary, structured])
async def test_log_lines_carry_the_trace_of_their_event(function, scripted, good, capsys, mode):
    scripted.then(LIST, refusal(503))
    await function.send(mode(*good, traceparent=f"00-{TRACE}-b7ad6b7169203331-01"))
    (line,) = logged(capsys)
    assert line["logging.googleapis.com/trace"] == TRACE


@pytest.mark.parametrize("traceparent", [7, {"a": 1}, "nonsense", "\ud800-\ud800-\ud800-\ud800", ""])
async def test_trace_that_is_none_does_no_harm(function, wire, good, traceparent):
    acknowledged(await function.send(structured(*good, traceparent=traceparent)))


@pytest.mark.parametrize("name", ["id", "source"])
@pytest.mark.parametrize("value", [7, ["a"], {"a": 1}, True, "\ud800", "x" * 10_000, ""])
async def test_attribute_of_any_value_does_no_harm(function, wire, good, name, value):
    acknowledged(await function.send(structured(*good, **{name: value})))
    assert len(await stored(wire)) == 1


async def test_events_at_once_share_one_gateway_and_make_one_rr(function, wire, good):
    answers = await asyncio.gather(*(function.send(binary(*good)) for _ in range(16)))
    for answer in answers:
        acknowledged(answer)
    assert len(function.transports) == 1
    assert len(await stored(wire)) == 1


async def test_requests_are_measured(function, wire, good, free_port):
    function.set(metrics_port=free_port)
    await function.send(binary(*good))
    text = (await asyncio.to_thread(send, "GET", f"http://127.0.0.1:{free_port}/metrics")).body.decode()
    assert 'gateway_http_request_duration_seconds_count{endpoint="/",method="POST",status="201"}' in text
    assert "gateway_signals_received_total" in text
    assert "gateway_circuit_breaker_state" in text


async def test_metrics_of_all_workers_are_added_up(function, good, all_workers, free_port):
    function.set(metrics_port=free_port)
    await function.send(binary(*good))
    text = (await asyncio.to_thread(send, "GET", f"http://127.0.0.1:{free_port}/metrics")).body.decode()
    assert 'gateway_signals_deduplicated_total{signal_name="BackOff"} 3.0' in text


def test_metrics_port_is_closed_with_the_loop(function, wire, good, free_port):
    function.set(metrics_port=free_port)
    function.load()
    _assert_free(free_port)  # gunicorn forks after this moment
    for _ in range(2):  # the second loop listens anew

        async def serve() -> None:
            acknowledged(await function.send(binary(*good)))
            answer = await asyncio.to_thread(send, "GET", f"http://127.0.0.1:{free_port}/metrics")
            assert answer.status == 200

        asyncio.run(serve())
        _assert_free(free_port)


async def test_metrics_port_that_is_taken_is_only_logged(function, wire, good, capsys):
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        function.set(metrics_port=port)
        for _ in range(2):
            acknowledged(await function.send(binary(*good)))
    lines = [line["message"] for line in logged(capsys) if line["severity"] == "WARNING"]
    assert len(lines) == 1
    assert lines[0].startswith(f"SLUICE_METRICS_PORT={port} cannot be listened on (")


@pytest.fixture
def all_workers(wire, monkeypatch, tmp_path):
    """Two workers' counters, as files that they share."""
    name = "gateway_signals_deduplicated"
    key = mmap_key(name, f"{name}_total", ["signal_name"], ["BackOff"], "Repeats.")
    counters: Any = mmap_dict.MmapedDict
    for worker in (1, 2):
        file = counters(str(tmp_path / f"counter_{worker}.db"))
        file.write_value(key, worker, 0.0)
        file.close()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _assert_free(port: int) -> None:
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
