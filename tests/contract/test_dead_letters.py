"""The dead letter sink on both servers: the calls it makes, what it keeps, and a quota that is full."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from core.common.resilience import Deadline
from core.errors import TransientError
from core.kube.client import path_of
from core.triggers.dead_letter import DEAD_LETTERS, MOST_DATA_BYTES, from_object
from core.triggers.dead_letter_sink import DeadLetterSink, check_sink
from tests.contract.conftest import CRDS
from tests.support.cloud_events import binary
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.contract.client import Client
    from tests.contract.gateways import Instance

BASE = Path(__file__).parents[2] / "knative" / "base"
CREATE, SWEEP = "CREATE deadletters", "LIST deadletters consistently"
TYPE = "dev.knative.apiserver.resource.add"
SERVED_WITHIN = 30.0


@pytest.fixture
async def installed(api: Client, namespace: str) -> str:
    """The path of dead letters, once they are served."""
    definition = yaml.safe_load((BASE.parent / "cluster" / "dead-letter-crd.yaml").read_text())
    assert (await api.post(CRDS, definition)).status in (201, 409)
    path = path_of(DEAD_LETTERS, namespace=namespace)

    async def is_served() -> bool:
        return (await api.get(path)).status == 200

    await eventually(is_served, what="the definition to be served", within=SERVED_WITHIN)
    return path


async def put(instance: Instance, data: object, **attributes: str) -> int:
    sent = binary(TYPE, data, **attributes)
    headers = {name.lower(): text for name, text in sent.headers.items()}
    deadline = Deadline(clock=instance.gateway.clock, seconds=600)
    sink = DeadLetterSink(instance.gateway)
    return (await sink.receive(headers, sent.body, deadline=deadline)).status


async def test_event_is_kept_once_and_comes_back_as_it_was(start, api, installed):
    instance = start()
    statuses = [await put(instance, {"a": 1}, id="1", knativeerrorcode="503") for _ in range(2)]
    assert statuses == [201, 200]
    assert instance.calls == [SWEEP, CREATE] * 2  # each sink looks once, at its first event
    (obj,) = (await api.get(installed)).body["items"]
    event = from_object(obj)
    assert (event.attributes["id"], event.data, event.failure) == ("1", b'{"a": 1}', {"code": "503"})


@pytest.mark.parametrize("data", [b"\x00\x01" * MOST_DATA_BYTES, b"\xff" * MOST_DATA_BYTES, b'"' * MOST_DATA_BYTES])
async def test_largest_event_that_is_kept_is_taken_by_the_server(start, api, installed, data):
    assert await put(start(), data, id="1") == 201
    (obj,) = (await api.get(installed)).body["items"]
    assert from_object(obj).data == data[:MOST_DATA_BYTES]


async def test_what_is_too_old_is_deleted_with_the_next_event(start, api, installed):
    old = start(dead_letter_max_age=60)
    assert await put(old, {}, id="old") == 201
    sink = DeadLetterSink(old.gateway)
    sink._max_age = -1  # a clock that nobody has to wait for
    sent = binary(TYPE, {}, id="new")
    headers = {name.lower(): text for name, text in sent.headers.items()}
    await sink.receive(headers, sent.body, deadline=Deadline(clock=old.gateway.clock, seconds=600))
    assert old.calls == [SWEEP, CREATE, SWEEP, "DELETE deadletters", CREATE]
    assert [obj["spec"]["id"] for obj in (await api.get(installed)).body["items"]] == ["new"]


async def test_asking_whether_the_sink_is_ready_brings_no_dead_letter_along(start, installed):
    instance = start()
    for number in range(3):
        assert await put(instance, {}, id=str(number)) == 201
    listed = []
    ask = instance.gateway.client.list

    async def listening(*args: Any, **more: Any) -> Any:
        listed.append(await ask(*args, **more))
        return listed[-1]

    instance.gateway.client.list = listening
    await check_sink(instance.gateway, Deadline(clock=instance.gateway.clock, seconds=600))
    (listing,) = listed
    assert listing.items == []


async def test_sink_is_ready_where_the_kind_is_served(start, installed):
    instance = start()
    await check_sink(instance.gateway, Deadline(clock=instance.gateway.clock, seconds=600))
    assert instance.calls == ["LIST deadletters"]


@pytest.mark.parametrize("server", [pytest.param("real", marks=pytest.mark.real)], indirect=True)
async def test_full_quota_lets_the_event_come_again(start, api, namespace, installed):
    """The embedded API has no quotas."""
    await fill_quota(api, namespace)
    instance = start()

    async def is_full() -> bool:
        try:
            await put(instance, {}, id="one too many")
        except TransientError as error:
            return "exceeded quota: sluice-dead-letters" in str(error)
        return False

    await eventually(is_full, what="the API server to heed the quota", within=SERVED_WITHIN)
    assert instance.calls[-3:] == [SWEEP, CREATE, SWEEP]


async def fill_quota(api: Client, namespace: str) -> None:
    """Apply the quota of the manifests, as used up: its controller, which counts, is not here."""
    documents = list(yaml.safe_load_all((BASE / "dead-letters.yaml").read_text()))
    (quota,) = [each for each in documents if each["kind"] == "ResourceQuota"]
    path = f"/api/v1/namespaces/{namespace}/resourcequotas"
    made = await api.post(path, quota)
    assert made.status == 201, made.body
    hard: Any = quota["spec"]["hard"]
    body = made.body | {"status": {"hard": hard, "used": dict(hard)}}
    done = await api.put(f"{path}/{quota['metadata']['name']}/status", body)
    assert done.status == 200, done.body
