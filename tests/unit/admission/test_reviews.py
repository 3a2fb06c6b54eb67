"""Tokens of the cluster: what the API server is asked for them, and for how long its answer is remembered."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.admission.gate import BearerGate
from core.admission.reviews import (
    GRANT_SECONDS,
    REFUSAL_SECONDS,
    REFUSALS_AT_ONCE,
    REFUSALS_PER_SECOND,
    KubernetesReviews,
)
from core.common.clock import MockClock
from core.common.resilience import CircuitBreaker, Deadline
from core.errors import (
    CircuitOpenError,
    DeadlineExceededError,
    OverloadedError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from core.kube.client import KubeClient
from core.kube.errors import ApiUnreachableError, ForbiddenError, ServerError, UnreadableAnswerError
from core.kube.resources import remediation_requests
from core.kube.transport import ApiRequest, ApiResponse
from tests.support.scripted import Scripted, refused, reviewed

Answer = ApiResponse | Exception | Callable[[ApiRequest], ApiResponse]
WHO = "CREATE tokenreviews"
MAY = "CREATE subjectaccessreviews"
USER = {
    "username": "system:serviceaccount:monitoring:alertmanager",
    "uid": "u1",
    "groups": ["system:serviceaccounts"],
    "extra": {"authentication.kubernetes.io/pod-name": ["alertmanager-0"]},
}
KNOWN = reviewed({"authenticated": True, "user": USER})
STRANGER = reviewed({"authenticated": False})
ALLOWED = reviewed({"allowed": True})
DENIED = reviewed({"allowed": False, "reason": "no rule"})


class Entrance:
    """A gate over a script."""

    def __init__(
        self, *, calls_to_open: int = 10, audiences: Sequence[str] = (), gateway_service: bool = False
    ) -> None:
        self.api = Scripted()
        self.clock = MockClock(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
        breaker = CircuitBreaker(clock=self.clock, min_calls=calls_to_open)
        self.reviews = KubernetesReviews(
            client=KubeClient(transport=self.api, breaker=breaker, call_timeout=3.0),
            resource=remediation_requests(group="remediation.kubernaut.ai", version="v1alpha1"),
            namespace="ops",
            clock=self.clock,
            audiences=audiences,
            gateway_service=gateway_service,
        )
        self.gate = BearerGate(authenticators=[self.reviews])

    async def admit(self, authorization: str = "Bearer secret", *, seconds: float = 8.0) -> str:
        return await self.gate.admit(authorization, deadline=Deadline(clock=self.clock, seconds=seconds))

    def wait(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    def will_be_asked(self, who: Answer = KNOWN, may: Answer = ALLOWED) -> None:
        self.api.then(WHO, who)
        self.api.then(MAY, may)


@pytest.fixture
def entrance():
    entrance = Entrance()
    yield entrance
    entrance.api.finish()


async def test_sender_is_the_user_that_the_api_server_names_also_when_it_is_remembered(entrance):
    entrance.will_be_asked()
    assert [await entrance.admit() for _ in range(3)] == [USER["username"]] * 3


@pytest.mark.parametrize("yes", ["true", "false", 1, [True], {}])
async def test_only_true_lets_anybody_in(entrance, yes):
    entrance.api.then(WHO, reviewed({"authenticated": yes, "user": USER}))
    with pytest.raises(UnauthenticatedError):
        await entrance.admit()
    entrance.will_be_asked(may=reviewed({"allowed": yes}))
    with pytest.raises(PermissionDeniedError):
        await entrance.admit("Bearer another")


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Bearer    ", "Basic dXNlcjpwYXNz", "Token secret", "secret", "bearersecret"],
)
async def test_without_a_bearer_token_nobody_is_asked(entrance, authorization):
    with pytest.raises(UnauthenticatedError, match="send a token in the header `Authorization: Bearer"):
        await entrance.admit(authorization)


@pytest.mark.parametrize("authorization", ["Bearer secret", "bearer secret", "BEARER  secret ", "Bearer \tsecret"])
async def test_api_server_is_asked_who_it_is_and_whether_they_may(entrance, authorization):
    entrance.will_be_asked()
    await entrance.admit(authorization)
    who, may = entrance.api.bodies
    assert who == {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "secret"}}
    assert may == {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": USER["username"],
            "uid": USER["uid"],
            "groups": USER["groups"],
            "extra": USER["extra"],
            "resourceAttributes": {
                "verb": "create",
                "group": "remediation.kubernaut.ai",
                "version": "v1alpha1",
                "resource": "remediationrequests",
                "subresource": "signals",
                "namespace": "ops",
            },
        },
    }


async def test_user_without_groups_or_extra_is_asked_for_all_the_same(entrance):
    entrance.will_be_asked(reviewed({"authenticated": True, "user": {"username": "x"}}))
    await entrance.admit()
    assert {key: entrance.api.bodies[1]["spec"][key] for key in ("user", "uid", "groups", "extra")} == {
        "user": "x",
        "uid": "",
        "groups": [],
        "extra": {},
    }


@pytest.mark.parametrize("status", [{"authenticated": False, "error": "expired"}, {}, None])
async def test_token_that_the_api_server_does_not_know_is_refused(entrance, status):
    entrance.api.then(WHO, reviewed(status))
    with pytest.raises(UnauthenticatedError, match="does not know this bearer token"):
        await entrance.admit()


@pytest.mark.parametrize("answer", [DENIED, reviewed()])
async def test_user_without_the_rule_is_told_which_one(entrance, answer):
    entrance.will_be_asked(may=answer)
    with pytest.raises(PermissionDeniedError) as caught:
        await entrance.admit()
    assert str(caught.value) == (
        "system:serviceaccount:monitoring:alertmanager may not send signals: bind it to a Role in ops with "
        'apiGroups: ["remediation.kubernaut.ai"], resources: ["remediationrequests/signals"], verbs: ["create"]'
    )


async def test_yes_is_remembered_for_a_minute_and_then_asked_again(entrance):
    entrance.will_be_asked()
    await entrance.admit()
    entrance.wait(59.9)
    await entrance.admit()
    entrance.will_be_asked()
    entrance.wait(0.1)
    await entrance.admit()
    assert len(entrance.api.requests) == 4


async def test_being_let_in_does_not_make_the_minute_longer(entrance):
    entrance.will_be_asked()
    await entrance.admit()
    for _ in range(5):
        entrance.wait(11)
        await entrance.admit()
    entrance.will_be_asked(may=DENIED)
    entrance.wait(5)
    with pytest.raises(PermissionDeniedError):
        await entrance.admit()


async def test_yes_to_one_token_is_no_yes_to_another(entrance):
    entrance.will_be_asked()
    await entrance.admit("Bearer secret")
    entrance.will_be_asked(may=DENIED)
    with pytest.raises(PermissionDeniedError):
        await entrance.admit("Bearer secret2")


@pytest.mark.parametrize(
    ("who", "may", "refusal"), [(STRANGER, None, UnauthenticatedError), (KNOWN, DENIED, PermissionDeniedError)]
)
async def test_refusal_is_remembered_for_five_seconds_and_then_asked_again(entrance, who, may, refusal):
    entrance.api.then(WHO, who)
    if may:
        entrance.api.then(MAY, may)
    sentences = set()
    for _ in range(50):
        with pytest.raises(refusal) as caught:
            await entrance.admit()
        sentences.add(str(caught.value))
        entrance.wait(0.0999)
    assert len(sentences) == 1
    entrance.wait(0.01)
    entrance.will_be_asked()
    await entrance.admit()


async def test_made_up_tokens_push_no_good_sender_out(entrance):
    entrance.will_be_asked()
    await entrance.admit()
    for number in range(1100):
        entrance.wait(0.051)
        entrance.api.then(WHO, STRANGER)
        with pytest.raises(UnauthenticatedError):
            await entrance.admit(f"Bearer made-up-{number}")
    await entrance.admit()


class TestFloodOfMadeUpTokens:
    """Each token is another one, so nothing that is remembered of one helps."""

    async def flood(self, entrance: Entrance, number: int, *, start: int = 0) -> int:
        """Send so many at once; return how many were reviewed. The others are asked to come again, never refused."""
        for _ in range(min(number, REFUSALS_AT_ONCE)):
            entrance.api.then(WHO, STRANGER)
        before = len(entrance.api.requests)
        senders = (entrance.admit(f"Bearer made-up-{start + each}") for each in range(number))
        met = await asyncio.gather(*senders, return_exceptions=True)
        reviewed = len(entrance.api.requests) - before
        assert sum(isinstance(each, UnauthenticatedError) for each in met) == reviewed
        assert sum(isinstance(each, OverloadedError) for each in met) == number - reviewed
        entrance.api.lines.clear()
        return reviewed

    async def test_costs_no_more_reviews_than_there_may_be_in_a_second(self, entrance):
        assert await self.flood(entrance, 1000) == REFUSALS_AT_ONCE
        assert await self.flood(entrance, 1000, start=1000) == 0
        entrance.wait(1.0)
        assert await self.flood(entrance, 1000, start=2000) == REFUSALS_PER_SECOND
        entrance.wait(3600.0)
        assert await self.flood(entrance, 1000, start=3000) == REFUSALS_AT_ONCE

    async def test_is_told_when_to_come_again(self, entrance):
        await self.flood(entrance, REFUSALS_AT_ONCE)
        with pytest.raises(OverloadedError, match="send the same request again") as caught:
            await entrance.admit("Bearer one-more")
        assert caught.value.retry_after == 1.0
        assert caught.value.shed == "reviews"

    async def test_holds_up_no_sender_that_was_good_a_while_ago(self, entrance):
        entrance.will_be_asked()
        await entrance.admit()
        for minute in range(3):
            entrance.wait(GRANT_SECONDS)
            await self.flood(entrance, 1000, start=minute * 1000)
            entrance.will_be_asked()
            await entrance.admit()

    async def test_ends_the_credit_of_a_sender_whose_token_is_good_no_more(self, entrance):
        entrance.will_be_asked()
        await entrance.admit()
        entrance.wait(GRANT_SECONDS)
        entrance.api.then(WHO, STRANGER)
        with pytest.raises(UnauthenticatedError):
            await entrance.admit()
        await self.flood(entrance, REFUSALS_AT_ONCE)
        entrance.wait(REFUSAL_SECONDS + 1.0)
        await self.flood(entrance, REFUSALS_AT_ONCE, start=1000)
        with pytest.raises(OverloadedError):
            await entrance.admit()

    async def test_is_not_what_many_new_good_senders_are(self, entrance):
        for number in range(3 * REFUSALS_AT_ONCE):
            entrance.will_be_asked()
            await entrance.admit(f"Bearer {number}")


async def test_failure_to_ask_is_not_remembered(entrance):
    entrance.api.then(WHO, refused(503))
    with pytest.raises(ServerError):
        await entrance.admit()
    entrance.will_be_asked()
    await entrance.admit()


@pytest.mark.parametrize(
    "token", ["a" * 8193, "two words", "kommata,", "\xff", "na\u00efve", "a=b", "{}", "a\x00b", "\ud800", "\u0660"]
)
async def test_what_can_be_no_token_is_refused_and_nobody_is_asked(entrance, token):
    with pytest.raises(UnauthenticatedError, match="the bearer token is malformed") as caught:
        await entrance.admit(f"Bearer {token}")
    assert token not in str(caught.value)


@pytest.mark.parametrize("token", ["a" * 8192, "eyJhbGciOiJSUzI1NiJ9.eyJhIjoxfQ.c2ln-_", "abc/+~==", "7"])
async def test_what_can_be_a_token_is_asked_about(entrance, token):
    entrance.will_be_asked()
    await entrance.admit(f"Bearer {token}")


@pytest.mark.parametrize("times", [2, 150])
async def test_requests_with_one_token_at_once_make_one_review(entrance, times):
    entrance.will_be_asked()
    await asyncio.gather(*(entrance.admit() for _ in range(times)))


async def test_requests_with_one_bad_token_at_once_make_one_review(entrance):
    entrance.api.then(WHO, STRANGER)
    refusals = await asyncio.gather(*(entrance.admit() for _ in range(150)), return_exceptions=True)
    assert {type(each) for each in refusals} == {UnauthenticatedError}


async def test_review_outlives_the_request_that_began_it(entrance):
    entrance.will_be_asked()
    first = asyncio.create_task(entrance.admit())
    second = asyncio.create_task(entrance.admit())
    await asyncio.sleep(0)
    first.cancel()
    await second
    with pytest.raises(asyncio.CancelledError):
        await first


class TestAudiences:
    @pytest.fixture
    def entrance(self):
        entrance = Entrance(audiences=["sluice", "gateway"])
        yield entrance
        entrance.api.finish()

    @pytest.mark.parametrize("named", [["sluice"], ["other", "gateway"]])
    async def test_token_for_one_of_them_is_taken(self, entrance, named):
        entrance.will_be_asked(reviewed({"authenticated": True, "user": USER, "audiences": named}))
        await entrance.admit()
        assert entrance.api.bodies[0]["spec"] == {"token": "secret", "audiences": ["sluice", "gateway"]}

    @pytest.mark.parametrize("named", [None, [], ["https://kubernetes.default.svc"], "sluice", [["sluice"], 7]])
    async def test_token_of_which_the_api_server_does_not_say_so_is_refused(self, entrance, named):
        status = {"authenticated": True, "user": USER, "audiences": named}
        entrance.api.then(WHO, reviewed(status))
        with pytest.raises(UnauthenticatedError, match="does not say that this bearer token is for sluice or gateway"):
            await entrance.admit()

    async def test_refusal_names_them(self, entrance):
        entrance.api.then(WHO, STRANGER)
        with pytest.raises(UnauthenticatedError, match="for the audience sluice or gateway"):
            await entrance.admit()


async def test_thousand_senders_are_remembered_and_the_oldest_goes_first(entrance):
    for number in range(1001):
        entrance.will_be_asked()
        await entrance.admit(f"Bearer {number}")
    await entrance.admit("Bearer 1")
    await entrance.admit("Bearer 1000")
    entrance.will_be_asked()
    await entrance.admit("Bearer 0")


async def test_tokens_are_not_kept(entrance):
    entrance.will_be_asked()
    await entrance.admit("Bearer very-secret")
    assert "very-secret" not in repr(vars(entrance.reviews))


@pytest.mark.parametrize(
    ("failed", "error"),
    [
        (refused(503), ServerError),
        (refused(403, "Forbidden"), ForbiddenError),
        (ApiUnreachableError("no answer"), ApiUnreachableError),
    ],
)
async def test_failure_to_ask_is_no_refusal(entrance, failed, error):
    entrance.api.then(WHO, failed)
    with pytest.raises(error):
        await entrance.admit()
    entrance.will_be_asked(may=failed)
    with pytest.raises(error):
        await entrance.admit()
    entrance.will_be_asked()
    await entrance.admit()


ANOTHER_QUESTION = {
    "another token": {"spec": {"token": "another"}},
    "no token": {"spec": {}},
    "no question": {"spec": None},
    "another kind": {"kind": "SubjectAccessReview"},
    "no kind": {"kind": None},
}


@pytest.mark.parametrize("change", ANOTHER_QUESTION.values(), ids=ANOTHER_QUESTION)
async def test_yes_to_a_token_that_was_not_asked_about_lets_nobody_in(entrance, change):
    entrance.api.then(WHO, reviewed({"authenticated": True, "user": USER}, **change))
    with pytest.raises(UnreadableAnswerError, match="is not the TokenReview that was asked for"):
        await entrance.admit()


ASKED: dict[str, Any] = {
    "user": USER["username"],
    "groups": USER["groups"],
    "uid": USER["uid"],
    "extra": USER["extra"],
    "resourceAttributes": {
        "verb": "create",
        "group": "remediation.kubernaut.ai",
        "version": "v1alpha1",
        "resource": "remediationrequests",
        "subresource": "signals",
        "namespace": "ops",
    },
}
ANOTHER_RIGHT = {
    "another user": {"user": "system:admin"},
    "other groups": {"groups": ["system:masters"]},
    "another user's extra": {"extra": {}},
    "another verb": {"resourceAttributes": ASKED["resourceAttributes"] | {"verb": "get"}},
    "another namespace": {"resourceAttributes": ASKED["resourceAttributes"] | {"namespace": "default"}},
    "no resource": {"resourceAttributes": None},
}


@pytest.mark.parametrize("change", ANOTHER_RIGHT.values(), ids=ANOTHER_RIGHT)
async def test_yes_to_a_right_that_was_not_asked_about_lets_nobody_in(entrance, change):
    entrance.will_be_asked(may=reviewed({"allowed": True}, spec=ASKED | change))
    with pytest.raises(UnreadableAnswerError, match="is not the SubjectAccessReview that was asked for"):
        await entrance.admit()
    entrance.will_be_asked(may=reviewed({"allowed": True}, spec=ASKED))
    await entrance.admit()


@pytest.mark.parametrize("user", [{}, {"username": ""}, {"username": 7}, None])
async def test_user_without_a_name_is_nobody(entrance, user):
    entrance.api.then(WHO, reviewed({"authenticated": True, "user": user}))
    with pytest.raises(UnreadableAnswerError, match="names no user"):
        await entrance.admit()


async def test_gateways_own_missing_rule_is_named(entrance):
    entrance.api.then(WHO, refused(403, "Forbidden", message="no"))
    with pytest.raises(ForbiddenError, match=r'resources: \["tokenreviews"\], verbs: \["create"\]'):
        await entrance.admit()


async def test_passed_deadline_asks_nobody(entrance):
    with pytest.raises(DeadlineExceededError):
        await entrance.admit(seconds=0)


async def test_open_breaker_passes_on():
    entrance = Entrance(calls_to_open=1)
    entrance.api.then(WHO, refused(503))
    with pytest.raises(ServerError):
        await entrance.admit()
    with pytest.raises(CircuitOpenError):
        await entrance.admit()
    entrance.api.finish()


class TestRuleOfKubernautsSenders:
    """`create services/gateway-service`, where SLUICE_PROFILE=kubernaut takes it beside ours."""

    async def test_lets_a_sender_in(self):
        entrance = Entrance(gateway_service=True)
        entrance.will_be_asked(may=DENIED)
        entrance.api.then(MAY, ALLOWED)
        await entrance.admit()
        asked = [json.loads(each.body or b"")["spec"]["resourceAttributes"] for each in entrance.api.requests[1:]]
        assert asked[0]["subresource"] == "signals"
        assert asked[1] == {"verb": "create", "resource": "services", "name": "gateway-service", "namespace": "ops"}

    async def test_is_not_asked_for_where_ours_lets_in(self):
        entrance = Entrance(gateway_service=True)
        entrance.will_be_asked()
        await entrance.admit()
        assert len(entrance.api.requests) == 2

    async def test_sender_with_neither_is_told_of_ours(self):
        entrance = Entrance(gateway_service=True)
        entrance.will_be_asked(may=DENIED)
        entrance.api.then(MAY, DENIED)
        with pytest.raises(PermissionDeniedError, match="remediationrequests/signals"):
            await entrance.admit()

    async def test_counts_for_nothing_without_the_profile(self):
        entrance = Entrance()
        entrance.will_be_asked(may=DENIED)
        with pytest.raises(PermissionDeniedError):
            await entrance.admit()
        assert len(entrance.api.requests) == 2
