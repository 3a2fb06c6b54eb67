"""Webhooks are tried again as Alertmanager does, and what is acknowledged is counted by request."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from core.common.clock import MockClock
from core.local.demo.sender import SIDE_BY_SIDE, Sender, Tally
from core.local.web import HttpAnswer, UnansweredError

Script = list[HttpAnswer | UnansweredError]

STORED = {"status": "created", "remediationRequestName": "rr-1"}
REPEATED = {"status": "deduplicated", "remediationRequestName": "rr-1"}
POISON = {"status": "invalid", "error": "no label names a target"}
BUSY = HttpAnswer(503, b'{"detail": "the API server is busy"}')
SILENCE = UnansweredError("http://x did not answer: Connection refused")


def answered(status: int, *results: dict[str, Any]) -> HttpAnswer:
    return HttpAnswer(status, json.dumps({"results": results}).encode())


def webhook(alerts: int = 1, key: str = "group") -> dict[str, Any]:
    return {"groupKey": key, "alerts": [{}] * alerts}


class Sent:
    """One webhook sent to a script of answers."""

    def __init__(self, script: Script) -> None:
        self.clock = MockClock(datetime(2026, 1, 2, tzinfo=UTC))
        self.moments: list[float] = []
        self.delivered: list[int] = []
        self._script = script

    async def post(self, _body: bytes) -> HttpAnswer:
        self.moments.append(self.clock.monotonic())
        answer = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(answer, UnansweredError):
            raise answer
        return answer

    async def tally(self, alerts: int = 1, *, random: float = 0.5) -> Tally:
        sender = Sender(post=self.post, clock=self.clock, random=lambda: random)
        await sender.send([[webhook(alerts)]], on_delivered=self.delivered.append)
        return sender.tally


async def test_acknowledged_alerts_are_counted_by_rr() -> None:
    sent = Sent([answered(201, STORED, REPEATED, {"status": "ignored"})])
    tally = await sent.tally(3)
    assert tally.acknowledged == {"rr-1": 2}
    assert tally.alerts == {"created": 1, "deduplicated": 1, "ignored": 1}
    assert sent.delivered == [3]
    assert not tally.undelivered


async def test_503_is_tried_again_with_growing_pauses_until_it_is_accepted() -> None:
    sent = Sent([BUSY, BUSY, BUSY, answered(202, REPEATED)])
    tally = await sent.tally()
    assert sent.moments == [0, 0.5, 1.25, 2.375]
    assert tally.answers == {503: 3, 202: 1}
    assert tally.acknowledged == {"rr-1": 1}
    assert not tally.undelivered


@pytest.mark.parametrize(("random", "pause"), [(0.0, 0.25), (0.75, 0.625)])
async def test_pauses_are_jittered_by_half(random: float, pause: float) -> None:
    sent = Sent([BUSY, answered(202, REPEATED)])
    await sent.tally(random=random)
    assert sent.moments == [0, pause]


async def test_silence_is_tried_again_too() -> None:
    tally = await Sent([SILENCE, answered(201, STORED)]).tally()
    assert tally.unanswered == 1
    assert tally.acknowledged == {"rr-1": 1}


@pytest.mark.parametrize(
    ("last", "sentence"),
    [(BUSY, "group was answered 503: the API server is busy"), (SILENCE, f"group: {SILENCE}")],
)
async def test_after_a_minute_the_webhook_is_given_up_and_told(
    last: HttpAnswer | UnansweredError, sentence: str
) -> None:
    sent = Sent([last])
    tally = await sent.tally()
    assert tally.undelivered == [sentence]
    assert 20 < sent.moments[-1] <= 60
    assert not tally.acknowledged


@pytest.mark.parametrize("status", [401, 404, 413, 429])
async def test_other_refusals_are_told_at_once_for_alertmanager_would_drop_them(status: int) -> None:
    sent = Sent([HttpAnswer(status, b"no")])
    assert (await sent.tally()).undelivered == [f"group was answered {status}: no"]
    assert sent.moments == [0]


async def test_body_of_poison_only_is_accepted_as_refused() -> None:
    tally = await Sent([answered(400, POISON)]).tally()
    assert tally.refused == ["no label names a target"]
    assert not tally.undelivered


@pytest.mark.parametrize(
    "answer",
    [HttpAnswer(200, b"<html>hello</html>"), HttpAnswer(200, b"[]"), answered(202, REPEATED), HttpAnswer(400, b"?")],
)
async def test_success_without_a_result_for_each_alert_acknowledges_nothing(answer: HttpAnswer) -> None:
    tally = await Sent([answer]).tally(2)
    assert len(tally.undelivered) == 1
    assert not tally.acknowledged


async def test_a_wave_starts_when_the_one_before_has_ended_and_its_webhooks_run_side_by_side() -> None:
    running: list[str] = []
    most = 0
    release = asyncio.Event()

    async def post(body: bytes) -> HttpAnswer:
        nonlocal most
        key = json.loads(body)["groupKey"]
        running.append(key)
        most = max(most, len(running))
        assert {each[0] for each in running} == {key[0]}
        if len(running) == SIDE_BY_SIDE:
            release.set()
        await release.wait()
        running.remove(key)
        return answered(202, REPEATED)

    sender = new_sender(post)
    waves = [[webhook(key=f"{wave}{number}") for number in range(10)] for wave in "ab"]
    await sender.send(waves, on_delivered=lambda _alerts: None)
    assert most == SIDE_BY_SIDE
    assert sender.tally.acknowledged == {"rr-1": 20}


def new_sender(post: Callable[[bytes], Awaitable[HttpAnswer]]) -> Sender:
    return Sender(post=post, clock=MockClock(datetime(2026, 1, 2, tzinfo=UTC)), random=lambda: 0.5)
