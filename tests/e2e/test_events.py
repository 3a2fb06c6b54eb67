"""The CloudEvents functions as production starts them, on Events of the real API server and messages of Pub/Sub."""

from __future__ import annotations

import asyncio
import json
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from core.triggers.dead_letter_topic import EMULATOR
from tests.e2e.function import production
from tests.support.cloud_events import Sent, binary, structured
from tests.support.cluster import GROUP, Cluster
from tests.support.http import send
from tests.support.kubernetes_events import POD, kubelet_event, reference, scheduler_event
from tests.support.pubsub_messages import MESSAGE_ID, PUBLISH_TIME, PUBLISHED, SOURCE, envelope, incident
from tests.support.pubsub_server import PubSubServer
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.apiserver import KubeApiserver
    from tests.e2e.conftest import StartFunction
    from tests.e2e.function import FunctionProcess
    from tests.support.http import Answer

    Make = Callable[..., dict[str, Any]]

GROUPS = pytest.mark.parametrize("make", [kubelet_event, scheduler_event], ids=["core/v1", "events.k8s.io/v1"])
TARGETS = pytest.mark.parametrize("target", ["kubernetes_event", "pubsub"])
WITHIN = 10.0  # seconds


@pytest.fixture
def start(start_function: StartFunction, cluster: Cluster) -> Callable[..., FunctionProcess]:
    """Start one of the functions, once the API server heeds the rules of its account."""

    def start(target: str, **environment: str) -> FunctionProcess:
        rrs = f"/apis/{GROUP}/v1alpha1/namespaces/{cluster.namespace}/remediationrequests"
        event = f"/api/v1/namespaces/{cluster.namespace}/events/none"
        for path, status in ((rrs, 200), (event, 404)):
            wait_for(lambda: _status(cluster, path) == status, what=path, within=WITHIN)  # noqa: B023 - used at once
        # The Events are in the gateway's own namespace, whose own doing it ignores otherwise.
        taken = {"SLUICE_OWN_NAMESPACE": "take"} | environment
        return start_function(command=production(target), ready=False, **taken)

    return start


@GROUPS
def test_whole_event_becomes_an_rr(start: Callable[..., FunctionProcess], cluster: Cluster, make: Make) -> None:
    event = _create(cluster, make)
    function = start("kubernetes_event")

    _acknowledged(function.deliver(_resource(event)))

    (rr,) = cluster.rrs()
    assert rr["spec"]["signalName"] == event["reason"]
    assert rr["spec"]["severity"] == "Warning"
    assert rr["spec"]["targetResource"] == {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": POD,
        "namespace": cluster.namespace,
    }
    assert function.stop() == 0


@GROUPS
def test_event_is_read_where_its_reference_says(
    start: Callable[..., FunctionProcess], cluster: Cluster, make: Make
) -> None:
    event = _create(cluster, make)
    function = start("kubernetes_event")

    for _ in range(3):  # under another id each time: the same occurrence
        _acknowledged(function.deliver(_reference(event)))
    _acknowledged(function.deliver(_resource(event)))

    (rr,) = cluster.rrs()
    assert rr["spec"]["signalName"] == event["reason"]
    assert rr["status"]["deduplication"]["occurrenceCount"] == 1


def test_both_groups_serve_one_event_and_it_counts_once(
    start: Callable[..., FunctionProcess], cluster: Cluster
) -> None:
    event = _create(cluster, kubelet_event)
    function = start("kubernetes_event")

    for version in ("v1", "events.k8s.io/v1"):
        _acknowledged(function.deliver(_reference(event | {"apiVersion": version})))

    (rr,) = cluster.rrs()
    assert rr["status"]["deduplication"]["occurrenceCount"] == 1


def test_next_occurrence_of_an_event_is_counted(start: Callable[..., FunctionProcess], cluster: Cluster) -> None:
    event = _create(cluster, kubelet_event)
    function = start("kubernetes_event")
    _acknowledged(function.deliver(_reference(event)))

    patch = {"count": event["count"] + 1}
    cluster.call("PATCH", _path(cluster, event), patch, content_type="application/merge-patch+json")
    _acknowledged(function.deliver(_reference(event)))

    (rr,) = cluster.rrs()
    assert rr["status"]["deduplication"]["occurrenceCount"] == 2


@GROUPS
def test_event_that_was_deleted_is_acknowledged_and_counted(
    start: Callable[..., FunctionProcess], cluster: Cluster, make: Make, free_port: int
) -> None:
    event = _create(cluster, make)
    cluster.call("DELETE", _path(cluster, event))
    function = start("kubernetes_event", SLUICE_METRICS_PORT=str(free_port))

    _acknowledged(function.deliver(_reference(event)))

    assert cluster.rrs() == []
    metrics = send("GET", f"http://127.0.0.1:{free_port}/metrics").body.decode()
    assert 'gateway_signals_ignored_total{reason="event_gone"} 1.0' in metrics
    assert function.stop() == 0


def test_message_of_eventarc_becomes_an_rr_that_names_it(
    start: Callable[..., FunctionProcess], cluster: Cluster
) -> None:
    labels = {"namespace_name": cluster.namespace, "pod_name": POD}
    function = start("pubsub")

    for _ in range(2):  # Pub/Sub delivers at least once
        _acknowledged(function.deliver(_message(incident("k8s_pod", labels))))

    (rr,) = cluster.rrs()
    assert rr["spec"]["signalType"] == "cloud-monitoring-incident"
    assert rr["spec"]["targetResource"]["name"] == POD
    assert rr["status"]["deduplication"]["occurrenceCount"] == 1
    annotations = rr["metadata"]["annotations"]
    assert annotations["gateway.kubernaut.ai/pubsub-message-id"] == MESSAGE_ID
    assert annotations["gateway.kubernaut.ai/pubsub-publish-time"] == PUBLISH_TIME
    assert function.stop() == 0


async def test_poison_is_acknowledged_and_ends_in_the_topic(
    start: Callable[..., FunctionProcess], cluster: Cluster
) -> None:
    async with PubSubServer() as topic:
        environment = {EMULATOR: topic.address, "SLUICE_DEAD_LETTER_TOPIC": "projects/shop/topics/poison"}
        function = await asyncio.to_thread(start, "pubsub", **environment)

        _acknowledged(await asyncio.to_thread(function.deliver, _message({"hello": "world"})))

        assert await asyncio.to_thread(function.stop) == 0
    (letter,) = topic.messages
    assert json.loads(letter.data) == envelope({"hello": "world"})
    assert letter.attributes["ce-id"] == MESSAGE_ID
    assert cluster.rrs() == []
    assert "a message can never work and is put aside" in function.log


@TARGETS
def test_event_that_is_none_is_refused(start: Callable[..., FunctionProcess], target: str) -> None:
    function = start(target)

    answer = function.deliver(binary("t", {}, id=None))

    assert answer.status == 400
    assert b"Traceback" not in answer.body


class TestOutage:
    @pytest.fixture
    def cluster(self, breakable_apiserver: KubeApiserver) -> Cluster:
        return Cluster(breakable_apiserver)

    def test_events_come_again_until_the_api_server_is_back(
        self, start: Callable[..., FunctionProcess], cluster: Cluster
    ) -> None:
        event = _create(cluster, kubelet_event)
        alert = {"labels": {"alertname": "A", "namespace": cluster.namespace, "pod": "web-2"}, "status": "firing"}
        sent = {
            start("kubernetes_event"): [_resource(event), _reference(event)],
            start("pubsub"): [_message(alert)],
        }
        cluster.server.stop()
        for function, events in sent.items():
            for each in events:
                answer = function.deliver(each)
                assert answer.status == 503, answer.body
                assert int(answer.headers["retry-after"]) >= 1

        cluster.server.start()

        for function, events in sent.items():
            for each in events:
                _deliver_until_taken(function, each)
            assert function.stop() == 0
        names = [rr["spec"]["targetResource"]["name"] for rr in cluster.rrs()]
        assert sorted(names) == ["web-2", POD]


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _deliver_until_taken(function: FunctionProcess, event: Sent) -> None:
    wait_for(lambda: function.deliver(event).status in (200, 201, 202), what="the event to be taken", within=WITHIN)


def _status(cluster: Cluster, path: str) -> int:
    return cluster.server.request("GET", path, token=cluster.token).status


def _create(cluster: Cluster, make: Make) -> dict[str, Any]:
    """Write an Event as its reporter does; return it as the API server serves it."""
    event = make(at=datetime.now(UTC))
    about = "regarding" if "regarding" in event else "involvedObject"
    event[about]["namespace"] = cluster.namespace
    event["metadata"] = {"name": event["metadata"]["name"], "namespace": cluster.namespace}
    collection = _path(cluster, event).rpartition("/")[0]
    created: dict[str, Any] = cluster.call("POST", collection, event).body
    return created


def _path(cluster: Cluster, event: dict[str, Any]) -> str:
    root = "/api/v1" if event["apiVersion"] == "v1" else f"/apis/{event['apiVersion']}"
    return f"{root}/namespaces/{cluster.namespace}/events/{event['metadata']['name']}"


def _resource(event: dict[str, Any]) -> Sent:
    return binary("dev.knative.apiserver.resource.update", event)


def _reference(event: dict[str, Any]) -> Sent:
    return structured("dev.knative.apiserver.ref.update", reference(event))


def _message(content: object) -> Sent:
    return binary(PUBLISHED, envelope(content), source=SOURCE, id=MESSAGE_ID)


def _acknowledged(answer: Answer) -> None:
    assert answer.status in (200, 201, 202), answer.body
    assert answer.body == b""
    assert not [name for name in answer.headers if name.startswith("ce-")]
