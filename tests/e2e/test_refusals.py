"""What the sender is told when something around the function is missing, and that the alert gets through afterwards."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.apiserver.ports import ReservedPort
from tests.e2e.function import FunctionProcess, alert
from tests.support.cluster import GATEWAY, GATEWAY_RULES, GROUP, REVIEW_RULES, SENDER, SENDER_RULES, rule
from tests.support.waiting import HANGS_AFTER, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.conftest import StartFunction
    from tests.support.cluster import Cluster, Rule
    from tests.support.http import Answer

HEEDED_WITHIN = 10.0  # seconds until the API server's cache of rules follows a write


@pytest.fixture
def nobody_listens(cluster: Cluster, tmp_path: Path) -> Iterator[Path]:
    """The kubeconfig of an API server that is down."""
    path = cluster.write_kubeconfig(tmp_path / "down")
    port = ReservedPort()
    path.write_text(path.read_text().replace(f":{cluster.server.port}", f":{port.number}"))
    yield path
    port.release()


def test_api_server_that_is_down_is_answered_with_retry_later(
    start_function: StartFunction, nobody_listens: Path
) -> None:
    function = start_function(KUBECONFIG=str(nobody_listens), ready=False)

    for answer in (function.get("/readyz"), function.post(alert("web-1"))):
        _check_problem(answer, status=503)
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert "the Kubernetes API did not answer " in answer.json["detail"]
        assert b"127.0.0.1" not in answer.body, "where it is, only the log says"
    assert function.get("/healthz").status == 200, "a restart would not help"


def test_breaker_spares_an_api_server_that_is_down(start_function: StartFunction, nobody_listens: Path) -> None:
    function = start_function(KUBECONFIG=str(nobody_listens), ready=False)

    for _ in range(10):
        function.post(alert("web-1"))
    answer = function.post(alert("web-1"))

    _check_problem(answer, status=503)
    assert "the circuit breaker is open" in answer.json["detail"]
    assert 20 < int(answer.headers["retry-after"]) <= 30
    assert 'gateway_circuit_breaker_state{name="kubernetes-api"} 2.0' in function.get("/metrics").body.decode()


@pytest.mark.parametrize("path", ["/readyz", "/"])
def test_missing_crd_names_the_file_to_apply(start_function: StartFunction, cluster: Cluster, path: str) -> None:
    cluster.set_rules(GATEWAY, [rule("nobody.example", "remediationrequests", "list")])
    function = start_function(SLUICE_GROUP="nobody.example", ready=False)

    answer = function.get(path) if path == "/readyz" else function.post(alert("web-1"))

    _check_problem(answer, status=503)
    missing = "remediationrequests.nobody.example is not installed here: apply knative/cluster/crd.yaml"
    assert missing in answer.json["detail"]


def test_missing_namespace_is_named(start_function: StartFunction, cluster: Cluster, tmp_path: Path) -> None:
    admin = cluster.write_kubeconfig(tmp_path / "admin", token=cluster.server.token)
    function = start_function(KUBECONFIG=str(admin), SLUICE_NAMESPACE="nowhere")

    answer = function.post(alert("web-1"))

    _check_problem(answer, status=503)
    assert "create the namespace, or set SLUICE_NAMESPACE to one that exists" in answer.json["detail"]


@pytest.mark.parametrize(
    ("group", "resource", "verb"),
    [
        (GROUP, "remediationrequests", "list"),
        (GROUP, "remediationrequests", "create"),
        ("coordination.k8s.io", "leases", "create"),
    ],
)
def test_rule_that_a_new_alert_lacks_is_named(
    start_function: StartFunction, cluster: Cluster, group: str, resource: str, verb: str
) -> None:
    cluster.set_rules(GATEWAY, _without(GATEWAY_RULES, resource, verb))
    function = start_function(ready=False)

    _wait_until_missing(function, group, resource, verb)

    cluster.set_rules(GATEWAY, GATEWAY_RULES)
    wait_for(lambda: function.post(alert("web-1")).status == 201, what="the alert to be stored", within=HEEDED_WITHIN)


def test_rule_that_a_repeat_lacks_is_named(start_function: StartFunction, cluster: Cluster) -> None:
    function = start_function()
    assert function.post(alert("web-1")).status == 201
    cluster.set_rules(GATEWAY, _without(GATEWAY_RULES, "remediationrequests/status", "patch"))

    _wait_until_missing(function, GROUP, "remediationrequests/status", "patch")

    cluster.set_rules(GATEWAY, GATEWAY_RULES)
    wait_for(lambda: function.post(alert("web-1")).status == 202, what="the repeat to be stored", within=HEEDED_WITHIN)


@pytest.mark.parametrize(
    ("group", "resource"),
    [("authentication.k8s.io", "tokenreviews"), ("authorization.k8s.io", "subjectaccessreviews")],
)
def test_rule_that_checking_senders_lacks_is_named(
    start_function: StartFunction, cluster: Cluster, group: str, resource: str
) -> None:
    token = cluster.add_account(SENDER, SENDER_RULES)
    cluster.set_review_rules(_without(REVIEW_RULES, resource, "create"))
    function = start_function(SLUICE_AUTH="kubernetes")

    _wait_until_missing(function, group, resource, "create", token=token)

    cluster.set_review_rules(REVIEW_RULES)
    wait_for(
        lambda: function.post(alert("web-1"), token=token).status == 201,
        what="the alert to be stored",
        within=HEEDED_WITHIN,
    )


def test_sender_without_a_good_token_is_unauthenticated(start_function: StartFunction, cluster: Cluster) -> None:
    function = start_function(SLUICE_AUTH="kubernetes")

    for token, sentence in (("", "send a token in the header"), ("guessed", "does not know this bearer token")):
        answer = function.post(alert("web-1"), token=token)
        _check_problem(answer, status=401)
        assert answer.headers["www-authenticate"] == "Bearer"
        assert sentence in answer.json["detail"]
    assert cluster.rrs() == []


def test_sender_needs_the_rule_that_the_answer_names(start_function: StartFunction, cluster: Cluster) -> None:
    token = cluster.add_account(SENDER, [])
    function = start_function(SLUICE_AUTH="kubernetes")

    answer = function.post(alert("web-1"), token=token)

    _check_problem(answer, status=403)
    sender = f"system:serviceaccount:{cluster.namespace}:{SENDER}"
    named = f'apiGroups: ["{GROUP}"], resources: ["remediationrequests/signals"], verbs: ["create"]'
    assert (
        answer.json["detail"] == f"{sender} may not send signals: bind it to a Role in {cluster.namespace} with {named}"
    )
    assert cluster.rrs() == []

    cluster.set_rules(SENDER, SENDER_RULES)
    wait_for(
        lambda: function.post(alert("web-1"), token=token).status == 201,
        what="the alert to be stored",
        within=HEEDED_WITHIN,
    )


def test_endless_body_is_refused_and_read_no_further(start_function: StartFunction) -> None:
    function = start_function(SLUICE_MAX_BODY="65536")
    address = urlsplit(function.url)
    head = b"POST / HTTP/1.1\r\nHost: sluice\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b"[" * 65536 + b"\r\n"
    with closing(socket.create_connection((address.hostname, address.port), timeout=HANGS_AFTER)) as sender:
        sender.sendall(head)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            sender.sendall(chunk * 3000)  # 188 MB: more than is read on, and than all buffers on the way take

        assert sender.makefile("rb").readline().startswith(b"HTTP/1.1 413 ")


def test_gateway_with_an_unknown_token_says_so(start_function: StartFunction, cluster: Cluster, tmp_path: Path) -> None:
    stranger = cluster.write_kubeconfig(tmp_path / "stranger", token="guessed")
    function = start_function(KUBECONFIG=str(stranger), ready=False)

    answer = function.post(alert("web-1"))

    _check_problem(answer, status=503)
    assert "the API server answered 401 " in answer.json["detail"]


def test_kubeconfig_that_cannot_be_used_is_named(start_function: StartFunction, tmp_path: Path) -> None:
    config = tmp_path / "broken"
    config.write_text("{{{ no YAML")
    function = start_function(KUBECONFIG=str(config), ready=False)

    answer = function.post(alert("web-1"))

    _check_problem(answer, status=503)
    assert answer.json["detail"] == "the gateway's KUBECONFIG cannot be used; its log says why"
    assert f"KUBECONFIG={config} cannot be used: " in function.log


def _wait_until_missing(function: FunctionProcess, group: str, resource: str, verb: str, *, token: str = "") -> None:
    """Wait until a POST is refused for want of this one rule."""
    missing = f'this rule is missing: apiGroups: ["{group}"], resources: ["{resource}"], verbs: ["{verb}"]'

    def is_named() -> bool:
        answer = function.post(alert("web-1"), token=token)
        return answer.status == 503 and missing in answer.json["detail"]

    wait_for(is_named, what=f"an answer with: {missing}", within=HEEDED_WITHIN)


def _without(rules: list[Rule], resource: str, verb: str) -> list[Rule]:
    return [
        rule(each["apiGroups"][0], resource, *(kept for kept in each["verbs"] if kept != verb))
        if each["resources"] == [resource]
        else each
        for each in rules
        if each["resources"] != [resource] or each["verbs"] != [verb]
    ]


def _check_problem(answer: Answer, *, status: int) -> None:
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == status
