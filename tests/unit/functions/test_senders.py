"""Who may send: asked before the body is read, whatever is in it."""

import json

import pytest

from core.kube.errors import ApiUnreachableError
from tests.support.scripted import refused, reviewed
from tests.unit.functions.webhooks import alert, webhook

WHO = "CREATE tokenreviews"
MAY = "CREATE subjectaccessreviews"
KNOWN = reviewed({"authenticated": True, "user": {"username": "alertmanager"}})
STRANGER = reviewed({"authenticated": False})
ALLOWED = reviewed({"allowed": True})
DENIED = reviewed({"allowed": False})
RESOLVED = webhook(alert(status="resolved"))


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
