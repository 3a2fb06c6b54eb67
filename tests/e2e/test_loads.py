"""Memory of one instance under loads that senders choose: below the manifests' 256 MiB, and good senders get in.

The figures are printed; docs/security.md has them. Minutes long: `make faults` runs it.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.e2e.function import alert, production, webhook
from tests.support.cloud_events import binary
from tests.support.kubernetes_events import kubelet_event
from tests.support.pubsub_messages import PUBLISHED, SOURCE, envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from tests.e2e.conftest import StartFunction
    from tests.e2e.function import FunctionProcess
    from tests.support.cloud_events import Sent
    from tests.support.cluster import Cluster

pytestmark = [pytest.mark.long, pytest.mark.real]

MEBIBYTE = 1024 * 1024
LIMIT = 256 * MEBIBYTE
ALERTS_OF_A_BODY = 10


JSON = {"Content-Type": "application/json"}


class Memory:
    """The most that master and worker had at a time, looked at often."""

    def __init__(self, function: FunctionProcess) -> None:
        self._processes = [psutil.Process(pid) for pid in (function.pid, *function.workers())]
        self._over = threading.Event()
        self._watching = threading.Thread(target=self._watch)
        self.most = 0

    def __enter__(self) -> Memory:
        self._watching.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watching.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            # What the worker shares with its master counts once, as in a container.
            self.most = max(self.most, sum(process.memory_full_info().pss for process in self._processes))


class Sender:
    """Raw connections to a function."""

    def __init__(self, function: FunctionProcess) -> None:
        self._port = int(function.url.rsplit(":", 1)[1])

    async def deliver(self, event: Sent, *, slowly: bool = False) -> int:
        """Send a CloudEvent, as `post` does."""
        return await self.post(event.body, headers=event.headers, slowly=slowly)

    async def post(self, body: bytes, *, headers: Mapping[str, str] = JSON, slowly: bool = False) -> int:
        """Return the status of the answer; 0 where the connection ended without one."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return 0
        try:
            lines = {"Host": "sluice", **headers, "Content-Length": len(body), "Connection": "close"}
            head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
            writer.write(f"POST / HTTP/1.1\r\n{head}\r\n".encode())
            if slowly:
                for byte in body[:30]:
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0.5)
            else:
                writer.write(body)
                await writer.drain()
            return int((await reader.read()).split(b" ", 2)[1])
        except (OSError, IndexError):
            return 0
        finally:
            writer.transport.abort()

    async def wait_idly(self) -> None:
        """Connect, and say nothing until the other side ends it."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return
        try:
            await reader.read()
        except OSError:
            pass
        finally:
            writer.transport.abort()


def large_body(pod: str) -> bytes:
    """About a megabyte, on one pod."""
    alerts: list[dict[str, Any]] = [alert(pod, number=str(number)) for number in range(ALERTS_OF_A_BODY)]
    for each in alerts:
        each["annotations"]["description"] = "x" * (1_000_000 // ALERTS_OF_A_BODY)
    return json.dumps(webhook(*alerts)).encode()


def large_event(target: str, pod: str) -> Sent:
    """About a megabyte, on one pod: an Event's message, or a message with a webhook."""
    if target == "pubsub":
        return binary(PUBLISHED, envelope(large_body(pod), message_id=pod), id=pod, source=SOURCE)
    event = kubelet_event(at=datetime.now(UTC), message="x" * 1_000_000)
    event["involvedObject"] |= {"name": pod, "uid": pod}
    event["metadata"] |= {"name": f"{pod}.1", "uid": f"{pod}-event"}
    return binary("dev.knative.apiserver.resource.add", event)


def counted(statuses: Sequence[int]) -> dict[int, int]:
    return {status: statuses.count(status) for status in sorted(set(statuses))}


@pytest.fixture
def target() -> str:
    """Which of the three functions."""
    return "alertmanager"


@pytest.fixture
def deadline() -> str:
    """SLUICE_REQUEST_DEADLINE: long enough for a machine with other work, where all are to be stored."""
    return "600"


@pytest.fixture
def function(start_function: StartFunction, target: str, deadline: str) -> FunctionProcess:
    return start_function(
        command=production(target),
        SLUICE_OWNERS="as-named",
        SLUICE_LOG_LEVEL="ERROR",
        SLUICE_REQUEST_DEADLINE=deadline,
    )


@pytest.fixture
def under_load(function: FunctionProcess, target: str, capsys: Any) -> Callable[[str, Coroutine[Any, Any, Any]], Any]:
    """Run a load, say what it took, and check the memory."""
    sender = Sender(function)
    asyncio.run(
        sender.post(large_body("warm")) if target == "alertmanager" else sender.deliver(large_event(target, "warm"))
    )

    def run(name: str, load: Coroutine[Any, Any, Any]) -> Any:
        started = time.monotonic()
        with Memory(function) as memory:
            result = asyncio.run(load)
        took = time.monotonic() - started
        with capsys.disabled():
            print(f"\n{name}: {result}, {memory.most / MEBIBYTE:.0f} MiB at most, {took:.1f} s")  # noqa: T201
        assert memory.most < LIMIT
        return result

    return run


def test_80_webhooks_of_a_megabyte_at_once_are_all_stored(
    function: FunctionProcess, under_load: Any, cluster: Cluster
) -> None:
    async def load() -> dict[int, int]:
        sender = Sender(function)
        return counted(await asyncio.gather(*(sender.post(large_body(f"pod-{n}")) for n in range(80))))

    assert set(under_load("80 x 1 MB", load())) == {201}
    assert len(cluster.rrs()) == 81


@pytest.mark.parametrize("deadline", ["8"])
def test_200_webhooks_of_a_megabyte_at_once_are_all_answered(
    function: FunctionProcess, under_load: Any, cluster: Cluster
) -> None:
    async def load() -> dict[int, int]:
        sender = Sender(function)
        return counted(await asyncio.gather(*(sender.post(large_body(f"pod-{n}")) for n in range(200))))

    answers = under_load("200 x 1 MB", load())
    assert set(answers) <= {201, 503}
    assert len(cluster.rrs()) >= answers[201]


def test_good_sender_gets_in_among_1000_slow_ones(function: FunctionProcess, under_load: Any) -> None:
    async def load() -> dict[int, int]:
        sender = Sender(function)
        slow = [asyncio.create_task(sender.post(large_body("slow"), slowly=True)) for _ in range(1000)]
        await asyncio.sleep(2)
        good = [await sender.post(large_body(f"good-{n}")) for n in range(10)]
        for each in slow:
            each.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        return counted(good)

    assert under_load("10 x 1 MB beside 1,000 slow senders", load()) == {201: 10}


def test_good_sender_gets_in_among_5000_idle_connections(function: FunctionProcess, under_load: Any) -> None:
    async def load() -> dict[int, int]:
        sender = Sender(function)
        idle = [asyncio.create_task(sender.wait_idly()) for _ in range(5000)]
        await asyncio.gather(*idle)  # the function ends each of them
        return counted([await sender.post(large_body(f"good-{n}")) for n in range(10)])

    assert under_load("10 x 1 MB after 5,000 idle connections, all ended", load()) == {201: 10}


@pytest.mark.parametrize("target", ["kubernetes_event", "pubsub"])
class TestEventFunctions:
    """The same for CloudEvents, whose data is decoded from one more layer."""

    def test_80_events_of_a_megabyte_at_once_are_all_stored_or_come_again(
        self, function: FunctionProcess, under_load: Any, cluster: Cluster, target: str
    ) -> None:
        async def load() -> dict[int, int]:
            sender = Sender(function)
            events = [large_event(target, f"pod-{number}") for number in range(80)]
            return counted(await asyncio.gather(*(sender.deliver(event) for event in events)))

        answers = under_load(f"{target}: 80 x 1 MB", load())
        assert set(answers) <= {201, 503}
        assert len(cluster.rrs()) > answers[201]  # the warm one too

    def test_body_of_200_megabytes_is_refused_and_a_good_one_gets_in_beside_it(
        self, function: FunctionProcess, under_load: Any, target: str
    ) -> None:
        async def load() -> dict[int, int]:
            sender = Sender(function)
            event = large_event(target, "huge")
            huge = sender.post(b"{" + b" " * 200_000_000, headers=event.headers)
            return counted(await asyncio.gather(huge, sender.deliver(large_event(target, "good"))))

        answers = under_load(f"{target}: 200 MB and 1 MB", load())
        # The sender may see the connection's end before the answer: it was still sending.
        assert answers in ({201: 1, 413: 1}, {0: 1, 201: 1})

    def test_good_sender_gets_in_among_1000_slow_ones(
        self, function: FunctionProcess, under_load: Any, target: str
    ) -> None:
        async def load() -> dict[int, int]:
            sender = Sender(function)
            event = large_event(target, "slow")
            slow = [asyncio.create_task(sender.deliver(event, slowly=True)) for _ in range(1000)]
            await asyncio.sleep(2)
            good = [await sender.deliver(large_event(target, f"good-{n}")) for n in range(10)]
            for each in slow:
                each.cancel()
            await asyncio.gather(*slow, return_exceptions=True)
            return counted(good)

        assert under_load(f"{target}: 10 x 1 MB beside 1,000 slow senders", load()) == {201: 10}
