"""What the client calls, and what it makes of the answers."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from multidict import CIMultiDict

from core.common.clock import MockClock
from core.common.resilience import BreakerState, CircuitBreaker, Deadline
from core.errors import CircuitOpenError, DeadlineExceededError, OverloadedError
from core.kube import errors
from core.kube.client import METADATA_ONLY, KubeClient, Reply
from core.kube.resources import LEASES, TOKEN_REVIEWS
from core.kube.transport import ApiRequest, ApiResponse
from tests.support.scripted import Scripted, answered, refused

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LEASE = {"kind": "Lease", "metadata": {"name": "l"}}
ITEM = "/apis/coordination.k8s.io/v1/namespaces/ops/leases/l"


class Caller:
    """A client over a script."""

    def __init__(self) -> None:
        self.clock = MockClock(START)
        self.api = Scripted()
        self.breaker = CircuitBreaker(clock=self.clock)
        self.client = KubeClient(transport=self.api, breaker=self.breaker, call_timeout=3.0)
        self.deadline = Deadline(clock=self.clock, seconds=8.0)

    async def get(self) -> Reply:
        return await self.client.get(LEASES, namespace="ops", name="l", deadline=self.deadline)


@pytest.fixture
def caller():
    caller = Caller()
    yield caller
    caller.api.finish()


async def test_get_reads_one_object_by_name(caller):
    caller.api.then("GET leases", answered(200, LEASE))
    reply = await caller.get()
    assert reply.obj == LEASE
    (sent,) = caller.api.requests
    assert (sent.method, sent.path, sent.query, sent.body, sent.accept) == ("GET", ITEM, {}, None, "application/json")


async def test_get_can_ask_for_metadata_only(caller):
    caller.api.then("GET leases", answered(200, LEASE))
    await caller.client.get(LEASES, namespace="ops", name="l", deadline=caller.deadline, accept=METADATA_ONLY)
    assert caller.api.requests[0].accept == METADATA_ONLY


@pytest.mark.parametrize(("body", "items"), [({"items": [LEASE]}, [LEASE]), ({"items": None}, [])])
async def test_list_gives_the_items_also_where_there_are_none(caller, body, items):
    caller.api.then("LIST leases", answered(200, body))
    query = {"fieldSelector": "metadata.name=l", "resourceVersion": "0"}
    listing = await caller.client.list(LEASES, namespace="ops", query=query, deadline=caller.deadline)
    assert listing.items == items
    (sent,) = caller.api.requests
    assert (sent.path, sent.query) == ("/apis/coordination.k8s.io/v1/namespaces/ops/leases", query)


@pytest.mark.parametrize("body", [{}, {"items": 7}, {"items": {}}, {"items": "l"}, {"items": [7]}, {"items": [None]}])
async def test_list_that_is_none_is_unreadable(caller, body):
    caller.api.then("LIST leases", answered(200, body))
    with pytest.raises(errors.UnreadableAnswerError, match="no list of objects in its field items"):
        await caller.client.list(LEASES, namespace="ops", query={"resourceVersion": "0"}, deadline=caller.deadline)


@pytest.mark.parametrize("status", [204, 300, 302, 304])
async def test_answer_that_stores_nothing_is_no_success(caller, status):
    body = b"" if status == 204 else LEASE
    caller.api.then("CREATE leases", answered(status, body))
    with pytest.raises(errors.UnreadableAnswerError, match=f"the answer {status} to POST"):
        await caller.client.create(LEASES, LEASE, namespace="ops", deadline=caller.deadline)


async def test_create_posts_to_the_collection(caller):
    caller.api.then("CREATE leases", answered(201, LEASE))
    reply = await caller.client.create(LEASES, LEASE, namespace="ops", deadline=caller.deadline)
    assert reply.obj == LEASE
    (sent,) = caller.api.requests
    assert (sent.path, sent.content_type) == ("/apis/coordination.k8s.io/v1/namespaces/ops/leases", "application/json")
    assert caller.api.bodies == [LEASE]


async def test_create_without_a_namespace_posts_to_the_clusters_collection(caller):
    caller.api.then("CREATE tokenreviews", answered(201, {}))
    await caller.client.create(TOKEN_REVIEWS, {}, deadline=caller.deadline)
    assert caller.api.requests[0].path == "/apis/authentication.k8s.io/v1/tokenreviews"


async def test_update_puts_the_whole_object(caller):
    caller.api.then("UPDATE leases", answered(200, LEASE))
    await caller.client.update(LEASES, LEASE, namespace="ops", name="l", deadline=caller.deadline)
    assert (caller.api.requests[0].path, caller.api.bodies) == (ITEM, [LEASE])


async def test_patch_goes_to_the_status_as_a_merge_patch(caller):
    caller.api.then("PATCH leases/status", answered(200, LEASE))
    await caller.client.patch_status(LEASES, {"status": {}}, namespace="ops", name="l", deadline=caller.deadline)
    (sent,) = caller.api.requests
    assert (sent.path, sent.content_type) == (f"{ITEM}/status", "application/merge-patch+json")
    assert caller.api.bodies == [{"status": {}}]


async def test_delete_sends_its_preconditions(caller):
    caller.api.then("DELETE leases", answered(200, {"kind": "Status"}))
    preconditions = {"uid": "u", "resourceVersion": "7"}
    await caller.client.delete(LEASES, namespace="ops", name="l", preconditions=preconditions, deadline=caller.deadline)
    assert caller.api.bodies == [{"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": preconditions}]


async def test_closing_closes_the_transport(caller):
    await caller.client.close()
    assert caller.api.closed


async def test_server_time_is_the_date_header(caller):
    caller.api.then("GET leases", answered(200, LEASE))
    assert (await caller.get()).server_time == START


async def test_date_without_a_zone_is_utc(caller):
    caller.api.then("GET leases", answered(200, LEASE, Date="Fri, 02 Jan 2026 03:04:05 -0000"))
    assert (await caller.get()).server_time == START


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Date": ""},
        {"Date": "yesterday"},
        {"Date": "2026-01-02T03:04:05Z"},
        {"Date": "Fri, 02 Jan 2026 03:04:05 +9999"},
    ],
)
async def test_answer_without_a_readable_date_is_unreadable_only_to_those_who_ask(caller, headers):
    caller.api.then("GET leases", ApiResponse(200, CIMultiDict(headers), b"{}"))
    reply = await caller.get()
    with pytest.raises(errors.UnreadableAnswerError, match="no readable Date header"):
        _ = reply.server_time


@pytest.mark.parametrize(
    "body", [b"", b"<html>Welcome</html>", b'{"kind": ', b"[]", b'"text"', b"null", b"7", b"\xff\xfe"]
)
async def test_success_that_is_no_object_is_unreadable_and_says_what_came(caller, body):
    caller.api.then("GET leases", answered(200, body))
    with pytest.raises(errors.UnreadableAnswerError) as caught:
        await caller.get()
    excerpt = body.decode(errors="replace")
    assert str(caught.value) == f"the answer 200 to GET {ITEM} is no Kubernetes object: {excerpt!r}"


async def test_long_unreadable_answer_is_cut(caller):
    caller.api.then("GET leases", answered(200, b"x" * 1000))
    with pytest.raises(errors.UnreadableAnswerError) as caught:
        await caller.get()
    assert str(caught.value).endswith(repr("x" * 80))


async def test_redirect_is_no_object_either(caller):
    caller.api.then("GET leases", answered(302, b"", Location="https://login.example.com"))
    with pytest.raises(errors.UnreadableAnswerError, match="the answer 302 to GET"):
        await caller.get()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(400, "BadRequest"), errors.BadRequestError),
        (refused(404, "NotFound", details={"name": "l", "kind": "leases"}), errors.NotFoundError),
        (refused(599), errors.ServerError),
    ],
)
async def test_refusal_comes_out_as_its_class(caller, answer, error):
    caller.api.then("GET leases", answer)
    with pytest.raises(error):
        await caller.get()


@pytest.mark.parametrize(("left", "timeout"), [(8.0, 3.0), (3.0, 3.0), (0.25, 0.25)])
async def test_call_never_takes_longer_than_its_own_time_or_the_requests(caller, left, timeout):
    caller.clock.advance(timedelta(seconds=8.0 - left))
    caller.api.then("GET leases", answered(200, LEASE))
    await caller.get()
    assert caller.api.timeouts == [timeout]


async def test_passed_deadline_makes_no_call(caller):
    caller.clock.advance(timedelta(seconds=8))
    with pytest.raises(DeadlineExceededError, match=f"no time was left for GET {ITEM}"):
        await caller.get()


async def fail_ten_times(caller: Caller, answer: ApiResponse | Exception) -> None:
    for _ in range(10):
        caller.api.then("GET leases", answer)
        with pytest.raises(errors.KubernetesError):
            await caller.get()


@pytest.mark.parametrize(
    "answer",
    [
        refused(500),
        refused(503),
        refused(429, "TooManyRequests"),
        answered(200, b"no object"),
        errors.ApiUnreachableError("no answer"),
    ],
)
async def test_failing_api_server_opens_the_breaker_and_is_left_in_peace(caller, answer):
    await fail_ten_times(caller, answer)
    assert caller.breaker.state is BreakerState.OPEN
    with pytest.raises(CircuitOpenError) as caught:
        await caller.get()
    assert caught.value.retry_after == 30.0


@pytest.mark.parametrize(
    "answer",
    [
        refused(409, "AlreadyExists"),
        refused(409, "Conflict"),
        refused(404, "NotFound", details={"name": "l"}),
        refused(404),
        refused(403, "Forbidden"),
        refused(422, "Invalid"),
        refused(500, message="etcdserver: request is too large"),
    ],
)
async def test_answers_of_a_healthy_api_server_never_open_the_breaker(caller, answer):
    for _ in range(3):
        await fail_ten_times(caller, answer)
    assert caller.breaker.state is BreakerState.CLOSED


async def test_deadlines_that_passed_never_open_the_breaker(caller):
    caller.clock.advance(timedelta(seconds=8))
    for _ in range(20):
        with pytest.raises(DeadlineExceededError):
            await caller.get()
    assert caller.breaker.state is BreakerState.CLOSED


def timed_out() -> errors.ApiUnreachableError:
    error = errors.ApiUnreachableError("no answer in time")
    error.__cause__ = TimeoutError()
    return error


LARGE = {"kind": "Lease", "metadata": {"name": "l"}, "spec": {"holderIdentity": "x" * 60_000}}


class Slow(Scripted):
    """Answers when it is let; `sending` has the bodies' sizes that are under way."""

    def __init__(self) -> None:
        super().__init__()
        self.sending: list[int] = []
        self.may_answer = asyncio.Event()

    async def send(self, request: ApiRequest, *, timeout: float) -> ApiResponse:
        self.sending.append(request.size)
        await self.may_answer.wait()
        return await super().send(request, timeout=timeout)


class TestBytesInFlight:
    """100,000 of them: one large body of 60 kB fits, two don't."""

    @pytest.fixture
    def slow(self, caller):
        slow = Slow()
        caller.client = KubeClient(transport=slow, breaker=caller.breaker, call_timeout=3.0, bytes_in_flight=100_000)
        return slow

    async def create(self, caller: Caller, body: dict[str, Any], seconds: float = 60.0) -> Reply:
        deadline = Deadline(clock=caller.clock, seconds=seconds)
        return await caller.client.create(LEASES, body, namespace="ops", deadline=deadline)

    async def test_are_bounded_and_who_waits_is_sent_in_its_turn(self, caller, slow):
        for _ in range(3):
            slow.then("CREATE leases", answered(201, LEASE))
        calls = [asyncio.create_task(self.create(caller, LARGE)) for _ in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(slow.sending) == 1
        slow.may_answer.set()
        await asyncio.gather(*calls)
        assert len(slow.sending) == 3

    async def test_do_not_hold_up_small_bodies(self, caller, slow):
        slow.then("CREATE leases", answered(201, LEASE))
        slow.then("CREATE leases", answered(201, LEASE))
        calls = [asyncio.create_task(self.create(caller, body)) for body in (LARGE, LEASE)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(slow.sending) == 2
        slow.may_answer.set()
        await asyncio.gather(*calls)

    async def test_that_do_not_get_their_turn_in_time_are_not_sent_and_say_so(self, caller, slow):
        slow.then("CREATE leases", answered(201, LEASE))
        first = asyncio.create_task(self.create(caller, LARGE))
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError, match="bytes to the API server, and 60"):
            await self.create(caller, LARGE, seconds=0.0)
        assert len(slow.sending) == 1
        slow.may_answer.set()
        await first

    async def test_of_one_body_beyond_the_bound_are_sent_alone(self, caller, slow):
        slow.then("CREATE leases", answered(201, LEASE))
        slow.may_answer.set()
        await self.create(caller, {"metadata": {"name": "x" * 200_000}})

    async def test_that_run_out_of_time_do_not_open_the_breaker_for_others(self, caller):
        for _ in range(30):
            caller.api.then("CREATE leases", timed_out())
            with pytest.raises(errors.ApiUnreachableError):
                await self.create(caller, LARGE)
        assert caller.breaker.state is BreakerState.CLOSED


class TestShortTime:
    """A call that its request's deadline left less than SLUICE_API_TIMEOUT."""

    @pytest.fixture
    def hurried(self, caller):
        caller.clock.advance(timedelta(seconds=7.5))
        return caller

    async def test_that_runs_out_says_nothing_of_the_api_server(self, hurried):
        for _ in range(3):
            await fail_ten_times(hurried, timed_out())
        assert hurried.breaker.state is BreakerState.CLOSED

    @pytest.mark.parametrize("answer", [errors.ApiUnreachableError("connection refused"), refused(503)])
    async def test_in_which_the_api_server_fails_counts_as_ever(self, hurried, answer):
        await fail_ten_times(hurried, answer)
        assert hurried.breaker.state is BreakerState.OPEN

    async def test_is_not_what_an_api_server_gets_that_never_answers(self, caller):
        await fail_ten_times(caller, timed_out())
        assert caller.breaker.state is BreakerState.OPEN
