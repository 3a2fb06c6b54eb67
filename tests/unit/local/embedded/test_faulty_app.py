"""The tests' own means of breaking calls does what it says."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest

from core.local.embedded import EmbeddedApi, EmbeddedServer
from tests.support.faulty_app import FaultyApp
from tests.unit.local.embedded.conftest import LEASES, RRS, Caller

LEASE = {"metadata": {"name": "l-1"}}


@dataclass
class Broken:
    faults: FaultyApp
    session: aiohttp.ClientSession
    caller: Caller


@pytest.fixture
async def broken(api: EmbeddedApi) -> AsyncIterator[Broken]:
    faults = FaultyApp(api.app)
    api.app = faults
    async with EmbeddedServer(api) as url, aiohttp.ClientSession(url) as session:
        yield Broken(faults, session, Caller(api))


async def test_an_answer_is_lost_after_the_commit(broken: Broken):
    broken.faults.on("CREATE leases", lose_answer=True)
    with pytest.raises(aiohttp.ClientPayloadError):
        await (await broken.session.post(LEASES, json=LEASE)).read()
    assert broken.caller.names(LEASES) == ["l-1"]
    assert [(one.call, one.status) for one in broken.faults.seen] == [("CREATE leases", 0)]


async def test_a_request_is_dropped_before_the_commit(broken: Broken):
    broken.faults.on("CREATE leases", drop=True)
    with pytest.raises(aiohttp.ClientPayloadError):
        await (await broken.session.post(LEASES, json=LEASE)).read()
    assert broken.caller.names(LEASES) == []


async def test_another_answer_is_given_as_often_as_wanted(broken: Broken):
    broken.faults.on("CREATE leases", status=429, headers={"Retry-After": "3"}, body=b"slow down", times=2)
    answers = [await broken.session.post(LEASES, json=LEASE) for _ in range(3)]
    assert [answer.status for answer in answers] == [429, 429, 201]
    assert answers[0].headers["Retry-After"] == "3"
    assert await answers[0].text() == "slow down"


async def test_a_request_is_held_until_it_may_go_on(broken: Broken):
    held, go_on = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        held.set()
        await go_on.wait()

    broken.faults.on("CREATE leases", before=hold)
    creating = asyncio.create_task(broken.session.post(LEASES, json=LEASE))
    await held.wait()
    assert broken.caller.names(LEASES) == []
    go_on.set()
    assert (await creating).status == 201


async def test_something_happens_right_after(broken: Broken):
    async def delete() -> None:
        broken.caller.call("DELETE", f"{LEASES}/l-1")

    broken.faults.on("CREATE leases", after=delete)
    assert (await broken.session.post(LEASES, json=LEASE)).status == 201
    assert broken.caller.names(LEASES) == []


async def test_a_fault_may_be_for_one_object_only(broken: Broken):
    broken.faults.on("GET leases", name="l-2", status=500)
    assert (await broken.session.get(f"{LEASES}/l-1")).status == 404
    assert (await broken.session.get(f"{LEASES}/l-2")).status == 500


async def test_calls_are_written_down_by_verb_and_resource(broken: Broken):
    await broken.session.get(RRS, params={"resourceVersion": "0"})
    await broken.session.patch(f"{RRS}/rr-1/status", json={})
    await broken.session.delete(f"{LEASES}/l-1")
    await broken.session.get("/readyz")
    assert broken.faults.calls == [
        "LIST remediationrequests",
        "PATCH remediationrequests/status",
        "DELETE leases",
        "GET /readyz",
    ]
    assert broken.faults.seen[0].query == {"resourceVersion": "0"}
    assert broken.faults.seen[1].name == "rr-1"
