"""HTTP to a real socket: what is sent, and how each way to fail comes out."""

import asyncio
import gzip
import socket
from contextlib import closing

import pytest

from core.common.trace_context import TraceContext, current_span
from core.kube.errors import ApiUnreachableError, UnreadableAnswerError
from core.kube.transport import ApiRequest, StaticToken
from tests.unit.kube.http_server import (
    HttpServer,
    answers,
    babbles,
    breaks_off,
    hangs_up,
    never_answers,
    resets,
    run_out,
    stalls,
)

GET = ApiRequest(method="GET", path="/api/v1/pods")
POST = ApiRequest(method="POST", path="/api/v1/pods", body=b'{"kind": "Pod"}')
LONG = 600.0  # seconds; no test waits for its end


class FailingToken:
    """Credentials that cannot be had."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def token(self) -> str:
        raise self._error


class EndlessToken:
    """Credentials that never come."""

    async def token(self) -> str:
        await asyncio.Event().wait()
        return ""


async def test_call_goes_out_as_asked_and_the_answer_comes_back_whole(connect):
    request = ApiRequest(
        method="PATCH",
        path="/apis/g/v1/namespaces/ops/things/a/status",
        query={"fieldSelector": "spec.x=1", "resourceVersion": "0"},
        body=b'{"status": {}}',
        content_type="application/merge-patch+json",
        accept="application/json;as=PartialObjectMetadata",
    )
    async with HttpServer(answers(409, b'{"kind": "Status"}', X_Thing="yes", Retry_After="3")) as server:
        response = await connect(server.url + "/", tokens=StaticToken("secret")).send(request, timeout=LONG)
    (received,) = server.requests
    assert received.method == "PATCH"
    path, _, query = received.target.partition("?")
    assert path == request.path
    assert query.split("&") == ["fieldSelector=spec.x%3D1", "resourceVersion=0"]
    assert received.body == request.body
    assert received.headers["content-type"] == "application/merge-patch+json"
    assert received.headers["accept"] == "application/json;as=PartialObjectMetadata"
    assert received.headers["authorization"] == "Bearer secret"
    assert received.headers["user-agent"] == "sluice/test"
    assert (response.status, response.body) == (409, b'{"kind": "Status"}')
    assert response.headers["retry-after"] == response.headers["Retry-After"] == "3"


async def test_call_without_body_token_or_query_sends_none(connect):
    async with HttpServer(answers()) as server:
        await connect(server.url).send(GET, timeout=LONG)
    (received,) = server.requests
    assert received.target == GET.path
    assert (
        not {"authorization", "content-type", "content-length", "cookie", "traceparent", "tracestate"}
        & received.headers.keys()
    )


class TracedSpan:
    """A span that is somewhere in a trace."""

    def __init__(self, *, state: str) -> None:
        self.context = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", sampled=True, state=state)

    def describe(self, attributes: object) -> None:
        """See Span."""

    def fail(self, sentence: str) -> None:
        """See Span."""


@pytest.mark.parametrize("state", ["", "vendor=1,other=2"])
async def test_call_of_a_trace_tells_the_api_server_its_span(connect, state):
    async with HttpServer(answers()) as server:
        token = current_span.set(TracedSpan(state=state))
        await connect(server.url).send(POST, timeout=LONG)
        current_span.reset(token)
    (received,) = server.requests
    assert received.headers["traceparent"] == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert received.headers.get("tracestate", "") == state
    assert received.body == POST.body


async def test_connection_is_kept_from_call_to_call(connect):
    async with HttpServer(*[answers()] * 5) as server:
        transport = connect(server.url)
        for request in (GET, POST, GET, POST, GET):
            await transport.send(request, timeout=LONG)
        assert (len(server.requests), server.connections) == (5, 1)


async def test_calls_at_once_use_no_more_connections_than_allowed(connect):
    async with HttpServer(*[answers()] * 20) as server:
        transport = connect(server.url, connections=3)
        await asyncio.gather(*(transport.send(GET, timeout=LONG) for _ in range(20)))
        assert (len(server.requests), server.connections) == (20, 3)


async def test_redirect_is_an_answer_and_never_followed(connect):
    async with HttpServer(answers(302, b"", Location="/elsewhere")) as server:
        assert (await connect(server.url).send(GET, timeout=LONG)).status == 302


async def test_packed_answer_is_unpacked(connect):
    """kube-apiserver packs answers above 128 KB."""
    whole = b'{"items": [' + b"1," * 100_000 + b"1]}"
    async with HttpServer(answers(200, gzip.compress(whole), Content_Encoding="gzip")) as server:
        assert (await connect(server.url).send(GET, timeout=LONG)).body == whole
    assert "gzip" in server.requests[0].headers["accept-encoding"]


async def test_packed_answer_that_is_broken_is_unreachable(connect):
    async with HttpServer(answers(200, b"not packed at all", Content_Encoding="gzip")) as server:
        with pytest.raises(ApiUnreachableError):
            await connect(server.url).send(GET, timeout=LONG)


async def test_cookies_are_not_kept(connect):
    async with HttpServer(answers(Set_Cookie="a=b"), answers()) as server:
        transport = connect(server.url)
        await transport.send(GET, timeout=LONG)
        await transport.send(GET, timeout=LONG)
    assert "cookie" not in server.requests[1].headers


async def test_refused_connection_is_unreachable(connect):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(ApiUnreachableError, match=rf"the Kubernetes API at {url} did not answer GET /api/v1/pods: "):
        await connect(url).send(GET, timeout=LONG)


@pytest.mark.parametrize(
    ("request_", "behaviour"),
    [(POST, hangs_up), (GET, breaks_off), (POST, breaks_off), (GET, resets), (POST, resets), (GET, babbles)],
)
async def test_answer_that_breaks_off_is_unreachable_and_not_tried_again(connect, request_, behaviour):
    async with HttpServer(behaviour) as server:
        with pytest.raises(ApiUnreachableError) as caught:
            await connect(server.url).send(request_, timeout=LONG)
        assert len(server.requests) == 1
    assert not isinstance(caught.value, UnreadableAnswerError)
    assert str(caught.value).startswith(f"the Kubernetes API at {server.url} did not answer {request_.method} /api")


@pytest.mark.parametrize("behaviour", [never_answers, stalls])
async def test_answer_that_does_not_come_in_time_is_unreachable(connect, behaviour):
    async with HttpServer(behaviour) as server:
        with pytest.raises(ApiUnreachableError, match=r"did not answer POST /api/v1/pods: no answer in 0\.1 s$"):
            await run_out(connect(server.url), server, POST)


async def test_connection_of_a_failed_call_is_not_used_again(connect):
    async with HttpServer(stalls, answers(body=b'{"fresh": true}')) as server:
        transport = connect(server.url)
        with pytest.raises(ApiUnreachableError):
            await run_out(transport, server, POST)
        assert (await transport.send(GET, timeout=LONG)).body == b'{"fresh": true}'
        assert server.connections == 2


async def test_read_that_meets_two_closed_connections_is_given_up(connect):
    async with HttpServer(hangs_up, hangs_up) as server:
        with pytest.raises(ApiUnreachableError):
            await connect(server.url).send(GET, timeout=LONG)
        assert len(server.requests) == 2


async def test_write_on_a_kept_connection_that_the_server_closed_is_not_repeated(connect):
    async with HttpServer(answers(), hangs_up) as server:
        transport = connect(server.url)
        await transport.send(GET, timeout=LONG)
        with pytest.raises(ApiUnreachableError):
            await transport.send(POST, timeout=LONG)
        assert [received.method for received in server.requests] == ["GET", "POST"]


async def test_read_on_a_kept_connection_that_the_server_closed_is_repeated_on_a_new_one(connect):
    async with HttpServer(answers(), hangs_up, answers(body=b'{"fresh": true}')) as server:
        transport = connect(server.url)
        await transport.send(GET, timeout=LONG)
        assert (await transport.send(GET, timeout=LONG)).body == b'{"fresh": true}'
        assert server.connections == 2


async def test_call_can_be_cancelled(connect):
    async with HttpServer(never_answers) as server:
        call = asyncio.create_task(connect(server.url).send(GET, timeout=LONG))
        while not server.requests:  # noqa: ASYNC110 - the server runs in this loop, a turn of it is no sleep
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_closing_gives_all_connections_back(connect):
    async with HttpServer(answers(), answers()) as server:
        transport = connect(server.url)
        await asyncio.gather(*(transport.send(GET, timeout=LONG) for _ in range(2)))
        await transport.close()
        await transport.close()
        assert transport._pool._all == set()


@pytest.mark.parametrize(
    ("error", "why"),
    [(FileNotFoundError(2, "No such file", "token"), "[Errno 2] No such file: 'token'"), (KeyError(), "KeyError")],
)
async def test_credentials_that_cannot_be_had_are_told_apart(connect, error, why):
    async with HttpServer() as server:
        with pytest.raises(ApiUnreachableError) as caught:
            await connect(server.url, tokens=FailingToken(error)).send(GET, timeout=LONG)
    assert str(caught.value) == f"no credentials for the Kubernetes API at {server.url}: {why}"
    assert server.requests == []


async def test_credentials_that_never_come_end_with_the_calls_time(connect):
    async with HttpServer() as server:
        with pytest.raises(ApiUnreachableError, match=r"no credentials for .*: none in 0\.1 s$"):
            await connect(server.url, tokens=EndlessToken()).send(GET, timeout=0.1)
