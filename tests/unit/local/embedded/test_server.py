"""The embedded API over HTTP: loopback only, never in a deployment, gone when it is stopped."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
import pytest

from core.common.clock import MockClock
from core.local.embedded import EmbeddedApi, EmbeddedServer, EmbeddedServerError
from core.local.embedded.encoding import MAX_BODY
from tests.unit.local.embedded.conftest import LEASES, Caller

JSON = {"Content-Type": "application/json"}


class TestWhereItListens:
    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com", "", "fe80::1"])
    def test_nowhere_but_on_loopback(self, api: EmbeddedApi, host: str):
        with pytest.raises(EmbeddedServerError, match="is not a loopback address") as refused:
            EmbeddedServer(api, host)
        assert repr(host) in str(refused.value)

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
    async def test_on_a_free_port(self, api: EmbeddedApi, host: str):
        async with EmbeddedServer(api, host) as url, aiohttp.ClientSession() as session:
            assert url.startswith("http://127.0.0.")
            async with session.get(f"{url}/readyz") as answer:
                assert await answer.text() == "ok"

    async def test_on_ipv6_too(self, api: EmbeddedApi):
        async with EmbeddedServer(api, "::1") as url, aiohttp.ClientSession() as session:
            assert url.startswith("http://[::1]:")
            async with session.get(f"{url}/readyz") as answer:
                assert answer.status == 200

    async def test_a_port_that_is_taken_is_named(self, api: EmbeddedApi):
        async with EmbeddedServer(api) as url:
            port = int(url.rpartition(":")[2])
            with pytest.raises(EmbeddedServerError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
                await EmbeddedServer(api, port=port).start()


class TestDeployments:
    @pytest.mark.parametrize("sign", ["K_SERVICE", "K_REVISION", "CLOUD_RUN_JOB", "KUBERNETES_SERVICE_HOST"])
    async def test_it_does_not_start_there(self, api: EmbeddedApi, sign: str):
        server = EmbeddedServer(api, environ={sign: "anything"})
        with pytest.raises(EmbeddedServerError, match=f"does not start in a deployment, and {sign} in the environment"):
            await server.start()
        await server.stop()

    async def test_what_is_set_but_empty_is_no_sign(self, api: EmbeddedApi):
        async with EmbeddedServer(api, environ=dict(os.environ) | {"K_SERVICE": ""}) as url:
            assert url


class TestAnswers:
    async def test_have_one_date_the_apis(self, api: EmbeddedApi, clock: MockClock):
        async with EmbeddedServer(api) as url, aiohttp.ClientSession() as session:
            clock.advance(timedelta(days=1))
            for path in (LEASES, "/nonsense"):
                async with session.get(url + path) as answer:
                    assert answer.headers.getall("Date") == ["Sat, 03 Jan 2026 03:04:05 GMT"]
                    assert "Server" not in answer.headers

    async def test_paths_may_be_escaped(self, api: EmbeddedApi):
        async with EmbeddedServer(api) as url, aiohttp.ClientSession() as session:
            Caller(api).lease("l.1")
            async with session.get(f"{url}{LEASES}/l%2E1") as answer:
                assert answer.status == 200

    async def test_head_has_no_body(self, api: EmbeddedApi):
        async with EmbeddedServer(api) as url, aiohttp.ClientSession() as session, session.head(url + LEASES) as answer:
            assert (answer.status, await answer.read()) == (405, b"")

    async def test_a_body_is_not_read_to_the_end_when_it_is_too_large(self, api: EmbeddedApi):
        read = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal read
            while read < 100 * MAX_BODY:
                read += 65_536
                yield b"x" * 65_536

        async with EmbeddedServer(api) as url, aiohttp.ClientSession() as session:
            try:
                async with session.post(url + LEASES, data=endless(), headers=JSON) as answer:
                    assert answer.status == 413
            except aiohttp.ClientConnectionError:
                pass  # the server hangs up on who goes on sending
        assert read < 20 * MAX_BODY


class TestWatching:
    async def test_events_come_as_they_happen(self, api: EmbeddedApi):
        caller = Caller(api)
        async with EmbeddedServer(api) as url, aiohttp.ClientSession(url) as session:
            answer = await session.get(LEASES, params={"watch": "true"})
            async with answer:
                assert answer.headers["Date"] == "Fri, 02 Jan 2026 03:04:05 GMT"
                for name in ("l-1", "l-2"):
                    caller.lease(name)
                    event = json.loads(await answer.content.readline())
                    assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", name)

    async def test_a_watch_ends_at_its_timeout(self, api: EmbeddedApi):
        params = {"watch": "true", "timeoutSeconds": "0"}
        async with EmbeddedServer(api) as url, aiohttp.ClientSession(url) as session:
            assert await (await session.get(LEASES, params=params)).read() == b""

    async def test_a_watch_ends_when_the_server_stops(self, api: EmbeddedApi):
        server = EmbeddedServer(api)
        async with aiohttp.ClientSession() as session:
            url = await server.start()
            async with session.get(url + LEASES, params={"watch": "true"}) as answer:
                await server.stop()
                assert await answer.read() == b""

    async def test_who_goes_away_is_forgotten(self, api: EmbeddedApi):
        caller = Caller(api)
        async with EmbeddedServer(api) as url, aiohttp.ClientSession() as session:
            answer = await session.get(url + LEASES, params={"watch": "true"})
            answer.close()
            caller.lease("l-1")
            assert caller.names(LEASES) == ["l-1"]


@asynccontextmanager
async def answer_while_it_stops(api: EmbeddedApi, path: str) -> AsyncIterator[aiohttp.ClientResponse]:
    """Ask for `path`, stop the server before the API has seen the request, and give the answer."""
    arrived, go_on = asyncio.Event(), asyncio.Event()
    app = api.app

    async def slow(scope, receive, send):
        arrived.set()
        await go_on.wait()
        await app(scope, receive, send)

    api.app = slow
    server = EmbeddedServer(api)
    async with aiohttp.ClientSession() as session:
        url = await server.start()
        asking = asyncio.create_task(session.get(url + path))
        await arrived.wait()
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0)
        go_on.set()
        yield await asking
        await stopping


class TestStopping:
    async def test_it_can_start_again(self, api: EmbeddedApi):
        server = EmbeddedServer(api)
        for _ in range(2):
            url = await server.start()
            async with aiohttp.ClientSession() as session, session.get(f"{url}/readyz") as answer:
                assert answer.status == 200
            await server.stop()

    async def test_stopping_what_was_not_started_is_nothing(self, api: EmbeddedApi):
        await EmbeddedServer(api).stop()

    async def test_nobody_listens_afterwards(self, api: EmbeddedApi):
        async with EmbeddedServer(api) as url:
            pass
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(url)

    async def test_requests_under_way_are_answered(self, api: EmbeddedApi):
        async with answer_while_it_stops(api, "/readyz") as answer:
            assert answer.status == 200

    async def test_watch_that_begins_meanwhile_ends_at_once(self, api: EmbeddedApi):
        """The console asks for one just when `sluice run` ends: it must not hold up the end, nor be cut off."""
        async with answer_while_it_stops(api, f"{LEASES}?watch=true") as answer:
            assert await answer.read() == b""


async def test_other_protocols_than_http_are_left_alone(api: EmbeddedApi):
    async def nobody(*_: object) -> None:
        pytest.fail("a lifespan is not answered")

    await api.app({"type": "lifespan"}, nobody, nobody)
