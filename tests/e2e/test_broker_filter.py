"""Behind the real filter of a Knative Broker: what it makes of our answers decides whether an Event comes again."""

from __future__ import annotations

import json
import threading
from base64 import b64decode
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.function import production
from tests.knative.broker_filter import BrokerFilter
from tests.manifests.building import objects, the
from tests.support.cloud_events import binary
from tests.support.cluster import SENDER_RULES
from tests.support.kubernetes_events import kubelet_event
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.apiserver import KubeApiserver
    from tests.e2e.conftest import StartFunction
    from tests.e2e.function import FunctionProcess
    from tests.support.cloud_events import Sent
    from tests.support.cluster import Cluster
    from tests.support.http import Answer

    Deliver = Callable[[Sent], Answer]

ADD = "dev.knative.apiserver.resource.add"
ACCOUNT = "sluice-events-oidc-eventing.knative.dev-trigger"
"""Eventing's name for the Trigger's identity."""


@pytest.fixture(scope="module")
def broker_filter(kube_apiserver: KubeApiserver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerFilter]:
    with BrokerFilter(server=kube_apiserver, folder=tmp_path_factory.mktemp("filter")) as running:
        yield running


@pytest.fixture
def deliver_to(broker_filter: BrokerFilter, cluster: Cluster) -> Callable[[str], Deliver]:
    """Make a Trigger for a subscriber; what is returned delivers as its channel does."""

    def deliver_to(subscriber: str) -> Deliver:
        trigger = broker_filter.add_trigger("sluice-events", namespace=cluster.namespace, subscriber=subscriber)
        return partial(broker_filter.deliver, trigger)

    return deliver_to


def event(*, pod: str = "web-1", **fields: Any) -> Sent:
    """A Warning of now, as an ApiServerSource sends it."""
    about = kubelet_event(at=datetime.now(UTC))
    about["involvedObject"]["name"] = pod
    about["metadata"]["uid"] = f"{pod}-{fields}"
    return binary(ADD, about | fields)


def handled(answer: Answer, *, status: int) -> None:
    """The channel is done with the event: it neither sends it again nor takes the answer for a reply."""
    assert (answer.status, answer.body) == (status, b""), answer


def test_handled_events_are_done_with(
    start_function: StartFunction, cluster: Cluster, deliver_to: Callable[[str], Deliver]
) -> None:
    deliver = deliver_to(start_function(command=production("kubernetes_event")).url)

    handled(deliver(event()), status=201)
    handled(deliver(event(count=8)), status=202)
    handled(deliver(event(type="Normal")), status=200)

    (rr,) = cluster.rrs()
    assert rr["status"]["deduplication"]["occurrenceCount"] == 2


def test_poison_goes_to_the_dead_letter_sink(
    start_function: StartFunction, deliver_to: Callable[[str], Deliver]
) -> None:
    """400 is a code that no channel sends again; our sentence goes with the event."""
    function = start_function(command=production("kubernetes_event"))

    answer = deliver_to(function.url)(event(count="many"))

    assert answer.status == 400
    assert answer.json["errdestination"] == function.url
    assert "Event.count is 'many'" in said(answer)


def test_event_that_cannot_be_stored_now_comes_again(
    start_function: StartFunction, cluster: Cluster, deliver_to: Callable[[str], Deliver], tmp_path: Path
) -> None:
    nowhere = cluster.server.write_kubeconfig(tmp_path / "nowhere", port=1)
    function = start_function(command=production("kubernetes_event"), ready=False, KUBECONFIG=str(nowhere))

    answer = deliver_to(function.url)(event())

    assert answer.status == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert "did not answer" in said(answer)


class TestTokens:
    """Where senders need one: the filter sends that of the Trigger's account, as knative/components/sender-tokens."""

    @pytest.fixture(params=["kubernetes", "oidc"])
    def function(
        self, request: pytest.FixtureRequest, start_function: StartFunction, cluster: Cluster
    ) -> FunctionProcess:
        """With the API server's reviews, and with its keys alone."""
        sender = f"cluster#system:serviceaccount:{cluster.namespace}:{ACCOUNT}"
        settings: Any = {
            "SLUICE_AUTH": request.param,
            "SLUICE_AUDIENCES": "sluice",
            "SLUICE_OIDC_SENDERS": sender,
        }
        return start_function(command=production("kubernetes_event"), **settings)

    def test_trigger_with_an_identity_is_let_in(
        self, function: FunctionProcess, cluster: Cluster, broker_filter: BrokerFilter
    ) -> None:
        account = the("RoleBinding", "sluice-sender-events", of=objects("overlays/sender-tokens"))["subjects"][0][
            "name"
        ]
        assert account == ACCOUNT
        cluster.add_account(account, SENDER_RULES)
        trigger = broker_filter.add_trigger(
            "sluice-events",
            namespace=cluster.namespace,
            subscriber=function.url,
            account=ACCOUNT,
            audience="sluice",
        )

        def is_stored() -> bool:
            return broker_filter.deliver(trigger, event()).status == 201

        wait_for(is_stored, what="the API server to heed the sender's rule", within=10)
        assert len(cluster.rrs()) == 1

    @pytest.mark.parametrize(("account", "audience"), [("", ""), ("alertmanager", "another")])
    def test_trigger_without_one_or_for_another_audience_is_refused(
        self, function: FunctionProcess, cluster: Cluster, broker_filter: BrokerFilter, account: str, audience: str
    ) -> None:
        if account:
            cluster.add_account(account, SENDER_RULES)
        trigger = broker_filter.add_trigger(
            "sluice-events", namespace=cluster.namespace, subscriber=function.url, account=account, audience=audience
        )

        assert broker_filter.deliver(trigger, event()).status == 401
        assert cluster.rrs() == []


@pytest.mark.parametrize(("body", "status"), [(b"OK", 502), (b'{"summary": {}}', 502), (b"", 200)])
def test_filter_takes_a_body_that_is_no_event_for_a_broken_reply(
    deliver_to: Callable[[str], Deliver], body: bytes, status: int
) -> None:
    """Why our 2xx have none: the other tests here mean nothing where the filter lets a body pass."""
    with subscriber(body) as url:
        assert deliver_to(url)(event()).status == status


@contextmanager
def subscriber(body: bytes) -> Iterator[str]:
    """One that answers 200 with `body` to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def said(answer: Answer) -> str:
    """The sentence that we gave, in what the filter makes of it."""
    return str(json.loads(b64decode(answer.json["errresponsebody"]))["detail"])
