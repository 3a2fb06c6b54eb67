"""What HTTP/1.1 allows a server to do with an answer and with the connection that it came on."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from core.kube import connection
from core.kube.connection import tls_context
from core.kube.errors import ApiUnreachableError
from core.kube.transport import ApiRequest, HttpTransport, StaticToken
from tests.unit.kube.http_server import HttpServer, answers, hangs_up, never_answers, run_out, stalls

GET = ApiRequest(method="GET", path="/api/v1/pods")
POST = ApiRequest(method="POST", path="/api/v1/pods", body=b'{"kind": "Pod"}')
LONG = 600.0  # seconds; no test waits for its end


def says(raw: bytes, *, keep: bool = True):
    """Answer with these bytes."""

    async def behave(writer: asyncio.StreamWriter) -> bool:
        writer.write(raw)
        await writer.drain()
        return keep

    return behave


async def calls_over_tls(authority) -> None:
    """Two calls on one connection, a third that breaks off, and a fourth on a new connection."""
    async with HttpServer(
        answers(body=b"1"), answers(body=b"2"), stalls, answers(), tls=authority.server_tls()
    ) as server:
        transport = HttpTransport(
            server=server.url,
            tls=tls_context(cafile=str(authority.file)),
            tokens=StaticToken("t"),
            user_agent="sluice/test",
            connections=1,
            connect_timeout=LONG,
        )
        assert [(await transport.send(POST, timeout=LONG)).body for _ in range(2)] == [b"1", b"2"]
        assert server.connections == 1
        with pytest.raises(ApiUnreachableError, match="no answer in"):
            await run_out(transport, server, POST)
        assert (await transport.send(POST, timeout=LONG)).status == 200
        assert server.connections == 2
        await transport.close()


async def test_calls_over_tls_share_a_connection(authority):
    await calls_over_tls(authority)


OVER_UVLOOP = """
import sys, pathlib, uvloop
from tests.unit.kube.certificates import Authority
from tests.unit.kube.test_connections import calls_over_tls
uvloop.run(calls_over_tls(Authority(pathlib.Path(sys.argv[1]), "ca")))
"""


def test_uvloop_which_uvicorns_worker_runs_does_the_same(tmp_path):
    """In a process of its own: its threads stay, and a signal may reach any thread."""
    command = [sys.executable, "-W", "error", "-c", OVER_UVLOOP, str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


async def test_answer_in_chunks_is_put_together(connect):
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n"
    async with HttpServer(says(chunks), says(chunks)) as server:
        transport = connect(server.url)
        assert [(await transport.send(POST, timeout=LONG)).body for _ in range(2)] == [b"[1,2]", b"[1,2]"]
        assert server.connections == 1


async def test_chunks_that_break_off_are_no_answer(connect):
    async with HttpServer(says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,", keep=False)) as server:
        with pytest.raises(ApiUnreachableError, match="the server closed the connection"):
            await connect(server.url).send(GET, timeout=LONG)


async def test_answer_without_a_length_ends_with_the_connection(connect):
    async with HttpServer(says(b"HTTP/1.1 502 Bad Gateway\r\n\r\nupstream is down", keep=False), answers()) as server:
        transport = connect(server.url)
        response = await transport.send(POST, timeout=LONG)
        assert (response.status, response.body) == (502, b"upstream is down")
        assert (await transport.send(POST, timeout=LONG)).status == 200


async def test_answer_without_content_leaves_the_connection_open(connect):
    async with HttpServer(says(b"HTTP/1.1 204 No Content\r\n\r\n"), answers()) as server:
        transport = connect(server.url)
        assert [(await transport.send(GET, timeout=LONG)).status for _ in range(2)] == [204, 200]
        assert server.connections == 1


async def test_interim_answers_are_passed_over(connect):
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"
    async with HttpServer(says(early)) as server:
        response = await connect(server.url).send(POST, timeout=LONG)
    assert (response.status, response.body, "Link" in response.headers) == (201, b"{}", False)


async def test_connection_that_the_server_closes_after_its_answer_is_not_used_again(connect):
    async with HttpServer(answers(Connection="close"), answers()) as server:
        transport = connect(server.url)
        assert [(await transport.send(POST, timeout=LONG)).status for _ in range(2)] == [200, 200]
        assert server.connections == 2


@pytest.mark.parametrize("surplus", [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfake", b"babble"])
async def test_answer_that_nobody_asked_for_is_never_taken_for_the_next_one(connect, surplus):
    two = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue" + surplus
    async with HttpServer(says(two), answers(body=b"next")) as server:
        transport = connect(server.url)
        assert (await transport.send(POST, timeout=LONG)).body == b"true"
        assert (await transport.send(POST, timeout=LONG)).body == b"next"
        assert server.connections == 2


async def test_late_answer_of_a_call_that_was_given_up_is_never_taken_for_the_next_one(connect):
    async with HttpServer(never_answers, answers(body=b"next")) as server:
        transport = connect(server.url, connections=1)
        with pytest.raises(ApiUnreachableError, match="no answer in"):
            await run_out(transport, server, POST)
        assert (await transport.send(POST, timeout=LONG)).body == b"next"
        assert server.connections == 2


async def test_offer_of_another_protocol_is_no_answer(connect):
    upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
    async with HttpServer(says(upgrade)) as server:
        with pytest.raises(ApiUnreachableError, match=r"no HTTP/1\.1"):
            await connect(server.url).send(POST, timeout=LONG)


async def test_connection_kept_for_too_long_is_not_used_again(connect, monkeypatch):
    async with HttpServer(answers(), answers()) as server:
        transport = connect(server.url)
        await transport.send(POST, timeout=LONG)
        monkeypatch.setattr(connection, "KEPT_SECONDS", 0.0)
        await transport.send(POST, timeout=LONG)
        assert server.connections == 2


async def test_one_call_that_fails_gives_its_place_to_the_next(connect):
    async with HttpServer(hangs_up, stalls, answers()) as server:
        transport = connect(server.url, connections=1)
        with pytest.raises(ApiUnreachableError):
            await transport.send(POST, timeout=LONG)
        with pytest.raises(ApiUnreachableError, match="no answer in"):
            await run_out(transport, server, POST)
        assert (await transport.send(POST, timeout=LONG)).status == 200


async def test_calls_in_flight_end_when_the_transport_closes(connect):
    async with HttpServer(never_answers) as server:
        transport = connect(server.url)
        call = asyncio.create_task(transport.send(POST, timeout=LONG))
        while not server.requests:  # noqa: ASYNC110 - the server runs in this loop, a turn of it is no sleep
            await asyncio.sleep(0)
        await transport.close()
        with pytest.raises(ApiUnreachableError):
            await call


async def test_path_is_escaped_and_put_behind_the_servers_own(connect):
    async with HttpServer(answers()) as server:
        name = "a?b#c d%20\r\nX: y"
        request = ApiRequest(method="GET", path=f"/api/v1/pods/{name}", query={"a": "b&c=d/é"})
        await connect(f"{server.url}/k8s/clusters/c-1/").send(request, timeout=LONG)
    (received,) = server.requests
    assert received.target == "/k8s/clusters/c-1/api/v1/pods/a%3Fb%23c%20d%2520%0D%0AX:%20y?a=b%26c%3Dd%2F%C3%A9"
    assert received.headers["host"] == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize("token", ["a\r\nX-Injected: b", "a\nb", "tökén", "a\x00"])
async def test_token_that_no_header_may_hold_is_not_sent(connect, token):
    async with HttpServer() as server:
        with pytest.raises(ApiUnreachableError, match=r"no credentials for .*: the token has characters") as caught:
            await connect(server.url, tokens=StaticToken(token)).send(GET, timeout=LONG)
    assert token not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["127.0.0.1:6443", "kubernetes.default", "ftp://a", "https://", "https://a:none", "https://a:99999", ""]
)
async def test_url_that_cannot_be_called_is_told_at_once(connect, url):
    with pytest.raises(ConfigurationError, match=r"the API server's URL .* cannot be used: "):
        connect(url)


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_last_call_can_be_made_while_the_event_loop_ends():
    """What a worker still has to write goes out there, after every task was cancelled."""
    statuses = []

    async def kept(transport: HttpTransport) -> AsyncIterator[None]:
        try:
            yield
        finally:
            statuses.append((await transport.send(GET, timeout=LONG)).status)
            await transport.close()

    async def serve(url: str) -> AsyncIterator[None]:
        keeper = kept(
            HttpTransport(server=url, tls=None, tokens=StaticToken(), user_agent="sluice/test", connections=1)
        )
        await anext(keeper)
        return keeper  # the loop ends, and closes it

    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        asyncio.run(serve(f"http://127.0.0.1:{server.server_port}"))
        server.shutdown()
        serving.join()
    assert statuses == [200]
