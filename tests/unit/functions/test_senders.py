"""Who may send: asked before the body is read, whatever is in it."""

import json

import pytest

from core.kube.client import path_of
from core.kube.errors import ApiUnreachableError
from core.kube.resources import remediation_requests
from core.kube.transport import ApiRequest
from tests.support.scripted import refused, reviewed
from tests.support.wire import Wire, deliver
from tests.unit.functions.conftest import NAMESPACE
from tests.unit.functions.webhooks import alert, webhook

WHO = "CREATE tokenreviews"
MAY = "CREATE subjectaccessreviews"
KNOWN = reviewed({"authenticated": True, "user": {"username": "alertmanager"}})
STRANGER = reviewed({"authenticated": False})
ALLOWED = reviewed({"allowed": True})
DENIED = reviewed({"allowed": False})
RESOLVED = webhook(alert(status="resolved", labels={}))


@pytest.fixture(autouse=True)
def tokens_are_checked(function):
    function.set(auth="kubernetes")


@pytest.mark.parametrize("headers", [{}, {"Authorization": ""}, {"Authorization": "Basic dXNlcjpwYXNz"}])
async def test_sender_without_a_token_is_told_how_to_send_one(function, scripted, headers):
    answer = await function.post(RESOLVED, **headers)
    assert "`Authorization: Bearer <token>`" in answer.problem(401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.chunks_read == 0


async def test_unknown_token_is_refused_unread(function, scripted):
    scripted.then(WHO, STRANGER)
    answer = await function.post(RESOLVED, Authorization="Bearer stolen")
    assert "does not know this bearer token" in answer.problem(401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.chunks_read == 0
    assert b"stolen" not in answer.body


async def test_user_without_the_rule_is_told_which_one_unread(function, scripted):
    scripted.then(WHO, KNOWN)
    scripted.then(MAY, DENIED)
    answer = await function.post(RESOLVED, Authorization="Bearer good")
    assert 'resources: ["remediationrequests/signals"], verbs: ["create"]' in answer.problem(403)
    assert "WWW-Authenticate" not in answer.headers
    assert answer.chunks_read == 0


async def test_good_sender_is_let_in_and_not_asked_again(function, scripted):
    scripted.then(WHO, KNOWN)
    scripted.then(MAY, ALLOWED)
    for _ in range(3):
        assert (await function.post(RESOLVED, Authorization="Bearer good")).status == 200


@pytest.mark.parametrize(
    ("failed", "detail"),
    [
        (refused(503, message="etcd is down"), "etcd is down"),
        (refused(403, "Forbidden"), 'resources: ["tokenreviews"], verbs: ["create"]'),
        (ApiUnreachableError("the Kubernetes API did not answer"), "did not answer"),
    ],
)
async def test_failure_to_ask_is_no_refusal_of_the_sender(function, scripted, failed, detail):
    scripted.then(WHO, failed)
    answer = await function.post(RESOLVED, Authorization="Bearer good")
    assert detail in answer.problem(503)
    assert answer.headers["Retry-After"] == "1"
    assert answer.chunks_read == 0


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
async def test_health_and_metrics_need_no_token(function, scripted, path):
    assert (await function.get(path)).status == 200


async def test_token_stands_in_no_log(function, scripted, capsys):
    scripted.then(WHO, STRANGER)
    await function.post(RESOLVED, Authorization="Bearer very-secret")
    assert "very-secret" not in capsys.readouterr().out


async def test_refused_sender_is_logged_with_who_and_why(function, scripted, capsys):
    scripted.then(WHO, KNOWN)
    scripted.then(MAY, DENIED)
    await function.post(RESOLVED, Authorization="Bearer good", X_Forwarded_For="198.51.100.7")
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (line["severity"], line["status"], line["sender"]) == ("WARNING", 403, "198.51.100.7, 192.0.2.1")
    assert line["message"].startswith("a sender was refused: alertmanager may not send signals: bind it to a Role")
    assert "good" not in json.dumps(line)


class TestRR:
    KIND = remediation_requests(group="remediation.kubernaut.ai", version="v1alpha1")
    SENDER = "sluice.kubernaut.ai/sender"

    @pytest.fixture
    def admits(self, wire):
        def admit(username):
            wire.on(WHO, answer=reviewed({"authenticated": True, "user": {"username": username}}))
            wire.on(MAY, answer=ALLOWED)

        return admit

    async def annotations(self, wire: Wire) -> dict[str, str]:
        path = path_of(self.KIND, namespace=NAMESPACE)
        (rr,) = json.loads((await deliver(wire.app, ApiRequest(method="GET", path=path))).body)["items"]
        annotations: dict[str, str] = rr["metadata"]["annotations"]
        return annotations

    async def test_names_who_sent_the_alert_that_created_it(self, function, wire, admits):
        admits("system:serviceaccount:monitoring:alertmanager")
        await function.post(webhook(alert()), Authorization="Bearer good")
        admits("somebody-else")
        assert (await function.post(webhook(alert()), Authorization="Bearer other")).status == 202
        assert (await self.annotations(wire))[self.SENDER] == "system:serviceaccount:monitoring:alertmanager"

    async def test_names_nobody_where_nobody_was_asked(self, function, wire):
        function.set(auth="none")
        assert (await function.post(webhook(alert()), Authorization="Bearer good")).status == 201
        assert self.SENDER not in await self.annotations(wire)

    @pytest.mark.parametrize(
        ("username", "told"), [("ä" * 600, "ä" * 256), ("two\nlines\x1b[31m", "two\\nlines\\x1b[31m")]
    )
    async def test_has_a_name_that_is_short_and_one_line(self, function, wire, admits, username, told):
        admits(username)
        assert (await function.post(webhook(alert()), Authorization="Bearer good")).status == 201
        assert (await self.annotations(wire))[self.SENDER] == told

    async def test_of_another_request_names_its_own_sender(self, function, wire, admits):
        admits("first")
        await function.post(webhook(alert(status="resolved")), Authorization="Bearer good")
        admits("second")
        await function.post(webhook(alert()), Authorization="Bearer other")
        assert (await self.annotations(wire))[self.SENDER] == "second"
