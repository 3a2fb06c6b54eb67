"""Dead letters reach a topic over gRPC; nothing of Google's is loaded before the first one."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from core.common.clock import RealClock
from core.common.resilience import Deadline
from core.errors import TransientError
from core.logs import JsonFormatter
from core.triggers.cloud_events import CloudEvent
from core.triggers.dead_letter_topic import EMULATOR, DeadLetterTopic, PubSubPublisher
from tests.support.pubsub_messages import envelope
from tests.support.pubsub_server import PubSubServer
from tests.support.sockets import connections
from tests.support.waiting import HANGS_AFTER, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TOPIC = "projects/shop/topics/poison"
LOGGER = logging.getLogger("dead-letters.test")


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PubSubServer]:
    async with PubSubServer() as server:
        monkeypatch.setenv(EMULATOR, server.address)
        yield server


@pytest.fixture
async def publisher() -> AsyncIterator[PubSubPublisher]:
    publisher = PubSubPublisher(topic=TOPIC)
    yield publisher
    await publisher.close()


@pytest.fixture
def put(publisher: PubSubPublisher) -> Any:
    async def put(data: object, *, reasons: Any = ("no target",), seconds: float = 600.0, **attributes: str) -> None:
        event = CloudEvent(**({"type": "t", "source": "s", "id": "1"} | attributes), data=data)
        letters = DeadLetterTopic(publisher=publisher, logger=LOGGER)
        await letters.put(event, reasons=reasons, deadline=Deadline(clock=RealClock(), seconds=seconds))

    return put


async def test_letter_reaches_the_topic_with_its_attributes(server, put):
    data = envelope({"hello": "world"})
    await put(data, reasons=["no target", "no namespace"], type="google.published", source="//topic", id="77")
    (request,) = server.requests
    assert request.topic == TOPIC
    (message,) = request.messages
    assert json.loads(message.data) == data
    assert dict(message.attributes) == {
        "reason": "no target; no namespace",
        "ce-id": "77",
        "ce-type": "google.published",
        "ce-source": "//topic",
    }


async def test_connection_is_kept_for_the_next_letter(server, put, publisher):
    await put({"a": 1})
    first = publisher._client
    await put({"a": 2})
    assert publisher._client is first
    assert [json.loads(message.data) for message in server.messages] == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("name", ["type", "source", "id"])
async def test_attributes_are_cut_to_what_pubsub_takes(server, put, name):
    await put({}, reasons=["é" * 2000], **{name: "é" * 2000})
    (message,) = server.messages
    assert len(message.attributes["reason"].encode()) == len(message.attributes[f"ce-{name}"].encode()) == 1024


@pytest.mark.parametrize(
    ("data", "letter"),
    [
        (None, b"null"),
        ("no JSON", b'"no JSON"'),
        ({"a": float("nan")}, b'{"a":"NaN"}'),
        (b"\xff{", rb'"\\xff{"'),
        ({"a": "\ud800"}, rb'"{\"a\": \"\\ud800\"}"'),
    ],
)
async def test_whatever_came_becomes_json_and_is_logged_alike(server, put, caplog, data, letter):
    await put(data)
    (message,) = server.messages
    assert message.data == letter
    (line,) = caplog.records
    assert json.loads(JsonFormatter().format(line))["data"] == json.loads(letter)


async def test_long_message_is_published_whole_and_logged_in_part(server, put, caplog):
    data = {"a": "é" * 100_000}
    await put(data)
    (message,) = server.messages
    assert json.loads(message.data) == data
    (record,) = caplog.records
    written = json.loads(JsonFormatter().format(record))["data"]
    assert written.startswith('{"a":"é')
    assert written.endswith("... (cut, 200008 bytes)")
    assert len(written.encode()) < 4096


async def test_data_nested_too_deeply_is_still_put_aside(server, put):
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    await put({"deep": deep})
    (message,) = server.messages
    # Python 3.14 writes it as JSON; those before it say what it is.
    assert json.loads(message.data).startswith(("{'deep': [[", '{"deep": [['))


@pytest.mark.parametrize("code", ["UNAVAILABLE", "NOT_FOUND", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "INTERNAL"])
async def test_letter_that_cannot_be_published_now_is_transient(server, put, code):
    server.refusals.append((grpc.StatusCode[code], "said by the server"))
    with pytest.raises(TransientError) as caught:
        await put({"a": 1})
    assert str(caught.value).startswith(f"a dead letter could not be published to {TOPIC}: ")
    assert "said by the server" in str(caught.value)
    assert caught.value.retry_after == 5
    assert server.calls == 1
    await put({"a": 1})
    assert len(server.messages) == 1


async def test_letter_that_no_topic_takes_stays_in_the_log_alone(server, put, caplog):
    server.refusals.append((grpc.StatusCode.INVALID_ARGUMENT, "the message is too large"))
    await put({"a": 1})
    assert server.calls == 1
    first, second = caplog.records
    assert vars(first)["data"] == {"a": 1}
    assert second.getMessage().startswith("this log line is all that is kept of the message: ")
    assert "the message is too large" in second.getMessage()


async def test_topic_that_does_not_answer_is_given_up_at_the_deadline(put, monkeypatch):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()  # the kernel takes the connection, and nobody says a word
        monkeypatch.setenv(EMULATOR, f"127.0.0.1:{deaf.getsockname()[1]}")
        with pytest.raises(TransientError):
            await put({"a": 1}, seconds=0.3)


async def test_deadline_that_has_passed_is_transient(server, put):
    with pytest.raises(TransientError):
        await put({"a": 1}, seconds=0)
    assert server.messages == []


async def test_missing_credentials_are_transient_and_named(put, monkeypatch, tmp_path):
    monkeypatch.delenv(EMULATOR, raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    with pytest.raises(TransientError) as caught:
        await put({"a": 1})
    assert "missing.json" in str(caught.value)


async def test_without_a_publisher_there_is_only_the_log(caplog):
    letters = DeadLetterTopic(publisher=None, logger=LOGGER)
    event = CloudEvent(type="t", source="s", id="1", data={"a": 1})
    await letters.put(event, reasons=["r"], deadline=Deadline(clock=RealClock(), seconds=600))
    await letters.close()
    (line,) = caplog.records
    assert (vars(line)["event_type"], vars(line)["event_source"], vars(line)["data"]) == ("t", "s", {"a": 1})


async def test_publisher_without_letters_has_nothing_to_close():
    await PubSubPublisher(topic=TOPIC).close()


async def test_closing_ends_the_connection(server, put, publisher):
    port = int(server.address.rpartition(":")[2])

    async def closed() -> bool:
        return not connections(os.getpid(), to_port=port)

    await put({"a": 1})
    client = publisher._client  # kept here, so that only closing can end what it holds
    assert not await closed()
    await publisher.close()
    await eventually(closed, what="the connection to the topic to end", within=5)
    assert client is not None


async def test_letters_leave_no_thread_behind_that_holds_the_process(server, put, publisher):
    before = set(threading.enumerate())
    await put({"a": 1})
    await publisher.close()
    assert [thread.name for thread in set(threading.enumerate()) - before if not thread.daemon] == []


def test_nothing_of_googles_is_loaded_before_the_first_letter():
    code = (
        "import sys\n"
        "import core.triggers.cloud_events, core.triggers.pubsub, core.triggers.kubernetes_events\n"
        "from core.triggers.dead_letter_topic import PubSubPublisher\n"
        f"PubSubPublisher(topic={TOPIC!r})\n"
        "heavy = ('grpc', 'google.pubsub_v1', 'google.api_core', 'google.auth', 'google.protobuf', 'proto')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=HANGS_AFTER)
    assert done.stdout == "[]\n"
